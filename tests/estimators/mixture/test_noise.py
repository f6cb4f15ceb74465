"""Mixtures of noisy samples: what is fitted and told is of the samples without their noise."""

import warnings

import numpy as np
import pytest
import sklearn
from sklearn.model_selection import GridSearchCV

from sklearn_gso import EMGaussianMixture, GSOGaussianMixture

each_class = pytest.mark.parametrize("kind", [EMGaussianMixture, GSOGaussianMixture])
N, D = 80, 2


def clusters(n=N, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.randn(n, D) @ np.array([[1.0, 0.3], [0.0, 0.4]])
    X[n // 2 :] += [6, 3]
    return X


def with_noise(seed=1):
    rng = np.random.RandomState(seed)
    variances = rng.uniform(0.05, 0.5, (N, D))
    return clusters() + rng.randn(N, D) * np.sqrt(variances), variances


def fitted(kind, X, noise=None, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = {"max_iter": 30, "random_state": 0, **more}
        return kind(2, **settings).fit(X, noise_covariance=noise)


def assert_equal(one, other, tolerance=1e-8):
    for name in ("weights_", "means_", "covariances_"):
        a, b = getattr(one, name), getattr(other, name)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@each_class
def test_no_noise_is_the_plain_mixture(kind):
    plain = fitted(kind, clusters())
    for noise in (0, np.zeros(D), np.zeros((N, D)), np.zeros((N, D, D))):
        assert_equal(fitted(kind, clusters(), noise), plain)


@pytest.mark.parametrize(
    ("kind", "covariance_type"),
    [(EMGaussianMixture, c) for c in ("full", "tied", "diag", "spherical")]
    + [(GSOGaussianMixture, "full")],
)
def test_every_shape_of_the_noise_says_the_same(kind, covariance_type):
    X, more = with_noise()[0], {"covariance_type": covariance_type}
    ways = [0.1, [0.1, 0.1], np.eye(D) * 0.1, np.full((N, D), 0.1)]
    ways.append(np.tile(0.1 * np.eye(D), (N, 1, 1)))
    first, *others = (fitted(kind, X, noise, **more) for noise in ways)
    for other in others:
        assert_equal(first, other, 1e-6)
    assert np.isfinite(first.precisions_).all()


@each_class
def test_the_lower_bound_is_the_score_of_the_noisy_samples(kind):
    X, V = with_noise()
    mixture = fitted(kind, X, V)
    assert mixture.score(X, noise_covariance=V) == pytest.approx(mixture.lower_bound_)
    of_each = mixture.score_samples(X, noise_covariance=V)
    assert of_each.mean() == pytest.approx(mixture.lower_bound_)
    assert mixture.score(clusters(seed=3)) > mixture.score(X)


def test_noise_is_taken_away():
    X, V = with_noise()
    known = fitted(EMGaussianMixture, X, V, max_iter=200, tol=1e-8)
    ignored = fitted(EMGaussianMixture, X, max_iter=200, tol=1e-8)
    truth = clusters(4000, seed=5)
    assert known.score(truth) > ignored.score(truth) + 0.1
    trace = np.trace(known.covariances_, axis1=1, axis2=2)
    assert (trace < np.trace(ignored.covariances_, axis1=1, axis2=2)).all()


@each_class
def test_rows_may_come_in_any_order_and_weights_are_repeats(kind):
    X, V = with_noise()
    order = np.random.RandomState(0).permutation(N)
    assert_equal(fitted(kind, X, V), fitted(kind, X[order], V[order]))
    settings = {"max_iter": 20, "random_state": 0, "tol": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        twice = kind(2, **settings).fit(np.r_[X, X], noise_covariance=np.r_[V, V])
        weighted = kind(2, **settings).fit(X, noise_covariance=V, sample_weight=np.full(N, 2))
    assert_equal(twice, weighted)


def test_equal_samples_of_different_noise_are_not_merged():
    X, V = np.r_[clusters(), clusters()], np.r_[np.full((N, D), 0.01), np.full((N, D), 2.0)]
    mixture = fitted(EMGaussianMixture, X, V)
    assert mixture.score(X, noise_covariance=V) == pytest.approx(mixture.lower_bound_)


@each_class
def test_infinite_noise_is_a_missing_entry(kind):
    X, V = with_noise()
    holed, infinite = X.copy(), V.copy()
    holed[::5, 0], infinite[::5, 0] = np.nan, np.inf
    assert_equal(fitted(kind, X, infinite), fitted(kind, holed, V))


@each_class
def test_holes_with_hardly_any_noise_are_holes(kind):
    X, _ = with_noise()
    X[::5, 0] = np.nan
    more = {"max_iter": 400, "tol": 1e-10}
    one, other = fitted(kind, X, 1e-9, **more), fitted(kind, X, **more)
    assert one.lower_bound_ == pytest.approx(other.lower_bound_, abs=1e-4)


def test_what_noise_hides():
    X, V = with_noise()
    mixture = fitted(EMGaussianMixture, X, V)
    mean, covariance = mixture.denoise(X, noise_covariance=V, return_cov=True)
    truth = clusters()
    assert np.square(mean - truth).mean() < 0.8 * np.square(X - truth).mean()
    assert (np.linalg.eigvalsh(covariance) > 0).all()
    # Within what noise and mixture leave open.
    standard = (mean - truth) / np.sqrt(covariance.diagonal(axis1=1, axis2=2))
    assert 0.8 < standard.std() < 1.2
    np.testing.assert_allclose(mixture.denoise(X, noise_covariance=0.0), X, atol=1e-6)
    holed = X.copy()
    holed[3, 1] = np.nan
    filled, expected = (
        mixture.impute(holed, noise_covariance=V),
        mixture.denoise(holed, noise_covariance=V),
    )
    assert filled[3, 1] == pytest.approx(expected[3, 1])
    np.testing.assert_array_equal(filled[~np.isnan(holed)], X[~np.isnan(holed)])


def test_collections_take_noise_for_each_data_set():
    X, V = with_noise()
    tasks, noises = [X, X[:50], X], [V, np.eye(D) * 0.2, V]
    mixture = EMGaussianMixture(2, random_state=0).fit(tasks, noise_covariance=noises)
    scores = mixture.score_samples(tasks, noise_covariance=noises)
    assert [len(score) for score in scores] == [N, 50, N]
    alone = fitted(EMGaussianMixture, X, V, max_iter=100)
    assert scores[0].mean() == pytest.approx(alone.lower_bound_, abs=0.02)
    assert len(mixture.predict(tasks, noise_covariance=0.1)) == 3
    with pytest.raises(ValueError, match="one entry for each of 3 data sets, got 2"):
        mixture.predict(tasks, noise_covariance=noises[:2])
    with pytest.raises(ValueError, match="Task 1 of the collection: noise_covariance"):
        mixture.fit(tasks, noise_covariance=[V, V, V])


def test_a_search_slices_and_routes_the_noise():
    X, V = with_noise()
    mixture = EMGaussianMixture(random_state=0)
    with sklearn.config_context(enable_metadata_routing=True):
        mixture.set_fit_request(noise_covariance=True).set_score_request(noise_covariance=True)
        search = GridSearchCV(mixture, {"n_components": [1, 2]}, cv=3)
        order = np.random.RandomState(0).permutation(N)
        search.fit(X[order], noise_covariance=V[order])
    assert search.best_params_ == {"n_components": 2}
    score = search.best_estimator_.score(X, noise_covariance=V)
    assert score == pytest.approx(search.best_estimator_.lower_bound_)


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (np.ones((N, 3)), "must be a number or have shape"),
        (-1.0, "must not be negative"),
        (np.where(np.arange(N) == 7, np.nan, 1.0)[:, None] * np.ones(D), "of sample 7 must be fin"),
        ([[1.0, 2.0], [0.0, 1.0]], "must be symmetric"),
        (np.tile([[1.0, 2.0], [2.0, 1.0]], (N, 1, 1)), "sample 0 must be positive semi-definite"),
        ([np.inf, 1.0], "Features .0. of X have no observed entry"),
    ],
)
@each_class
def test_bad_noise_is_named(kind, noise, message):
    with pytest.raises(ValueError, match=message):
        kind(2).fit(with_noise()[0], noise_covariance=noise)


def test_what_could_be_read_in_two_ways_is_refused():
    with pytest.raises(ValueError, match="could be the variances of 2 samples or one matrix"):
        EMGaussianMixture().fit(clusters(2), noise_covariance=np.eye(2))


def test_the_papers_rule_takes_no_noise():
    mixture = GSOGaussianMixture(2, rule="step", covariances=np.tile(np.eye(2), (2, 1, 1)))
    with pytest.raises(ValueError, match="rule='step' takes no noise_covariance"):
        mixture.fit(clusters(), noise_covariance=0.1)


# With what else a mixture takes --------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", [EMGaussianMixture, GSOGaussianMixture])
def test_the_number_of_components_is_that_of_the_noisy_samples(kind):
    X, V = with_noise()
    order = np.random.RandomState(0).permutation(N)
    settings = {"random_state": 0, "max_iter": 50}
    mixture = kind("bic", **settings).fit(X[order], noise_covariance=V[order])
    values = mixture.criterion_values_
    assert mixture.n_components_ == min(values, key=values.get) == 2
    assert values[2] == pytest.approx(mixture.bic(X, noise_covariance=V))
    fixed = kind(2, **settings).fit(X, noise_covariance=V)
    assert mixture.objective_ <= fixed.objective_ + 1e-12
    known = np.tile(np.eye(D), (4, 1, 1))
    down = kind("bic", covariances=known, **settings).fit(X, noise_covariance=V)
    assert down.n_components_ == 2 and max(down.criterion_values_) == 4


@each_class
@pytest.mark.parametrize("covariance_type", ["full", "diag", "spherical"])
def test_single_covariances_are_those_without_noise(kind, covariance_type):
    X, V = with_noise()
    one = {"full": np.diag([1.0, 0.3]), "diag": np.array([1.0, 0.3]), "spherical": 0.7}
    given = [None, one[covariance_type]]
    more = {"covariance_type": covariance_type, "covariances": given}
    mixture = fitted(kind, X, V, **more)
    np.testing.assert_array_equal(mixture.covariances_[1], given[1])
    assert mixture.score(X, noise_covariance=V) == pytest.approx(mixture.lower_bound_)
    free = fitted(kind, X, V, covariance_type=covariance_type)
    assert mixture.lower_bound_ > free.lower_bound_ - 0.1
    n_held = len(np.atleast_1d(np.triu(one["full"])[np.triu_indices(D)]))
    n_held = {"full": n_held, "diag": D, "spherical": 1}[covariance_type]
    gap = -2 * N * (mixture.lower_bound_ - free.lower_bound_) - n_held * np.log(N)
    bics = [m.bic(X, noise_covariance=V) for m in (mixture, free)]
    assert bics[0] - bics[1] == pytest.approx(gap)


@each_class
def test_responsibilities_belong_to_their_noisy_rows(kind):
    X, V = with_noise()
    V[::3], X[::4, 1] = 0.2, np.nan
    labels, order = (np.arange(N) >= N // 2).astype(int), np.random.RandomState(0).permutation(N)
    mixture = fitted(kind, X, V, init_params=labels)
    assert_equal(mixture, fitted(kind, X[order], V[order], init_params=labels[order]))
    np.testing.assert_allclose(mixture.means_, [[0, 0], [6, 3]], atol=0.6)
    way = mixture.trace(X, noise_covariance=V).runs[0].trace.objective
    assert len(way) > 1 and (np.diff([float(value) for value in way]) < 1e-12).all()


@each_class
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_given_parameters_are_where_a_fit_to_noisy_samples_goes_on(kind, covariance_type):
    X, V = with_noise()
    more = {"covariance_type": covariance_type}
    end = fitted(kind, X, V, **more)
    found = (end.weights_, end.means_, end.covariances_)
    made = kind.from_parameters(*found, warm_start=True, max_iter=1, random_state=0, **more)
    assert made.score(X, noise_covariance=V) == pytest.approx(end.lower_bound_)
    assert made.bic(X, noise_covariance=V) == pytest.approx(end.bic(X, noise_covariance=V))
    same = [m.denoise(X, noise_covariance=V) for m in (made, end)]
    np.testing.assert_allclose(*same)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.fit(X, noise_covariance=V)
    assert made.objective_ <= end.objective_ + 1e-9


def test_one_variance_where_arrays_are_dispatched(monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    X = clusters()
    mixture = EMGaussianMixture(2, random_state=0).fit(X)
    expected = mixture.score_samples(X, noise_covariance=0.5)
    with sklearn.config_context(array_api_dispatch=True):
        np.testing.assert_array_equal(mixture.score_samples(X, noise_covariance=0.5), expected)
