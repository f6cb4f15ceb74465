"""The scores of a search, each in its place."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter
from sklearn_gso.plotting import SearchGridDisplay


@pytest.mark.slow
def test_search_grid_shows_the_scores_of_a_search(easy_tasks, plt):
    X, truth = (list(matrices[:4, :12]) for matrices in easy_tasks)
    completer = GSOMatrixCompleter(
        2, optimizer=None, max_iter=2, n_init=1, n_epochs=1, scaling="matrix", random_state=0
    )
    grid = {"t_u": [1, 2], "t_l": [1, 2, 3]}
    search = GridSearchCV(completer, grid, cv=2, error_score="raise").fit(X, truth)
    ax = plt.subplots()[1]
    display = SearchGridDisplay.from_estimator(search, ax=ax)
    assert display.ax_ is ax and display.image_.get_array().shape == (3, 2)
    for params, score in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        i, j = grid["t_l"].index(params["t_l"]), grid["t_u"].index(params["t_u"])
        assert display.image_.get_array()[i, j] == score
        assert display.texts_[2 * i + j].get_text() == f"{score:.3g}"
    assert display.image_.get_array().max() == search.best_score_


def test_search_grid_inside_a_pipeline_keeps_the_best_of_other_parameters(easy_tasks):
    X = easy_tasks[0][0]
    pipeline = make_pipeline(FunctionTransformer(), ALSMatrixCompleter(random_state=0))
    name = "alsmatrixcompleter__"
    space = {name + "max_iter": [1, 5], name + "n_components": [1, 2], name + "alpha": [1e-3, 1.0]}
    search = RandomizedSearchCV(pipeline, space, n_iter=7, cv=2, random_state=0).fit(X)
    display = SearchGridDisplay.from_estimator(search, "max_iter", "n_components")
    assert display.values.max() == search.best_score_
    with pytest.raises(ValueError, match="one 't_u'"):
        SearchGridDisplay.from_estimator(search)
    with pytest.raises(ValueError, match="no 'mean_fit'"):
        SearchGridDisplay.from_estimator(search, "alpha", "max_iter", score="mean_fit")


def test_search_grid_of_what_was_not_tried_and_of_none():
    search = GridSearchCV(
        ALSMatrixCompleter(max_iter=5, random_state=0),
        [{"n_init": [2], "n_components": [None, 1]}, {"n_init": [1], "n_components": [1]}],
        cv=2,
    ).fit(np.random.RandomState(0).randn(8, 5))
    display = SearchGridDisplay.from_estimator(search, "n_init", "n_components")
    assert display.y_values == [None, 1] and display.x_values == [1, 2]
    assert np.isnan(display.values).tolist() == [[True, False], [False, False]]
    assert len(display.texts_) == 3


def test_what_was_not_searched_is_not_drawn():
    with pytest.raises(NotFittedError):
        SearchGridDisplay.from_estimator(GridSearchCV(GSOMatrixCompleter(), {}))
