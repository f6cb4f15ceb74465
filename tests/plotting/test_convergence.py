"""Loss and error that are drawn are those of the estimates, sweep by sweep."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter, SGDMatrixCompleter
from sklearn_gso.metrics import relative_error
from sklearn_gso.plotting import ConvergenceDisplay
from sklearn_gso.plotting.convergence import estimates_of


def als(**parameters):
    settings = {"max_iter": 5, "scaling": "matrix", "random_state": 0}
    return ALSMatrixCompleter(2, **{**settings, **parameters})


def curves(completer, X, truth=None):
    """Of the error, where there is truth, and of the loss."""
    lines = ConvergenceDisplay.from_estimator(completer, X, truth).lines_
    return [line.get_ydata() for line in lines]


def test_errors_on_both_kinds_of_entries(easy_tasks, plt):
    X, truth = easy_tasks[0][0], easy_tasks[1][0]
    gso = GSOMatrixCompleter(max_iter=8, n_init=1, random_state=0).fit(X)
    ax = plt.subplots()[1]
    display = ConvergenceDisplay.from_estimator(gso, X, truth, peers={"ALS": als().fit(X)}, ax=ax)
    assert display.ax_ is ax and display.figure_ is ax.figure
    error, loss = (line.get_ydata() for line in display.lines_[:2])
    assert len(error) == len(loss) == gso.n_iter_ + 1 and len(display.lines_[2].get_ydata()) == 6
    estimates = estimates_of(gso.trace(X))
    assert list(error) == [relative_error(truth, e, where=np.isnan(X)) for e in estimates]
    assert list(loss) == [relative_error(X, e) for e in estimates]
    assert error[-1] < 0.1 < error[0]
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == [
        "GSOMatrixCompleter: error",
        "GSOMatrixCompleter: loss",
        "ALS: error",
        "ALS: loss",
    ]


@pytest.mark.parametrize("n_init", [1, 3, "auto"])
def test_the_end_is_the_answer_of_the_fit(n_init, easy_tasks):
    """The runs, as they weigh, in the last iterate of each."""
    X, truth = easy_tasks[0][0], easy_tasks[1][0]
    gso = GSOMatrixCompleter(2, max_iter=6, n_init=n_init, random_state=0).fit(X)
    answer = gso.trace(X)
    end = answer.mean(answer.problem.reconstruct)[0].numpy()
    np.testing.assert_array_equal(estimates_of(answer)[-1], end)
    error, loss = curves(gso, X, truth)
    assert error[-1] == relative_error(truth, end, where=np.isnan(X))
    assert loss[-1] == relative_error(X, end)


@pytest.mark.parametrize("n_init", [1, 3])
def test_where_sweeps_have_converged_the_end_is_what_reconstruct_says(n_init, easy_tasks):
    """It solves the rows once more, given the right factor: the same, at a fixed point."""
    X, truth = easy_tasks[0][0], easy_tasks[1][0]
    completer = als(max_iter=40, alpha=3.0, n_init=n_init).fit(X)
    error, loss = curves(completer, X, truth)
    filled = completer.reconstruct(X)
    assert error[-1] == pytest.approx(relative_error(truth, filled, where=np.isnan(X)), rel=1e-8)
    assert loss[-1] == pytest.approx(relative_error(X, filled), rel=1e-8)


def test_a_run_that_diverges_ends_at_its_best_iterate(easy_tasks):
    """The safeguard returns an earlier iterate; what overflowed in between is not drawn."""
    X = easy_tasks[0][0]
    sgd = SGDMatrixCompleter(2, learning_rate=0.07, max_iter=8, random_state=0).fit(X)
    answer = sgd.trace(X)
    (run,), (loss,) = answer.runs, curves(sgd, X)
    objective = np.array([float(value[0]) for value in run.trace.objective])
    best = np.nanargmin(objective)
    assert 0 < best < 8 and objective[best] == sgd.objective_ and np.isnan(objective[-1])
    assert loss[-1] == loss[best] == relative_error(X, estimates_of(answer)[best])
    assert np.isnan(loss[-2])


def test_runs_that_end_early_stay_where_they_are(noisy_values):
    X = noisy_values[0].numpy()
    gso = GSOMatrixCompleter(2, n_init=3, tol=1e-2, max_iter=60, random_state=0).fit(X)
    answer = gso.trace(X)
    lengths = [int(run.n_iter[0]) for run in answer.runs]
    assert len(set(lengths)) > 1 and max(lengths) < 60
    (loss,) = curves(gso, X)
    assert len(loss) == max(lengths) + 1
    i = min(lengths) + 1  # one sweep after the shortest run has ended
    expected = 0
    for run, n, weight in zip(answer.runs, lengths, answer.weights[:, 0], strict=True):
        now = run.variables if i >= n else run.trace.variables[i]
        expected += weight * answer.problem.reconstruct(now)[0]
    np.testing.assert_allclose(estimates_of(answer)[i], expected.numpy(), rtol=1e-10)


def test_without_truth_and_whatever_marks_the_holes(easy_tasks):
    """Sparse input, frames, other markers of missing entries: the same curves."""
    X, truth = easy_tasks[0][0], easy_tasks[1][0]
    rows, columns = np.nonzero(~np.isnan(X))
    stored = sparse.csr_array((X[rows, columns], (rows, columns)), shape=X.shape)
    assert len(curves(als().fit(X), X)) == 1
    expected = curves(als().fit(X), X, truth)
    frame = pd.DataFrame(X)
    for other in (stored, frame, frame.astype("Float64"), np.ma.masked_invalid(X), X.tolist()):
        np.testing.assert_allclose(curves(als().fit(other), other, truth), expected, rtol=1e-9)
    marked, by_number = np.where(np.isnan(X), -1, X), als(missing_values=-1)
    np.testing.assert_allclose(curves(by_number.fit(marked), marked, truth), expected, rtol=1e-12)


def test_columns_that_the_fit_dropped_do_not_count(easy_tasks):
    X, truth = easy_tasks[0][0].copy(), easy_tasks[1][0]
    X[:, 3] = np.nan
    dropping = als(keep_empty_features=False)
    with pytest.warns(UserWarning, match="dropped"):
        dropping.fit(X)
    rest = np.delete(X, 3, axis=1), np.delete(truth, 3, axis=1)
    np.testing.assert_array_equal(curves(dropping, X, truth), curves(als().fit(rest[0]), *rest))


def test_unknown_truths_do_not_count(easy_tasks):
    X, truth = easy_tasks[0][0], easy_tasks[1][0].copy()
    truth[np.isnan(X)] = np.where(np.arange(np.isnan(X).sum()) % 2, truth[np.isnan(X)], np.nan)
    gso = als().fit(X)
    known = np.isnan(X) & ~np.isnan(truth)
    end = estimates_of(gso.trace(X))[-1]
    assert curves(gso, X, truth)[0][-1] == relative_error(easy_tasks[1][0], end, where=known)


def test_after_a_fit_to_a_collection(easy_tasks):
    X, truth = easy_tasks
    settings = {"scaling": "matrix", "max_iter": 4, "random_state": 0}
    trained = GSOMatrixCompleter(2, n_epochs=0, **settings).fit(X[:3])
    alone = GSOMatrixCompleter(2, **settings).fit(X[4])
    found, expected = (curves(one, X[4], truth[4]) for one in (trained, alone))
    assert len(found[0]) == 5
    np.testing.assert_array_equal(found, expected)


def test_drawing_changes_nothing(easy_tasks):
    X, truth = easy_tasks[0][0], easy_tasks[1][0]
    gso = GSOMatrixCompleter(2, max_iter=4, n_init=2, random_state=0).fit(X)
    before, filled, data = dict(vars(gso)), gso.transform(X), X.copy()
    first, again = curves(gso, X, truth), curves(gso, X, truth)
    np.testing.assert_array_equal(first, again)
    assert vars(gso).keys() == before.keys()
    assert all(vars(gso)[name] is value for name, value in before.items())
    np.testing.assert_array_equal(gso.transform(X), filled)
    np.testing.assert_array_equal(X, data)


def test_what_cannot_be_drawn_is_said(easy_tasks):
    X = easy_tasks[0]
    with pytest.raises(NotFittedError):
        ConvergenceDisplay.from_estimator(GSOMatrixCompleter(), X[0])
    with pytest.raises(TypeError, match="SimpleImputer is no completer"):
        ConvergenceDisplay.from_estimator(SimpleImputer().fit(X[0]), X[0])
    with pytest.raises(ValueError, match="One data set can be traced at a time"):
        ConvergenceDisplay.from_estimator(ALSMatrixCompleter(2, max_iter=2).fit(X), X)
