"""Starts that race: who is given up, and that nobody loses by it."""

import math

import numpy as np
import pytest
import torch

from sklearn_gso.problems import DictionaryLearning, MatrixCompletion
from sklearn_gso.problems.base import new_generator
from sklearn_gso.rules import ClosedForm
from sklearn_gso.solvers import Fixed, Monitor, Multistart, Status, minimize, rules_for, run
from sklearn_gso.solvers.race import Race


@pytest.fixture
def problem(rng):
    return DictionaryLearning(torch.from_numpy(rng.standard_normal((2, 40, 8))), 6, alpha=0.3)


def solve(problem, n, max_iter=40, *, race=True, monitor=None, trace=False, **settings):
    rules = rules_for(problem, ClosedForm())
    starts = Multistart(Fixed(n), max_iter, race=race, safeguard="none", **settings)
    return starts.solve(problem, rules, new_generator(0), monitor, trace)


def test_the_best_quarter_of_those_seen_so_far_goes_on(rng):
    race, seen = Race(100), {0: [], 1: []}
    for n in (1, 3, 9, 2):
        tasks, values = torch.arange(2).repeat(n), torch.from_numpy(rng.standard_normal(2 * n))
        given_up = race.given_up(10, tasks, values)
        for task in (0, 1):
            own = values[tasks == task].numpy()
            seen[task].extend(own)
            best = np.sort(seen[task])[: math.ceil(len(seen[task]) / 4)]
            np.testing.assert_array_equal(given_up[tasks == task], ~np.isin(own, best))


def test_an_objective_that_is_not_finite_goes_on_only_where_there_is_no_other():
    race = Race(100)
    values = torch.tensor([float("nan"), 3.0, float("inf"), float("nan")])
    assert race.given_up(10, torch.zeros(4), values).tolist() == [True, False, True, True]
    assert race.given_up(10, torch.ones(1), values[:1]).tolist() == [False]


def test_first_runs_are_those_of_one_start_and_others_end_early_or_as_without_a_race(problem):
    one, many, raced = solve(problem, 1), solve(problem, 12, race=False), solve(problem, 12)
    torch.testing.assert_close(raced.runs[0], one.runs[0])
    assert (raced.best.objective <= one.best.objective).all()
    given_up = torch.stack([r.status == Status.GIVEN_UP for r in raced.runs])
    sweeps = torch.stack([r.n_iter for r in raced.runs])
    assert set(sweeps[given_up].tolist()) == {4, 16}
    # Of twelve the first, three, and one of these go on in each task at least.
    assert (given_up.sum(0) >= 8).all()
    assert not given_up[0].any()
    for ours, whole, gone in zip(raced.runs, many.runs, given_up, strict=True):
        torch.testing.assert_close(ours.objective[~gone], whole.objective[~gone])
        assert (ours.objective[gone] >= whole.objective[gone]).all()


@pytest.mark.parametrize("settings", [{"tol": 1e-4}, {"trace": "objective"}, {"trace": True}])
def test_a_race_is_the_same_however_it_is_watched(problem, settings):
    plain, watched = solve(problem, 8), solve(problem, 8, **settings)
    for one, other in zip(plain.runs, watched.runs, strict=True):
        same = (other.status == one.status) | (other.status == Status.CONVERGED)
        assert same.all()
        if "trace" in settings:
            torch.testing.assert_close(one.objective, other.objective)


def test_traces_of_batches_are_those_of_one(problem, monkeypatch):
    whole = solve(problem, 5, race=False, trace="objective", tol=1e-3)
    monkeypatch.setattr(run, "_BATCH_SIZE", 2 * problem.task_size)
    parts = solve(problem, 5, race=False, trace="objective", tol=1e-3)
    for one, other in zip(whole.runs, parts.runs, strict=True):
        torch.testing.assert_close(one._replace(trace=None), other._replace(trace=None))
        for task, n in enumerate(one.n_iter.tolist()):
            told = [torch.stack(r.trace.objective)[: n + 1, task] for r in (one, other)]
            torch.testing.assert_close(*told)
            assert told[0][-1] >= one.objective[task]  # with exact codes


def test_starts_race_against_those_of_other_batches(problem, monkeypatch):
    monkeypatch.setattr(run, "_BATCH_SIZE", problem.task_size)
    raced = solve(problem, 12)
    given_up = torch.stack([r.status == Status.GIVEN_UP for r in raced.runs])
    assert (given_up.sum(0) >= 4).all()
    torch.testing.assert_close(raced.runs[0], solve(problem, 1).runs[0])


@pytest.mark.parametrize("max_iter", [1, 2, 5])
def test_more_starts_are_never_worse_with_exact_codes(max_iter):
    for seed in range(8):
        values = torch.from_numpy(np.random.RandomState(seed).standard_normal((1, 30, 8)))
        problem = DictionaryLearning(values, 9, alpha=0.05)
        one, ten = (solve(problem, n, max_iter).best.objective for n in (1, 10))
        assert (ten <= one).all()


def test_large_tasks_are_not_copied_for_each_start(problem, monkeypatch):
    together = solve(problem, 6)
    monkeypatch.setattr(run, "_BATCH_SIZE", problem.task_size)
    taken = []
    take = DictionaryLearning.take
    count = lambda self, index: taken.append(len(index)) or take(self, index)  # noqa: E731
    monkeypatch.setattr(DictionaryLearning, "take", count)
    alone = solve(problem, 6)
    assert max(taken) <= problem.n_tasks
    torch.testing.assert_close(alone.runs[0], together.runs[0])


def test_a_monitor_ends_a_race(problem):
    monitor = Monitor(lambda value: True)
    assert all((r.n_iter == 1).all() for r in solve(problem, 6, monitor=monitor).runs)


def test_rules_that_ran_for_comparison_do_not_race(noisy_values):
    problem = MatrixCompletion(noisy_values, 3, alpha=1e-3)
    race = Race(10)
    rules = rules_for(problem, ClosedForm())
    ended = minimize(problem, rules, problem.init(new_generator(0)), 10, safeguard="run", race=race)
    assert (ended.n_iter == 10).all()
