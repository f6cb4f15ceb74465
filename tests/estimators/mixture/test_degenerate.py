"""Degenerate data: a finite answer or a clear error, and warnings that say what is wrong."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

from tests.estimators.mixture.mixtures import (
    each_kind_and_start,
    each_mixture,
    em,
    fitted,
    gso,
    learned_nothing,
)


def constant_feature(rng):
    return np.c_[rng.standard_normal((40, 2)), np.ones(40)]


DEGENERATE = {
    "all equal": lambda rng: np.ones((6, 2)),
    "zeros": lambda rng: np.zeros((9, 3)),
    "two places": lambda rng: rng.standard_normal((2, 2)).repeat(5, axis=0),
    "duplicates": lambda rng: rng.randint(0, 2, size=(60, 2)).astype(float),
    "constant feature": constant_feature,
    "64 features, 65 samples": lambda rng: rng.standard_normal((65, 64)),
    "as many as components": lambda rng: rng.standard_normal((3, 2)),
    "huge": lambda rng: 1e150 * rng.standard_normal((40, 2)),
    "tiny": lambda rng: 1e-150 * rng.standard_normal((40, 2)),
    "mixed scales": lambda rng: rng.standard_normal((40, 3)) * [1e8, 1, 1e-8],
    "far outlier": lambda rng: np.r_[rng.standard_normal((40, 2)), [[1e9, 0]]],
    "far away": lambda rng: 1e9 + rng.standard_normal((40, 2)),
    "one feature": lambda rng: rng.standard_normal((40, 1)),
}


def few_moves(**parameters):
    return gso(max_rounds=2, max_iter=30, **parameters)


@pytest.mark.parametrize(
    "mixture", [em, *(pytest.param(m, marks=pytest.mark.slow) for m in (few_moves, gso))]
)
@pytest.mark.parametrize("case", DEGENERATE)
@each_kind_and_start
def test_degenerate_data_give_finite_answers_or_clear_errors(mixture, case, kind, start, rng):
    X = DEGENERATE[case](rng)
    for reg_covar in (1e-6, 0.0):
        model = mixture(covariance_type=kind, init_params=start, reg_covar=reg_covar, n_init=2)
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            warnings.simplefilter("ignore", ConvergenceWarning)
            try:
                model.fit(X)
            except ValueError as error:
                assert "scale the input data" in str(error)
                assert reg_covar == 0 or case == "huge"
                continue
            found = [*fitted(model), model.predict_proba(X), model.score_samples(X)]
        assert all(np.isfinite(array).all() for array in found)
        assert np.isfinite([model.score(X), model.lower_bound_]).all()
        assert set(model.predict(X)) <= {0, 1, 2}


@each_mixture
def test_too_few_distinct_samples_are_told(mixture):
    with pytest.warns(ConvergenceWarning, match="less distinct samples than n_components=3"):
        mixture().fit(np.ones((6, 2)))
    both = [np.eye(3), np.ones((6, 3))]
    fit = em().fit(both)
    for ask in (fit.predict, fit.predict_proba, fit.score_samples, fit.score):
        with pytest.warns(ConvergenceWarning, match=r"duplicate points in X. \(tasks \[1\]\)"):
            ask(both)


@each_mixture
def test_warnings_point_at_the_line_that_asked(mixture):
    """Whatever stands in between: callbacks, predictions, a pipeline."""
    X = np.ones((6, 2))
    one, many = mixture(), learned_nothing(mixture).fit([X, X])
    asked = [
        lambda: one.fit(X),
        lambda: one.fit_predict(X),
        lambda: make_pipeline(one).fit(X),
        lambda: many.predict([X, X]),
        lambda: many.score([X, X]),
    ]
    for ask in asked:
        with pytest.warns(ConvergenceWarning, match="less distinct samples") as told:
            ask()
        assert {record.filename for record in told} == {__file__}


@each_mixture
def test_a_component_that_empties_is_told(mixture, X):
    """A known centre far from every sample, which no move may change."""
    means = np.r_[X[:2], [[1e4, 1e4]]]
    known = {"means_init": means, "fixed": ("means",), "covariance_type": "spherical"}
    known["covariances"] = np.ones(3)
    with pytest.warns(ConvergenceWarning, match="ended without samples"):
        fit = mixture(**known).fit(X)
    assert all(np.isfinite(array).all() for array in fitted(fit))
    assert fit.weights_[2] < 1e-6 and np.isfinite(fit.predict_proba(X)).all()
