"""NaN among the samples: mixtures are fitted to what is observed, and fill what is not."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline

from sklearn_gso import EMGaussianMixture, MixtureImputer
from tests.estimators.mixture.mixtures import (
    assert_same_fit,
    each_kind,
    each_mixture,
    each_mixture_and_kind,
    em,
    fitted,
    gso,
    learned_nothing,
    of_kind,
)

EXACT = {"reg_covar": 0.0, "tol": 0.0, "max_iter": 300}


def holed(X, share=0.25, seed=0):
    """With entries hidden at random; the first row keeps none, the second all."""
    missing = np.random.RandomState(seed).rand(*X.shape) < share
    missing[0], missing[1] = True, False
    return np.where(missing, np.nan, X)


@pytest.fixture
def holes(overlapping):
    return holed(overlapping[0][0])


def correlated(n=80, d=3, seed=0):
    rng = np.random.RandomState(seed)
    return rng.randn(n, d) @ rng.randn(d, d) + rng.randn(d)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_one_gaussian_with_monotone_holes_is_the_closed_form():
    x, y = correlated(d=2).T
    X, seen = np.c_[x, y], np.arange(80) < 50
    X[~seen, 1] = np.nan
    fit = EMGaussianMixture(**EXACT).fit(X)
    slope = np.cov(x[seen], y[seen], bias=True)[0, 1] / x[seen].var()
    mean = y[seen].mean() + slope * (x.mean() - x[seen].mean())
    residual = (y - slope * x)[seen].var()
    np.testing.assert_allclose(fit.means_[0], [x.mean(), mean], rtol=1e-6)
    expected = [x.var(), slope * x.var()], [slope * x.var(), residual + slope**2 * x.var()]
    np.testing.assert_allclose(fit.covariances_[0], expected, rtol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_one_axis_parallel_gaussian_is_each_column_by_itself():
    X = holed(correlated())
    fit = EMGaussianMixture(covariance_type="diag", **EXACT).fit(X)
    np.testing.assert_allclose(fit.means_[0], np.nanmean(X, 0))
    np.testing.assert_allclose(fit.covariances_[0], np.nanvar(X, 0))


def test_a_gaussian_fills_by_linear_regression():
    X = holed(correlated())
    fit = EMGaussianMixture().fit(X)
    (mean,), (covariance,), filled = fit.means_, fit.covariances_, fit.impute(X)
    for row, whole in zip(X, filled, strict=True):
        gone, known = np.isnan(row), ~np.isnan(row)
        np.testing.assert_array_equal(whole[known], row[known])
        slopes = np.linalg.solve(covariance[np.ix_(known, known)], covariance[np.ix_(known, gone)])
        np.testing.assert_allclose(whole[gone], mean[gone] + (row - mean)[known] @ slopes)


@each_mixture_and_kind
def test_what_is_told_of_a_row_is_by_its_observed_part(mixture, kind, holes):
    fit = mixture(2, covariance_type=kind).fit(holes)
    full = of_full(fit, kind)
    for row, probability, log in zip(
        holes[:20], fit.predict_proba(holes), fit.score_samples(holes), strict=False
    ):
        known = ~np.isnan(row)
        density = fit.weights_.copy()
        for k in range(2) if known.any() else ():
            covariance = full[k][np.ix_(known, known)]
            density[k] *= multivariate_normal(fit.means_[k][known], covariance).pdf(row[known])
        np.testing.assert_allclose(probability, density / density.sum(), atol=1e-10)
        np.testing.assert_allclose(log, np.log(density.sum()), atol=1e-9)
    np.testing.assert_array_equal(fit.predict(holes), fit.predict_proba(holes).argmax(1))
    assert fit.score(holes) == pytest.approx(fit.lower_bound_, abs=1e-9)


def of_full(fit, kind):
    """The covariances of a fit as matrices, (K, D, D)."""
    k, d = fit.means_.shape
    if kind in ("full", "tied"):
        return np.broadcast_to(fit.covariances_, (k, d, d))
    variances = fit.covariances_.reshape(k, -1) * np.ones(d)
    return np.stack([np.diag(one) for one in variances])


@each_mixture_and_kind
def test_a_row_without_entries_is_of_all_components(mixture, kind, holes):
    fit = mixture(2, covariance_type=kind).fit(holes)
    empty = np.full((1, 3), np.nan)
    np.testing.assert_allclose(fit.predict_proba(empty)[0], fit.weights_)
    np.testing.assert_allclose(fit.score_samples(empty), 0, atol=1e-12)
    np.testing.assert_allclose(fit.impute(empty)[0], fit.weights_ @ fit.means_)


@each_kind
def test_complete_rows_are_told_of_as_beside_incomplete_ones(kind, overlapping):
    X = overlapping[0][0]
    fit = em(3, covariance_type=kind).fit(X)
    beside = fit.score_samples(np.vstack([X, [[np.nan, 0, 0]]]))[:-1]
    np.testing.assert_allclose(beside, fit.score_samples(X), atol=1e-9)
    np.testing.assert_array_equal(fit.impute(X), X)


@each_mixture_and_kind
def test_order_of_rows_does_not_matter(mixture, kind, holes):
    order = np.random.RandomState(0).permutation(len(holes))
    one, other = (mixture(2, covariance_type=kind).fit(X) for X in (holes, holes[order]))
    assert_same_fit(one, other)
    np.testing.assert_allclose(one.impute(holes)[order], other.impute(holes[order]))


@each_kind
def test_columns_may_change_places_and_units(kind, holes):
    order = [2, 0, 1]
    units = 7.0 if kind == "spherical" else np.array([1e-3, 1.0, 1e4])
    start = np.nanquantile(holes, [0.2, 0.8], axis=0)
    filled = em(2, covariance_type=kind, means_init=start).fit(holes).impute(holes)
    changed = em(2, covariance_type=kind, means_init=(start * units)[:, order])
    other = changed.fit((holes * units)[:, order]).impute((holes * units)[:, order])
    np.testing.assert_allclose(other, (filled * units)[:, order], rtol=1e-6)


@each_mixture
def test_weights_are_as_repeated_rows(mixture, holes):
    times = np.random.RandomState(0).randint(0, 4, len(holes))
    one = mixture(2).fit(holes, sample_weight=times)
    assert_same_fit(one, mixture(2).fit(holes.repeat(times, axis=0)), rtol=1e-6)


@each_mixture_and_kind
@pytest.mark.slow
def test_more_starts_never_return_less(mixture, kind, holes):
    objectives = [mixture(3, covariance_type=kind, n_init=n).fit(holes).objective_ for n in (1, 3)]
    assert (np.diff(objectives) < 1e-9).all()


@each_mixture
def test_clusters_are_found_through_holes(mixture):
    rng = np.random.RandomState(0)
    truth = np.arange(300) % 3
    X = holed(rng.randn(300, 8) + 6 * rng.randn(3, 8)[truth])
    labels = mixture(3).fit_predict(X)
    assert adjusted_rand_score(truth[1:], labels[1:]) == 1.0


@each_mixture_and_kind
def test_known_covariances(mixture, kind, overlapping):
    X, truth = overlapping[0][0], overlapping[1]
    known = of_kind(truth.covariances[0], kind)
    fit = mixture(4, covariance_type=kind, covariances=known).fit(holed(X, 0.1))
    np.testing.assert_array_equal(fit.covariances_, known)
    assert np.isfinite(fit.lower_bound_)


@each_mixture
def test_single_precision_stays(mixture, holes):
    fit = mixture(2).fit(holes)
    filled = fit.impute(holes.astype(np.float32))
    assert filled.dtype == np.float32
    np.testing.assert_allclose(filled, fit.impute(holes), rtol=1e-4, atol=1e-4)


@each_mixture
def test_collections_may_have_holes(mixture, tasks):
    X = [tasks[0][0], holed(tasks[0][1], 0.2), holed(tasks[0][2], 0.2)]
    fit = learned_nothing(mixture, n_epochs=1) if mixture is gso else learned_nothing(mixture)
    fit.fit(X)
    filled = fit.impute(X)
    for array, whole, labels in zip(X, filled, fit.predict(X), strict=True):
        known = ~np.isnan(array)
        np.testing.assert_array_equal(whole[known], array[known])
        assert np.isfinite(whole).all() and set(labels) == {0, 1, 2}


# Draws ------------------------------------------------------------------------------


@each_kind
def test_draws_have_the_mean_and_the_spread_of_what_is_missing(kind):
    X = correlated()
    fit = em(2, covariance_type=kind).fit(holed(X))
    row = np.array([[X[0, 0], np.nan, np.nan]])
    draws = fit.sample_missing(row, 20_000, random_state=0)[:, 0]
    (shares,), full = fit.predict_proba(row), of_full(fit, kind)
    slopes = full[:, 1:, 0] / full[:, :1, 0]
    means = fit.means_[:, 1:] + slopes * (row[0, 0] - fit.means_[:, :1])
    within = full[:, 1:, 1:] - slopes[:, :, None] * full[:, :1, 1:]
    mean = shares @ means
    between = (means - mean).T @ ((means - mean) * shares[:, None])
    covariance = np.einsum("k,kij->ij", shares, within) + between
    assert (draws[:, 0] == X[0, 0]).all()
    np.testing.assert_allclose(fit.impute(row)[0, 1:], mean)
    deviation = np.sqrt(covariance.diagonal())
    assert (np.abs(draws[:, 1:].mean(0) - mean) < 0.04 * deviation).all()
    error = np.cov(draws[:, 1:].T) - covariance
    assert (np.abs(error) < 0.06 * np.outer(deviation, deviation)).all()


def test_draws_depend_on_their_seed_alone(holes):
    fit = em(2).fit(holes)
    np.testing.assert_array_equal(fit.sample_missing(holes), fit.sample_missing(holes))
    one, two = (fit.sample_missing(holes, 2, random_state=seed) for seed in (1, 2))
    assert one.shape == (2, *holes.shape)
    gone = np.isnan(holes)
    assert (one[0] != one[1])[gone].all() and (one != two)[:, gone].all()
    assert (one == holes)[:, ~gone].all()
    with pytest.raises(ValueError, match="n_samples must be an integer >= 1"):
        fit.sample_missing(holes, 0)


# In a pipeline -------------------------------------------------------------------------


def test_an_imputer_fills_new_rows_in_a_pipeline_and_keeps_names(holes):
    frame = pd.DataFrame(holes, columns=["a", "b", "c"])
    imputer = MixtureImputer(em(2)).set_output(transform="pandas")
    filled = imputer.fit(frame[:100]).transform(frame[100:])
    assert list(filled.columns) == ["a", "b", "c"]
    expected = em(2).fit(holes[:100]).impute(holes[100:])
    np.testing.assert_array_equal(filled.to_numpy(), expected)
    target = np.arange(len(holes)) % 2
    pipeline = make_pipeline(MixtureImputer(), LogisticRegression())
    assert pipeline.fit(frame, target).predict(frame).shape == target.shape
    with pytest.raises(ValueError, match="mixture of MixtureImputer must be None or a"):
        MixtureImputer("gmm").fit(frame)


# The pooled prior ---------------------------------------------------------------------


@each_kind
def test_a_pooled_prior_draws_covariances_to_that_of_all_samples(kind, overlapping):
    X = overlapping[0][0]
    one = gso(1, covariance_type=kind, covariance_prior="pooled").fit(X)
    assert_same_fit(one, gso(1, covariance_type=kind, covariance_prior=0).fit(X), rtol=1e-5)
    if kind != "tied":
        free, drawn = (
            of_full(gso(3, covariance_type=kind, covariance_prior=p).fit(X), kind)
            for p in (0, "pooled")
        )
        whole = of_full(one, kind)
        assert np.abs(drawn - whole).mean() < np.abs(free - whole).mean()


def test_a_fit_is_not_changed_by_what_it_fills(holes):
    fit = em(2).fit(holes)
    before, copy = fitted(fit), holes.copy()
    fit.impute(holes)
    fit.sample_missing(holes)
    np.testing.assert_array_equal(holes, copy)
    assert all(a is b for a, b in zip(before, fitted(fit), strict=True))


def test_data_sets_of_a_collection_have_draws_of_their_own(rng):
    X = rng.randn(50, 2)
    X[rng.rand(50, 2) < 0.3] = np.nan
    X[np.isnan(X).all(1)] = 0.0
    one, other = EMGaussianMixture(1, random_state=0).fit([X, X]).sample_missing([X, X])
    holes = np.isnan(X)
    assert abs(np.corrcoef(one[0][holes], other[0][holes])[0, 1]) < 0.9


def test_frames_are_taken_as_completers_take_them(rng):
    X = pd.DataFrame(rng.randn(30, 2), columns=["a", "b"]).mask(rng.rand(30, 2) < 0.2)
    plain = MixtureImputer(EMGaussianMixture(1)).fit_transform(X)
    with_na = X.astype(object).where(X.notna(), pd.NA)
    np.testing.assert_array_equal(
        MixtureImputer(EMGaussianMixture(1)).fit_transform(with_na), plain
    )
    for estimator in (MixtureImputer(), EMGaussianMixture(1)):
        with pytest.raises(ValueError, match="'x', in column 'c' of X"):
            estimator.fit(X.assign(c="x"))
        with pytest.raises(ValueError, match="Column 'd' of X holds dates"):
            estimator.fit(X.assign(d=pd.date_range("2020", periods=30)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_large_rows_may_lose_more_than_small_ones(seed):
    """Covariances drawn to the features' own may then be below what lies between clusters."""
    rng = np.random.RandomState(seed)
    X = np.exp(rng.normal(size=(100, 1)) + 0.02 * rng.normal(size=(100, 7)))
    rank = X[:, :1].argsort(0).argsort(0) / len(X)
    X[rng.uniform(size=X.shape) < rank] = np.nan
    mixture = gso().fit(X)
    assert all(np.linalg.eigvalsh(covariance)[0] > 0 for covariance in mixture.covariances_)


@pytest.mark.parametrize("prior", [1.0, "pooled"])
@pytest.mark.parametrize("unit", [1.0, 1e6])
def test_a_feature_that_is_zero_where_it_is_seen_is_filled_with_zeros(prior, unit):
    """Censored flags are: what is 1 is missing."""
    rng = np.random.RandomState(0)
    X = unit * rng.standard_normal((80, 12))
    X[:, 2] = np.where(rng.rand(80) < 0.3, np.nan, 0.0)
    X[rng.rand(80) < 0.3, 0] = np.nan
    filled = gso(optimizer="pretrained", covariance_prior=prior).fit(X).impute(X)
    np.testing.assert_allclose(filled[:, 2], 0, atol=1e-6 * unit)
