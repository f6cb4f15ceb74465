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
        Where each start ended; less of them if the search was stopped.
    shares : Tensor of shape (n_init, T)
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
    """Mean by shares (n_init, T) of what each run has, tensors of shape (T, ...)."""
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
    begins.
    """
    n_tasks = problem.n_tasks
    start = (problem.repeat(n_init) if n_init > 1 else problem).init(generator)
    arguments = (n_outer, n_inner, safeguard, monitor)
    first = minimize(problem, rules, take_tasks(start, torch.arange(n_tasks)), *arguments)
    left = problem.unexplained(first.variables)
    is_open = torch.ones(n_tasks, dtype=torch.bool) if left is None else ~(left <= _EXPLAINED)
    runs = [first] * n_init
    if monitor is not None and monitor.stopped:
        runs = [first]
    elif n_init > 1 and is_open.any():
        runs[1:] = _other_runs(problem, rules, start, n_init, first, is_open, arguments)
    shares = _shares(problem, runs, n_outer)
    shares[:, ~is_open] = nn.functional.one_hot(torch.tensor(0), len(runs))[:, None].to(shares)
    return Starts(problem, runs, shares)


def most_sweeps(problem: Problem, rules: Rules, n_init: int, n_outer: int, safeguard: str) -> int:
    """How often `minimize_from_starts` calls its monitor at most."""
    n_batches = n_init if problem.one_start_at_a_time else min(n_init, 2)
    twice = safeguard == "run" and _classical(rules) != rules
    return n_outer * n_batches * (2 if twice else 1)


def _other_runs(problem, rules, start, n_init, first, is_open, arguments) -> list[Solution]:
    """From the second start on; of the tasks that are open, the first run for the others."""
    index = is_open.nonzero()[:, 0]
    numbers = [index + i * problem.n_tasks for i in range(1, n_init)]
    if problem.one_start_at_a_time:
        own, monitor = problem if is_open.all() else problem.take(index), arguments[-1]
        found = []
        for n in numbers:
            if monitor is None or not monitor.stopped:
                found.append(minimize(own, rules, take_tasks(start, n), *arguments))
    else:
        many = problem.take(index.repeat(n_init - 1))
        solution = minimize(many, rules, take_tasks(start, torch.cat(numbers)), *arguments)
        parts = torch.arange(len(index) * (n_init - 1)).reshape(n_init - 1, -1)
        found = [Solution(*take_tasks(tuple(solution), part)) for part in parts]

    def place(part, whole):
        return whole.index_copy(0, index, part)

    return [Solution(*map_tensors(place, tuple(run), tuple(first))) for run in found]


def _shares(problem, runs, n_outer) -> Tensor:
    """Shares of the starts in the answer, (n_init, T).

    Where the model says how much each run leaves unexplained, by the fourth power of
    that: runs that recover the truth leave nothing and take all, while runs that explain
    a table equally well, in different ways, are averaged, which is better than the best
    of them (benchmarks/LOG.md). Runs that the safeguard held back at more than a quarter of
    their outer steps have none, unless all are such. Else the lowest objective takes all.
    """
    objective = torch.stack([run.objective for run in runs])
    objective = torch.where(objective.isfinite(), objective, torch.inf)
    found = [problem.unexplained(run.variables) for run in runs]
    if len(runs) == 1 or found[0] is None:
        return nn.functional.one_hot(objective.argmin(0), len(runs)).T.to(objective.dtype)
    left = torch.stack(found)
    usable = objective.isfinite() & left.isfinite()
    free = usable & torch.stack([run.n_guarded <= _MOST_GUARDED * n_outer for run in runs])
    usable = torch.where(free.any(0), free, usable)
    left = torch.where(usable, left, torch.inf)
    least = left.amin(0)
    shares = torch.where(usable, (least / left) ** _SHARE_POWER, 0.0)
    shares[0, ~usable.any(0)] = 1.0
    return shares / shares.sum(0)
