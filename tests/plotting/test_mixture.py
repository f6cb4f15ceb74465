"""Contours of the likelihood, and the way of EM with the moves after it."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from sklearn_gso import EMGaussianMixture, GSOGaussianMixture
from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.plotting import MixtureDisplay


@pytest.fixture(scope="module")
def flower():
    X, truth = make_mixture_tasks(1, n_samples=300, n_components=4, layout="flower", random_state=3)
    return X[0], truth.covariances[0]


def test_contours_are_the_log_likelihood(flower, plt):
    X, covariances = flower
    mixture = GSOGaussianMixture(4, covariances=covariances, n_init=1, random_state=0).fit(X)
    ax = plt.subplots()[1]
    display = MixtureDisplay.from_estimator(mixture, X, ax=ax)
    assert display.ax_ is ax and display.trajectories_ == []
    assert (display.means_.get_xydata() == mixture.means_).all()
    assert (display.samples_.get_xydata() == X).all()
    # The grid holds all samples, and each place its own likelihood.
    for axis, column in zip(display.grid, X.T, strict=True):
        assert axis.min() < column.min() and column.max() < axis.max()
    place = np.array([[axis[7, 11] for axis in display.grid]])
    assert display.log_likelihood[7, 11] == pytest.approx(mixture.score_samples(place)[0], 1e-12)


@pytest.mark.parametrize("given", [True, False])
def test_the_way_is_that_of_em(given, flower):
    X, covariances = flower
    settings = {"means_init": X[:4], "tol": 1e-8, "max_iter": 500}
    em = EMGaussianMixture(4, covariances=covariances if given else None, **settings).fit(X)
    display = MixtureDisplay.from_estimator(em, X)
    assert len(display.trajectories_) == 4 and not display.jumps and not display.ax_.texts
    drawn = np.stack([line.get_xydata() for line in display.trajectories_], axis=1)
    np.testing.assert_array_equal(drawn, em.trajectory(X, X[:4]))
    np.testing.assert_allclose(drawn[0], X[:4], rtol=0, atol=1e-12)
    np.testing.assert_allclose(drawn[-1], em.means_, rtol=0, atol=1e-12)
    assert len(drawn) == em.n_iter_ + 1


def test_another_start_has_another_way(flower):
    X, covariances = flower
    em = EMGaussianMixture(4, covariances=covariances, random_state=0).fit(X)
    display = MixtureDisplay.from_estimator(em, X, start=X[10:14])
    drawn = np.stack([line.get_xydata() for line in display.trajectories_], axis=1)
    np.testing.assert_allclose(drawn[0], X[10:14], rtol=0, atol=1e-12)


def test_jumps_lead_from_the_end_of_em_to_the_fit(flower):
    X, covariances = flower
    start = np.tile(X[:1], (4, 1)) + 0.1 * np.arange(4)[:, None]
    gso = GSOGaussianMixture(4, means_init=start, random_state=0).fit(X, covariances=covariances)
    display = MixtureDisplay.from_estimator(gso, X)
    assert len(display.trajectories_) == 4 and gso.n_gains_ > 0
    ends = [line.get_xydata()[-1] for line in display.trajectories_]
    assert sorted((t.xyann, t.xy) for t in display.ax_.texts) == sorted(
        (tuple(end), tuple(mean)) for end, mean in zip(ends, gso.means_, strict=True)
    )
    assert not MixtureDisplay.from_estimator(gso, X, start=X[:4]).jumps


def test_drawing_changes_nothing(flower):
    X, covariances = flower
    gso = GSOGaussianMixture(4, means_init=X[:4], random_state=0).fit(X, covariances=covariances)
    before, labels = dict(vars(gso)), gso.predict_proba(X)
    MixtureDisplay.from_estimator(gso, X)
    assert vars(gso).keys() == before.keys()
    assert all(vars(gso)[name] is value for name, value in before.items())
    np.testing.assert_array_equal(gso.predict_proba(X), labels)


def test_what_cannot_be_drawn_is_said(flower):
    X, _ = flower
    with pytest.raises(NotFittedError):
        MixtureDisplay.from_estimator(EMGaussianMixture(), X)
    with pytest.raises(NotFittedError):
        MixtureDisplay.from_estimator(EMGaussianMixture(2).fit([X, X]), X)
    samples = np.random.RandomState(0).randn(50, 3)
    with pytest.raises(ValueError, match="2 features"):
        MixtureDisplay.from_estimator(EMGaussianMixture(2).fit(samples), samples)
