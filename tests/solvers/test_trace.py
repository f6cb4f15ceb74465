"""What a run records, sweep by sweep, and that recording changes nothing."""

import pytest
import torch

from sklearn_gso.problems.trees import take_tasks
from sklearn_gso.rules import Clock, ClosedForm
from sklearn_gso.solvers import minimize, rules_for
from sklearn_gso.solvers.safeguard import SAFEGUARDS

from .cases import CASES, TOLERANCES, assert_same_run, closed_forms, descent, steered


@pytest.mark.parametrize("safeguard", SAFEGUARDS)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("ends_early", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_trace_changes_nothing(case, safeguard, ends_early, generator):
    problem, rules = CASES[case]()
    start = problem.init(generator)
    options = {"tol": TOLERANCES[case] if ends_early else None, "safeguard": safeguard}
    plain = minimize(problem, rules, start, 20, **options)
    traced = minimize(problem, rules, start, 20, trace=True, **options)
    assert plain.trace is None
    assert_same_run(traced, plain)


def test_a_trace_is_of_the_learned_rules_unless_the_others_win_everywhere(generator):
    problem, rules = steered()
    start = problem.init(generator)
    classical = minimize(problem, rules_for(problem, ClosedForm()), start, 9, trace=True)
    learned = minimize(problem, rules, start, 9, trace=True)
    lost = classical.objective < learned.objective
    assert lost.any() and not lost.all(), "both have to win somewhere"
    run = minimize(problem, rules, start, 9, safeguard="run", trace=True)
    torch.testing.assert_close(run.trace.objective, learned.trace.objective)
    losers = problem.take(lost.nonzero()[:, 0])
    run = minimize(losers, rules, take_tasks(start, lost), 9, safeguard="run", trace=True)
    won = [value[lost] for value in classical.trace.objective]
    torch.testing.assert_close(run.trace.objective, won)


@pytest.mark.parametrize("safeguard", ["step", "none"])
def test_a_trace_tells_every_sweep(safeguard, generator):
    problem, rules = steered(std=0.05)
    start = problem.init(generator)
    run = minimize(problem, rules, start, 9, safeguard=safeguard, trace=True)
    objectives, variables = run.trace.objective, run.trace.variables
    assert len(objectives) == len(variables) == 9 + 1
    torch.testing.assert_close(variables[0], start, rtol=0, atol=0)
    torch.testing.assert_close(variables[-1], run.variables, rtol=0, atol=0)
    for value, there in zip(objectives, variables, strict=True):
        torch.testing.assert_close(problem.objective(there), value)
    assert torch.equal(objectives[-1], run.objective)


def test_the_trace_of_a_converged_task_holds_its_end(generator):
    problem, rules = closed_forms()
    start = problem.init(generator)
    run = minimize(problem, rules, start, 60, tol=1e-4, safeguard="none", trace=True)
    assert len(run.trace.objective) == int(run.n_iter.max()) + 1
    reached = torch.stack([run.trace.objective[n][i] for i, n in enumerate(run.n_iter)])
    torch.testing.assert_close(reached, run.objective, rtol=0, atol=0)


def test_what_the_guard_lets_pass_is_what_is_traced(generator):
    """Where the last iterate lies beyond the bound, the run's end is an earlier one."""
    problem, rules = descent()
    start = problem.init(generator)
    run = minimize(problem, rules, start, 30, safeguard="step", trace=True)
    seen = torch.stack(run.trace.objective)
    best = torch.where(seen.isfinite(), seen, torch.inf).amin(0)
    last = seen[-1] <= best + 0.1 * (seen[0] - best)
    assert last.any() and not last.all()
    assert torch.equal(run.objective, torch.where(last, seen[-1], best))


@pytest.mark.parametrize("t_l", [1, 2])
def test_controls_are_recorded_as_they_were_decided(t_l, generator):
    problem, rules = steered(std=0.05)
    start, rule = problem.init(generator), rules["U"]
    decided = minimize(problem, rules, start, 5, t_l, safeguard="none", trace=True).trace.decided
    assert [list(one) for one in decided] == [["U"]] * t_l + [["V"]] * t_l + 4 * (
        [["U"]] * t_l + [["V"]] * t_l
    )
    names = {*problem.control_names, "relaxation", "momentum"}
    for one in decided:
        for name, controls in one.items():
            assert set(controls) == names
            shape = start[name].mean.shape[:2]
            assert all(value.shape == (*shape, 1) for value in controls.values())
    with torch.no_grad():
        first, _ = rule.decide(problem, start, "U", rule.init_state(start["U"]), Clock(0, 5))
    torch.testing.assert_close(decided[0]["U"], first, rtol=0, atol=0)


def test_an_untrained_network_decides_nothing(generator):
    problem, rules = steered(std=0.0)
    run = minimize(problem, rules, problem.init(generator), 3, trace=True)
    for decided in run.trace.decided:
        for controls in decided.values():
            assert (controls.pop("relaxation") == 1).all()
            assert all((value == 0).all() for value in controls.values())


def test_rules_that_decide_nothing_record_nothing(generator):
    problem, rules = closed_forms()
    assert minimize(problem, rules, problem.init(generator), 3, trace=True).trace.decided == []


@pytest.mark.parametrize("safeguard", SAFEGUARDS)
def test_objectives_alone_are_those_of_the_whole_trace(safeguard, generator):
    problem, rules = steered(std=0.05)
    start = problem.init(generator)
    options = {"safeguard": safeguard, "tol": 1e-6}
    whole = minimize(problem, rules, start, 9, trace=True, **options)
    short = minimize(problem, rules, start, 9, trace="objective", **options)
    assert_same_run(short, whole)
    torch.testing.assert_close(short.trace.objective, whole.trace.objective, rtol=0, atol=0)
    assert short.trace.variables == short.trace.decided == []
