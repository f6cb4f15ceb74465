"""scikit-learn's pipelines, column transformers and other wrappers around completers."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter, LearnedOptimizer
from sklearn_gso.datasets import hide_entries, make_low_rank_tasks

pytestmark = pytest.mark.filterwarnings("ignore:Training has not improved")


def wine(rate=0.2):
    X, y = load_wine(return_X_y=True)
    return hide_entries(X, rate, 0), y


@pytest.fixture(scope="module")
def meta_fitted():
    X, _ = make_low_rank_tasks(4, shape=(12, 10), rank=2, rate=0.6, random_state=0)
    short = {"max_iter": 4, "n_epochs": 1, "n_init": 1, "scaling": "matrix"}
    return GSOMatrixCompleter(3, random_state=0, **short).fit(X)


def test_a_trained_optimizer_goes_through_pipelines_and_searches():
    X, y = wine()
    optimizer = LearnedOptimizer.load_pretrained()
    completer = GSOMatrixCompleter(
        optimizer=optimizer, max_iter=5, n_init=1, scaling="matrix", random_state=0
    )
    pipeline = make_pipeline(StandardScaler(), completer, LogisticRegression(max_iter=1000))
    search = GridSearchCV(pipeline, {"gsomatrixcompleter__n_components": [2, 4]}, cv=3)
    search.fit(X, y)
    assert search.best_score_ > 0.85
    inside = search.best_estimator_.named_steps["gsomatrixcompleter"]
    assert inside.learned_optimizer_ is optimizer  # cloned, searched, still the trained one


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("remainder", ["drop", "passthrough"])
def test_columns_that_are_completed(remainder):
    X, y = wine()
    names = [f"c{i}" for i in range(13)]
    frame = pd.DataFrame(X, columns=names)
    frame["c12"] = np.arange(len(frame), dtype=float)
    completer = GSOMatrixCompleter(3, max_iter=5, n_init=1, random_state=0)
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


@pytest.mark.slow
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
    ours = GSOMatrixCompleter(n_init=1, max_iter=8, random_state=0)
    grid = [
        {"impute": [ours], "impute__n_components": [2, 10], "classify__C": [0.1, 1.0]},
        {"impute": [KNNImputer()], "impute__n_neighbors": [3, 10]},
        {"impute": [IterativeImputer(random_state=0)], "impute__max_iter": [1, 2]},
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 8 and (scores > 0.85).all()
    # The parameters reach the completer: the same fit by hand.
    cell = search.cv_results_["params"].index(
        {"classify__C": 1.0, "impute": ours, "impute__n_components": 2}
    )
    by_hand = make_pipeline(
        StandardScaler(), clone(ours).set_params(n_components=2), LogisticRegression(max_iter=500)
    )
    assert scores[cell] == pytest.approx(cross_val_score(by_hand, X, y, cv=2).mean())
