"""What `fit` and `transform` refuse, by name, and that a refusal changes nothing."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter, LearnedOptimizer

from .completers import COMPLETERS, each_completer

pytestmark = pytest.mark.filterwarnings("ignore:Training has not improved")


@pytest.fixture
def X(easy_tasks):
    return easy_tasks[0][0]


@pytest.fixture(scope="module")
def fitted_of():
    """Each completer fitted to one matrix, once; tests must leave it as it is."""
    known = {}

    def fitted(completer, X):
        name = next(n for n, c in COMPLETERS.items() if c is completer)
        if name not in known:
            known[name] = clone(completer).fit(X)
        return known[name]

    return fitted


def assert_unchanged(fitted, before):
    assert vars(fitted).keys() == before.keys()
    assert all(vars(fitted)[name] is before[name] for name in before)


def with_value(X, value):
    X = X.astype(complex if isinstance(value, complex) else object)
    X[0, 0] = value
    return X


@each_completer
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda X: np.where(X > 0, np.inf, X), "infinity"),
        (lambda X: with_value(X, 1j), "[Cc]omplex"),
        (lambda X: with_value(X, "text"), "could not convert"),
        (lambda X: X[:, :0], "0 feature"),
        (lambda X: np.full_like(X, np.nan), "no observed entry"),
        (lambda X: [X, X[:, :0]], "Task 1 of the collection"),
        (lambda X: [X, [1.0]], "element 1 of the collection"),
    ],
    ids=["inf", "complex", "text", "0 columns", "empty", "broken task", "mixed"],
)
def test_bad_input_changes_nothing(completer, spoil, message, X, fitted_of):
    fitted = fitted_of(completer, X)
    before, filled = dict(vars(fitted)), fitted.transform(X)
    with pytest.raises((ValueError, TypeError), match=message):
        fitted.fit(spoil(X))
    assert_unchanged(fitted, before)
    np.testing.assert_array_equal(fitted.transform(X), filled)


@each_completer
def test_a_refit_that_fails_late_changes_nothing(completer, X, fitted_of):
    fitted = fitted_of(completer, X)
    before = dict(vars(fitted))
    mixed_names = pd.DataFrame(X, columns=["a", *range(17)])
    with pytest.raises(TypeError, match="string"):
        fitted.fit(mixed_names)
    assert_unchanged(fitted, before)


@each_completer
def test_width_is_checked(completer, X, fitted_of):
    fitted = fitted_of(completer, X)
    with pytest.raises(ValueError, match="X has 17 features, but .* is expecting 18 features"):
        fitted.transform(X[:, 1:])


def test_the_callers_matrix_is_left_alone():
    twice = sparse.coo_matrix((np.ones(5), ([0, 0, 1, 2, 2], [0, 0, 1, 2, 0])), shape=(3, 3))
    with pytest.raises(ValueError, match=r"several entries in cell \(0, 0\)"):
        ALSMatrixCompleter(1, max_iter=2, random_state=0).fit(twice)
    assert twice.nnz == 5


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ma.masked_array(np.eye(3) * 1j, np.eye(3) > 2), "[Cc]omplex"),
        (np.empty((0, 5, 5)), "0 tasks"),
        (np.full((4, 4), 1e300), "overflowed|infinity"),
    ],
    ids=["masked complex", "no tasks", "overflow"],
)
def test_more_bad_input(X, message):
    with pytest.raises(ValueError, match=message), np.errstate(all="ignore"):
        ALSMatrixCompleter(1, random_state=0).fit(X)


def test_an_optimizer_for_something_else_is_refused(X):
    pretrained = LearnedOptimizer.load_pretrained()
    with pytest.raises(ValueError, match="its problem is 'EmpiricalBayesCompletion'"):
        GSOMatrixCompleter(optimizer=pretrained, alpha=1e-3).fit(X)
    with pytest.raises(ValueError, match="its rule is 'LSTMControl'"):
        GSOMatrixCompleter(optimizer=pretrained, rule="step").fit(X)
    with pytest.raises(FileNotFoundError):
        GSOMatrixCompleter(optimizer="nowhere.safetensors").fit(X)
