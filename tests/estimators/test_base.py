"""The public base, with an estimator that a user would derive from it.

That scikit-learn's own checks pass on it stands in test_common.
"""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gso import AlternatingEstimator, LearnedOptimizer, MetaTraining
from sklearn_gso.estimators.tasks import draw_seed
from sklearn_gso.rules import ClosedForm, GradientDescent
from sklearn_gso.solvers import Fixed, Multistart, rules_for

from ..problems.sparse_coding import SparseCoding
from .sparse_coding import SparseCoder, draw_tasks

pytestmark = pytest.mark.filterwarnings("ignore:Training has not improved")

SETTINGS = {"n_atoms": 3, "max_iter": 4, "n_epochs": 1, "random_state": 0}


@pytest.fixture(scope="module")
def tasks():
    return draw_tasks(4, seed=0)


@pytest.fixture(scope="module")
def one(tasks):
    return tasks[0]


@pytest.fixture(scope="module")
def trained(tasks):
    """Fitted to a collection; tests must leave it as it is."""
    return SparseCoder(**SETTINGS).fit(tasks)


@pytest.fixture(scope="module")
def solved(one, trained):
    """Fitted to one data set with a trained rule; tests must leave it as it is."""
    return SparseCoder(optimizer=trained.learned_optimizer_, **SETTINGS).fit(one)


def by_hand(arrays, seed, rule, n_init=1):
    """The engine, without an estimator."""
    problem = SparseCoding(torch.from_numpy(np.array(arrays)), 3, 0.1)
    generator = torch.Generator().manual_seed(int(seed))
    if isinstance(rule, LearnedOptimizer):
        rule = rule.rules(generator)
    return Multistart(Fixed(n_init), 4).solve(problem, rules_for(problem, rule), generator)


def test_the_base_alone_says_what_a_class_of_ones_own_must_name(one, tasks):
    class Nameless(AlternatingEstimator):
        pass

    for kind in (AlternatingEstimator, Nameless):
        for X in (one, tasks):
            with pytest.raises(TypeError, match=f"{kind.__name__} has no problem_class, the Pro"):
                kind().fit(X)
    unnamed = Nameless()
    unnamed.problem_class = None
    with pytest.raises(TypeError, match="has no problem_class"):
        unnamed.fit(one)


# One data set -----------------------------------------------------------------------


@pytest.mark.parametrize("n_init", [1, 3])
@pytest.mark.parametrize("kind", ["closed forms", "learned", "gradients"])
def test_a_fit_is_the_engine_run_by_hand(kind, n_init, one, trained):
    rules = {
        "closed forms": ({}, ClosedForm()),
        "learned": ({"optimizer": trained.learned_optimizer_}, trained.learned_optimizer_),
        "gradients": ({"rule": GradientDescent(1e-2)}, GradientDescent(1e-2)),
    }
    parameters, rule = rules[kind]
    coder = SparseCoder(n_init=n_init, **parameters, **SETTINGS).fit(one)
    answer = by_hand([one], draw_seed(0), rule, n_init)
    assert coder.objective_ == float(answer.best.objective) and coder.n_iter_ == 4
    assert coder.n_guarded_ == int(answer.best.n_guarded)
    assert coder.objective_ == min(float(run.objective) for run in answer.runs)
    # What it says of rows: the codes that belong to the atoms of the run by hand, from a start.
    start = answer.problem.init(torch.Generator())
    variables = {**start, "atoms": answer.best.variables["atoms"]}
    for _ in range(50):
        for name in ("codes", "weights"):
            variables[name] = answer.problem.minimize_block(variables, name)
    codes = variables["codes"][0].numpy()
    np.testing.assert_allclose(coder.transform(one), codes, rtol=1e-9, atol=1e-12)


def test_rows_are_solved_one_by_one(solved, tasks):
    """In any order, any subset, one at a time: codes are of the rows, atoms are kept."""
    new = tasks[1]
    codes = solved.transform(new)
    assert codes.shape == (20, 3)
    order = np.random.RandomState(0).permutation(len(new))
    np.testing.assert_allclose(solved.transform(new[order]), codes[order], rtol=1e-9)
    np.testing.assert_allclose(solved.transform(new[7:8]), codes[7:8], rtol=1e-9)
    np.testing.assert_array_equal(solved.transform(new), codes)
    again = clone(solved).fit_transform(tasks[0])
    np.testing.assert_array_equal(again, solved.transform(tasks[0]))
    with pytest.raises(ValueError, match="was fitted on one data set"):
        solved.transform(tasks)
    with pytest.raises(ValueError, match="X has 7 features, but SparseCoder is expecting 8"):
        solved.transform(new[:, 1:])


def test_the_score_is_minus_the_error_of_the_problem(solved, one):
    """By default its objective, here of the rows that were solved."""
    assert isinstance(solved.score(one), float)
    variables = {"codes": torch.from_numpy(solved.transform(one))[None]}
    (kept,) = solved.trace(one).runs
    variables["atoms"] = kept.variables["atoms"]
    problem = SparseCoding(torch.from_numpy(one[None]), 3, 0.1)
    variables["weights"] = problem.minimize_block({**variables, "weights": None}, "weights")
    assert solved.score(one) == pytest.approx(-float(problem.objective(variables)), rel=1e-9)
    assert solved.score(one) >= -solved.objective_


def test_a_trace_repeats_the_fit(one, trained):
    optimizer = trained.learned_optimizer_
    for parameters in ({}, {"optimizer": optimizer}, {"optimizer": optimizer, "n_init": 3}):
        coder = SparseCoder(**parameters, **SETTINGS).fit(one)
        answer = coder.trace(one)
        best = answer.runs[int(answer.weights[:, 0].argmax())]
        assert float(best.trace.objective[-1]) == coder.objective_ == float(best.objective)
        assert len(best.trace.objective) == len(best.trace.variables) == coder.n_iter_ + 1
        assert bool(best.trace.decided) == bool(parameters)
        np.testing.assert_array_equal(coder.trace(one).best.objective, answer.best.objective)
    with pytest.raises(ValueError, match="One data set can be traced"):
        trained.trace([one, one])
    with pytest.raises(NotFittedError):
        SparseCoder().trace(one)


# A collection ------------------------------------------------------------------------


def test_a_collection_is_learned_from_and_each_task_solved_anew(trained, tasks):
    """Nothing of the tasks is kept but the rule: other tasks, other shapes, one alone."""
    assert trained.n_tasks_in_ == 4 and trained.history_.n_steps > 0
    assert not hasattr(trained, "n_features_in_") and not hasattr(trained, "objective_")
    other = draw_tasks(3, seed=1)
    (seed,) = np.random.RandomState(draw_seed(0)).randint(2**31 - 1, size=1)
    answer = by_hand(other, seed, trained.learned_optimizer_)
    np.testing.assert_array_equal(trained.transform(other), answer.best.variables["codes"])
    assert trained.score(other) == -float(answer.best.objective.mean())
    np.testing.assert_array_equal(trained.transform(other[1]), trained.transform([other[1]])[0])
    unequal = [other[0], other[1][:9], other[2][:, :5]]
    assert [codes.shape for codes in trained.transform(unequal)] == [(20, 3), (9, 3), (20, 3)]


def test_a_rule_is_learned_by_the_loss_of_the_whole_run(tasks):
    """Also for a problem whose data cannot be split: equation (9), which falls."""
    coder = SparseCoder(**{**SETTINGS, "n_epochs": 20}).fit(draw_tasks(8, seed=2))
    history = coder.history_
    assert history.after < history.before and not history.kept_the_start
    plain = SparseCoder(**{**SETTINGS, "n_epochs": 0}).fit(tasks)
    assert plain.learned_optimizer_ is None and plain.history_ == []


@pytest.mark.slow
def test_processes_do_not_matter(tasks):
    """Three shapes, three batches: fit, transform and score here and in two processes."""
    X = [tasks[0], tasks[1], tasks[2][:15], tasks[3][:, :6]]
    one, two = (SparseCoder(n_jobs=n, **SETTINGS).fit(X) for n in (1, 2))
    assert one.learned_optimizer_ == two.learned_optimizer_
    for a, b in zip(one.transform(X), two.transform(X), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    assert one.score(X) == pytest.approx(two.score(X), rel=1e-10)


# As any other estimator -----------------------------------------------------------------


@pytest.mark.parametrize("way", ["pickle", "joblib"])
def test_files(way, solved, trained, tasks, tmp_path):
    for fitted, X in ((solved, tasks[0]), (trained, tasks)):
        if way == "pickle":
            again = pickle.loads(pickle.dumps(fitted))
        else:
            joblib.dump(fitted, tmp_path / "coder.joblib")
            again = joblib.load(tmp_path / "coder.joblib")
        np.testing.assert_array_equal(again.transform(X), fitted.transform(X))
        assert again.score(X) == fitted.score(X)
        assert again.learned_optimizer_ == fitted.learned_optimizer_


def test_a_learned_optimizer_travels_as_a_parameter(solved, trained, one, tmp_path):
    """Through clone, which forgets what was fitted, and through a file that runs no code."""
    again = clone(solved)
    assert again.optimizer is trained.learned_optimizer_ and not hasattr(again, "objective_")
    np.testing.assert_array_equal(again.fit(one).transform(one), solved.transform(one))
    path = tmp_path / "coder.safetensors"
    trained.learned_optimizer_.save(path)
    loaded = SparseCoder(optimizer=path, **SETTINGS).fit(one)
    np.testing.assert_array_equal(loaded.transform(one), solved.transform(one))
    completer = LearnedOptimizer.load_pretrained("completer")
    with pytest.raises(ValueError, match="its problem is 'EmpiricalBayesCompletion', wanted 'Sp"):
        SparseCoder(optimizer=completer).fit(one)


def test_pipelines(solved, one):
    pipeline = make_pipeline(StandardScaler(), clone(solved)).fit(one)
    scaled = StandardScaler().fit_transform(one)
    np.testing.assert_array_equal(
        pipeline.transform(one), clone(solved).fit(scaled).transform(scaled)
    )


@pytest.mark.slow
def test_searches_over_tasks(tasks):
    """t_l acts in solving, t_u in training: four different scores, those of fits by hand."""
    grid = {"t_l": [1, 2], "t_u": [1, 4]}
    X = list(tasks)
    search = GridSearchCV(SparseCoder(**SETTINGS), grid, cv=2, error_score="raise").fit(X)
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) == 4
    for parameters, score in zip(search.cv_results_["params"], scores, strict=True):
        coder = SparseCoder(**SETTINGS).set_params(**parameters)
        halves = [coder.fit(X[2:]).score(X[:2]), coder.fit(X[:2]).score(X[2:])]
        assert score == pytest.approx(np.mean(halves), rel=1e-9)
    assert search.best_estimator_.n_tasks_in_ == 4


class Smoother(SparseCoder):
    """Says what the model makes of the data, in columns of the same names."""

    read = staticmethod(AlternatingEstimator.read)


def test_names_of_columns(one):
    frame = pd.DataFrame(one, columns=[f"c{i}" for i in range(8)])
    coder = SparseCoder(**SETTINGS).set_output(transform="pandas").fit(frame)
    names = ["sparsecoder0", "sparsecoder1", "sparsecoder2"]
    assert coder.feature_names_in_.tolist() == list(frame.columns)
    assert coder.get_feature_names_out().tolist() == names
    out = coder.transform(frame)
    assert list(out.columns) == names and out.index.equals(frame.index)
    np.testing.assert_array_equal(out, SparseCoder(**SETTINGS).fit_transform(one))
    with pytest.raises(ValueError, match="same order"):
        coder.transform(frame[frame.columns[::-1]])
    smoother = Smoother(**SETTINGS).set_output(transform="pandas").fit(frame)
    assert list(smoother.transform(frame).columns) == list(frame.columns)
    assert not hasattr(coder.fit([frame, frame]), "get_feature_names_out")


def test_containers_of_collections(trained, tasks):
    frames = [pd.DataFrame(task) for task in tasks]
    expected = trained.transform(tasks)
    assert isinstance(expected, np.ndarray)
    for collection in (list(tasks), tuple(tasks), frames):
        found = trained.transform(collection)
        assert isinstance(found, list)
        np.testing.assert_array_equal(np.stack(found), expected)


def test_warnings_point_at_the_line_that_called(tasks):
    """Past what scikit-learn and this package put in between."""
    with pytest.warns(UserWarning, match="Training has not improved") as caught:
        SparseCoder(training=MetaTraining(learning_rate=100.0), **SETTINGS).fit(tasks)
    assert [w.filename for w in caught] == [__file__]


def test_an_estimator_may_leave_out_parameters_it_does_not_use(rng):
    class Short(SparseCoder):
        def __init__(self, n_atoms=2, random_state=0):
            super().__init__(n_atoms=n_atoms, max_iter=3, random_state=random_state)
            del self.n_jobs  # of collections

    X = rng.randn(12, 4)
    expected = SparseCoder(n_atoms=2, max_iter=3, random_state=0).fit(X).transform(X)
    np.testing.assert_array_equal(Short().fit(X).transform(X), expected)
