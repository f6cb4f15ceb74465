"""Starts: clusters in several metrics, the best sound run, and more of them never return less."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

from sklearn_gso import EMGaussianMixture, GSOGaussianMixture
from sklearn_gso.datasets import make_mixture_tasks
from tests.estimators.mixture.mixtures import each_mixture, em, gso

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def apart(n_features, k, seed, n=500):
    """Clusters ten standard deviations apart, each in a direction of its own."""
    rng = np.random.RandomState(seed)
    X, labels = rng.normal(size=(n, n_features)), np.arange(n) * k // n
    for j in range(1, k):
        X[labels == j, j - 1] += 10
    return X, labels


def long_and_thin(seed):
    """Three clusters side by side, a hundred times longer than wide."""
    rng = np.random.RandomState(seed)
    labels = np.arange(300) // 100
    return np.c_[100 * rng.normal(size=300), 10 * labels + rng.normal(size=300)], labels


@pytest.mark.parametrize("kind", ["full", "tied"])
@pytest.mark.parametrize(
    ("n_features", "k"), [(10, 2), (30, 5), pytest.param(60, 3, marks=pytest.mark.slow)]
)
def test_plain_clusters_in_many_features(kind, n_features, k):
    """The metric of the pooled covariance shrinks just the directions that separate them."""
    X, labels = apart(n_features, k, seed=0)
    found = GSOGaussianMixture(k, covariance_type=kind, random_state=0).fit_predict(X)
    assert adjusted_rand_score(labels, found) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "tied"])
@pytest.mark.parametrize("n_features", [10, 20, 50, 100, 200])
@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_plain_clusters_in_up_to_200_features(kind, n_features, k):
    for seed in range(20):
        X, labels = apart(n_features, k, seed)
        found = GSOGaussianMixture(k, covariance_type=kind, random_state=seed).fit_predict(X)
        assert adjusted_rand_score(labels, found) == 1


def test_long_thin_clusters():
    """What plain and standardised clusters cannot see."""
    for seed in range(3):
        X, labels = long_and_thin(seed)
        found = GSOGaussianMixture(3, random_state=seed).fit_predict(X)
        assert adjusted_rand_score(labels, found) > 0.98


def test_two_blobs_are_never_missed():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(600, 2))
    X[300:] += [6, 3]
    for seed in range(30):
        found = EMGaussianMixture(2, random_state=seed).fit_predict(X)
        assert adjusted_rand_score(np.arange(600) // 300, found) > 0.98


def test_none_of_fifteen_clusters_is_missed():
    """As in the cluster set S1: far apart, of sizes that differ."""
    rng = np.random.RandomState(0)
    places = np.stack(np.meshgrid(np.arange(5), np.arange(3)), axis=2).reshape(-1, 2)
    labels = np.repeat(np.arange(15), rng.randint(40, 90, size=15))
    centres = 7.0 * (places + 0.2 * rng.uniform(-1, 1, size=places.shape))
    X = centres[labels] + rng.normal(size=(len(labels), 2))
    for seed in range(5):
        found = GSOGaussianMixture(15, random_state=seed).fit(X)
        nearest = np.linalg.norm(found.means_[:, None] - centres, axis=2)
        assert sorted(nearest.argmin(axis=1)) == list(range(15)) and nearest.min(axis=1).max() < 1


@pytest.mark.parametrize(
    ("mixture", "prior"),
    [(em, 0.0), (em, 1.0), pytest.param(gso, 1.0, marks=pytest.mark.slow)],
    ids=["em", "em-prior", "gso-prior"],
)
@pytest.mark.parametrize("k", [3, pytest.param(5, marks=pytest.mark.slow)])
def test_more_starts_never_return_less(mixture, prior, k):
    X = scale(load_wine().data[:, :6])
    for seed in range(2):
        ends = [
            mixture(k, n_init=n, random_state=seed, covariance_prior=prior).fit(X).objective_
            for n in (1, 4, 16)
        ]
        assert ends[2] <= ends[1] + 1e-9 and ends[1] <= ends[0] + 1e-9


@each_mixture
@pytest.mark.parametrize("start", ["random", "k-means++", "matched"])
def test_more_starts_of_every_kind(mixture, start, overlapping):
    X = overlapping[0][0]
    settings = {"init_params": start, "covariance_prior": 1.0}
    ends = [mixture(4, n_init=n, **settings).fit(X).objective_ for n in (1, 3, 6)]
    assert ends[2] <= ends[1] + 1e-9 and ends[1] <= ends[0] + 1e-9


def test_the_best_sound_run_is_returned():
    """Without a prior a start may end in two samples, whose likelihood has no bound."""
    X, _ = make_mixture_tasks(1, n_samples=60, n_components=3, n_features=6, random_state=3)
    settings = {"init_params": "random", "covariance_prior": 0.0, "tol": 1e-6, "max_iter": 500}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        alone = [em(6, random_state=s, **settings).fit(X[0]) for s in range(8)]
        fit = em(6, n_init=8, **settings).fit(X[0])
    least = [np.sum(m.weights_ * 60 < 7) for m in alone]
    assert max(least) > min(least)  # some collapse more than others
    counts = fit.predict_proba(X[0]).sum(0)
    assert np.sum(counts < 7) <= min(least)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_em_is_at_least_scikit_learns(kind):
    """With default settings, over some data sets of overlapping components."""
    X, _ = make_mixture_tasks(12, n_samples=200, n_features=4, spread=1.5, random_state=5)
    ours, theirs = np.array(
        [
            [
                cls(4, covariance_type=kind, random_state=i).fit(data).score(data)
                for cls in (EMGaussianMixture, GaussianMixture)
            ]
            for i, data in enumerate(X)
        ]
    ).T
    assert ours.mean() >= theirs.mean()


@each_mixture
def test_integers_of_numpy(mixture, X, covariances):
    expected = mixture(3).fit(X)
    for number in (np.int64(3), np.int32(3), np.uint8(3)):
        fit = mixture(number).fit(X)
        np.testing.assert_array_equal(fit.means_, expected.means_)
        mixture(number, covariances=covariances[0]).fit(X)
    search = GridSearchCV(mixture(), {"n_components": np.arange(2, 4)}, cv=2, error_score="raise")
    assert search.fit(X).best_params_["n_components"] in (2, 3)


def test_integers_of_numpy_in_collections(tasks):
    model = gso(np.int64(2), n_epochs=np.int64(0), n_init=np.int64(1)).fit(tasks[0][:2])
    assert len(model.predict(tasks[0][:2])) == 2
