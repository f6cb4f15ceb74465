"""Many starts: how many are made, in what batches, and which runs come back."""

import numpy as np
import pytest
import torch

from sklearn_gso import LearnedOptimizer
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.problems import EmpiricalBayesCompletion, MatrixCompletion
from sklearn_gso.problems.base import new_generator
from sklearn_gso.problems.trees import map_tensors
from sklearn_gso.rules import ClosedForm, LSTMControl
from sklearn_gso.solvers import (
    Fixed,
    Monitor,
    Multistart,
    UntilAgree,
    alternate,
    minimize,
    rules_for,
)
from sklearn_gso.solvers.multistart import _Runs


@pytest.fixture
def problem(noisy_values):
    return EmpiricalBayesCompletion(noisy_values, 3)


@pytest.fixture(scope="module")
def pretrained():
    return LearnedOptimizer.load_pretrained("completer").rules()["U"]


def solve(problem, rules, policy, max_iter=40, *, monitor=None, trace=False, **settings):
    multistart = Multistart(policy, max_iter, **settings)
    return multistart.solve(problem, rules, new_generator(0), monitor, trace)


def test_more_starts_are_never_worse(noisy_values):
    problem = MatrixCompletion(noisy_values, 3, alpha=1e-3)
    rules = rules_for(problem, ClosedForm())
    starts = new_generator(0)
    each = [minimize(problem, rules, problem.init(starts), 8).objective for _ in range(5)]
    best = solve(problem, rules, Fixed(5), 8).best
    torch.testing.assert_close(best.objective, torch.stack(each).amin(0))
    torch.testing.assert_close(problem.objective(best.variables), best.objective)
    shapes = map_tensors(lambda t: t.shape[0], best.variables)
    assert set(shapes.values()) == {3}


def test_starts_that_run_one_by_one_end_like_those_of_one_batch(noisy_values, monkeypatch):
    problem = MatrixCompletion(noisy_values, 3, alpha=1e-3)
    rules = rules_for(problem, ClosedForm())
    batch = solve(problem, rules, Fixed(4), 8)
    monkeypatch.setattr(MatrixCompletion, "one_start_at_a_time", True)
    torch.testing.assert_close(solve(problem, rules, Fixed(4), 8).runs, batch.runs)


@pytest.mark.parametrize(
    "n_init, safeguard, learned, n_runs",
    [(3, "step", True, 4), (3, "step", False, 3), (1, "step", True, 1), (3, "run", True, 3)]
    + [(3, "none", True, 3)],
)
def test_several_starts_of_a_learned_rule_may_have_a_classical_companion(
    problem, generator, n_init, safeguard, learned, n_runs
):
    rules = rules_for(problem, ClosedForm())
    if learned:
        rule = LSTMControl.for_problem(problem, generator=generator)
        with torch.no_grad():
            rule.output.weight.normal_(std=0.1, generator=generator)
        rules = rules_for(problem, rule)
    answer = solve(problem, rules, Fixed(n_init), 6, safeguard=safeguard, companion=True)
    assert len(answer.runs) == len(answer.weights) == n_runs
    if n_runs > n_init:
        starts = new_generator(0)
        *_, start = (problem.init(starts) for _ in range(n_runs))
        classical, _ = alternate(problem, rules_for(problem, ClosedForm()), start, 6)
        torch.testing.assert_close(answer.runs[-1].variables, classical)
        assert (answer.weights[-1] > 0).all()


@pytest.mark.parametrize("policy", [Fixed(2), UntilAgree()])
def test_what_is_recovered_needs_one_run(easy_tasks, pretrained, policy):
    problem = EmpiricalBayesCompletion(torch.from_numpy(np.stack(easy_tasks[0])), 2)
    answer = solve(problem, rules_for(problem, pretrained), policy)
    assert (answer.weights == 1).all() and len(answer.runs) == 1


# Beside a baseline ----------------------------------------------------------------------


@pytest.mark.parametrize("share, weight", [(2.0, 2.0**16), (1.0, 1.0), (0.9, 0.9**16), (0.5, 0)])
def test_the_better_the_best_run_predicts_left_out_data_the_less_a_baseline_weighs(
    problem, monkeypatch, share, weight
):
    shares = iter([torch.full((3,), value) for value in (3.0, share)])
    monkeypatch.setattr(EmpiricalBayesCompletion, "beside_baseline", lambda *_: next(shares))
    answer = solve(problem, rules_for(problem, ClosedForm()), Fixed(2), 3)
    runs = answer._replace(baseline=None).mean(problem.reconstruct)
    if not weight:
        assert answer.baseline is None
        return
    torch.testing.assert_close(answer.baseline.weight, torch.full((3,), weight))
    baseline = problem.reconstruct(problem.baseline(answer.best.variables))
    expected = (runs + weight * baseline) / (1 + weight)
    torch.testing.assert_close(answer.mean(problem.reconstruct), expected)


def test_runs_that_recover_a_matrix_have_no_baseline_beside_them(easy_tasks):
    problem = EmpiricalBayesCompletion(torch.from_numpy(np.stack(easy_tasks[0])), 2)
    answer = solve(problem, rules_for(problem, ClosedForm()), Fixed(2))
    assert answer.baseline is None


# Until two agree ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lucky():
    """Matrices whose entries hardly determine them: it depends on the start what is reached."""
    X, _ = make_low_rank_tasks(
        4, shape=(40, 40), rank=5, rate=0.26, factors="gaussian", random_state=3
    )
    return EmpiricalBayesCompletion(torch.from_numpy(X), 5)


def n_agreeing(problem, runs):
    """How many runs of each task predict what its best one does, itself included."""
    unexplained = torch.stack([problem.unexplained(run.variables) for run in runs])
    numbers = unexplained.argmin(0).tolist()
    best = map_tensors(
        lambda *tensors: torch.stack([tensors[n][t] for t, n in enumerate(numbers)]),
        *(run.variables for run in runs),
    )
    return sum((problem.difference(run.variables, best) < 0.02).long() for run in runs)


@pytest.mark.slow
def test_starts_are_added_until_two_agree(lucky, pretrained):
    rules = rules_for(lucky, pretrained)
    answer = solve(lucky, rules, UntilAgree(), exact=False)
    runs, weights = answer.runs, answer.weights
    assert 2 < len(runs) <= 20 and len(runs) % 4 == 2
    made = (weights > 0).sum(0)
    assert ((n_agreeing(lucky, runs) >= 2) | (made > 16)).all()
    # A task that is done is left out of later rounds, and what stands in weighs nothing.
    two = solve(lucky, rules, Fixed(2), exact=False)
    done = (weights[2:] == 0).all(0)
    assert done.any() and not done.all()
    torch.testing.assert_close(weights[:2, done], two.weights[:, done])


@pytest.mark.parametrize("n_first, step, stop", [(4, 4, 20), (2, 3, 8), (3, 4, 9)])
def test_where_none_agree_as_many_are_made_as_allowed(problem, monkeypatch, n_first, step, stop):
    def differ(self, variables, other):
        return torch.ones(self.n_tasks)

    monkeypatch.setattr(EmpiricalBayesCompletion, "difference", differ)
    policy = UntilAgree(n_first, step, stop)
    answer = solve(problem, rules_for(problem, ClosedForm()), policy, 3)
    assert len(answer.runs) == stop


def test_two_that_agree_end_it(problem, monkeypatch):
    def agree(self, variables, other):
        return torch.zeros(self.n_tasks)

    monkeypatch.setattr(EmpiricalBayesCompletion, "difference", agree)
    rules, policy = rules_for(problem, ClosedForm()), UntilAgree(2, 3, 8)
    answer, two = (solve(problem, rules, p, 3) for p in (policy, Fixed(2)))
    torch.testing.assert_close(answer.weights, two.weights, rtol=0, atol=0)


def test_starts_that_agree_need_no_others(pretrained):
    X, _ = make_low_rank_tasks(3, shape=(40, 30), rank=2, rate=0.6, noise=0.2, random_state=3)
    problem = EmpiricalBayesCompletion(torch.from_numpy(X), 3)
    rules = rules_for(problem, pretrained)
    answer, two = (solve(problem, rules, policy) for policy in (UntilAgree(), Fixed(2)))
    assert len(answer.runs) == len(two.runs) == 2
    assert torch.equal(answer.weights, two.weights)


def test_of_two_runs_one_is_the_companion(pretrained):
    """And where it explains as much as a learned one luck does not matter."""
    X, _ = make_low_rank_tasks(3, shape=(40, 30), rank=2, rate=0.6, noise=0.2, random_state=3)
    problem = EmpiricalBayesCompletion(torch.from_numpy(X), 3)
    rules = rules_for(problem, pretrained)
    answer = solve(problem, rules, UntilAgree(), companion=True)
    starts = new_generator(0)
    for run, own in zip(answer.runs, (rules, rules_for(problem, ClosedForm())), strict=True):
        expected = minimize(problem, own, problem.init(starts), 40)
        torch.testing.assert_close(run.objective, expected.objective)


@pytest.mark.parametrize("n_init", [Fixed(3), UntilAgree()])
def test_on_tables_the_companion_goes_on_from_the_first_run(pretrained, n_init):
    X, _ = make_low_rank_tasks(3, shape=(150, 9), rank=2, rate=0.7, noise=0.4, random_state=3)
    problem = EmpiricalBayesCompletion(torch.from_numpy(X), 3, scale="columns")
    answer = solve(problem, rules_for(problem, pretrained), n_init, companion=True, tol=1e-3)
    classical = rules_for(problem, ClosedForm())
    expected = minimize(problem, classical, answer.runs[0].variables, 40, tol=1e-3)
    assert any(torch.equal(run.objective, expected.objective) for run in answer.runs[1:])
    # Of few rows, or of one unit, it has a start of its own.
    few = EmpiricalBayesCompletion(torch.from_numpy(X[:, :149]), 3, scale="columns")
    assert not few.is_table and not EmpiricalBayesCompletion(torch.from_numpy(X), 3).is_table


def test_the_best_classical_run_ends_it(problem, monkeypatch, pretrained):
    def differ(self, variables, other):
        return torch.ones(self.n_tasks)

    monkeypatch.setattr(EmpiricalBayesCompletion, "difference", differ)
    monkeypatch.setattr(EmpiricalBayesCompletion, "unexplained", lambda p, v: 1 / p.objective(v))
    rules = rules_for(problem, pretrained)
    answer = solve(problem, rules, UntilAgree(2, 3, 8), 2, companion=True)
    unexplained = torch.stack([problem.unexplained(run.variables) for run in answer.runs])
    best, made = unexplained.argmin(0), (answer.weights > 0).sum(0)
    assert ((best == 1) == (made == 2)).all()


def test_where_runs_are_not_averaged_the_first_starts_are_all(noisy_values):
    problem = MatrixCompletion(noisy_values, 3, alpha=1e-3)
    answer = solve(problem, rules_for(problem, ClosedForm()), UntilAgree(3, 4, 9), 3)
    assert len(answer.runs) == 3


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_difference_is_that_of_the_completed_matrices(problem, generator, scale):
    one, other = (problem.init(generator) for _ in range(2))
    one = {**one, "U": one["U"]._replace(mean=other["U"].mean + scale * one["U"].mean)}
    a, b = problem.reconstruct(one), problem.reconstruct(other)
    expected = (a - b).square().sum((1, 2)).sqrt() / b.square().sum((1, 2)).sqrt()
    torch.testing.assert_close(problem.difference(one, other), expected)
    assert (problem.difference(other, other) < 1e-7).all()


# What is watched ------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [Fixed(1), Fixed(3), UntilAgree(2, 2, 4)])
@pytest.mark.parametrize("tol", [None, 1e-3])
def test_the_runs_of_one_task_can_be_traced(problem, policy, tol):
    one = problem.take(torch.tensor([1]))
    rules = rules_for(one, LSTMControl.for_problem(one, generator=new_generator(1)))
    plain = solve(one, rules, policy, 12, tol=tol, companion=True)
    traced = solve(one, rules, policy, 12, tol=tol, companion=True, trace=True)
    torch.testing.assert_close(traced.weights, plain.weights)
    for run, untraced in zip(traced.runs, plain.runs, strict=True):
        assert untraced.trace is None
        torch.testing.assert_close(run._replace(trace=None), untraced)
        n_iter = int(run.n_iter[0])
        assert len(run.trace.objective) > n_iter
        torch.testing.assert_close(run.trace.objective[n_iter], run.objective)
        torch.testing.assert_close(run.trace.variables[n_iter], run.variables)
    torch.testing.assert_close(traced.best, plain.best)


@pytest.mark.parametrize("safeguard", ["step", "run", "none"])
@pytest.mark.parametrize("policy", [Fixed(1), Fixed(3), UntilAgree(2, 3, 6)])
def test_max_sweeps_bounds_the_calls_of_the_monitor(problem, policy, safeguard, monkeypatch):
    monkeypatch.setattr(_Runs, "agree", lambda runs: torch.zeros(3, dtype=torch.bool))
    rules = rules_for(problem, LSTMControl.for_problem(problem, generator=new_generator(1)))
    settings = Multistart(policy, 2, safeguard=safeguard, companion=True)
    # One batch of starts; one by one; and cut to stay in cache, one task at a time.
    for one_by_one, task_size in ((False, 0), (True, 0), (False, 10**6)):
        monkeypatch.setattr(EmpiricalBayesCompletion, "one_start_at_a_time", one_by_one)
        monkeypatch.setattr(EmpiricalBayesCompletion, "task_size", task_size)
        calls = []
        settings.solve(problem, rules, new_generator(0), Monitor(calls.append))
        assert len(calls) == settings.max_sweeps(problem, rules)


def test_no_run_begins_after_the_monitor_stopped_one(problem):
    rules = rules_for(problem, ClosedForm())
    answer = solve(problem, rules, UntilAgree(), 9, monitor=Monitor(lambda objective: True))
    assert len(answer.runs) == 1 and (answer.runs[0].n_iter == 1).all()
