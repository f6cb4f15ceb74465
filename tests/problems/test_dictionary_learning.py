"""Dictionary learning: minimisers beside others', missing entries, units, idle atoms."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import sparse_encode

from sklearn_gso.problems import DictionaryLearning, check_problem
from sklearn_gso.rules import ClosedForm
from sklearn_gso.solvers import minimize, rules_for

ALPHA = 0.3


def draw(seed=0, shape=(2, 14, 6), holes=0.0):
    rng = np.random.RandomState(seed)
    X = rng.standard_normal(shape)
    X[rng.rand(*shape) < holes] = np.nan
    return torch.from_numpy(X)


def started(problem):
    return problem.init(torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "holes, n_components",
    [(0.0, 3), (0.0, 9), (0.2, 3), pytest.param(0.2, 9, marks=pytest.mark.slow)],
)
def test_the_problem_keeps_its_promises(holes, n_components):
    check_problem(DictionaryLearning(draw(holes=holes), n_components, 0.5, n_passes=None))


def test_codes_are_those_of_scikit_learn():
    """Of the observed columns where some are missing, 0 where all are."""
    X = draw(holes=0.2)
    X[1, 3] = torch.nan
    problem = DictionaryLearning(X, 4, ALPHA, n_passes=None)
    variables = started(problem)
    codes = problem.minimize_block(variables, "codes")
    for x, c, atoms in zip(X.numpy(), codes.numpy(), variables["atoms"].numpy(), strict=True):
        for row, own in zip(x, c, strict=True):
            seen = ~np.isnan(row)
            if not seen.any():
                assert not own.any()
                continue
            exact = sparse_encode(row[None, seen], atoms[:, seen], alpha=ALPHA)[0]
            np.testing.assert_allclose(own, exact, atol=1e-8)
            np.testing.assert_array_equal(own == 0, np.abs(exact) < 1e-9)


@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_atoms_are_least_squares_with_multipliers(holes):
    """Cᵀ(X - C D) = diag(λ) D with λ >= 0, and λ > 0 only of atoms on the sphere."""
    problem = DictionaryLearning(draw(holes=holes), 4, ALPHA, n_passes=None)
    variables = started(problem)
    atoms = problem.minimize_block(variables, "atoms")
    pull = variables["codes"].mT @ problem.residual({**variables, "atoms": atoms})
    multiplier = (pull * atoms).sum(2, keepdim=True)
    norm = atoms.square().sum(2, keepdim=True)
    inside = norm < 1 - 1e-9
    torch.testing.assert_close(pull, multiplier * atoms, rtol=1e-8, atol=1e-8)
    assert (multiplier > -1e-9).all() and (norm < 1 + 1e-9).all()
    assert (multiplier[inside].abs() < 1e-8).all()


@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_a_pass_never_raises_the_objective(holes):
    problem = DictionaryLearning(draw(shape=(3, 40, 8), holes=holes), 6, ALPHA, n_passes=1)
    run = minimize(problem, rules_for(problem, ClosedForm()), started(problem), 20, trace=True)
    values = torch.stack(run.trace.objective)
    assert (values.diff(dim=0) <= 1e-10 * values[:-1]).all()
    assert (values[-1] < 0.9 * values[0]).all()


def test_planted_atoms_are_found():
    rng = np.random.RandomState(0)
    atoms = rng.standard_normal((10, 16))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    codes = rng.standard_normal((200, 10)) * (rng.rand(200, 10) < 0.2)
    problem = DictionaryLearning(torch.from_numpy(codes @ atoms)[None], 10, 0.05)
    run = minimize(problem, rules_for(problem, ClosedForm()), started(problem), 60)
    cosines = np.abs(atoms @ run.variables["atoms"][0].numpy().T)
    assert (cosines.max(1) > 0.99).all()


def test_units_cancel():
    """Data and penalty in other units: the same atoms and features, codes in these units."""
    X = draw(holes=0.1)
    one, other = DictionaryLearning(X, 5, ALPHA), DictionaryLearning(100 * X, 5, 100 * ALPHA)
    variables, scaled = started(one), started(other)
    torch.testing.assert_close(scaled["atoms"], variables["atoms"])
    torch.testing.assert_close(scaled["codes"], 100 * variables["codes"])
    torch.testing.assert_close(
        other.row_features(scaled, "atoms"), one.row_features(variables, "atoms")
    )


def test_an_idle_atom_goes_to_the_row_that_is_explained_worst():
    problem = DictionaryLearning(draw(), 4, ALPHA)
    variables = started(problem)
    variables["codes"] = variables["codes"].clone()
    variables["codes"][:, :, 1:3] = 0
    new = problem.minimize_block(variables, "atoms")
    residual = problem.residual(variables)
    worst = residual.square().sum(2).argsort(dim=1, descending=True)[:, :2]
    for t in range(2):
        rows = residual[t, worst[t]]
        torch.testing.assert_close(new[t, 1:3], rows / rows.norm(dim=1, keepdim=True))


def test_shrinking_bounds_the_norm_of_an_atom():
    problem = DictionaryLearning(draw(), 3, ALPHA, n_passes=None)
    shrink = torch.tensor([0.0, 1.0, -1.0], dtype=torch.float64)[None, :, None]
    atoms = problem.minimize_block(started(problem), "atoms", {"shrink": shrink})
    assert (atoms.norm(dim=2) <= torch.tensor([1, np.exp(-1), 1]) + 1e-9).all()
    assert (atoms.norm(dim=2)[:, 1] < 0.5).all()


def test_settled_codes_are_exact():
    problem = DictionaryLearning(draw(shape=(2, 30, 8)), 6, ALPHA, n_passes=1)
    variables = problem.settled(started(problem))
    assert (problem.gradient(variables, "codes").abs() < 1e-5).all()
    assert (variables["codes"] == 0).any()


def test_gradients_flow_through_codes():
    """Of orthonormal atoms, whose codes are thresholds of products, they are exact."""
    X = draw(shape=(1, 7, 5))
    problem = DictionaryLearning(X, 3, ALPHA, n_passes=None)
    atoms = torch.linalg.qr(draw(1, (1, 5, 3)))[0].mT.contiguous()
    weights, codes = draw(2, (1, 7, 3)), torch.zeros(1, 7, 3, dtype=torch.float64)

    def total(atoms):
        return (weights * problem.minimize_block({"codes": codes, "atoms": atoms}, "codes")).sum()

    (gradient,) = torch.autograd.grad(total(atoms.requires_grad_()), atoms)
    # Within the sphere: lengths change curvatures.
    step = draw(3, atoms.shape)
    step = 1e-6 * (step - (step @ atoms.mT.detach()) @ atoms.detach())
    with torch.no_grad():
        slope = (total(atoms + step) - total(atoms - step)) / 2
    assert float((gradient * step).sum()) == pytest.approx(float(slope), rel=1e-4)
