"""What completers are scored by: entries that a call does not see."""

import numpy as np
import pytest

from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.metrics import relative_error


@pytest.fixture(scope="module")
def untrained():
    return {"optimizer": None, "n_epochs": 0, "n_init": 1, "random_state": 0}


def test_of_a_collection_it_is_the_mean_error_of_what_is_filled_in(easy_tasks, untrained):
    X, truth = easy_tasks
    completer = GSOMatrixCompleter(2, **untrained).fit(X)
    with_truth = completer.score(X, truth)
    errors = [
        relative_error(t, c, np.isnan(x))
        for t, c, x in zip(truth, completer.transform(X), X, strict=True)
    ]
    assert isinstance(with_truth, float)
    assert with_truth == pytest.approx(-np.mean(errors), rel=1e-3)


def test_of_one_matrix_and_without_the_truth(easy_tasks, untrained):
    X, truth = easy_tasks[0][0], easy_tasks[1][0]
    one = GSOMatrixCompleter(2, **untrained).fit(X)
    assert one.score(X, truth) > -1e-4
    # Labels, as pipelines pass them, say nothing about entries.
    assert one.score(X, np.zeros(len(X))) == one.score(X) < 0
    with pytest.raises(ValueError, match="Nothing to judge in task 0"):
        one.score(truth, truth)
    with pytest.raises(ValueError, match="equal shape"):
        one.score(X, truth[:, 1:])


def test_of_three_entries(untrained):
    """At least one entry is hidden, however few there are."""
    X = [[1.0, 2.0], [3.0, np.nan]]
    small = GSOMatrixCompleter(1, **untrained).fit(X)
    assert small.score(X) < 0


@pytest.mark.filterwarnings("ignore:.*have no observed entry")
@pytest.mark.parametrize("y", [False, True])
def test_of_nothing(y, easy_tasks, untrained):
    X, truth = easy_tasks
    for data in (X[0], X):
        fitted = GSOMatrixCompleter(2, max_iter=3, **untrained).fit(data)
        with pytest.raises(ValueError, match="X has no observed entry"):
            fitted.score(np.full_like(X[0], np.nan), truth[0] if y else None)
