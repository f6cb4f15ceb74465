"""Hundreds of random matrices: a finite answer or a documented error, always."""

import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from sklearn_gso import (
    ALSMatrixCompleter,
    EMGaussianMixture,
    GSOGaussianMixture,
    GSOMatrixCompleter,
    SGDMatrixCompleter,
)
from sklearn_gso.estimators.mixture.initialisation import STARTS

ESTIMATORS = {
    "pretrained": GSOMatrixCompleter(max_iter=4, n_init=1, random_state=0),
    "untrained": GSOMatrixCompleter(3, optimizer=None, max_iter=4, n_init=2, random_state=0),
    "ridge": GSOMatrixCompleter(alpha=1e-3, max_iter=4, n_init=1, random_state=0),
    "als": ALSMatrixCompleter(2, max_iter=4, random_state=0),
    "sgd": SGDMatrixCompleter(2, max_iter=4, random_state=0),
}
# What `fit` says of data that it refuses.
ERRORS = re.compile(
    r"Found array with 1 feature\(s\) .* while a minimum of 2 is required|"
    r"X has no observed entry: all \d+ entries are missing|"
    r"n_components=[23] must be <= min\(n_samples, n_features\)=[12]|"
    r"overflowed: the entries of X are too large; scale them"
)
MIXTURE_ERRORS = re.compile(
    r"Found array with 1 sample\(s\) .* while a minimum of 2 is required|"
    r"Expected n_samples >= n_components but got|"
    r"Fitting the mixture model failed because some components have ill-defined empirical"
)
KINDS = (
    "normal",
    "low rank",
    "constant",
    "zero",
    "rank 0",
    "duplicated rows",
    "mixed units",
    "integers",
    "one entry",
    "heavy tails",
)
PATTERNS = ("anywhere", "none", "lines", "block", "staircase", "one seen")


def draw_values(kind, shape, scale, rng):
    """A complete matrix of some kind, its entries at most about ``scale``."""
    values = rng.standard_normal(shape)
    if kind == "low rank":
        values = np.outer(values[:, 0], values[0])
    elif kind == "constant":
        values = np.ones(shape)
    elif kind in ("zero", "rank 0"):
        values = np.zeros(shape) + (kind == "rank 0") * 1e-300
    elif kind == "duplicated rows":
        values = np.repeat(values[:1], shape[0], axis=0)
    elif kind == "mixed units":
        values *= 10.0 ** -rng.integers(0, 12, shape[1])
    elif kind == "integers":
        values = rng.integers(-1, 2, shape).astype(float)
    elif kind == "one entry":
        values = np.zeros(shape)
        values[rng.integers(shape[0]), rng.integers(shape[1])] = 1
    elif kind == "heavy tails":
        values = np.clip(rng.standard_cauchy(shape) ** 3, -1e6, 1e6) / 1e6
    return values * scale


def hide(X, pattern, rng):
    """Missing entries: anywhere, whole rows and columns, blocks, a staircase."""
    p, q = X.shape
    hidden = rng.random(X.shape) < rng.uniform(0, 1)
    if pattern == "none":
        hidden = np.zeros(X.shape, bool)
    elif pattern == "lines":
        hidden = (rng.random(p) < 0.4)[:, None] | (rng.random(q) < 0.4)
    elif pattern == "block":
        hidden = np.zeros(X.shape, bool)
        hidden[rng.integers(p) :, rng.integers(q) :] = True
    elif pattern == "staircase":
        hidden = np.add.outer(np.arange(p) / p, np.arange(q) / q) > 1
    elif pattern == "one seen":
        hidden = np.ones(X.shape, bool)
        hidden[rng.integers(p), rng.integers(q)] = False
    X[hidden] = np.nan
    return X


@st.composite
def matrices(draw):
    """A matrix with missing entries, 1 x 1 to 40 x 40."""
    # Sampled, not drawn as integers, of which Hypothesis tries 1 far more often.
    shape = draw(st.sampled_from(range(1, 41))), draw(st.sampled_from(range(1, 41)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = 10.0 ** draw(st.floats(-150, 150))
    X = draw_values(draw(st.sampled_from(KINDS)), shape, scale, rng)
    return hide(X, draw(st.sampled_from(PATTERNS)), rng)


def completed(estimator, X):
    """What an estimator makes of a matrix; None if it refuses it as documented."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(Rows|Columns) .* have no observed entry")
        warnings.simplefilter("error", RuntimeWarning)
        try:
            filled = estimator.fit_transform(X)
        except ValueError as error:
            assert ERRORS.search(str(error)), error
            return None
        return filled, estimator.reconstruct(X)


def examples(few, many):
    return pytest.mark.parametrize("n", [few, pytest.param(many, marks=pytest.mark.slow)])


@examples(20, 500)
def test_a_finite_answer_or_a_documented_error(n):
    answered = []

    @settings(max_examples=n, deadline=None, derandomize=True, database=None)
    @given(X=matrices(), name=st.sampled_from(sorted(ESTIMATORS)))
    def check(X, name):
        found = completed(ESTIMATORS[name], X)
        if found is None:
            return
        answered.append(X.shape)
        for values in found:
            assert values.shape == X.shape and np.isfinite(values).all()
        seen = ~np.isnan(X)
        assert found[0][seen].tobytes() == X[seen].tobytes()

    check()
    assert len(answered) > 0.8 * n


@st.composite
def samples_and_mixtures(draw):
    """Complete data sets of at most 40 samples and 8 features, and a mixture for them."""
    shape = draw(st.sampled_from(range(1, 41))), draw(st.sampled_from(range(1, 9)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = 10.0 ** draw(st.floats(-150, 150))
    X = draw_values(draw(st.sampled_from(KINDS)), shape, scale, rng)
    mixture = draw(st.sampled_from([EMGaussianMixture, GSOGaussianMixture]))
    return X, mixture(
        draw(st.sampled_from(range(1, 4))),
        covariance_type=draw(st.sampled_from(["full", "tied", "diag", "spherical"])),
        init_params=draw(st.sampled_from(sorted(STARTS))),
        reg_covar=draw(st.sampled_from([0.0, 1e-6])),
        max_iter=8,
        n_init=1,
        random_state=0,
    )


@examples(40, 200)
def test_mixtures_end_in_numbers_or_a_documented_error(n):
    described = []

    @settings(max_examples=n, deadline=None, derandomize=True, database=None)
    @given(drawn=samples_and_mixtures())
    def check(drawn):
        X, mixture = drawn
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("error", RuntimeWarning)
            try:
                mixture.fit(X)
            except ValueError as error:
                assert MIXTURE_ERRORS.search(str(error)), error
                return
            shares = mixture.predict_proba(X)
        described.append(X.shape)
        for name in ("weights_", "means_", "covariances_", "precisions_", "lower_bound_"):
            assert np.isfinite(getattr(mixture, name)).all()
        np.testing.assert_allclose(shares.sum(1), 1.0)

    check()
    assert len(described) > n / 2
