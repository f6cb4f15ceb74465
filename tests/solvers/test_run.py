"""One run: when it ends, and what it says of its end."""

import numpy as np
import pytest
import torch

from sklearn_gso.problems.trees import take_tasks
from sklearn_gso.rules import ClosedForm
from sklearn_gso.solvers import Monitor, Status, alternate, minimize, rules_for
from sklearn_gso.solvers.run import in_batches
from sklearn_gso.solvers.safeguard import SAFEGUARDS

from ..problems.three_blocks import TensorFactorisation
from .cases import CASES, TOLERANCES, assert_same_run, closed_forms, descent, steered

# When it ends ---------------------------------------------------------------------------


@pytest.mark.parametrize("safeguard", SAFEGUARDS)
@pytest.mark.parametrize("tol", [None, 1e-3])
def test_no_outer_step_returns_the_start(safeguard, tol, generator):
    problem, rules = steered()
    start = problem.init(generator)
    run = minimize(problem, rules, start, 0, tol=tol, safeguard=safeguard, trace=True)
    torch.testing.assert_close(run.variables, start, rtol=0, atol=0)
    torch.testing.assert_close(run.objective, problem.objective(start))
    assert (run.n_iter == 0).all() and (run.n_guarded == 0).all()
    assert (run.status == Status.MAX_ITER).all()
    assert len(run.trace.objective) == len(run.trace.variables) == 1 and not run.trace.decided


@pytest.mark.parametrize(
    ("case", "safeguard"),
    [
        pytest.param(c, s, marks=[pytest.mark.slow] if c == "steered" and s != "step" else [])
        for c in CASES
        for s in SAFEGUARDS
    ],
)
def test_each_task_ends_as_if_alone(case, safeguard, generator):
    problem, rules = CASES[case]()
    start, options = problem.init(generator), {"tol": TOLERANCES[case], "safeguard": safeguard}
    together = minimize(problem, rules, start, 30, **options)
    for i in range(problem.n_tasks):
        one = torch.tensor([i])
        alone = minimize(problem.take(one), rules, take_tasks(start, one), 30, **options)
        # Networks reckon in single precision.
        assert_same_run(take_tasks(together, one), alone, 1e-5 if case == "steered" else 1e-9)
    assert len(set(together.n_iter.tolist())) > 1, "tasks that all stop together show nothing"


@pytest.mark.parametrize("safeguard", ["step", "none"])
def test_the_step_after_the_first_still_one_is_the_last(safeguard, generator):
    problem, rules = steered(std=0.05)
    start = problem.init(generator)
    options = {"safeguard": safeguard}
    whole = minimize(problem, rules, start, 60, trace=True, **options)
    ways = whole.trace.variables
    moved = [problem.difference(b, a).square() for a, b in zip(ways, ways[1:], strict=False)]
    unexplained = [problem.unexplained(way) for way in ways[1:]]
    changes = torch.stack(moved) < 1e-3 * torch.stack(unexplained)
    run = minimize(problem, rules, start, 60, tol=1e-3, **options)
    assert run.converged.any()
    for i in run.converged.nonzero()[:, 0]:
        assert int(run.n_iter[i]) == np.flatnonzero(changes[:, i])[0] + 2
    unsettled = minimize(problem, rules, start, 3, tol=1e-3, **options)
    assert not unsettled.converged.any() and (unsettled.n_iter == 3).all()


def test_a_zero_tolerance_never_converges(generator):
    problem, rules = closed_forms()
    start = problem.init(generator)
    run = minimize(problem, rules, start, 7, tol=0.0, safeguard="none")
    expected, _ = alternate(problem, rules, start, 7)
    torch.testing.assert_close(run.variables, expected)
    assert (run.n_iter == 7).all() and not run.converged.any()


def test_the_guard_has_acted_in_these_tests(generator):
    problem, rules = steered()
    n_guarded = minimize(problem, rules, problem.init(generator), 60, tol=1e-3).n_guarded
    assert n_guarded.any() and not n_guarded.all()


@pytest.mark.parametrize("safeguard", SAFEGUARDS)
def test_without_a_tolerance_all_steps_are_made(safeguard, generator):
    problem, rules = steered()
    run = minimize(problem, rules, problem.init(generator), 6, safeguard=safeguard)
    assert (run.n_iter == 6).all() and (run.status == Status.MAX_ITER).all()


@pytest.mark.parametrize("tol", [None, 1e-4])
@pytest.mark.parametrize("safeguard", ["step", "none"])
def test_batches_that_fit_the_cache_change_nothing(tol, safeguard, generator, monkeypatch):
    problem, rules = closed_forms()
    start, options = problem.init(generator), {"tol": tol, "safeguard": safeguard}
    whole = minimize(problem, rules, start, 60, **options)
    traced = minimize(problem, rules, start, 60, trace=True, **options)
    monkeypatch.setattr("sklearn_gso.solvers.run._BATCH_SIZE", 2 * problem.task_size)
    assert len(in_batches(problem, torch.arange(4))) == 2
    assert_same_run(minimize(problem, rules, start, 60, **options), whole)
    again = minimize(problem, rules, start, 60, trace=True, **options)
    assert_same_run(again, whole)
    torch.testing.assert_close(again.trace.objective, traced.trace.objective)


# What it says of its end ----------------------------------------------------------------


def test_status_tells_converged_tasks_from_those_that_made_all_steps(generator):
    problem, rules = closed_forms()
    start = problem.init(generator)
    n_iter = minimize(problem, rules, start, 500, tol=1e-4, safeguard="none").n_iter
    bound = int(n_iter.median())
    run = minimize(problem, rules, start, bound, tol=1e-4, safeguard="none")
    expected = torch.where(n_iter <= bound, int(Status.CONVERGED), int(Status.MAX_ITER))
    assert torch.equal(run.status, expected) and len(set(run.status.tolist())) == 2
    assert torch.equal(run.n_iter, n_iter.clamp(max=bound))
    assert torch.equal(run.converged, n_iter <= bound)


def stopping_at(sweep):
    seen = []

    def on_sweep(objective):
        seen.append(objective())
        return len(seen) == sweep

    return Monitor(on_sweep), seen


@pytest.mark.parametrize("safeguard", ["step", "none"])
@pytest.mark.parametrize("tol", [None, 1e-12])
def test_a_monitor_stops_the_run_and_sees_its_mean_objective(tol, safeguard, generator):
    problem, rules = steered(std=0.05)
    start = problem.init(generator)
    monitor, seen = stopping_at(4)
    options = {"tol": tol, "safeguard": safeguard}
    run = minimize(problem, rules, start, 9, monitor=monitor, **options)
    assert (run.n_iter == 4).all() and (run.status == Status.STOPPED).all()
    whole = minimize(problem, rules, start, 9, trace=True, **options)
    np.testing.assert_allclose(seen, [v.mean() for v in whole.trace.objective[1:5]], rtol=1e-9)
    # Told to stop once, it stops whatever comes after.
    after = minimize(problem, rules, start, 9, monitor=monitor, **options)
    assert (after.n_iter == 1).all() and len(seen) == 4


def test_tasks_that_converged_before_the_monitor_stopped_say_so(generator):
    problem, rules = closed_forms()
    start = problem.init(generator)
    n_iter = minimize(problem, rules, start, 500, tol=1e-4, safeguard="none").n_iter
    monitor, _ = stopping_at(int(n_iter.median()))
    options = {"tol": 1e-4, "safeguard": "none"}
    run = minimize(problem, rules, start, 500, monitor=monitor, **options)
    early = n_iter <= n_iter.median()
    assert (run.status[early] == Status.CONVERGED).all()
    assert (run.status[~early] == Status.STOPPED).all() and not early.all()


@pytest.mark.parametrize("tol", [None, 1e-9])
def test_a_run_that_overflows_says_so_and_harms_no_other_task(tol, generator):
    problem, rules = descent()
    start = problem.init(generator)
    run = minimize(problem, rules, start, 60, tol=tol, safeguard="none")
    overflowed = ~run.objective.isfinite()
    assert overflowed.any() and not overflowed.all()
    assert (run.status[overflowed] == Status.NOT_FINITE).all()
    assert (run.status[~overflowed] == Status.MAX_ITER).all()
    assert ((run.n_iter < 60) == overflowed).all() if tol else (run.n_iter == 60).all()
    # The guard returns the best iterate; the last one was none the less what it was.
    guarded = minimize(problem, rules, start, 60, tol=tol, safeguard="step")
    assert guarded.objective.isfinite().all()
    assert torch.equal(guarded.status, run.status)


# What is given wrongly ------------------------------------------------------------------


def test_the_culprit_is_named(generator):
    problem = TensorFactorisation.random(seed=0)
    start = problem.init(generator)
    with pytest.raises(ValueError, match=r"\['D'\] are no blocks"):
        rules_for(problem, {"D": ClosedForm()})
    with pytest.raises(TypeError, match=r"must be a dict .* got ClosedForm; rules_for"):
        minimize(problem, ClosedForm(), start, 3)
    with pytest.raises(ValueError, match=r"\['B', 'C'\] lack one"):
        minimize(problem, {"A": ClosedForm()}, start, 3)
    misspelt = rules_for(problem, ClosedForm(lambda clock: {"rigde": 0.0}))
    with pytest.raises(ValueError, match=r"TensorFactorisation has no control \['rigde'\]"):
        minimize(problem, misspelt, start, 3)
