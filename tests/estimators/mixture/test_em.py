"""EM is scikit-learn's, and what a fit tells of itself agrees."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

from sklearn_gso import EMGaussianMixture
from tests.estimators.mixture.mixtures import (
    STARTS,
    assert_same_fit,
    each_kind,
    each_mixture,
    em,
    gso,
    identity,
)


@each_kind
@pytest.mark.parametrize("task", range(3))
def test_em_equals_scikit_learn_from_the_same_start(kind, task, overlapping):
    X = overlapping[0][task]
    same = {
        "covariance_type": kind,
        "weights_init": [0.2, 0.3, 0.5],
        "means_init": X[[5, 17, 60]],
        "precisions_init": identity(kind, 3, 3),
        "max_iter": 500,
        "random_state": 3,
        "reg_covar": 0.0,
    }
    ours, peer = EMGaussianMixture(3, **same).fit(X), GaussianMixture(3, **same).fit(X)
    assert ours.n_iter_ == peer.n_iter_ > 3 and ours.converged_ and peer.converged_
    assert_same_fit(ours, peer)
    assert ours.lower_bound_ == pytest.approx(peer.score(X), abs=1e-8)
    for method in ("predict", "predict_proba", "score_samples", "score", "aic", "bic"):
        found, expected = getattr(ours, method)(X), getattr(peer, method)(X)
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)
    for found, expected in zip(ours.sample(40), peer.sample(40), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-8)


@each_kind
def test_regularisation_is_scikit_learns_on_standardised_data(kind, overlapping):
    """In units of the features' variances, which are 1 there."""
    X = StandardScaler().fit_transform(overlapping[0][0])
    same = {
        "covariance_type": kind,
        "weights_init": [0.2, 0.3, 0.5],
        "means_init": X[[5, 17, 60]],
        "precisions_init": identity(kind, 3, 3),
        "reg_covar": 0.05,
    }
    assert_same_fit(EMGaussianMixture(3, **same).fit(X), GaussianMixture(3, **same).fit(X))


def test_em_stops_where_scikit_learn_stops(X):
    same = {"means_init": X[:3], "weights_init": [0.2, 0.3, 0.5], "tol": 0.0, "max_iter": 7}
    same["reg_covar"] = 0.0
    same["precisions_init"] = identity("full", 3, 2)
    fits = EMGaussianMixture(3, **same), GaussianMixture(3, **same)
    for fit in fits:
        with pytest.warns(ConvergenceWarning, match="did not converge"):
            fit.fit(X)
        assert fit.n_iter_ == 7 and not fit.converged_
    assert_same_fit(*fits)


@each_mixture
@each_kind
def test_lower_bound_is_the_score_of_what_was_fitted(mixture, kind, X):
    fit = mixture(covariance_type=kind).fit(X)
    assert isinstance(fit.score(X), float)
    assert fit.lower_bound_ == pytest.approx(fit.score(X), abs=1e-9)
    assert fit.score(X) == pytest.approx(fit.score_samples(X).mean())
    np.testing.assert_array_equal(fit.predict(X), fit.predict_proba(X).argmax(1))
    np.testing.assert_allclose(fit.predict_proba(X).sum(1), 1)


@each_kind
def test_precisions_are_inverse_covariances(kind, X):
    fit = em(covariance_type=kind).fit(X)
    peer = GaussianMixture(
        3, covariance_type=kind, weights_init=fit.weights_, means_init=fit.means_,
        precisions_init=fit.precisions_, max_iter=1, tol=1e9,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        peer.fit(X)
    assert fit.precisions_.shape == peer.precisions_.shape
    factor, precisions = fit.precisions_cholesky_, fit.precisions_
    if kind in ("diag", "spherical"):
        product, one = factor**2, precisions * fit.covariances_
        np.testing.assert_allclose(one, 1, rtol=1e-10)
    else:
        product, one = factor @ factor.swapaxes(-1, -2), precisions @ fit.covariances_
        np.testing.assert_allclose(one, np.broadcast_to(np.eye(2), one.shape), atol=1e-10)
    np.testing.assert_allclose(product, precisions, rtol=1e-10)


def test_one_component_is_the_moments(X):
    for mixture in (em(1), gso(1)):
        fit = mixture.fit(X)
        np.testing.assert_allclose(fit.means_[0], X.mean(0))
        np.testing.assert_allclose(fit.covariances_[0], np.cov(X.T, bias=True), rtol=1e-5)


@each_kind
def test_one_component_of_every_kind(kind, X):
    fit, peer = em(1, covariance_type=kind), GaussianMixture(1, covariance_type=kind)
    assert fit.fit(X).score(X) == pytest.approx(peer.fit(X).score(X), abs=1e-5)


def test_names_of_scikit_learns_starts(X):
    assert_same_fit(em(init_params="kmeans").fit(X), em(init_params="matched").fit(X), 0, 0)
    alias, name = em(init_params="random_from_data"), em(init_params="random")
    assert_same_fit(alias.fit(X), name.fit(X), 0, 0)


def test_starts_by_default_depend_on_what_is_known(X):
    assert_same_fit(em().fit(X), em(init_params="matched").fit(X), 0, 0)
    known = em(init_params="random").fit(X).covariances_
    random = em(init_params="random", covariances=known)
    assert_same_fit(em(covariances=known).fit(X), random.fit(X), 0, 0)


@each_kind
@pytest.mark.parametrize("start", STARTS)
def test_given_centres_are_where_every_start_begins(kind, start, blurred):
    """One iteration from there is one iteration from anywhere else."""
    settings = {"covariance_type": kind, "means_init": blurred[[0, 40, 80]], "max_iter": 1}
    settings["precisions_init"] = em(covariance_type=kind).fit(blurred).precisions_
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fits = [em(init_params=s, **settings).fit(blurred) for s in (start, "random")]
    assert_same_fit(*fits, 0, 0)


@each_mixture
@pytest.mark.parametrize("closeness", [1e-3, 1e-7])
def test_nearly_equal_features(mixture, closeness, rng):
    """Differences of large sums have no digits left for the thin direction."""
    thick = rng.standard_normal((200, 1))
    data = np.c_[thick, thick + closeness * rng.standard_normal((200, 1))]
    data[100:] += 5
    ours = mixture(2, reg_covar=0).fit(data)
    theirs = GaussianMixture(2, reg_covar=0, random_state=0).fit(data)
    np.testing.assert_allclose(ours.score(data), theirs.score(data), atol=0.02)


def test_verbose_tells_how_it_ended(X, capsys):
    em(verbose=1).fit(X)
    out, err = capsys.readouterr()
    assert "lower bound" in err and not out
    em().fit(X)
    assert capsys.readouterr() == ("", "")
