"""Predictions, scores and samples of a fitted mixture."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from tests.estimators.mixture.mixtures import KINDS, each_mixture, em, gso, learned_nothing


@each_mixture
def test_rows_stand_alone(mixture, X, rng):
    fit = mixture().fit(X)
    order = rng.permutation(len(X))
    for method in (fit.predict_proba, fit.score_samples, fit.predict):
        whole = method(X)
        np.testing.assert_allclose(method(X[order]), whole[order], rtol=1e-12)
        np.testing.assert_allclose(method(X[7:8]), whole[7:8], rtol=1e-12)


def test_long_inputs_go_in_pieces(X, monkeypatch):
    fit = em().fit(X)
    whole = fit.score_samples(X)
    monkeypatch.setattr("sklearn_gso.estimators.mixture.rows.MEMORY_BOUND", 50)
    np.testing.assert_allclose(fit.score_samples(X), whole, rtol=1e-12)


@each_mixture
def test_far_rows_get_finite_numbers(mixture, X):
    fit = mixture().fit(X)
    far = np.array([[1e200, -1e200], [1e308, 1e308]])
    assert np.isfinite(fit.score_samples(far)).all()
    np.testing.assert_allclose(fit.predict_proba(far).sum(1), 1)


@each_mixture
def test_width_and_fit_are_checked(mixture, X):
    with pytest.raises(NotFittedError):
        mixture().predict(X)
    fit = mixture().fit(X)
    with pytest.raises(ValueError, match="X has 3 features, but .* is expecting 2 features"):
        fit.predict(np.c_[X, X[:, 0]])


@each_mixture
def test_predictions_write_nothing(mixture, tasks):
    for data in (tasks[0][:2], tasks[0][0]):
        model = learned_nothing(mixture).fit(data)
        before = dict(vars(model))
        for method in ("predict", "predict_proba", "score_samples", "score"):
            getattr(model, method)(data)
        assert all(vars(model)[k] is before[k] for k in before)
        assert vars(model).keys() == before.keys()


def test_sample_has_the_statistics_of_the_mixture(X):
    for kind in KINDS:
        fit = gso(covariance_type=kind, n_init=1).fit(X)
        drawn, labels = fit.sample(40_000)
        np.testing.assert_allclose(np.bincount(labels) / len(labels), fit.weights_, atol=0.02)
        for k in range(3):
            own = drawn[labels == k]
            np.testing.assert_allclose(own.mean(0), fit.means_[k], atol=0.1)
            expected = {
                "full": lambda k, f=fit: f.covariances_[k],
                "tied": lambda k, f=fit: f.covariances_,
                "diag": lambda k, f=fit: np.diag(f.covariances_[k]),
                "spherical": lambda k, f=fit: f.covariances_[k] * np.eye(2),
            }[kind](k)
            np.testing.assert_allclose(np.cov(own.T), expected, rtol=0.1, atol=0.1)
    with pytest.raises(ValueError, match="n_samples must be an integer >= 1"):
        fit.sample(0)


def test_sample_draws_anew_where_it_is_told_to(X):
    fit = gso(n_init=1, random_state=3).fit(X)
    same, again = fit.sample(20)[0], fit.sample(20)[0]
    np.testing.assert_array_equal(same, again)
    other = fit.sample(20, random_state=4)[0]
    assert not np.allclose(same, other)
    np.testing.assert_array_equal(other, fit.sample(20, random_state=4)[0])
    rng = np.random.RandomState(4)
    np.testing.assert_array_equal(other, fit.sample(20, random_state=rng)[0])
    assert not np.allclose(other, fit.sample(20, random_state=rng)[0])


@each_mixture
def test_a_weighted_score_is_that_of_repeated_samples(mixture, tasks, rng):
    X, weight = tasks[0][0], rng.randint(0, 4, size=120)
    fit = mixture(n_init=1).fit(X)
    expected = fit.score(X.repeat(weight, axis=0))
    assert fit.score(X, sample_weight=weight) == pytest.approx(expected)
    assert fit.score(X, sample_weight=3.0 * np.ones(120)) == pytest.approx(fit.score(X))
    for wrong in (weight[:5], -weight, 0 * weight):
        with pytest.raises(ValueError, match="sample_weight|weights"):
            fit.score(X, sample_weight=wrong)
    many = learned_nothing(mixture).fit(tasks[0][:2])
    weights = [weight, weight[::-1].copy()]
    own = [many.score([x.repeat(w, axis=0)]) for x, w in zip(tasks[0][:2], weights, strict=True)]
    found = [many.score([x], sample_weight=[w]) for x, w in zip(tasks[0][:2], weights, strict=True)]
    np.testing.assert_allclose(found, own)
