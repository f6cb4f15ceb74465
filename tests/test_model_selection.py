"""scikit-learn's searches and curves, whose samples are tasks, and its wrappers."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
    learning_curve,
    train_test_split,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter
from sklearn_gso.datasets import hide_entries, make_low_rank_tasks


def tasks(n):
    X, truth = make_low_rank_tasks(n, shape=(12, 10), rank=2, rate=0.6, random_state=0)
    return list(X), list(truth)


def completer():
    return GSOMatrixCompleter(
        2, optimizer=None, max_iter=3, n_epochs=1, n_init=1, hidden_size=4, random_state=0
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
    "grid": lambda **options: GridSearchCV(completer(), GRID, cv=2, **options),
    "random": lambda **options: RandomizedSearchCV(
        completer(), GRID, n_iter=3, random_state=0, cv=2, **options
    ),
    "halving": lambda **options: HalvingGridSearchCV(
        completer(), GRID, cv=2, factor=3, min_resources=4, random_state=0, **options
    ),
}


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
    [("t_l", [1, 2]), ("t_u", [1, 3]), ("n_components", [1, 2]), ("max_iter", [2, 3])],
)
def test_every_parameter_that_is_searched_acts(parameter, values):
    X, truth = tasks(8)
    search = GridSearchCV(completer(), {parameter: values}, cv=2, error_score="raise")
    scores = search.fit(X, truth).cv_results_["mean_test_score"]
    assert len(scores) == 2 and scores[0] != scores[1]


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
    score = completer().fit(train, y_train).score(test, y_test)
    assert -2 < score < 0


def test_halving_search_over_tasks():
    """Fewer candidates on more tasks, iteration by iteration."""
    X, truth = tasks(16)
    search = HalvingGridSearchCV(
        completer(),
        {"t_l": [1, 2], "hidden_size": [2, 4]},
        cv=2,
        factor=2,
        min_resources=4,
        random_state=0,
        error_score="raise",
    ).fit(X, truth)
    assert search.n_candidates_ == [4, 2, 1] and search.n_resources_ == [4, 8, 16]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.n_tasks_in_ == 16


def test_learning_curve_over_tasks(monkeypatch):
    X, truth = tasks(12)
    fitted = []
    original = GSOMatrixCompleter.fit

    def fit(self, X, y=None):
        fitted.append(len(X))
        return original(self, X, y)

    monkeypatch.setattr(GSOMatrixCompleter, "fit", fit)
    sizes, train, test = learning_curve(
        completer(), X, truth, train_sizes=[2, 5, 8], cv=3, error_score="raise"
    )
    assert sizes.tolist() == [2, 5, 8] and fitted == [2, 5, 8] * 3
    assert train.shape == test.shape == (3, 3)
    assert np.isfinite(train).all() and np.isfinite(test).all() and (test < 0).all()


# Wrappers ---------------------------------------------------------------------------------


def wine(rate=0.2):
    X, y = load_wine(return_X_y=True)
    return hide_entries(X, rate, 0), y


@pytest.fixture(scope="module")
def meta_fitted():
    return GSOMatrixCompleter(3, max_iter=6, n_epochs=1, random_state=0).fit(tasks(4)[0])


def test_frozen_completers_keep_what_they_are(meta_fitted):
    """Refits of the pipeline leave the trained rule alone, and clones share it."""
    X, y = wine()
    frozen = FrozenEstimator(meta_fitted)
    assert clone(frozen).estimator is meta_fitted
    pipeline = make_pipeline(StandardScaler(), frozen, LogisticRegression(max_iter=500))
    search = GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1.0]}, cv=3).fit(X, y)
    inside = search.best_estimator_[1].estimator
    assert inside is meta_fitted and inside.n_tasks_in_ == 4
    assert search.best_score_ > 0.9
    np.testing.assert_array_equal(
        search.best_estimator_[:2].transform(X),
        meta_fitted.transform(StandardScaler().fit(X).transform(X)),
    )


def test_frozen_row_by_row(meta_fitted):
    """Frozen after one matrix: the rows of others are completed with its components."""
    X, y = wine()
    fitted = clone(meta_fitted).fit(X[::2])
    frozen = FrozenEstimator(fitted)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = frozen.fit(X[1::2], None).transform(X[1::2])
    np.testing.assert_array_equal(out, fitted.transform(X[1::2]))


def test_target_that_is_transformed():
    """A regressor that completes first, on scaled targets: the same as by hand."""
    rng = np.random.RandomState(0)
    X = rng.randn(60, 3)
    completer = ALSMatrixCompleter(2, max_iter=5, random_state=0)
    wrapped = TransformedTargetRegressor(
        make_pipeline(completer, LinearRegression()), transformer=StandardScaler()
    )
    y = X @ rng.randn(3, 2)
    holes = hide_entries(X, 0.1, 0)
    fitted = wrapped.fit(holes, y)
    scaler = StandardScaler().fit(y)
    plain = make_pipeline(clone(completer), LinearRegression()).fit(holes, scaler.transform(y))
    np.testing.assert_allclose(
        fitted.predict(holes), scaler.inverse_transform(plain.predict(holes)), rtol=1e-9
    )
    search = GridSearchCV(wrapped, {"regressor__alsmatrixcompleter__n_components": [1, 2]}, cv=3)
    assert np.isfinite(search.fit(holes, y).cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("remainder", ["drop", "passthrough"])
def test_columns_that_are_completed(remainder):
    X, y = wine()
    names = [f"c{i}" for i in range(13)]
    frame = pd.DataFrame(X, columns=names)
    frame["c12"] = np.arange(len(frame), dtype=float)
    completer = GSOMatrixCompleter(3, max_iter=5, random_state=0)
    columns = ColumnTransformer(
        [("complete", completer, names[:8])], remainder=remainder, verbose_feature_names_out=False
    ).set_output(transform="pandas")
    out = columns.fit_transform(frame)
    np.testing.assert_array_equal(
        out[names[:8]].to_numpy(), clone(completer).fit_transform(frame[names[:8]].to_numpy())
    )
    if remainder == "passthrough":
        pd.testing.assert_frame_equal(out[names[8:]], frame[names[8:]])
    else:
        assert list(out.columns) == names[:8]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grid = {"columntransformer__complete__n_components": [1, 3]}
        pipeline = make_pipeline(
            ColumnTransformer([("complete", completer, names[:8])]),
            StandardScaler(),
            LogisticRegression(max_iter=500),
        )
        search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(frame, y)
    scores = search.cv_results_["mean_test_score"]
    assert scores[0] != scores[1] and scores.max() > 0.8


def test_a_search_over_imputers_and_their_parameters():
    """One slot of a pipeline, three imputers with parameters of their own, and the classifier's."""
    X, y = wine(0.3)
    pipeline = Pipeline(
        [
            ("scale", StandardScaler()),
            ("impute", "passthrough"),
            ("classify", LogisticRegression(max_iter=500)),
        ]
    )
    ours = GSOMatrixCompleter(n_init=1, max_iter=10, random_state=0)
    grid = [
        {"impute": [ours], "impute__n_components": [2, 10], "classify__C": [0.1, 1.0]},
        {"impute": [KNNImputer()], "impute__n_neighbors": [3, 10]},
        {"impute": [IterativeImputer(random_state=0)], "impute__max_iter": [1, 2]},
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 8 and (scores > 0.85).all()
    # The parameters reach the completer: the same fit by hand.
    cell = search.cv_results_["params"].index(
        {"classify__C": 1.0, "impute": ours, "impute__n_components": 2}
    )
    by_hand = make_pipeline(
        StandardScaler(), clone(ours).set_params(n_components=2), LogisticRegression(max_iter=500)
    )
    assert scores[cell] == pytest.approx(cross_val_score(by_hand, X, y, cv=3).mean())
