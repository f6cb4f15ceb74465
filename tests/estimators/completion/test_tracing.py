"""A traced run is the fit once more, sweep by sweep, and leaves no mark on the completer."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter, MetaTraining, SGDMatrixCompleter
from sklearn_gso.problems import point
from sklearn_gso.rules import ClosedForm, recipe
from sklearn_gso.solvers import alternate, rules_for

COMMON = {"random_state": 0, "max_iter": 6, "scaling": "matrix"}
# Every rule and safeguard, one start and several.
COMPLETERS = {
    "als": ALSMatrixCompleter(2, **COMMON),
    "als, three starts": ALSMatrixCompleter(2, n_init=3, alpha_start=10.0, **COMMON),
    "sgd": SGDMatrixCompleter(2, n_init=2, learning_rate=0.01, **COMMON),
    "mini-batches": SGDMatrixCompleter(2, batch_fraction=0.5, learning_rate=0.01, **COMMON),
    "pretrained": GSOMatrixCompleter(**COMMON),
    "pretrained, run": GSOMatrixCompleter(safeguard="run", n_init=2, **COMMON),
    "untrained": GSOMatrixCompleter(optimizer=None, n_init=2, **COMMON),
    "no guard, two steps": GSOMatrixCompleter(safeguard="none", t_l=2, n_init=2, **COMMON),
    "the paper's": GSOMatrixCompleter(
        2,
        rule=recipe("step", hidden_size=4),
        t_l=2,
        n_epochs=1,
        n_init=1,
        training=MetaTraining(validation_fraction=0),
        **COMMON,
    ),
    "until it stands": GSOMatrixCompleter(2, n_init=2, tol=1e-2, max_iter=60, random_state=0),
}


def best(answer):
    """The run of the largest weight, with its trace."""
    return answer.runs[int(answer.weights[:, 0].argmax())]


def objectives(run):
    return np.array([float(value[0]) for value in run.trace.objective])


@pytest.mark.parametrize("name", COMPLETERS)
def test_a_traced_run_is_the_fit_itself(name, easy_tasks):
    """Equal objective, bit-equal components at the end; nothing is written on the completer."""
    X = easy_tasks[0][0]
    completer = clone(COMPLETERS[name]).fit(X)
    before, filled = dict(vars(completer)), completer.transform(X)
    arrays = {key: copy.deepcopy(value) for key, value in before.items() if key.endswith("_")}
    answer = completer.trace(X)
    run, problem = best(answer), answer.problem
    assert len(run.trace.objective) == len(run.trace.variables) == completer.n_iter_ + 1
    assert objectives(run)[-1] == pytest.approx(completer.objective_, rel=1e-12)
    right = point(run.trace.variables[-1]["V"])[0] * problem.scale[0]
    assert (completer.components_ == right.numpy().T).all()
    # What is noted beside each other belongs together.
    again = [float(problem.objective(variables)[0]) for variables in run.trace.variables]
    np.testing.assert_allclose(objectives(run), again, rtol=1e-10)
    # Tracing has changed nothing, so that it can be had once more.
    assert vars(completer).keys() == before.keys()
    assert all(vars(completer)[key] is value for key, value in before.items())
    for key, value in arrays.items():
        if isinstance(value, np.ndarray | float | int):
            np.testing.assert_array_equal(getattr(completer, key), value)
    np.testing.assert_array_equal(completer.transform(X), filled)
    np.testing.assert_array_equal(objectives(best(completer.trace(X))), objectives(run))


def test_iterates_are_kept_only_where_a_trace_is_asked_for(easy_tasks):
    """A fit of many sweeps is no larger than one of few, also once it has been traced."""
    X = easy_tasks[0][0]
    few, many = (ALSMatrixCompleter(2, max_iter=n, random_state=0).fit(X) for n in (2, 40))
    many.trace(X)
    assert abs(len(pickle.dumps(many)) - len(pickle.dumps(few))) < 100


def test_shorter_runs_are_the_beginning_of_longer_ones(easy_tasks):
    """ALS does not know how many sweeps are to come, so each prefix is a run of its own."""
    X = easy_tasks[0][0]
    objective = objectives(best(ALSMatrixCompleter(2, **COMMON).fit(X).trace(X)))
    for n in (1, 3):
        short = ALSMatrixCompleter(2, **{**COMMON, "max_iter": n}).fit(X)
        assert objective[n] == short.objective_
    assert (np.diff(objective) < 0).all()


def test_refused_sweeps_are_not_in_the_trace(easy_tasks):
    """Weights that are NaN: the safeguard's classical steps are all that happens."""
    X = easy_tasks[0][0]
    pretrained = GSOMatrixCompleter(max_iter=1, n_init=1, random_state=0).fit(X).learned_optimizer_
    weights = {name: np.full_like(array, np.nan) for name, array in pretrained.weights.items()}
    broken = type(pretrained)(weights, pretrained.description)
    settings = {"max_iter": 5, "n_init": 1, "random_state": 0}
    bad = GSOMatrixCompleter(optimizer=broken, **settings).fit(X)
    plain = GSOMatrixCompleter(optimizer=None, **settings).fit(X)
    assert bad.n_guarded_ == 5
    traced, wanted = (objectives(best(one.trace(X))) for one in (bad, plain))
    np.testing.assert_allclose(traced, wanted, rtol=1e-9)


def test_the_classical_companion_is_traced_too(noisy_values):
    X = noisy_values[0].numpy()
    gso = GSOMatrixCompleter(2, max_iter=6, tol=None, n_init=3, random_state=0).fit(X)
    answer = gso.trace(X)
    ways = [run.trace.variables for run in answer.runs]
    assert len(ways) == 4 and {len(way) for way in ways} == {7}
    problem, companion = answer.problem, ways[3]
    descent = np.diff([float(problem.objective(v)[0]) for v in companion])
    assert (descent < 0).all()
    # What was noted and where the run ended are one way.
    last, _ = alternate(problem, rules_for(problem, ClosedForm()), companion[-2], 1)
    torch.testing.assert_close(last, companion[-1])


@pytest.mark.parametrize("name", ["als", "untrained", "the paper's"])
def test_rules_that_choose_no_controls_decide_nothing(name, easy_tasks):
    X = easy_tasks[0][0]
    answer = clone(COMPLETERS[name]).fit(X).trace(X)
    assert all(run.trace.decided == [] for run in answer.runs)


def test_controls_are_decided_in_each_inner_step_within_their_reach(easy_tasks):
    X = easy_tasks[0][0]
    completer = GSOMatrixCompleter(2, max_iter=5, t_l=2, n_init=3, random_state=0).fit(X)
    *learned, classical = completer.trace(X).runs
    reach = completer.learned_optimizer_.rules()["U"].reach
    assert len(learned) == 3 and classical.trace.decided == []
    for run in learned:
        blocks = [name for decided in run.trace.decided for name in decided]
        assert blocks == ["U", "U", "V", "V"] * 5
        for decided in run.trace.decided:
            for name, controls in decided.items():
                assert set(controls) == {"data", "prior", "relaxation", "momentum"}
                shape = (1, point(run.variables[name]).shape[1], 1)
                assert all(values.shape == shape for values in controls.values())
                assert all(controls[c].abs().max() <= reach for c in ("data", "prior"))
                assert ((controls["relaxation"] >= 0) & (controls["relaxation"] <= 2)).all()
                assert controls["momentum"].abs().max() <= 1


def test_an_optimizer_without_weights_is_neutral(easy_tasks):
    """Networks that put out zero choose the closed form's controls, and end where it ends."""
    X = easy_tasks[0][0]
    pretrained = GSOMatrixCompleter(max_iter=1, n_init=1, random_state=0).fit(X).learned_optimizer_
    weights = {
        name: np.zeros_like(array) if "output" in name else array
        for name, array in pretrained.weights.items()
    }
    neutral = type(pretrained)(weights, pretrained.description)
    settings = {"max_iter": 5, "n_init": 1, "random_state": 0}
    answer = GSOMatrixCompleter(optimizer=neutral, **settings).fit(X).trace(X)
    for decided in answer.runs[0].trace.decided:
        for controls in decided.values():
            for control, values in controls.items():
                assert (values == (1 if control == "relaxation" else 0)).all()
    plain = GSOMatrixCompleter(optimizer=None, **settings).fit(X)
    assert objectives(answer.runs[0])[-1] == pytest.approx(plain.objective_, rel=1e-10)


def test_containers_are_traced_alike(easy_tasks):
    X = easy_tasks[0][0]
    rows, columns = np.nonzero(~np.isnan(X))
    stored = sparse.csr_array((X[rows, columns], (rows, columns)), shape=X.shape)
    als = clone(COMPLETERS["als"])
    wanted = objectives(best(als.fit(X).trace(X)))
    for other in (stored, pd.DataFrame(X), X.tolist(), np.ma.masked_invalid(X)):
        found = objectives(best(als.fit(other).trace(other)))
        np.testing.assert_allclose(found, wanted, rtol=1e-9)
    marked = np.where(np.isnan(X), -1, X)
    found = als.set_params(missing_values=-1).fit(marked).trace(marked)
    np.testing.assert_allclose(objectives(best(found)), wanted, rtol=1e-12)


def test_a_new_matrix_is_traced_after_a_fit_to_a_collection(easy_tasks):
    X = easy_tasks[0]
    trained = GSOMatrixCompleter(2, n_epochs=0, n_init=1, **COMMON).fit(X[:3])
    alone = GSOMatrixCompleter(2, n_init=1, **COMMON).fit(X[4])
    assert objectives(best(trained.trace(X[4])))[-1] == alone.objective_


def test_what_cannot_be_traced_is_said(easy_tasks):
    X = easy_tasks[0]
    with pytest.raises(NotFittedError):
        ALSMatrixCompleter().trace(X[0])
    als = clone(COMPLETERS["als"]).fit(X[:2])
    with pytest.raises(ValueError, match="One data set can be traced at a time"):
        als.trace(X[:2])
    with pytest.raises(ValueError, match="X has 17 features"):
        clone(COMPLETERS["als"]).fit(X[0]).trace(X[0][:, 1:])


def test_training_is_not_traced():
    """What fits before it solves traces the solving only, whatever was said of training."""
    X = np.random.RandomState(0).randn(12, 8)
    settings = {"rule": recipe("step", hidden_size=4), "t_l": 2, "max_iter": 4, "random_state": 0}
    training = MetaTraining(loss="global", learning_rate=1e-2)
    completer = GSOMatrixCompleter(2, n_epochs=2, training=training, n_init=1, **settings).fit(X)
    again = GSOMatrixCompleter(
        2, n_epochs=0, optimizer=completer.learned_optimizer_, n_init=1, **settings
    ).fit(X)
    wanted = objectives(best(again.trace(X)))
    assert len(wanted) == 5
    np.testing.assert_array_equal(objectives(best(completer.trace(X))), wanted)
