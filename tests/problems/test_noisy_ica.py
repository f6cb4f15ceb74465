"""Noisy independent components: promises, units, the limits of no noise and of no sources."""

import numpy as np
import pytest
import torch

from sklearn_gso.problems import NoisyICA, check_problem
from sklearn_gso.rules import ClosedForm
from sklearn_gso.solvers import minimize, rules_for

ROTATION = torch.linalg.qr(torch.arange(9.0, dtype=torch.float64).reshape(3, 3).sin())[0]


def draw(seed=0, n=60, k=3, d=5, noise=0.1, holes=0.0, n_tasks=2):
    """Laplacian sources, and what makes the columns of them."""
    rng = np.random.RandomState(seed)
    sources, mixing = rng.laplace(size=(n_tasks, n, k)), rng.standard_normal((n_tasks, k, d))
    X = sources @ mixing + noise * rng.standard_normal((n_tasks, n, d))
    X[rng.rand(*X.shape) < holes] = np.nan
    return torch.from_numpy(X), torch.from_numpy(mixing)


def started(problem, seed=0):
    return problem.init(torch.Generator().manual_seed(seed))


def run(problem, n_sweeps=60, **options):
    return minimize(
        problem, rules_for(problem, ClosedForm()), started(problem), n_sweeps, **options
    )


@pytest.mark.parametrize(("k", "holes"), [(3, 0.0), (3, 0.2), (5, 0.2)])
def test_the_problem_keeps_its_promises(holes, k):
    check_problem(NoisyICA(draw(n=90, holes=holes)[0], k, n_passes=None))


@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_no_sweep_raises_the_objective(holes):
    traced = run(NoisyICA(draw(n=200, holes=holes)[0], 3), 30, trace=True)
    values = torch.stack(traced.trace.objective)
    assert (values.diff(dim=0) <= 1e-9 * values[0].abs()).all() and (values[-1] < values[0]).all()


def test_the_demixing_of_gaussians_whitens():
    """Equal weights of all samples: T E[y yᵀ] Tᵀ = 1, by any rotation."""
    problem = NoisyICA(draw()[0], 3)
    variables = started(problem)
    variables["densities"] = type(variables["densities"])(
        torch.zeros(2, 3, 3, dtype=torch.float64), variables["densities"].logits
    )
    new = problem.minimize_block(variables, "demixing")
    mean, covariance = variables["scores"]
    spread = mean.mT @ mean / mean.shape[1] + torch.diag_embed(covariance[:, [0, 3, 5], 0])
    torch.testing.assert_close(new @ spread @ new.mT, torch.eye(3).double().expand(2, 3, 3))


def test_units_and_rotations_cancel():
    """Columns in another basis, shifted and in other units: sources and features are the same."""
    X = draw(d=3)[0]
    one, other = NoisyICA(X, 3), NoisyICA(100 * X @ ROTATION + 7, 3)
    own = run(one, 20).variables
    turned = {**own, "mixing": own["mixing"] @ ROTATION}
    torch.testing.assert_close(other.objective(turned), one.objective(own))
    torch.testing.assert_close(other.sources(turned), one.sources(own))
    mixing = 100 * ROTATION.mT @ one.source_mixing(own)
    torch.testing.assert_close(other.source_mixing(turned), mixing)
    torch.testing.assert_close(
        other.row_features(turned, "demixing"), one.row_features(own, "demixing")
    )
    torch.testing.assert_close(other.reconstruct(turned), 100 * one.reconstruct(own) @ ROTATION + 7)


def test_the_data_are_what_the_mixing_makes_of_the_sources():
    problem = NoisyICA(draw(d=6)[0], 3)
    variables = run(problem, 10).variables
    mixed = problem.sources(variables) @ problem.source_mixing(variables).mT
    torch.testing.assert_close(problem.reconstruct(variables), problem.centre + mixed)


@pytest.mark.slow
@pytest.mark.parametrize("holes", [0.0, 0.2])
def test_planted_sources_and_their_noise_are_found(holes):
    X, mixing = draw(n=1500, d=6, holes=holes, n_tasks=1)
    problem = NoisyICA(X, 3)
    variables = run(problem, 100).variables
    found = problem.source_mixing(variables)[0]
    cosines = (
        torch.nn.functional.normalize(found.mT, dim=1)
        @ torch.nn.functional.normalize(mixing[0], dim=1).mT
    )
    assert (cosines.abs().amax(1) > 0.99).all()
    assert float(variables["noise"] * problem.scale**2) == pytest.approx(0.01, rel=0.1)


def test_sharpened_weights_leave_what_they_weigh():
    """The weighted squares of a source keep their sum: a row changes its direction alone."""
    problem = NoisyICA(draw(n=200)[0], 3)
    variables = run(problem, 3).variables
    plain = problem.minimize_block(variables, "demixing")
    sharp = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)[None, :, None]
    bent = problem.minimize_block(variables, "demixing", {"sharpen": sharp})
    torch.testing.assert_close(bent[:, 0], plain[:, 0])
    assert ((bent[:, 1] - plain[:, 1]).norm(dim=1) > 1e-4).all()


def test_new_rows_depend_on_no_other():
    X = draw(n=50)[0][:1]
    problem = NoisyICA(X, 3)
    kept = run(problem, 20).variables

    def solved(rows):
        own = NoisyICA(rows, 3, **problem.units)
        variables = {**kept, **{n: started(own)[n] for n in own.local_blocks}}
        for _ in range(30):
            for name in own.local_blocks:
                variables[name] = own.minimize_block(variables, name)
        return own.sources(variables)

    torch.testing.assert_close(solved(X)[:, :7], solved(X[:, :7]), rtol=1e-9, atol=1e-12)
