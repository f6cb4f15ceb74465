"""Around the loop: safeguarded runs, from many starts at once."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .alternating import Monitor, alternate, init_states
from .problems.base import Problem, Variables, map_tensors, take_tasks, where_tasks
from .rules.base import Rules

SAFEGUARDS = ("step", "run", "none")

# The running bound: a learned rule may give back this share of the descent so far.
# It climbs on its way to better basins, and what it improves (unseen entries) is not
# what the objective measures: demanding a new best at every step turns an error of
# .011 into .046 on uniform factors of rank 10 (benchmarks/LOG.md).
_SLACK = 0.1
_SHARE_POWER = 4
# Of a run's outer steps: one that the safeguard held back more often explains the entries it
# saw better than it should (uniform noise and ranks beyond counting look recovered then).
_MOST_GUARDED = 0.25
# How fast a classical run loses its say where learned ones explain more: at a tenth more left
# it has a sixth instead of half (benchmarks/LOG.md).
_COMPANION_POWER = 16
# Variance in units of the data, just above the least one that models estimate: such a run
# has recovered its task, and other starts could only find the same.
_EXPLAINED = 2e-10


class Solution(NamedTuple):
    """What a run found.

    Attributes
    ----------
    variables : dict
    objective : Tensor of shape (T,)
    n_guarded : Tensor of shape (T,)
        Outer steps at which the safeguard replaced the learned answer.
    n_iter : Tensor of shape (T,)
        Outer steps of the run.
    """

    variables: Variables
    objective: Tensor
    n_guarded: Tensor
    n_iter: Tensor


def _classical(rules: Rules) -> Rules:
    return {name: rule.classical() for name, rule in rules.items()}


def _better(value: Tensor, than: Tensor) -> Tensor:
    """Where ``value`` is finite and lower, or ``than`` is not finite."""
    return value.isfinite() & (~than.isfinite() | (value < than))


def minimize(
    problem: Problem,
    rules: Rules,
    variables: Variables,
    n_outer: int,
    n_inner: int | None = None,
    safeguard: str = "step",
    monitor: Monitor | None = None,
) -> Solution:
    """Run the loop from one start and return the best iterate.

    Parameters
    ----------
    problem, rules, variables, n_outer, n_inner
        As in `alternate`.
    safeguard : {"step", "run", "none"}, default="step"
        "step": an outer step that ends in a non-finite objective, or gives back more
        than a tenth of the descent from the start to the best objective so far, is
        replaced by the rules' classical step. The last iterate is returned if it
        lies within that bound, else the best one. "run": besides, the classical
        rules run from the same start, and the lower objective wins. "none": the
        last iterate, as it is.
    monitor : Monitor, optional
        Called after each outer step; may end the run.

    Returns
    -------
    solution : Solution
    """
    if safeguard not in SAFEGUARDS:
        raise ValueError(f"safeguard must be one of {SAFEGUARDS}, got {safeguard!r}")
    with torch.no_grad():
        if safeguard == "none":
            return _unguarded(problem, rules, variables, n_outer, n_inner, monitor)
        learned = _guarded(problem, rules, variables, n_outer, n_inner, monitor)
        classical = _classical(rules)
        if safeguard == "step" or classical == rules:
            return learned
        rival = _guarded(problem, classical, variables, n_outer, n_inner, monitor)
        worse = _better(rival.objective, learned.objective)
        return Solution(
            where_tasks(worse, rival.variables, learned.variables),
            torch.where(worse, rival.objective, learned.objective),
            torch.where(worse, rival.n_iter, learned.n_guarded),
            torch.where(worse, rival.n_iter, learned.n_iter),
        )


def _counts(problem, number: int) -> Tensor:
    return torch.full((problem.n_tasks,), number)


def _unguarded(problem, rules, variables, n_outer, n_inner, monitor) -> Solution:
    n_done = 0

    def watch(current):
        nonlocal n_done
        n_done += 1
        return monitor is not None and monitor(lambda: problem.objective(current))

    end, _ = alternate(problem, rules, variables, n_outer, n_inner, on_sweep=watch)
    value = problem.objective(end)
    return Solution(end, value, _counts(problem, 0), _counts(problem, n_done))


def _guarded(problem, rules, variables, n_outer, n_inner, monitor) -> Solution:
    """The loop, one outer step at a time, each judged by the objective."""
    states, fallback = init_states(rules, variables), _classical(rules)
    fresh, idle = states, init_states(fallback, variables)
    first = best_value = problem.objective(variables)
    best = variables
    n_guarded = _counts(problem, 0)
    for sweep in range(n_outer):
        proposal, new_states = alternate(
            problem, rules, variables, 1, n_inner, states=states, start=sweep, n_total=n_outer
        )
        value = problem.objective(proposal)
        bad = ~_within_bound(value, first, best_value)
        if fallback != rules and bad.any():
            n_guarded += bad
            safe, _ = alternate(
                problem, fallback, variables, 1, n_inner, states=idle, start=sweep, n_total=n_outer
            )
            proposal = where_tasks(bad, safe, proposal)
            new_states = where_tasks(bad, fresh, new_states)
            value = torch.where(bad, problem.objective(safe), value)
        variables, states = proposal, new_states
        improved = _better(value, best_value)
        best = variables if improved.all() else where_tasks(improved, variables, best)
        best_value = torch.where(improved, value, best_value)
        if monitor is not None and monitor(lambda value=value: value):
            break
    last = _within_bound(value, first, best_value)
    return Solution(
        where_tasks(last, variables, best),
        torch.where(last, value, best_value),
        n_guarded,
        _counts(problem, sweep + 1),
    )


def _within_bound(value, first, best) -> Tensor:
    """Whether objectives are finite and give back at most a share of the descent."""
    # A start without a finite objective bounds nothing.
    slack = torch.where(first.isfinite() & best.isfinite(), _SLACK * (first - best), torch.inf)
    return value.isfinite() & (value <= best.nan_to_num(nan=torch.inf) + slack)


class Starts(NamedTuple):
    """Runs from several starts.

    Attributes
    ----------
    problem : Problem
        Of T tasks.
    runs : list of Solution
        Where each start ended; less of them if the search was stopped, and one more where
        a classical run has a say.
    shares : Tensor of shape (len(runs), T)
        Of each run in the answer to its task; they sum to 1 over the runs.
    """

    problem: Problem
    runs: list[Solution]
    shares: Tensor

    @property
    def best(self) -> Solution:
        """The runs of the largest share, one a task."""
        found, largest = self.runs[0], self.shares.argmax(0)
        for i, run in enumerate(self.runs[1:], start=1):
            found = Solution(*where_tasks(largest == i, tuple(run), tuple(found)))
        return found

    def mean(self, function: Callable[[Variables], Tensor]) -> Tensor:
        """Mean by shares of what a function finds in each run's variables, (T, ...)."""
        return mean_by_shares(self.shares, (function(run.variables) for run in self.runs))


def mean_by_shares(shares: Tensor, values: Iterable[Tensor]) -> Tensor:
    """Mean by shares (n_runs, T) of what each run has, tensors of shape (T, ...)."""
    total = torch.zeros((), dtype=shares.dtype)
    for share, value in zip(shares, values, strict=True):
        share = share.reshape(-1, *[1] * (value.ndim - 1))
        # A run that is not finite has no share; 0 times NaN must not have one either.
        total = total + torch.where(share > 0, share * value, 0.0)
    return total


def minimize_from_starts(
    problem: Problem,
    rules: Rules,
    n_init: int,
    generator: torch.Generator,
    n_outer: int,
    n_inner: int | None = None,
    safeguard: str = "step",
    monitor: Monitor | None = None,
) -> Starts:
    """`minimize` from ``n_init`` random starts, and what each counts for.

    A task whose first run explains it up to rounding needs no other. The others run in one
    batch, or one by one where the problem says so. Where the monitor ends a run no other
    begins. Where runs are averaged, learned rules are guarded by outer steps and there is
    more than one start, the classical rules run from the first start, too: see `_joined`.
    """
    n_tasks = problem.n_tasks
    start = (problem.repeat(n_init) if n_init > 1 else problem).init(generator)
    arguments = (n_outer, n_inner, safeguard, monitor)
    first = minimize(problem, rules, take_tasks(start, torch.arange(n_tasks)), *arguments)
    left = problem.unexplained(first.variables)
    is_open = torch.ones(n_tasks, dtype=torch.bool) if left is None else ~(left <= _EXPLAINED)
    runs, companions = [first] * n_init, []
    if _has_stopped(monitor):
        runs = [first]
    elif n_init > 1 and is_open.any():
        index = is_open.nonzero()[:, 0]

        def run(rules, starts):
            found = _runs(problem, rules, start, starts, index, arguments)
            return [_placed(one, index, first) for one in found]

        runs[1:] = run(rules, range(1, n_init))
        if _has_companion(rules, n_init, safeguard) and not _has_stopped(monitor):
            companions = run(_classical(rules), range(1))
    shares = _shares(problem, runs, companions, n_outer)
    runs = runs + companions
    shares[:, ~is_open] = nn.functional.one_hot(torch.tensor(0), len(runs))[:, None].to(shares)
    return Starts(problem, runs, shares)


def most_sweeps(problem: Problem, rules: Rules, n_init: int, n_outer: int, safeguard: str) -> int:
    """How often `minimize_from_starts` calls its monitor at most."""
    n_batches = n_init if problem.one_start_at_a_time else min(n_init, 2)
    twice = safeguard == "run" and _classical(rules) != rules
    return n_outer * (n_batches * (2 if twice else 1) + _has_companion(rules, n_init, safeguard))


def _has_companion(rules, n_init, safeguard) -> bool:
    """Whether one run is classical; with "run" all have such a rival, with "none" none."""
    return n_init > 1 and safeguard == "step" and _classical(rules) != rules


def _has_stopped(monitor) -> bool:
    return monitor is not None and monitor.stopped


def _runs(problem, rules, start, starts, index, arguments) -> list[Solution]:
    """Of some tasks from the starts of these numbers."""
    numbers = [index + i * problem.n_tasks for i in starts]
    if problem.one_start_at_a_time:
        own, monitor = (
            problem if len(index) == problem.n_tasks else problem.take(index),
            arguments[-1],
        )
        found = []
        for n in numbers:
            if not _has_stopped(monitor):
                found.append(minimize(own, rules, take_tasks(start, n), *arguments))
        return found
    many = problem.take(index.repeat(len(numbers)))
    solution = minimize(many, rules, take_tasks(start, torch.cat(numbers)), *arguments)
    parts = torch.arange(len(index) * len(numbers)).reshape(len(numbers), -1)
    return [Solution(*take_tasks(tuple(solution), part)) for part in parts]


def _placed(run, index, first) -> Solution:
    """A run of the tasks of these numbers, the first run for the others."""

    def place(part, whole):
        return whole.index_copy(0, index, part)

    return Solution(*map_tensors(place, tuple(run), tuple(first)))


def _shares(problem, runs, companions, n_outer) -> Tensor:
    """Shares in the answer of the runs and of a classical companion, (n_runs, T).

    Where the model says how much each run leaves unexplained, runs are averaged, which is
    better than the best of them (benchmarks/LOG.md). The companion's share is that of an
    equal opinion, half of all, where it leaves no more than the others do: on tables whose
    rank is high a learned rule may trust the data too little. Where it leaves more it soon
    has none, as with matrices that only the learned rule recovers. Else the lowest objective
    takes all.
    """
    everyone = [*runs, *companions]
    left = [problem.unexplained(run.variables) for run in everyone]
    if len(everyone) == 1 or left[0] is None:
        objective = torch.stack([run.objective for run in everyone])
        objective = torch.where(objective.isfinite(), objective, torch.inf)
        return nn.functional.one_hot(objective.argmin(0), len(everyone)).T.to(objective.dtype)
    shares, least = _shares_of_starts(torch.stack(left[: len(runs)]), runs, n_outer)
    if companions:
        weight = (least / left[-1]).clamp(max=1.0) ** _COMPANION_POWER
        shares = torch.cat([shares, weight[None]]) / (1 + weight)
    return shares


def _shares_of_starts(left, runs, n_outer) -> tuple[Tensor, Tensor]:
    """By the fourth power of the variance (n_init, T) that each leaves, and the least of it.

    Runs that recover the truth leave nothing and take all; runs that explain a table equally
    well, in different ways, share. Those that the safeguard held back at more than a quarter
    of their outer steps have none, unless all are such.
    """
    usable = left.isfinite() & torch.stack([run.objective.isfinite() for run in runs])
    free = usable & torch.stack([run.n_guarded <= _MOST_GUARDED * n_outer for run in runs])
    usable = torch.where(free.any(0), free, usable)
    left = torch.where(usable, left, torch.inf)
    least = left.amin(0)
    shares = torch.where(usable, (least / left) ** _SHARE_POWER, 0.0)
    shares[0, ~usable.any(0)] = 1.0
    return shares / shares.sum(0), least
