"""The number of components is chosen by a criterion; empty components may be dropped."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from tests.estimators.mixture.mixtures import each_kind, em, identity
from tests.estimators.mixture.mixtures import gso as any_gso


def gso(n_components, **parameters):
    return any_gso(n_components, **{"max_rounds": 2, "n_init": 1, **parameters})


each_mixture = pytest.mark.parametrize("mixture", [em, gso], ids=["em", "gso"])


def clusters(k, d=2, n=60, distance=8.0, seed=0):
    """Unit Gaussians whose centres stand at corners of a grid."""
    rng = np.random.RandomState(seed)
    corners = np.stack(np.meshgrid(*[np.arange(3)] * d), -1).reshape(-1, d)
    centres = distance * corners[rng.permutation(len(corners))[:k]]
    return np.concatenate([rng.normal(centre, size=(n, d)) for centre in centres])


@each_mixture
@pytest.mark.parametrize("k", [1, 4])
def test_finds_the_number_of_plain_clusters(mixture, k):
    X = clusters(k, n=30)
    numbers = range(1, 6) if mixture is gso else "bic"
    assert mixture(numbers).fit(X).n_components_ == k


def test_components_that_hide_two_clusters_are_cut():
    for seed in range(2):
        assert em(range(1, 8)).fit(clusters(6, n=40, seed=seed)).n_components_ == 6


@each_kind
def test_choice_is_the_lowest_and_what_bic_says(kind):
    X = clusters(4)
    mixture = em(np.arange(2, 7), covariance_type=kind).fit(X)
    values = mixture.criterion_values_
    assert list(values) == [2, 3, 4, 5, 6]
    assert mixture.n_components_ == min(values, key=values.get) == len(mixture.means_)
    np.testing.assert_allclose(values[mixture.n_components_], mixture.bic(X))


def test_numbers_not_asked_for_are_walked_over_but_not_chosen():
    mixture = em([2, 6]).fit(clusters(4))
    assert list(mixture.criterion_values_) == [2, 6]
    assert mixture.n_components_ in (2, 6)


@each_mixture
def test_never_worse_than_a_fit_with_the_number_chosen(mixture):
    rng = np.random.RandomState(0)
    X = np.r_[rng.normal(size=(150, 3)), rng.normal(size=(90, 3)) @ np.diag([3, 1, 0.3]) + 2]
    chosen = mixture(range(1, 5)).fit(X)
    fixed = mixture(chosen.n_components_).fit(X)
    assert chosen.objective_ <= fixed.objective_ + 1e-12
    assert chosen.lower_bound_ == pytest.approx(chosen.score(X))


def test_criteria():
    X = clusters(3)
    bic, aic, icl = (em(range(1, 6), criterion=name).fit(X) for name in ("bic", "aic", "icl"))
    np.testing.assert_allclose(aic.criterion_values_[aic.n_components_], aic.aic(X))
    r = icl.predict_proba(X)
    doubt = -2 * (r * np.log(np.maximum(r, 1e-300))).sum()
    np.testing.assert_allclose(icl.criterion_values_[3], icl.bic(X) + doubt)
    assert icl.criterion_values_[3] - bic.criterion_values_[3] == pytest.approx(doubt, abs=1e-6)
    # The fourth component shares a cluster: that costs more than its parameters.
    assert icl.criterion_values_[4] > bic.criterion_values_[4]


@each_mixture
@pytest.mark.parametrize("kind", ["full", "spherical"])
def test_of_known_covariances_as_many_are_kept_as_pay(mixture, kind):
    known = identity(kind, 10, 2)
    found = mixture("bic", covariance_type=kind, covariances=known).fit(clusters(3))
    assert found.n_components_ == 3
    assert sorted(found.criterion_values_) == list(range(1, 11))
    np.testing.assert_array_equal(found.covariances_, known[:3])


def test_known_covariances_go_with_their_components():
    rng = np.random.RandomState(0)
    X = np.r_[rng.normal(size=(80, 2)), 20 + 5 * rng.normal(size=(80, 2))]
    known = np.array([1.0, 400.0, 25.0])
    found = gso(range(2, 4), covariance_type="spherical", covariances=known).fit(X)
    np.testing.assert_array_equal(found.covariances_, [1.0, 25.0])
    np.testing.assert_allclose(found.means_, [[0, 0], [20, 20]], atol=1.5)


def test_weights_are_repeated_rows():
    X = clusters(3, n=20)
    times = np.random.RandomState(0).randint(1, 4, size=len(X))
    weighted = em(range(1, 6)).fit(X, sample_weight=times)
    repeated = em(range(1, 6)).fit(X.repeat(times, axis=0))
    assert weighted.n_components_ == repeated.n_components_ == 3
    for k, value in repeated.criterion_values_.items():
        assert weighted.criterion_values_[k] == pytest.approx(value, rel=1e-9)


def test_rows_with_holes():
    X = clusters(3)
    X[np.random.RandomState(1).uniform(size=X.shape) < 0.15] = np.nan
    mixture = em(range(1, 6)).fit(X)
    assert mixture.n_components_ == 3
    np.testing.assert_allclose(mixture.criterion_values_[3], mixture.bic(X))


def test_attributes_are_of_the_last_fit():
    X = clusters(3)
    mixture = em(range(1, 5)).fit(X).set_params(n_components=2).fit(X)
    assert mixture.n_components_ == 2
    assert not hasattr(mixture, "criterion_values_")


@each_mixture
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": [3, 2]}, "increasing sequence"),
        ({"n_components": []}, "n_components"),
        ({"n_components": [0, 1]}, "n_components"),
        ({"n_components": "all"}, "n_components"),
        ({"n_components": 2, "criterion": "bic"}, "criterion chooses among several"),
        ({"n_components": "bic", "criterion": "aic"}, "criterion chooses among several"),
        ({"n_components": [2, 3], "warm_start": True}, "warm_start needs one number"),
        ({"n_components": [2, 300]}, "n_samples >= n_components"),
    ],
)
def test_refused(mixture, parameters, message):
    with pytest.raises(ValueError, match=message):
        mixture(**parameters).fit(clusters(2))


@each_mixture
def test_a_collection_needs_one_number(mixture):
    with pytest.raises(ValueError, match="must be one number where a collection"):
        mixture(range(1, 4)).fit([clusters(2), clusters(2)])


@each_mixture
def test_numpy_numbers_in_a_search(mixture):
    search = GridSearchCV(mixture(1), {"n_components": np.arange(2, 5)}, cv=3)
    search.fit(np.random.RandomState(0).permutation(clusters(3)))
    assert search.best_params_ == {"n_components": 3}
    assert search.best_estimator_.n_components_ == 3


def with_an_empty_one(mixture, **parameters):
    """Two clusters, and a third component that starts far from both."""
    X = clusters(2)
    start = np.r_[X[:1], X[-1:], [[1e4, 1e4]]]
    known = identity("full", 3, 2)
    return mixture(3, covariances=known, means_init=start, **parameters), X


def test_empty_components_are_dropped_where_asked():
    kept, X = with_an_empty_one(gso, fixed=("means",))
    with pytest.warns(ConvergenceWarning, match="without samples"):
        kept.fit(X)
    dropped, _ = with_an_empty_one(gso, fixed=("means",), drop_empty=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dropped.fit(X)
    assert (kept.n_components_, dropped.n_components_) == (3, 2)
    np.testing.assert_allclose(dropped.weights_.sum(), 1)
    np.testing.assert_array_equal(dropped.means_, kept.means_[:2])
    np.testing.assert_allclose(dropped.score_samples(X), kept.score_samples(X))
    assert dropped.predict_proba(X).shape == (len(X), 2)
    np.testing.assert_array_equal(dropped.predict(X), kept.predict(X))


def test_nothing_is_dropped_that_describes_anything():
    X = clusters(3)
    kept, dropping = (em(3, drop_empty=drop).fit(X) for drop in (False, True))
    np.testing.assert_array_equal(kept.means_, dropping.means_)
