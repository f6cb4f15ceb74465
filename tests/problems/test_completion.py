"""Matrix completion: the closed forms are regressions, the free energy bounds the evidence."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.problems import EmpiricalBayesCompletion, MatrixCompletion, point
from sklearn_gso.problems._linalg import pack, unpack
from sklearn_gso.problems.empirical_bayes import Posterior, Prior


def test_ridge_block_equals_scikit_learn(noisy_values, generator):
    """Each row of U is a ridge regression of the row's observed entries on V."""
    problem = MatrixCompletion(noisy_values, 3, alpha=0.5)
    variables = problem.init(generator)
    U = problem.minimize_block(variables, "U")
    for t, matrix in enumerate(noisy_values.numpy()):
        for i, row in enumerate(matrix):
            seen = ~np.isnan(row)
            V = variables["V"][t].numpy()[seen]
            ridge = Ridge(alpha=0.5, fit_intercept=False).fit(V, row[seen])
            np.testing.assert_allclose(U[t, i], ridge.coef_, rtol=1e-9)


def test_objective_is_equation_11(noisy_values, generator):
    problem = MatrixCompletion(noisy_values, 2, alpha=0.3)
    v = problem.init(generator)
    for t, R in enumerate(noisy_values.numpy()):
        U, V = v["U"][t].numpy(), v["V"][t].numpy()
        expected = 0.5 * np.nansum((R - U @ V.T) ** 2) + 0.15 * ((U**2).sum() + (V**2).sum())
        np.testing.assert_allclose(problem.objective(v)[t], expected, rtol=1e-12)


def test_empirical_bayes_posterior_equals_bayesian_regression(noisy_values, generator):
    """With certain V and a fixed prior, a row's posterior is Bayesian linear regression."""
    problem = EmpiricalBayesCompletion(noisy_values, 2)
    v = problem.init(generator)
    v["V"] = v["V"]._replace(covariance=torch.zeros_like(v["V"].covariance))
    v["noise"] = torch.full_like(v["noise"], 4.0)
    post = problem.minimize_block(v, "U")
    R = (noisy_values / problem.scale).numpy()
    V = v["V"].mean[0].numpy()
    for i, row in enumerate(R[0]):
        seen = ~np.isnan(row)
        precision = np.eye(2) + 4 * V[seen].T @ V[seen]
        np.testing.assert_allclose(
            unpack(post.covariance)[0, :, :, i], np.linalg.inv(precision), rtol=1e-9, atol=1e-12
        )
        mean = np.linalg.solve(precision, 4 * V[seen].T @ row[seen])
        np.testing.assert_allclose(post.mean[0, i], mean, rtol=1e-9)


def test_free_energy_falls_at_every_block(noisy_values, generator):
    problem = EmpiricalBayesCompletion(noisy_values, 3)
    variables = problem.init(generator)
    value = problem.objective(variables)
    for _ in range(30):
        for name in problem.block_names:
            variables[name] = problem.minimize_block(variables, name)
            new = problem.objective(variables)
            assert (new <= value + 1e-9).all(), name
            value = new


@pytest.mark.parametrize("k", [10, 24])
def test_free_energy_falls_on_noiseless_data_with_surplus_components(k):
    """Nearly singular posteriors at the noise floor: finite, and no rise beyond rounding."""
    X, _ = make_low_rank_tasks(1, shape=(60, 60), rank=3, rate=0.9, random_state=0)
    problem = EmpiricalBayesCompletion(torch.from_numpy(X), k)
    variables = problem.init(torch.Generator().manual_seed(0))
    values = []
    for _ in range(40):
        for name in problem.block_names:
            variables[name] = problem.minimize_block(variables, name)
        values.append(float(problem.objective(variables)[0]))
    assert np.isfinite(values).all()
    assert np.max(np.diff(values)) < 1e-5


def test_free_energy_bounds_the_evidence(generator):
    """F is at least -log evidence, computed here by quadrature over a 1 x 2 matrix, k = 1."""
    problem = EmpiricalBayesCompletion(torch.tensor([[[1.0, -0.5]]], dtype=torch.float64), 1)
    v = problem.init(generator)
    v["noise"] = torch.full_like(v["noise"], 2.0)
    for _ in range(50):
        for name in ("U", "V"):
            v[name] = problem.minimize_block(v, name)
    grid = np.linspace(-8, 8, 401)
    step = grid[1] - grid[0]
    r = problem.observed.values[0, 0].numpy()
    normal = np.exp(-0.5 * grid**2) / np.sqrt(2 * np.pi)
    evidence = 0.0
    for u, pu in zip(grid, normal, strict=True):
        likelihood = [
            (normal * np.exp(-((ri - u * grid) ** 2)) / np.sqrt(np.pi)).sum() * step for ri in r
        ]
        evidence += pu * step * np.prod(likelihood)
    prior_penalty = 0.5 * 2 * 1.0 / 2  # tr Λ - log|Λ| = 1 for both priors, over two entries
    free_energy = float(problem.objective(v)[0]) - prior_penalty
    assert -np.log(evidence) / 2 <= free_energy <= -np.log(evidence) / 2 + 0.5


def test_split_and_judge_share_the_data(noisy_values, generator):
    problem = EmpiricalBayesCompletion(noisy_values, 2)
    kept, out = problem.split(0.3, generator)
    assert torch.equal(kept.observed.mask + out.observed.mask, problem.observed.mask)
    assert torch.equal(kept.observed.values + out.observed.values, problem.observed.values)
    assert 0 < out.observed.mask.sum() < kept.observed.mask.sum()
    judge = problem.with_values(noisy_values)
    v = problem.init(generator)
    residual = (problem.reconstruct(v) - noisy_values).nan_to_num()
    expected = residual.square().sum((1, 2)) / noisy_values.nan_to_num().square().sum((1, 2))
    torch.testing.assert_close(judge.error(v), expected)


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_units_cancel(noisy_values, scale):
    results = []
    for factor in (1.0, scale):
        problem = EmpiricalBayesCompletion(noisy_values * factor, 2)
        v = problem.init(torch.Generator().manual_seed(3))
        for _ in range(5):
            for name in problem.block_names:
                v[name] = problem.minimize_block(v, name)
        results.append(problem.reconstruct(v) / factor)
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("problem_class", [MatrixCompletion, EmpiricalBayesCompletion])
def test_row_features_ignore_rotation_and_units(noisy_values, generator, problem_class):
    """Rotating both factors changes no feature; nor do the units of the data."""
    problem = problem_class(noisy_values, 3, scale="rms")
    v = problem.init(generator)
    for _ in range(3):
        for name in problem.block_names:
            v[name] = problem.minimize_block(v, name)
    Q = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]

    def rotate(block):
        if isinstance(block, torch.Tensor):
            return block if block.shape[-1] != 3 else block @ Q
        if isinstance(block, Posterior):
            turned = torch.einsum("ab,tacn,cd->tbdn", Q, unpack(block.covariance), Q)
            return Posterior(block.mean @ Q, pack(turned))
        return Prior(block.mean @ Q, Q.T @ block.precision @ Q)

    w = {name: rotate(block) for name, block in v.items()}
    for name in ("U", "V"):
        torch.testing.assert_close(problem.row_features(v, name), problem.row_features(w, name))
    assert problem.row_features(v, "U").abs().max() < 10


def test_point_of_a_posterior_is_its_mean(noisy_values, generator):
    v = EmpiricalBayesCompletion(noisy_values, 2).init(generator)
    assert point(v["U"]) is v["U"].mean and point(v["noise"]) is v["noise"]


# A baseline beside the runs --------------------------------------------------------------


@pytest.mark.parametrize("scale, noise", [("rms", "matrix"), ("rms", "columns"), ("columns",) * 2])
def test_the_baseline_is_the_mean_of_each_column(noisy_values, generator, scale, noise):
    values = noisy_values + 10 * torch.arange(noisy_values.shape[2])
    problem = EmpiricalBayesCompletion(values, 3, scale=scale, noise=noise)
    baseline = problem.baseline(problem.init(generator))
    means = torch.nanmean(values, 1, keepdim=True).expand_as(values)
    torch.testing.assert_close(problem.reconstruct(baseline), means)
    # Entries of a new row do not change it, and it is nearly as good as itself: each column's
    # mean without the entry in question lies a little farther from it.
    again = {**baseline, "U": problem.minimize_block(baseline, "U")}
    torch.testing.assert_close(problem.reconstruct(again), means, rtol=1e-6, atol=1e-6)
    ratio = (1 - 1 / (~values.isnan()).sum(1).double()).square()
    share = problem.beside_baseline(baseline)
    assert (share >= ratio.amin(1)).all() and (share <= ratio.amax(1)).all()


def test_what_is_explained_is_far_below_the_baseline(easy_tasks, generator):
    problem = EmpiricalBayesCompletion(torch.from_numpy(np.stack(easy_tasks[0])), 2)
    variables = problem.init(generator)
    start = problem.beside_baseline(variables)
    for _ in range(30):
        for name in problem.block_names:
            variables[name] = problem.minimize_block(variables, name)
    assert (problem.beside_baseline(variables) < 1e-3).all() and (start > 0.5).all()
