"""Five hundred random matrices: a finite answer or a documented error, always."""

import warnings

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter, SGDMatrixCompleter

ESTIMATORS = {
    "pretrained": GSOMatrixCompleter(max_iter=4, n_init=1, random_state=0),
    "untrained": GSOMatrixCompleter(3, optimizer=None, max_iter=4, random_state=0),
    "ridge": GSOMatrixCompleter(prior="ridge", max_iter=4, n_init=1, random_state=0),
    "als": ALSMatrixCompleter(2, max_iter=4, random_state=0),
    "sgd": SGDMatrixCompleter(2, max_iter=4, random_state=0),
}
ERRORS = (
    "minimum of 2 is required",
    "has no observed entry",
    "n_components=[23] must be <= min",
    "overflowed: the entries of X are too large; scale them",
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
    """A matrix with missing entries."""
    shape = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = 10.0 ** draw(st.floats(-150, 150))
    X = draw_values(draw(st.sampled_from(KINDS)), shape, scale, rng)
    patterns = ("anywhere", "none", "lines", "block", "staircase", "one seen")
    return hide(X, draw(st.sampled_from(patterns)), rng)


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(X=matrices(), name=st.sampled_from(sorted(ESTIMATORS)))
def test_a_finite_answer_or_a_documented_error(X, name):
    estimator = ESTIMATORS[name]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(Rows|Columns) .* have no observed entry")
        warnings.simplefilter("error", RuntimeWarning)
        try:
            filled = estimator.fit_transform(X)
        except ValueError as error:
            assert any(__import__("re").search(known, str(error)) for known in ERRORS), error
            return
        again = estimator.reconstruct(X)
    assert filled.shape == X.shape and np.isfinite(filled).all() and np.isfinite(again).all()
    seen = ~np.isnan(X)
    assert filled[seen].tobytes() == X[seen].tobytes()
