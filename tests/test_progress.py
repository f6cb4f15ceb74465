"""Bars on stderr, told of by the engine; silence by default."""

import numpy as np
import pytest
import torch
from joblib import parallel_config
from sklearn.base import clone

from sklearn_gso import (
    ALSMatrixCompleter,
    EMGaussianMixture,
    GSOGaussianMixture,
    GSOMatrixCompleter,
    SGDMatrixCompleter,
)
from sklearn_gso.solvers.run import Monitor
from sklearn_gso.solvers.alternating import rules_for
from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.solvers.local_search import converge
from sklearn_gso.problems import EmpiricalBayesCompletion, MatrixCompletion, MixtureFreeEnergy
from sklearn_gso.rules import ClosedForm, LSTMControl
from sklearn_gso.solvers.multistart import minimize_from_starts, most_sweeps

SMALL = {"random_state": 0, "max_iter": 4}
ESTIMATORS = {
    "control": GSOMatrixCompleter(2, n_epochs=1, **SMALL),
    "step": GSOMatrixCompleter(2, rule="step", n_epochs=1, **SMALL),
    "als": ALSMatrixCompleter(2, **SMALL),
    "sgd": SGDMatrixCompleter(2, **SMALL),
    "em": EMGaussianMixture(3, random_state=0),
    "judge": GSOGaussianMixture(3, n_epochs=1, random_state=0),
}


@pytest.fixture(scope="module")
def points():
    return list(make_mixture_tasks(4, n_components=3, n_samples=60, random_state=0)[0])


def run(estimator, X):
    """What a fit on one task, one on the collection, and the answer for it come to."""
    one = clone(estimator).fit(X[0])
    many = clone(estimator).fit(X)
    if hasattr(one, "transform"):
        return [one.transform(X[0]), *many.transform(X)]
    return [one.predict_proba(X[0]), *many.predict_proba(X)]


def bars(text):
    """Names of the bars that were shown, in order."""
    lines = [line for line in text.replace("\r", "\n").split("\n") if "|" in line]
    return list(dict.fromkeys(line.split(":")[0] for line in lines))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_bars_are_shown_on_demand_and_change_nothing(name, easy_tasks, points, capfd):
    X = list(points if name in ("em", "judge") else easy_tasks[0])
    X[-1] = X[-1][:-4]  # two shapes, two batches
    expected = run(ESTIMATORS[name], X)
    assert capfd.readouterr() == ("", "")
    found = run(clone(ESTIMATORS[name]).set_params(verbose=1), X)
    out, err = capfd.readouterr()
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)
    trained = {
        "control": ["meta-training"],
        "step": ["meta-training"],
        "judge": ["gathering local optima", "training the judge"],
    }.get(name, [])
    assert set(bars(err)) == {"solving", *trained}
    assert f"{len(X)}/{len(X)} [" in err  # the tasks of the collection
    assert err.count("loss=") >= 2  # a fit, and the collection
    assert ("lower bound" in out) == (name in ("em", "judge"))  # a mixture's fit on one task


def test_time_left_is_told(easy_tasks, capfd):
    """tqdm's "elapsed<left" needs to know how many sweeps there can be."""
    X = easy_tasks[0][0]
    GSOMatrixCompleter(2, verbose=1, random_state=0).fit(X)
    # The first start, the three others in one batch, four rounds more and the classical run.
    assert "/280 [" in capfd.readouterr().err


def test_workers_are_silent(easy_tasks, capfd):
    X = [task[: 10 + i] for i, task in enumerate(easy_tasks[0])]
    completer = ALSMatrixCompleter(2, n_jobs=2, verbose=1, **SMALL).fit(X)
    with parallel_config(backend="threading"):
        completer.transform(X)
    err = capfd.readouterr().err
    assert bars(err) == ["solving"] and "6/6 [" in err and "sweep" not in err


@pytest.mark.parametrize("safeguard", ["step", "run", "none"])
@pytest.mark.parametrize("n_init", [1, 3])
@pytest.mark.parametrize("kind", [MatrixCompletion, EmpiricalBayesCompletion])
@pytest.mark.parametrize("rule", [ClosedForm, LSTMControl])
def test_monitors_see_every_sweep_and_may_stop(kind, rule, n_init, safeguard, noisy_values):
    problem = kind(noisy_values, 2)
    is_learned = rule is LSTMControl
    n_features = problem.row_features(problem.init(torch.Generator()), "U").shape[2]
    rules = rules_for(problem, rule(n_features, problem.control_names) if is_learned else rule())

    def solve(max_iter, on_sweep=None):
        generator = torch.Generator().manual_seed(0)
        monitor = on_sweep and Monitor(on_sweep)
        return minimize_from_starts(
            problem, rules, n_init, generator, max_iter, None, safeguard, monitor, companion=True
        )

    seen = []
    plain, watched = solve(5), solve(5, lambda objective: seen.append(objective()))
    n_runs = min(n_init, 2)
    if is_learned and safeguard != "none":
        has_companion = n_init > 1 and kind is EmpiricalBayesCompletion
        n_runs = 2 * n_runs if safeguard == "run" else n_runs + has_companion
    assert len(seen) == most_sweeps(problem, rules, n_init, 5, safeguard, True) == 5 * n_runs
    assert seen[4] == pytest.approx(float(plain.runs[0].objective.mean()))
    assert torch.equal(plain.best.objective, watched.best.objective)
    assert (plain.best.n_iter == 5).all()
    # Stopped after two sweeps: what was begun is kept, and nothing else is.
    count = iter(range(10))
    stopped = solve(5, lambda objective: next(count) == 1)
    (run,) = stopped.runs
    assert (run.n_iter == 2).all() and (stopped.shares == 1).all()
    assert next(count) == 2
    if safeguard != "none" or kind is MatrixCompletion:
        torch.testing.assert_close(run.objective, solve(2).runs[0].objective)


def test_convergence_may_be_stopped(points):
    problem = MixtureFreeEnergy(torch.from_numpy(np.stack(points)), 3)
    rules = rules_for(problem, ClosedForm())
    start = problem.init(torch.Generator().manual_seed(0))
    n_seen = []
    monitor = Monitor(lambda objective: n_seen.append(objective()) or len(n_seen) == 3)
    stopped = converge(problem, rules, start, 50, 1e-9, monitor)
    three = converge(problem, rules, start, 3, 1e-9)
    assert (stopped.n_iter == 3).all() and not stopped.converged.any() and monitor.stopped
    torch.testing.assert_close(stopped.objective, three.objective, rtol=1e-12, atol=0.0)
    assert n_seen == sorted(n_seen, reverse=True)  # EM's objective never rises
