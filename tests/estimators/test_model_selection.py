"""scikit-learn's searches and curves, whose samples are tasks."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_validate,
    learning_curve,
    train_test_split,
)

from sklearn_gso import GSOMatrixCompleter, MetaTraining
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.metrics import relative_error
from sklearn_gso.rules import recipe

pytestmark = pytest.mark.filterwarnings("ignore:Training has not improved")


def tasks(n):
    X, truth = make_low_rank_tasks(n, shape=(12, 10), rank=2, rate=0.6, random_state=0)
    return list(X), list(truth)


def completer():
    return GSOMatrixCompleter(
        2,
        optimizer=None,
        rule=recipe("control", hidden_size=4),
        max_iter=2,
        n_epochs=1,
        training=MetaTraining(),
        n_init=1,
        scaling="matrix",
        random_state=0,
    )


def container(kind, n=8):
    """A collection and its truth: a list, one array, or matrices of two shapes."""
    X, truth = tasks(n)
    if kind == "array":
        return np.stack(X), np.stack(truth)
    if kind == "unequal":
        rows = [12 - i % 2 for i in range(n)]
        return [x[:r] for x, r in zip(X, rows, strict=True)], [
            t[:r] for t, r in zip(truth, rows, strict=True)
        ]
    return X, truth


GRID = {"t_l": [1, 2], "n_components": [1, 2]}
SEARCHES = {
    "grid": lambda **options: GridSearchCV(completer(), {"t_l": [1, 2]}, cv=2, **options),
    "random": lambda **options: RandomizedSearchCV(
        completer(), GRID, n_iter=2, random_state=0, cv=2, **options
    ),
    "halving": lambda **options: HalvingGridSearchCV(
        completer(), GRID, cv=2, factor=3, min_resources=4, random_state=0, **options
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "with_truth"),
    [
        ("grid", "list", True),
        ("grid", "unequal", False),
        ("random", "array", True),
        ("random", "list", False),
        ("halving", "unequal", True),
        ("halving", "array", False),
    ],
)
def test_searches_give_the_same_scores_in_one_process_and_in_two(name, kind, with_truth):
    X, truth = container(kind)
    y = truth if with_truth else None
    found = [SEARCHES[name](n_jobs=n, error_score="raise").fit(X, y) for n in (1, 2)]
    one, two = (search.cv_results_["mean_test_score"] for search in found)
    np.testing.assert_allclose(one, two, rtol=1e-10)
    assert np.isfinite(one).all() and (one < 0).all()
    assert found[0].best_params_ == found[1].best_params_
    assert found[0].best_estimator_.n_tasks_in_ == 8 and len(found[0].transform(X)) == 8
    # The truth judges other entries than those that are hidden without it.
    assert found[0].score(X, truth) != found[0].score(X)


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        ("t_l", [1, 2]),
        ("t_u", [1, 2]),
        ("n_components", [1, 2]),
        ("max_iter", [2, 3]),
        ("n_epochs", [0, 2]),
        ("training__learning_rate", [1e-3, 1e-1]),
        ("training__loss", ["heldout", "global"]),
    ],
)
def test_every_parameter_that_is_searched_acts(parameter, values):
    X, truth = tasks(8)
    unhurried = completer().set_params(training__validation_fraction=0.0)
    search = GridSearchCV(unhurried, {parameter: values}, cv=2, error_score="raise")
    # With the truth training has no other loss to choose.
    scores = search.fit(X, None if "loss" in parameter else truth).cv_results_["mean_test_score"]
    assert len(scores) == 2 and scores[0] != scores[1]


def test_t_l_and_t_u_of_the_papers_rule():
    X, truth = tasks(4)
    step = completer().set_params(rule=recipe("step", hidden_size=4), max_iter=4)
    grid = {"t_l": [1, 3], "t_u": [2, 4]}
    search = GridSearchCV(step, grid, cv=2, error_score="raise").fit(X, truth)
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores.round(12))) == 4 and np.isfinite(scores).all()
    assert search.best_estimator_.n_tasks_in_ == 4


def test_cross_validation_over_tasks():
    """A fit on the other tasks, judged on these: the same by hand."""
    X, truth = tasks(6)
    found = cross_validate(
        completer(), X, truth, cv=3, return_train_score=True, return_estimator=True
    )
    first = clone(completer()).fit(X[2:], truth[2:])
    assert found["test_score"][0] == pytest.approx(first.score(X[:2], truth[:2]))
    assert found["train_score"][0] == pytest.approx(first.score(X[2:], truth[2:]))
    assert [fitted.n_tasks_in_ for fitted in found["estimator"]] == [4, 4, 4]


@pytest.mark.parametrize("kind", ["list", "array", "unequal"])
def test_tasks_are_split_whole(kind):
    X, truth = container(kind)
    train, test, y_train, y_test = train_test_split(X, truth, test_size=2, random_state=0)
    assert len(train) == len(y_train) == 6 and type(train) is type(X)
    fitted = completer().fit(train, y_train)
    pairs = zip(test, y_test, fitted.transform(test), strict=True)
    errors = [relative_error(true, filled, np.isnan(x)) for x, true, filled in pairs]
    assert fitted.score(test, y_test) == pytest.approx(-np.mean(errors), rel=1e-9)


def test_halving_search_over_tasks():
    """Fewer candidates on more tasks, iteration by iteration."""
    X, truth = tasks(8)
    search = HalvingGridSearchCV(
        completer(),
        {"rule": [recipe("control", hidden_size=n) for n in (2, 4)]},
        cv=2,
        factor=2,
        min_resources=4,
        random_state=0,
        error_score="raise",
    ).fit(X, truth)
    assert search.n_candidates_ == [2, 1] and search.n_resources_ == [4, 8]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.n_tasks_in_ == 8


def test_learning_curve_over_tasks(monkeypatch):
    X, truth = tasks(16)
    fitted = []
    original = GSOMatrixCompleter.fit

    def fit(self, X, y=None):
        fitted.append(len(X))
        return original(self, X, y)

    monkeypatch.setattr(GSOMatrixCompleter, "fit", fit)
    sizes, train, test = learning_curve(
        completer(), X, truth, train_sizes=[2, 5, 8], cv=2, error_score="raise"
    )
    assert sizes.tolist() == [2, 5, 8] and fitted == [2, 5, 8] * 2
    assert train.shape == test.shape == (3, 2)
    assert np.isfinite(train).all() and np.isfinite(test).all() and (test < 0).all()
