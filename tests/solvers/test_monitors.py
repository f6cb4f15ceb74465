"""Monitors are called after every outer step, whatever makes the runs, and may end them."""

import numpy as np
import pytest
import torch

from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.problems import EmpiricalBayesCompletion, MatrixCompletion, MixtureFreeEnergy
from sklearn_gso.rules import ClosedForm, LSTMControl
from sklearn_gso.solvers import Fixed, Monitor, Multistart, Status, minimize, rules_for


@pytest.mark.parametrize("safeguard", ["step", "run", "none"])
@pytest.mark.parametrize("n_init", [pytest.param(1, marks=pytest.mark.slow), 3])
@pytest.mark.parametrize("kind", [MatrixCompletion, EmpiricalBayesCompletion])
@pytest.mark.parametrize("rule", [ClosedForm, LSTMControl])
def test_monitors_see_every_sweep_and_may_stop(kind, rule, n_init, safeguard, noisy_values):
    problem = kind(noisy_values, 2)
    is_learned = rule is LSTMControl
    rules = rules_for(problem, LSTMControl.for_problem(problem) if is_learned else rule())

    def solver(max_iter):
        return Multistart(Fixed(n_init), max_iter, safeguard=safeguard, companion=True)

    def solve(max_iter, on_sweep=None):
        monitor = on_sweep and Monitor(on_sweep)
        generator = torch.Generator().manual_seed(0)
        return solver(max_iter).solve(problem, rules, generator, monitor)

    seen = []
    plain, watched = solve(5), solve(5, lambda objective: seen.append(objective()))
    n_runs = min(n_init, 2)
    if is_learned and safeguard != "none":
        has_companion = n_init > 1 and kind is EmpiricalBayesCompletion
        n_runs = 2 * n_runs if safeguard == "run" else n_runs + has_companion
    assert len(seen) == solver(5).max_sweeps(problem, rules) == 5 * n_runs
    assert seen[4] == pytest.approx(float(plain.runs[0].objective.mean()))
    assert torch.equal(plain.best.objective, watched.best.objective)
    assert (plain.best.n_iter == 5).all() and (plain.best.status == Status.MAX_ITER).all()
    # Stopped after two sweeps: what was begun is kept, and nothing else is.
    count = iter(range(10))
    stopped = solve(5, lambda objective: next(count) == 1)
    (run,) = stopped.runs
    assert (run.n_iter == 2).all() and (stopped.weights == 1).all()
    assert (run.status == Status.STOPPED).all() and next(count) == 2
    if safeguard != "none" or kind is MatrixCompletion:
        torch.testing.assert_close(run.objective, solve(2).runs[0].objective)


def test_runs_to_convergence_may_be_stopped():
    points, _ = make_mixture_tasks(4, n_components=3, n_samples=60, random_state=0)[:2]
    problem = MixtureFreeEnergy(torch.from_numpy(np.stack(points)), 3)
    rules = rules_for(problem, ClosedForm())
    start = problem.init(torch.Generator().manual_seed(0))
    n_seen = []
    monitor = Monitor(lambda objective: n_seen.append(objective()) or len(n_seen) == 3)
    settings = {"tol": 1e-9, "safeguard": "none"}
    stopped = minimize(problem, rules, start, 50, monitor=monitor, **settings)
    three = minimize(problem, rules, start, 3, **settings)
    assert (stopped.n_iter == 3).all() and not stopped.converged.any() and monitor.stopped
    torch.testing.assert_close(stopped.objective, three.objective, rtol=1e-12, atol=0.0)
    assert n_seen == sorted(n_seen, reverse=True)  # EM's objective never rises


@pytest.mark.parametrize(("companion_counts", "n_runs"), [(False, 3), (True, 2)])
def test_a_companion_may_be_one_of_the_runs(companion_counts, n_runs, noisy_values):
    problem = EmpiricalBayesCompletion(noisy_values, 2)
    rules = rules_for(problem, LSTMControl.for_problem(problem))
    solver = Multistart(Fixed(2, companion_counts), 3, companion=True)
    assert len(solver.solve(problem, rules, torch.Generator().manual_seed(0)).runs) == n_runs
