"""The completers as a user meets them."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_gso import (
    ALSMatrixCompleter,
    GSOMatrixCompleter,
    LearnedOptimizer,
    SGDMatrixCompleter,
)
from sklearn_gso.datasets import hide_entries, make_low_rank_tasks
from sklearn_gso.metrics import relative_error

COMPLETERS = [
    GSOMatrixCompleter(2, random_state=0),
    GSOMatrixCompleter(2, optimizer=None, random_state=0),
    GSOMatrixCompleter(2, prior="ridge", random_state=0),
    GSOMatrixCompleter(2, rule="step", max_iter=5, n_epochs=1, random_state=0),
    ALSMatrixCompleter(2, alpha_start=10.0, random_state=0),
    SGDMatrixCompleter(2, max_iter=20, random_state=0),
]
each_completer = pytest.mark.parametrize(
    "completer", COMPLETERS, ids=["gso", "untrained", "ridge", "step", "als", "sgd"]
)


@pytest.fixture
def X(easy_tasks):
    return easy_tasks[0][0]


@pytest.fixture
def truth(easy_tasks):
    return easy_tasks[1][0]


# It completes -------------------------------------------------------------------


@pytest.mark.parametrize("completer", [COMPLETERS[i] for i in (0, 1, 4)])
def test_recovers_a_low_rank_matrix(completer, X, truth):
    error = relative_error(truth, clone(completer).fit_transform(X))
    assert error < 1e-2 if isinstance(completer, ALSMatrixCompleter) else error < 1e-5


def test_default_needs_no_rank(X, truth):
    assert relative_error(truth, GSOMatrixCompleter(random_state=0).fit_transform(X)) < 1e-4


def test_collection_beats_column_means(easy_tasks):
    X, truth = easy_tasks
    completer = GSOMatrixCompleter(n_epochs=1, random_state=0).fit(X)
    assert completer.score(X, truth) > -1e-2
    assert completer.n_tasks_in_ == 6 and len(completer.history_) > 0


# NaN versions of scikit-learn's checks ---------------------------------------------


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
    a = clone(completer).fit_transform(X)
    fitted = clone(completer).fit(X)
    np.testing.assert_array_equal(a, fitted.transform(X))
    np.testing.assert_array_equal(a, fitted.fit(X).transform(X))


@each_completer
def test_dtype_is_kept(completer, X):
    assert clone(completer).fit_transform(X.astype(np.float32)).dtype == np.float32
    assert clone(completer).fit_transform(X).dtype == np.float64


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


# Bad input --------------------------------------------------------------------------


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
        (lambda X: X[:, :1], "1 feature"),
        (lambda X: X[:, :0], "0 feature"),
        (lambda X: np.full_like(X, np.nan), "no observed entry"),
        (lambda X: [X, X[:, :1]], "Task 1 of the collection"),
        (lambda X: [X, [1.0]], "element 1 of the collection"),
    ],
    ids=["inf", "complex", "text", "1 column", "0 columns", "empty", "broken task", "mixed"],
)
def test_bad_input_changes_nothing(completer, spoil, message, X):
    fitted = clone(completer).fit(X)
    before = {k: v for k, v in vars(fitted).items()}
    with pytest.raises((ValueError, TypeError), match=message):
        fitted.fit(spoil(X))
    assert vars(fitted).keys() == before.keys()
    assert all(vars(fitted)[k] is before[k] for k in before)


@each_completer
def test_a_refit_that_fails_late_changes_nothing(completer, X):
    fitted = clone(completer).fit(X)
    before = dict(vars(fitted))
    mixed_names = pd.DataFrame(X, columns=["a", *range(17)])
    with pytest.raises(TypeError, match="string"):
        fitted.fit(mixed_names)
    assert vars(fitted).keys() == before.keys()
    assert all(vars(fitted)[k] is before[k] for k in before)


def test_the_callers_matrix_is_left_alone():
    twice = sparse.coo_matrix((np.ones(5), ([0, 0, 1, 2, 2], [0, 0, 1, 2, 0])), shape=(3, 3))
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


def test_empty_rows_of_a_collection_are_named(easy_tasks):
    X = easy_tasks[0].copy()
    X[1, 4] = np.nan
    X[2, :, 3] = np.nan
    message = r"Rows \[4\] of task 1; Columns \[3\] of task 2 of X"
    with pytest.warns(UserWarning, match=message):
        als = ALSMatrixCompleter(2, max_iter=3, random_state=0).fit(X)
    with pytest.warns(UserWarning, match=message):
        assert np.isfinite(als.transform(X)).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0}, "n_components .*>= 1, got 0"),
        ({"n_components": 2.5}, "n_components .*integer"),
        ({"n_components": 19}, r"n_components=19 must be <= min\(n_samples, n_features\)=18"),
        ({"max_iter": 0}, "max_iter"),
        ({"n_init": 0}, "n_init"),
        ({"t_l": -1}, "t_l"),
        ({"t_u": 0}, "t_u"),
        ({"alpha": -1.0}, "alpha"),
        ({"rule": "magic"}, "rule must be one of"),
        ({"prior": "flat"}, "prior must be one of"),
        ({"meta_loss": "l1"}, "meta_loss"),
        ({"safeguard": "hope"}, "safeguard"),
        ({"optimizer": 3}, "optimizer must be a LearnedOptimizer"),
        ({"n_epochs": -1}, "n_epochs"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"validation_fraction": None}, "validation_fraction"),
        ({"loss_weights": [1.0]}, "loss_weights"),
        ({"batch_size": 0}, "batch_size"),
        ({"hidden_size": 0}, "hidden_size"),
        ({"rule": "step", "n_epochs": 0}, "needs a trained optimizer"),
    ],
)
def test_bad_parameters(parameters, message, X):
    with pytest.raises(ValueError, match=message):
        GSOMatrixCompleter(**parameters).fit(X)


def test_an_optimizer_for_something_else_is_refused(X):
    pretrained = LearnedOptimizer.load_pretrained()
    with pytest.raises(ValueError, match="its problem is 'EmpiricalBayesCompletion'"):
        GSOMatrixCompleter(optimizer=pretrained, prior="ridge").fit(X)
    with pytest.raises(FileNotFoundError):
        GSOMatrixCompleter(optimizer="nowhere.safetensors").fit(X)


@each_completer
def test_width_is_checked(completer, X):
    fitted = clone(completer).fit(X)
    with pytest.raises(ValueError, match="X has 17 features, but .* is expecting 18 features"):
        fitted.transform(X[:, 1:])


# One matrix or a collection ----------------------------------------------------------


@each_completer
def test_one_matrix_after_a_collection_and_back(completer, easy_tasks):
    X, _ = easy_tasks
    fitted = clone(completer).fit(X[0])
    with pytest.raises(ValueError, match="was fitted on one matrix"):
        fitted.transform(X)
    fitted.fit(list(X))
    assert fitted.n_tasks_in_ == 6
    assert not hasattr(fitted, "n_features_in_") and not hasattr(fitted, "components_")
    single = fitted.transform(X[0])
    assert single.shape == X[0].shape and np.isfinite(single).all()
    other_width = fitted.transform(X[0][:, :9])
    assert other_width.shape == (24, 9)
    fitted.fit(X[0])
    assert not hasattr(fitted, "n_tasks_in_") and fitted.components_.shape == (2, 18)


def test_containers(easy_tasks):
    X, _ = easy_tasks
    als = ALSMatrixCompleter(2, max_iter=5, random_state=0).fit(X)
    as_array, as_list = als.transform(X), als.transform(list(X))
    assert isinstance(as_array, np.ndarray) and as_array.shape == X.shape
    assert isinstance(as_list, list) and isinstance(als.transform(tuple(X)), list)
    np.testing.assert_array_equal(as_array, np.stack(as_list))


def test_unequal_shapes(easy_tasks):
    X, truth = easy_tasks
    tasks = [X[0], X[1][:20], X[2], X[3][:, :12]]
    completer = GSOMatrixCompleter(2, n_epochs=1, batch_size=2, random_state=0).fit(tasks)
    filled = completer.transform(tasks)
    assert [f.shape for f in filled] == [t.shape for t in tasks]
    assert relative_error(truth[0], filled[0]) < 1e-2


def test_sparse_frame_and_masked_inputs_agree(X):
    stored = sparse.coo_array((X[~np.isnan(X)], np.nonzero(~np.isnan(X))), shape=X.shape)
    completer = GSOMatrixCompleter(2, random_state=0)
    expected = completer.fit_transform(X)
    for other in (
        stored.tocsr(),
        stored.tocsc(),
        pd.DataFrame(X),
        np.ma.masked_array(np.nan_to_num(X), np.isnan(X)),
        X.tolist(),
    ):
        np.testing.assert_allclose(np.asarray(completer.fit_transform(other)), expected, rtol=1e-9)


def test_pandas_output(X, easy_tasks):
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(18)])
    completer = GSOMatrixCompleter(2, random_state=0, n_epochs=0).set_output(transform="pandas")
    out = completer.fit_transform(frame)
    assert list(out.columns) == list(frame.columns)
    completer.fit(easy_tasks[0])
    assert not hasattr(completer, "get_feature_names_out")
    assert isinstance(completer.transform(easy_tasks[0][0]), np.ndarray)


def test_jobs_do_not_matter(easy_tasks, monkeypatch):
    monkeypatch.setattr("sklearn_gso.tasks.MEMORY_BOUND", 5000)
    X, _ = easy_tasks
    results = [
        GSOMatrixCompleter(2, n_epochs=0, max_iter=5, n_jobs=n, random_state=0).fit(X).transform(X)
        for n in (None, 2)
    ]
    np.testing.assert_allclose(*results, rtol=1e-10, atol=1e-12)


# Truth, scores, model selection ---------------------------------------------------------


def test_score(easy_tasks):
    X, truth = easy_tasks
    completer = GSOMatrixCompleter(2, optimizer=None, n_epochs=0, random_state=0).fit(X)
    with_truth = completer.score(X, truth)
    expected = np.mean(
        [relative_error(t, c, np.isnan(x)) for t, c, x in zip(truth, completer.transform(X), X,
                                                              strict=True)]
    )  # fmt: skip
    assert isinstance(with_truth, float) and with_truth == pytest.approx(-expected, rel=1e-3)
    assert completer.score(X) < 0
    one = GSOMatrixCompleter(2, optimizer=None, random_state=0).fit(X[0])
    assert one.score(X[0], truth[0]) > -1e-4
    assert one.score(X[0], np.zeros(len(X[0]))) == one.score(X[0])
    with pytest.raises(ValueError, match="Nothing to judge in task 0"):
        one.score(truth[0], truth[0])
    small = GSOMatrixCompleter(1, random_state=0).fit([[1.0, 2.0], [3.0, np.nan]])
    assert small.score([[1.0, 2.0], [3.0, np.nan]]) < 0
    with pytest.raises(ValueError, match="equal shape"):
        one.score(X[0], truth[0][:, 1:])


@pytest.mark.filterwarnings("ignore:.*have no observed entry")
@pytest.mark.parametrize("y", [False, True])
def test_score_of_nothing(easy_tasks, y):
    X, truth = easy_tasks
    for data in (X[0], X):
        fitted = GSOMatrixCompleter(2, n_epochs=0, random_state=0).fit(data)
        with pytest.raises(ValueError, match="X has no observed entry"):
            fitted.score(np.full_like(X[0], np.nan), truth[0] if y else None)


def test_truth_can_be_learned_from(easy_tasks):
    X, truth = easy_tasks
    completer = GSOMatrixCompleter(2, optimizer=None, n_epochs=2, max_iter=6, random_state=0)
    completer.fit(X, truth)
    assert completer.history_[-1]["validation"] < completer.history_[0]["loss"] * 1.5
    with pytest.raises(ValueError, match="one true matrix of equal shape"):
        completer.fit(X, truth[:-1])


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_over_t_l_and_t_u(easy_tasks, n_jobs):
    X, truth = easy_tasks
    search = GridSearchCV(
        GSOMatrixCompleter(2, rule="step", max_iter=4, n_epochs=1, random_state=0),
        {"t_l": [1, 3], "t_u": [2, 4]},
        cv=2,
        n_jobs=n_jobs,
        error_score="raise",
    )
    search.fit(list(X), list(truth))
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 4 and np.isfinite(scores).all()
    assert len(set(np.round(scores, 12))) == 4  # both parameters act
    assert search.best_estimator_.n_tasks_in_ == 6


def test_split_and_cross_validate_over_tasks(easy_tasks):
    X, truth = easy_tasks
    train, test, _, y_test = train_test_split(list(X), list(truth), random_state=0)
    completer = GSOMatrixCompleter(2, n_epochs=1, random_state=0)
    assert completer.fit(train).score(test, y_test) > -0.1
    assert len(cross_val_score(completer, X, truth, cv=2)) == 2


def test_pipeline_with_missing_values():
    from sklearn.datasets import load_wine
    from sklearn.preprocessing import StandardScaler

    X, y = load_wine(return_X_y=True)
    X = hide_entries(X, 0.2, random_state=0)
    optimizer = LearnedOptimizer.load_pretrained()
    pipeline = make_pipeline(
        StandardScaler(),
        GSOMatrixCompleter(optimizer=optimizer, random_state=0),
        LogisticRegression(max_iter=1000),
    )
    search = GridSearchCV(pipeline, {"gsomatrixcompleter__n_components": [2, 4]}, cv=3)
    search.fit(X, y)
    assert search.best_score_ > 0.85
    inside = search.best_estimator_.named_steps["gsomatrixcompleter"]
    assert inside.learned_optimizer_ is optimizer  # cloned, searched, still the trained one


def test_meta_fitted_optimizer_travels_as_a_parameter(easy_tasks, tmp_path):
    X, _ = easy_tasks
    trained = GSOMatrixCompleter(2, n_epochs=1, random_state=0).fit(X).learned_optimizer_
    trained.save(tmp_path / "mine.safetensors")
    a = GSOMatrixCompleter(2, optimizer=trained, random_state=0).fit_transform(X[0])
    b = GSOMatrixCompleter(
        2, optimizer=tmp_path / "mine.safetensors", random_state=0
    ).fit_transform(X[0])
    np.testing.assert_array_equal(a, b)


def test_random_weights_give_at_worst_the_classical_answer(X):
    pretrained = LearnedOptimizer.load_pretrained()
    rng = np.random.RandomState(0)
    weights = {k: rng.standard_normal(v.shape) for k, v in pretrained.weights.items()}
    settings = {"safeguard": "run", "random_state": 0}
    random = GSOMatrixCompleter(
        2, optimizer=LearnedOptimizer(weights, pretrained.description), **settings
    ).fit(X)
    classical = GSOMatrixCompleter(2, optimizer=None, **settings).fit(X)
    assert random.objective_ <= classical.objective_
    broken = {k: np.full(v.shape, np.nan) for k, v in weights.items()}
    nan = GSOMatrixCompleter(
        2, optimizer=LearnedOptimizer(broken, pretrained.description), random_state=0
    ).fit(X)
    assert nan.n_guarded_ == nan.n_iter_
    # Equal up to rounding: at the noise floor the systems have condition 1e10.
    np.testing.assert_allclose(nan.transform(X), classical.transform(X), atol=1e-6)


@pytest.mark.parametrize("safeguard", ["step", "run"])
def test_broken_step_still_descends(easy_tasks, safeguard):
    """NaN weights in the paper's rule leave gradient descent, which does not climb."""
    X, _ = easy_tasks
    settings = {"rule": "step", "max_iter": 10, "safeguard": safeguard, "random_state": 0}
    trained = GSOMatrixCompleter(2, n_epochs=1, **settings).fit(X[:2]).learned_optimizer_
    broken = LearnedOptimizer(
        {k: np.full(v.shape, np.nan) for k, v in trained.weights.items()}, trained.description
    )
    objectives = [
        GSOMatrixCompleter(2, optimizer=broken, **{**settings, "max_iter": n}).fit(X[0]).objective_
        for n in (1, 5, 20)
    ]
    assert objectives[0] > objectives[1] > objectives[2]


def test_options_of_the_rule_reach_it(easy_tasks):
    X, _ = easy_tasks
    completer = GSOMatrixCompleter(
        2,
        rule="step",
        max_iter=4,
        n_epochs=1,
        hidden_size=3,
        rule_options={"shared": True, "n_layers": 1, "restart_iterate": True, "scale": 0.5},
        loss_weights=[0.0, 0.0, 0.0, 1.0],
        random_state=0,
    ).fit(X)
    description = completer.learned_optimizer_.description
    assert description["shared"] and description["arguments"] == {
        "hidden_size": 3,
        "n_layers": 1,
        "scale": 0.5,
        "restart_iterate": True,
        "reset_state": False,
    }
    last_only = completer.history_[0]["loss"]
    completer.set_params(loss_weights=[0.0, 0.0, 0.0, 2.0]).fit(X)
    assert completer.history_[0]["loss"] == pytest.approx(2 * last_only, rel=1e-4)
    assert completer.history_.n_skipped == 0


def test_validation_never_takes_every_task(easy_tasks):
    X, _ = easy_tasks
    completer = GSOMatrixCompleter(
        2, optimizer=None, n_epochs=1, max_iter=3, validation_fraction=0.95, random_state=0
    ).fit(X[:4])
    assert len(completer.history_) == 1


def test_transform_writes_nothing(easy_tasks):
    X, _ = easy_tasks
    for data in (X, X[0]):
        fitted = GSOMatrixCompleter(2, n_epochs=0, random_state=0).fit(data)
        before = dict(vars(fitted))
        fitted.transform(data)
        assert vars(fitted) == before or all(vars(fitted)[k] is before[k] for k in before)


def test_posterior_of_a_full_matrix_denoises():
    X, truth = make_low_rank_tasks(1, shape=(60, 50), rank=2, rate=1.0, noise=0.5, random_state=0)
    estimate = GSOMatrixCompleter(random_state=0).fit(X[0]).reconstruct(X[0])
    assert relative_error(truth[0], estimate) < 0.5 * relative_error(truth[0], X[0])
