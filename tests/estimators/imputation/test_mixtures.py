"""Mixtures of an imputer: equal to `EMGaussianMixture` where both speak of the same Gaussians."""

import numpy as np
import pytest

from sklearn_gso import EMGaussianMixture
from sklearn_gso.estimators.imputation.inverses import inverted
from sklearn_gso.estimators.imputation.mixtures import Mixtures, groups_of

pytestmark = pytest.mark.filterwarnings("ignore:.*did not converge")


def holed(n=120, q=4, seed=0):
    """Two clusters, standardised, a quarter missing; a complete row and an empty one."""
    rng = np.random.RandomState(seed)
    table = rng.normal(size=(n, q)) @ rng.normal(size=(q, q)) + 4 * rng.randint(2, size=(n, 1))
    table = (table - table.mean(0)) / table.std(0)
    hidden = rng.uniform(size=table.shape) < 0.25
    hidden[0], hidden[1] = False, True
    return np.where(hidden, np.nan, table)


def same(mixtures: Mixtures, X) -> EMGaussianMixture:
    """The engine's mixture with the Gaussians of ours, not moved."""
    fixed = EMGaussianMixture(
        len(mixtures.means),
        covariances=mixtures.covariances,
        weights_init=np.exp(mixtures.log_weights),
        means_init=mixtures.means,
        fixed=("weights", "means", "covariances"),
        max_iter=1,
    )
    return fixed.fit(X)


@pytest.fixture(scope="module")
def problem():
    X = holed()
    return X, Mixtures.fit(X, ["weak"], [2], 0)


def test_expectations_and_deviations_are_those_of_the_engine(problem):
    X, mixtures = problem
    other = same(mixtures, X)
    mean, deviation = mixtures.told(X)
    np.testing.assert_allclose(mean[0], other.impute(X), rtol=1e-6, atol=1e-8)
    _, covariance = other.denoise(X, noise_covariance=0.0, return_cov=True)
    expected = np.sqrt(covariance.diagonal(axis1=1, axis2=2).clip(min=0))
    np.testing.assert_allclose(deviation[0], np.where(np.isnan(X), expected, 0), atol=1e-5)


def test_sweeps_never_lower_the_likelihood_without_a_prior(problem):
    X, mixtures = problem
    free = Mixtures(**{**vars(mixtures), "n_pseudo": np.zeros(2)})
    bounds = []
    for _ in range(8):
        bounds.append(same(free, X).lower_bound_)
        free = free.swept(X, 1)
    assert (np.diff(bounds) > -1e-5).all()
    assert bounds[-1] > bounds[0]


def test_em_rests_where_the_engine_does(problem):
    X, mixtures = problem
    free = Mixtures(**{**vars(mixtures), "n_pseudo": np.zeros(2)}).swept(X, 300)
    start = same(free, X)
    engine = EMGaussianMixture(
        2,
        weights_init=start.weights_,
        means_init=start.means_,
        precisions_init=start.precisions_,
        max_iter=5,
        tol=0.0,
    ).fit(X)
    np.testing.assert_allclose(np.sort(engine.means_, 0), np.sort(free.means, 0), atol=1e-3)


def test_a_kind_tells_the_mean_of_its_mixtures():
    X = holed()
    both = Mixtures.fit(X, ["weak", "pooled"], [1, 3], 0)
    mean, deviation = both.told(X)
    bounds = [*both.first, len(both.means)]
    names = ("log_weights", "means", "covariances", "scale", "n_pseudo")
    for kind in range(2):
        told = []
        for i in (2 * kind, 2 * kind + 1):
            own = slice(bounds[i], bounds[i + 1])
            cut = {name: getattr(both, name)[own] for name in names}
            told.append(Mixtures(first=np.zeros(1, int), n_kinds=1, **cut).told(X))
        means, deviations = (np.array([one[k][0] for one in told]) for k in (0, 1))
        np.testing.assert_allclose(mean[kind], means.mean(0), atol=1e-10)
        variance = (deviations**2 + means**2).mean(0) - means.mean(0) ** 2
        np.testing.assert_allclose(deviation[kind], np.sqrt(variance.clip(min=0)), atol=1e-6)


def test_draws_have_the_mean_and_the_deviation_that_are_told(problem):
    X, _ = problem
    mixtures = Mixtures.fit(X, ["weak", "pooled"], [2, 3], 0)
    mean, deviation = mixtures.told(X)
    draws = mixtures.drawn(1, X, 400, seed=0)
    missing = np.isnan(X)
    np.testing.assert_array_equal(draws[0][~missing], X[~missing])
    away = (draws.mean(0) - mean[1])[missing] / deviation[1][missing]
    assert np.abs(away).max() < 5 / np.sqrt(400)
    ratio = draws.std(0)[missing] / deviation[1][missing]
    assert np.median(ratio) == pytest.approx(1, abs=0.03)


def test_groups_hold_every_row_once_in_blocks():
    X = holed(n=400)
    groups = list(groups_of(X, 20_000))
    assert len(groups) > 20
    np.testing.assert_array_equal(np.sort(np.concatenate([g.rows for g in groups])), np.arange(400))
    for group in groups:
        assert (np.isnan(X[group.rows]).sum(1) == group.holes.shape[1]).all()


def test_columns_that_are_equal_or_constant_have_a_mixture():
    X = holed()
    X = np.column_stack([X, X[:, 0], np.zeros(len(X))])
    mean, deviation = Mixtures.fit(X, ["weak", "pooled"], [2, 3, 5], 0).told(X)
    assert np.isfinite(mean).all()
    assert np.isfinite(deviation).all()


@pytest.mark.parametrize("n_missing", [0, 1, 5, 12, 13, 20])
def test_small_and_large_inverses_are_numpys(n_missing, rng):
    factors = rng.normal(size=(3, 2, n_missing, 2 * n_missing))
    matrices = factors @ factors.swapaxes(2, 3)
    inverse, log_det = inverted(matrices.transpose(2, 3, 0, 1).copy())
    expected = np.linalg.inv(matrices).transpose(2, 3, 0, 1)
    np.testing.assert_allclose(inverse, expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(log_det, np.linalg.slogdet(matrices)[1], atol=1e-9)


def test_a_matrix_that_is_not_definite_by_rounding_is_inverted_all_the_same():
    swapped = np.array([[0.0, 1], [1, 0]])[:, :, None, None]
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(inverted(swapped)[0], swapped)


@pytest.mark.parametrize("n_missing", [3, 15])
def test_what_rows_tell_is_the_conditional_gaussian_of_each(n_missing, rng):
    q = 18
    root = rng.normal(size=(q, q))
    X = rng.normal(size=(60, q)) @ root
    X = (X - X.mean(0)) / X.std(0)
    for row in X:
        row[rng.permutation(q)[:n_missing]] = np.nan
    one = Mixtures.fit(X, ["weak"], [1], 0)
    mean, deviation = one.told(X)
    mu, covariance = one.means[0], one.covariances[0]
    for x, filled, spread in zip(X, mean[0], deviation[0], strict=True):
        m, o = np.isnan(x), ~np.isnan(x)
        gain = np.linalg.solve(covariance[np.ix_(o, o)], covariance[np.ix_(o, m)]).T
        left = covariance[np.ix_(m, m)] - gain @ covariance[np.ix_(o, m)]
        np.testing.assert_allclose(filled[m], mu[m] + gain @ (x[o] - mu[o]), atol=1e-7)
        np.testing.assert_allclose(spread[m], np.sqrt(left.diagonal()), atol=1e-7)
