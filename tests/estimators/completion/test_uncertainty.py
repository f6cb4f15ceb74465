"""Standard deviations: what they are made of, and how often they are right."""

import numpy as np
import pytest
import torch
from scipy import sparse

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter
from sklearn_gso.datasets import hide_entries, make_low_rank_tasks
from sklearn_gso.estimators.completion.predictions import deviations
from sklearn_gso.problems import EmpiricalBayesCompletion
from sklearn_gso.problems._linalg import unpack
from sklearn_gso.rules import ClosedForm
from sklearn_gso.solvers import alternate, rules_for

# 90 % of a normal variable lie within so many standard deviations.
WIDTH = 1.6449
CELLS = {
    "rank 5, a fifth seen, noise .1": ((100, 100), 5, 0.2, 0.1),
    "rank 5, noise 1": ((100, 100), 5, 0.3, 1.0),
    "small, noise .1": ((60, 40), 3, 0.4, 0.1),
    "small, noise .01": ((60, 40), 3, 0.4, 0.01),
}


def draw(shape, rank, rate, noise, seed):
    """A Gaussian task and all of its measurements, hidden ones included."""
    full = make_low_rank_tasks(1, shape=shape, rank=rank, rate=1.0, noise=noise, random_state=seed)[
        0
    ][0]
    return hide_entries(full, 1 - rate, random_state=seed), full


def coverage(fitted, X, full):
    """Share of the hidden measurements inside the 90 % interval."""
    far = np.abs(full - fitted.transform(X)) > WIDTH * fitted.transform_std(X)
    return 1 - far[np.isnan(X)].mean()


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_nine_of_ten_hidden_entries_lie_in_the_interval(cell):
    found = []
    for seed in range(5 if "small" in cell else 3):
        X, full = draw(*CELLS[cell], seed)
        found.append(coverage(GSOMatrixCompleter(random_state=seed).fit(X), X, full))
    assert 0.85 <= np.mean(found) <= 0.95, found


@pytest.mark.parametrize("cell", [((60, 40), 3, 0.4, 0.0), ((100, 100), 5, 0.2, 0.0)])
def test_without_noise_intervals_are_as_narrow_as_rounding_and_hold(cell):
    X, full = draw(*cell, 0)
    completer = GSOMatrixCompleter(random_state=0).fit(X)
    assert coverage(completer, X, full) > 0.95
    assert np.median(completer.transform_std(X)[np.isnan(X)]) < 1e-5 * np.nanstd(X)


def test_it_holds_for_new_rows_and_for_tasks_of_a_collection():
    X, full = draw((160, 40), 3, 0.4, 0.1, 7)
    fitted = GSOMatrixCompleter(random_state=0).fit(X[:80])
    assert 0.85 <= coverage(fitted, X[80:], full[80:]) <= 0.95
    both = [draw((60, 40), 3, 0.4, 0.1, seed) for seed in (0, 1)]
    tasks = np.stack([X for X, _ in both])
    trained = GSOMatrixCompleter(n_epochs=0, random_state=0).fit(tasks)
    assert 0.85 <= coverage(trained, tasks, np.stack([full for _, full in both])) <= 0.95


@pytest.fixture
def solved(noisy_values):
    problem = EmpiricalBayesCompletion(noisy_values, 2)
    start = problem.init(torch.Generator().manual_seed(0))
    return problem, alternate(problem, rules_for(problem, ClosedForm()), start, 30)[0]


def samples(variables, name, n, generator):
    """Draws from the posteriors of the rows of a factor, (n, T, rows, k)."""
    mean, covariance = variables[name]
    root = torch.linalg.cholesky(unpack(covariance).permute(0, 3, 1, 2))
    normal = torch.randn((n, *mean.shape), generator=generator, dtype=mean.dtype)
    return mean + (root @ normal[..., None])[..., 0]


def test_the_variance_is_that_of_draws_from_the_posteriors(solved, generator):
    problem, variables = solved
    n = 20_000
    u, v = (samples(variables, name, n, generator) for name in ("U", "V"))
    noise = 1 / variables["noise"]
    expected = problem.scale.square() * ((u @ v.mT).var(0) + noise)
    torch.testing.assert_close(
        problem.predictive_variance(variables), expected, rtol=0.1, atol=1e-12
    )


def test_the_surprise_of_one_factor_is_exact_leave_one_out():
    """With V known without doubt, rows are ridge regressions: refit each without an entry."""
    X, _ = make_low_rank_tasks(1, shape=(12, 9), rank=2, rate=0.9, noise=0.3, random_state=0)
    X = torch.from_numpy(X)
    problem = EmpiricalBayesCompletion(X, 2)
    start = problem.init(torch.Generator().manual_seed(0))
    variables = alternate(problem, rules_for(problem, ClosedForm()), start, 30)[0]
    v = variables["V"] = variables["V"]._replace(covariance=1e-14 * variables["V"].covariance)
    variables["noise"] = torch.full_like(variables["noise"], 2.0)
    variables["U"] = problem.minimize_block(variables, "U")
    cov_u = unpack(variables["U"].covariance)
    noise, prior = variables["noise"][0, 0, 0], variables["prior_U"]
    squares = []
    values = X[0] / problem.scale[0, 0, 0]
    for i, j in torch.nonzero(~values.isnan()).tolist():
        seen = ~values[i].isnan()
        seen[j] = False
        design = v.mean[0][seen]
        precision = noise * design.T @ design + prior.precision[0]
        right = noise * design.T @ values[i][seen] + prior.precision[0] @ prior.mean[0, 0]
        at = v.mean[0, j]
        residual = values[i, j] - at @ torch.linalg.solve(precision, right)
        variance = 1 / noise + at @ torch.linalg.solve(precision, at)
        leverage = noise * at @ cov_u[0, :, :, i] @ at
        assert leverage < 0.9  # else it is bounded
        squares.append(residual.square() / variance)
    torch.testing.assert_close(
        problem.surprise(variables)[0], torch.stack(squares).mean(), rtol=1e-6, atol=0
    )


def test_starts_that_disagree_add_to_the_deviation(solved):
    """The deviation of a mixture of two starts, from its moments."""
    problem, variables = solved
    other = {**variables, "U": variables["U"]._replace(mean=1.5 * variables["U"].mean)}
    sure = [{**run, "surprise": torch.ones(3, 1, 1).double()} for run in (variables, other)]
    shares = torch.tensor([[0.25], [0.75]]).double().expand(2, 3)
    found = deviations(problem, shares, iter(sure), [None] * 3)
    means = torch.stack([problem.reconstruct(run) for run in sure])
    variances = torch.stack([problem.predictive_variance(run) for run in sure])
    weights = shares[..., None, None]
    second = (weights * (variances + means.square())).sum(0)
    expected = (second - (weights * means).sum(0).square()).sqrt()
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_zero_where_observed_and_in_the_units_of_the_data(easy_tasks):
    X = easy_tasks[0][0]
    X = X + 0.1 * np.random.RandomState(0).standard_normal(X.shape)
    completer = GSOMatrixCompleter(3, n_init=2, max_iter=8, random_state=0)
    found = completer.fit(X).transform_std(X)
    missing = np.isnan(X)
    assert (found[~missing] == 0).all() and (found[missing] > 0).all()
    np.testing.assert_allclose(completer.fit(4 * X).transform_std(4 * X), 4 * found, rtol=1e-6)
    single = completer.fit(X.astype(np.float32)).transform_std(X.astype(np.float32))
    assert single.dtype == np.float32
    rows, columns = np.nonzero(~missing)
    stored = sparse.csr_array((X[~missing], (rows, columns)), shape=X.shape)
    thin = completer.fit(stored).transform_std(stored)
    # Networks run in single precision: sums in another order differ in their sixth digit.
    np.testing.assert_allclose(thin, found, rtol=1e-4)


def test_rows_that_know_less_are_less_certain(easy_tasks):
    X = easy_tasks[0][0] + 0.1
    fitted = GSOMatrixCompleter(3, random_state=0).fit(X)
    fewer = X.copy()
    fewer[:, :9] = np.nan
    more, less = (fitted.transform_std(x)[:, :9] for x in (X, fewer))
    assert (less >= more * (1 - 1e-9)).all() and less.mean() > more.mean()


def test_only_who_estimates_the_noise_knows(easy_tasks):
    X = easy_tasks[0][0]
    for blind in (ALSMatrixCompleter(2, max_iter=3), GSOMatrixCompleter(2, alpha=1e-3, max_iter=3)):
        assert not hasattr(blind.fit(X), "transform_std")
    trained = GSOMatrixCompleter(2, n_epochs=0, max_iter=3, random_state=0).fit(easy_tasks[0])
    assert trained.transform_std(list(easy_tasks[0]))[1].shape == X.shape
