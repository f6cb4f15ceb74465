"""What is completed: how well, and what every completer promises of rows with missing entries.

scikit-learn's own checks feed NaN to an imputer only once; these are their versions with NaN.
"""

import warnings

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.metrics import relative_error

from .completers import each_completer

pytestmark = pytest.mark.filterwarnings("ignore:Training has not improved")


@pytest.fixture
def X(easy_tasks):
    return easy_tasks[0][0]


@pytest.fixture
def truth(easy_tasks):
    return easy_tasks[1][0]


# How well ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("completer", "bound"),
    [
        (GSOMatrixCompleter(2, random_state=0), 1e-5),
        (GSOMatrixCompleter(2, optimizer=None, random_state=0), 1e-5),
        (ALSMatrixCompleter(2, alpha_start=10.0, random_state=0), 1e-2),
    ],
    ids=["gso", "untrained", "als"],
)
def test_recovers_a_low_rank_matrix(completer, bound, X, truth):
    assert relative_error(truth, clone(completer).fit_transform(X)) < bound


def test_default_needs_no_rank(X, truth):
    assert relative_error(truth, GSOMatrixCompleter(random_state=0).fit_transform(X)) < 1e-4


def test_tasks_of_a_collection_are_recovered(easy_tasks):
    X, truth = easy_tasks
    completer = GSOMatrixCompleter(n_epochs=1, scaling="matrix", random_state=0).fit(X)
    assert completer.score(X, truth) > -1e-2
    assert completer.n_tasks_in_ == 6 and len(completer.history_) > 0


def test_posterior_of_a_full_matrix_denoises():
    X, truth = make_low_rank_tasks(1, shape=(60, 50), rank=2, rate=1.0, noise=0.5, random_state=0)
    estimate = GSOMatrixCompleter(n_init=1, random_state=0).fit(X[0]).reconstruct(X[0])
    assert relative_error(truth[0], estimate) < 0.5 * relative_error(truth[0], X[0])


# Rows with missing entries ---------------------------------------------------------


@each_completer
def test_observed_entries_stay(completer, X):
    filled = clone(completer).fit_transform(X)
    seen = ~np.isnan(X)
    np.testing.assert_array_equal(filled[seen], X[seen])
    assert np.isfinite(filled).all()


@each_completer
def test_rows_stand_alone(completer, X):
    """Subsets, orders, single rows and a second call give the same numbers."""
    fitted = clone(completer).fit(X)
    filled = fitted.transform(X)
    order = np.random.RandomState(0).permutation(len(X))
    np.testing.assert_allclose(fitted.transform(X[order]), filled[order], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fitted.transform(X[3:4]), filled[3:4], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fitted.transform(X[::2]), filled[::2], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(fitted.transform(X), filled)


@each_completer
def test_fit_transform_is_fit_then_transform_and_idempotent(completer, X):
    fitted = clone(completer)
    a = fitted.fit_transform(X)
    np.testing.assert_array_equal(a, fitted.transform(X))
    np.testing.assert_array_equal(a, fitted.fit(X).transform(X))


@each_completer
def test_dtype_is_kept(completer, X):
    fitted = clone(completer).fit(X)
    assert fitted.transform(X).dtype == np.float64
    assert fitted.transform(X.astype(np.float32)).dtype == np.float32
    assert fitted.fit(X.astype(np.float32)).transform(X.astype(np.float32)).dtype == np.float32


@each_completer
def test_empty_rows_and_columns_are_filled_with_a_warning(completer, X):
    X = X.copy()
    X[4], X[:, 2] = np.nan, np.nan
    with pytest.warns(UserWarning) as caught:
        filled = clone(completer).fit_transform(X)
    messages = " ".join(str(w.message) for w in caught)
    assert "Rows [4] of X have no observed entry" in messages
    assert "Columns [2] of X have no observed entry" in messages
    assert filled.shape == X.shape and np.isfinite(filled).all()


def test_empty_rows_of_a_collection_are_named(easy_tasks):
    X = easy_tasks[0].copy()
    X[1, 4] = np.nan
    X[2, :, 3] = np.nan
    message = r"Rows \[4\] of task 1; Columns \[3\] of task 2 of X"
    with pytest.warns(UserWarning, match=message):
        als = ALSMatrixCompleter(2, max_iter=3, random_state=0).fit(X)
    with pytest.warns(UserWarning, match=message):
        assert np.isfinite(als.transform(X)).all()


def test_no_warning_without_cause(X):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GSOMatrixCompleter(random_state=0).fit_transform(X)


@each_completer
@pytest.mark.parametrize(
    "matrix",
    [np.zeros((5, 4)), np.ones((3, 2)), np.eye(4) * 1e-150, np.eye(4) * 1e150, [[1.0, 2.0]]],
    ids=["zero", "constant", "tiny", "huge", "one row"],
)
def test_degenerate_matrices_give_finite_answers(completer, matrix):
    matrix = np.array(matrix)
    if len(matrix) > 1:
        matrix[0, 1] = np.nan
    completer = clone(completer).set_params(n_components=1)
    with np.errstate(over="ignore"):
        assert np.isfinite(completer.fit_transform(matrix)).all()
