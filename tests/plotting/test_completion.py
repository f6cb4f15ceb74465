"""The matrices themselves are drawn, and what is known of their uncertainty."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer

from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.plotting import CompletionDisplay


def test_completion_draws_the_matrices_themselves(easy_tasks, plt):
    X, truth = easy_tasks[0][0], easy_tasks[1][0]
    completer = GSOMatrixCompleter(2, max_iter=5, n_init=1, random_state=0).fit(X)
    ax = plt.subplots()[1]
    display = CompletionDisplay.from_estimator(completer, X, truth, ax=ax, cmap="RdBu_r")
    drawn = {name: image.get_array() for name, image in display.images_.items()}
    assert (drawn["observed"].filled(np.nan)[~np.isnan(X)] == X[~np.isnan(X)]).all()
    assert (np.ma.getmaskarray(drawn["observed"]) == np.isnan(X)).all()
    assert (drawn["completed"] == completer.transform(X)).all()
    assert (drawn["truth"] == truth).all()
    assert display.ax_ is ax and all(a.figure is ax.figure for a in display.axes_.values())
    assert display.images_["observed"].get_clim() == display.images_["truth"].get_clim()
    assert display.images_["truth"].get_cmap().name == "RdBu_r"


def test_completion_draws_the_uncertainty_of_those_who_know_it(easy_tasks):
    class Sure(SimpleImputer):
        def transform_std(self, X):
            return np.where(np.isnan(X), 2.0, 0.0)

    X = easy_tasks[0][0]
    display = CompletionDisplay.from_estimator(Sure().fit(X), X)
    assert list(display.axes_) == ["observed", "completed", "standard deviation"]
    assert (display.images_["standard deviation"].get_array() == 2.0 * np.isnan(X)).all()
    assert (
        "standard deviation"
        not in CompletionDisplay.from_estimator(SimpleImputer().fit(X), X).axes_
    )
    with pytest.raises(ValueError, match="one shape"):
        CompletionDisplay.from_predictions(X, X[1:])


def test_what_is_not_fitted_is_not_drawn(easy_tasks):
    with pytest.raises(NotFittedError):
        CompletionDisplay.from_estimator(GSOMatrixCompleter(), easy_tasks[0][0])
