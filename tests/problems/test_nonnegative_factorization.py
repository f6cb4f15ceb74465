"""Non-negative factorisation: minimisers beside others', bounds, noise, missing entries."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from sklearn.decomposition import NMF

from sklearn_gso.problems import NonnegativeFactorization, check_problem
from sklearn_gso.rules import ClosedForm
from sklearn_gso.solvers import minimize, rules_for


def draw(seed=0, shape=(2, 9, 6), holes=0.0):
    rng = np.random.RandomState(seed)
    X = np.abs(rng.standard_normal(shape))
    X[rng.rand(*shape) < holes] = np.nan
    return torch.from_numpy(X)


def started(problem):
    return problem.init(torch.Generator().manual_seed(0))


def run(problem, n_sweeps=20, **options):
    return minimize(
        problem, rules_for(problem, ClosedForm()), started(problem), n_sweeps, **options
    )


@pytest.mark.parametrize(
    ("alpha", "nonnegative_atoms", "holes"),
    [
        (None, True, 0.0),
        pytest.param(0.3, True, 0.1, marks=pytest.mark.slow),
        pytest.param(None, False, 0.1, marks=pytest.mark.slow),
    ],
)
def test_the_problem_keeps_its_promises(holes, nonnegative_atoms, alpha):
    values = draw(holes=holes)
    check_problem(NonnegativeFactorization(values, 3, alpha, nonnegative_atoms, n_passes=None))


@pytest.mark.parametrize("alpha", [None, 0.3])
def test_factors_stay_feasible_and_no_sweep_raises_the_objective(alpha):
    problem = NonnegativeFactorization(draw(shape=(3, 40, 8), holes=0.1), 4, alpha)
    traced = run(problem, trace=True)
    values = torch.stack(traced.trace.objective)
    assert (values.diff(dim=0) <= 1e-10 * values[:-1]).all() and (values[-1] < values[0]).all()
    for variables in traced.trace.variables:
        assert (variables["codes"] >= 0).all() and (variables["atoms"] >= 0).all()
        assert (variables["atoms"].norm(dim=2) <= 1 + 1e-12).all()


def test_codes_are_those_of_non_negative_least_squares():
    """The penalty enters as one more column: ½‖x - Dᵀc‖² + α 1ᵀc up to a constant."""
    problem = NonnegativeFactorization(draw(), 3, 0.3, n_passes=None)
    atoms = torch.nn.functional.normalize(torch.eye(3, 6).double() + 0.2, dim=1)
    variables = {**started(problem), "atoms": atoms.expand(2, 3, 6)}
    codes = problem.minimize_block(variables, "codes")
    for x, c, atoms in zip(problem.values, codes, variables["atoms"].numpy(), strict=True):
        # A shift of the data that makes the linear term: D z = α 1.
        shift = np.linalg.pinv(atoms) @ np.full(3, 0.3)
        expected = [nnls(atoms.T, row - shift)[0] for row in x.numpy()]
        np.testing.assert_allclose(c.numpy(), expected, atol=1e-8)


def test_without_a_penalty_it_reaches_the_objective_of_scikit_learn():
    X = np.random.RandomState(1).exponential(size=(20, 6))
    theirs = NMF(3, init="nndsvda", max_iter=5000, tol=1e-12, random_state=0).fit(X)
    problem = NonnegativeFactorization(torch.from_numpy(X)[None], 3, 1e-9)
    norms = np.linalg.norm(theirs.components_, axis=1)
    start = {
        "atoms": torch.from_numpy(theirs.components_ / norms[:, None])[None],
        "codes": torch.from_numpy(theirs.transform(X) * norms)[None],
    }
    least = 0.5 * theirs.reconstruction_err_**2
    assert float(problem.objective(start)) == pytest.approx(least, rel=1e-6)
    rules = rules_for(problem, ClosedForm())
    assert float(minimize(problem, rules, start, 50).objective) == pytest.approx(least, rel=1e-5)


def test_the_noise_is_told_from_what_the_components_leave():
    values = draw(shape=(1, 2000, 3)) @ draw(1, shape=(1, 3, 12))
    noise = 0.3 * torch.randn(values.shape, generator=torch.Generator().manual_seed(0)).double()
    problem = NonnegativeFactorization(values + noise, 3)
    assert float(problem.noise) == pytest.approx(0.09, rel=0.05)
    assert float(NonnegativeFactorization(10 * (values + noise), 3).noise) == pytest.approx(
        100 * float(problem.noise)
    )


def test_the_penalty_is_what_its_closed_form_says_within_its_bounds():
    problem = NonnegativeFactorization(draw(shape=(2, 50, 8)), 2)
    variables = run(problem).variables
    deviation = problem.noise.sqrt()
    expected = 7 * problem.noise / variables["codes"].mean((1, 2), keepdim=True)
    new = problem.minimize_block(variables, "penalty")
    torch.testing.assert_close(new, torch.clamp(expected, 0.2 * deviation, 2 * deviation))


@pytest.mark.slow
def test_planted_sources_are_found_among_factorisations_that_explain_as_well():
    """Sparse codes; without noise and penalty any cone around the data would do."""
    rng = np.random.RandomState(0)
    atoms = rng.exponential(size=(4, 10))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    codes = rng.exponential(size=(300, 4)) * (rng.rand(300, 4) < 0.3)
    X = torch.from_numpy(codes @ atoms + 0.05 * rng.standard_normal((300, 10))).clamp(min=0)
    found = run(NonnegativeFactorization(X[None], 4), 150).variables["atoms"][0].numpy()
    assert (np.abs(atoms @ found.T).max(1) > 0.98).all()
    X[torch.from_numpy(rng.rand(300, 10) < 0.2)] = torch.nan
    found = run(NonnegativeFactorization(X[None], 4), 150).variables["atoms"][0].numpy()
    assert (np.abs(atoms @ found.T).max(1) > 0.98).all()
