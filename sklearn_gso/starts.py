"""Around runs: from how many random starts, and what each of them counts for."""

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from .alternating import Monitor
from .problems.base import Problem, Variables, map_tensors, take_tasks, where_tasks
from .rules.base import Rules
from .search import Solution, classical_rules, minimize

# "auto": so many starts at a time, and at most so many, until two agree. Two runs agree if
# what they predict differs by less than this share: where luck does not matter starts differ
# by .01 at most, where it does by .05 and more (benchmarks/LOG.md).
_ROUND, _MOST, _SAME = 4, 20, 0.02
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


class Starts(NamedTuple):
    """Runs from several starts.

    Attributes
    ----------
    problem : Problem
        Of T tasks.
    runs : list of Solution
        Where each start ended, the first one's end for tasks that needed no other, and
        at last the classical run where it has a say.
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
    n_init: int | Literal["auto"],
    generator: torch.Generator,
    n_outer: int,
    n_inner: int | None = None,
    safeguard: str = "step",
    monitor: Monitor | None = None,
    companion: bool = False,
) -> Starts:
    """`minimize` from random starts, and what each counts for.

    A task whose first run explains it up to rounding needs no other. The others run in
    batches, or one by one where the problem says so. Where the monitor ends a run no other
    begins.

    Parameters
    ----------
    problem, rules, n_outer, n_inner, safeguard, monitor
        As in `minimize`.
    n_init : int or "auto"
        How many. "auto": 4, and up to 20, four at a time, for tasks whose best run no
        other run agrees with.
    generator : torch.Generator
        Draws the starts.
    companion : bool, default=False
        Whether the classical rules run from the first start, too, beside learned ones
        from several starts. Only where runs are averaged, and with ``safeguard="step"``.

    Returns
    -------
    starts : Starts

    Notes
    -----
    Where runs are not averaged "auto" is 4.
    """
    runs = _Runs(problem, generator, (n_outer, n_inner, safeguard, monitor))
    runs.first(rules, starts_at_once(n_init))
    tasks = runs.open_tasks()
    if n_init != 1 and len(tasks) and not runs.stopped:
        runs.others(rules, tasks)
        if n_init == "auto" and problem.weighs_runs:
            runs.until_two_agree(rules, tasks)
        if companion and _may_have_companion(problem, rules, n_init, safeguard):
            runs.classical(rules, tasks)
    return runs.weighted()


def starts_at_once(n_init) -> int:
    """How many starts run in one batch."""
    return _ROUND if n_init == "auto" else int(n_init)


def most_sweeps(
    problem: Problem, rules: Rules, n_init, n_outer: int, safeguard: str, companion: bool = False
) -> int:
    """How often `minimize_from_starts` calls its monitor at most."""
    most = _MOST if n_init == "auto" and problem.weighs_runs else starts_at_once(n_init)
    if problem.one_start_at_a_time:
        n_batches = most
    else:
        n_batches = 1 + most // _ROUND if n_init == "auto" else min(most, 2)
    twice = safeguard == "run" and classical_rules(rules) != rules
    companion = companion and _may_have_companion(problem, rules, n_init, safeguard)
    return n_outer * (n_batches * (2 if twice else 1) + companion)


def _may_have_companion(problem, rules, n_init, safeguard) -> bool:
    """Where one run may be classical; with "run" all have such a rival, with "none" none."""
    is_wanted = n_init != 1 and safeguard == "step" and problem.weighs_runs
    return is_wanted and classical_rules(rules) != rules


class _Runs:
    """Runs of a batch of tasks; of some tasks there are more than of others."""

    def __init__(self, problem, generator, arguments):
        self.problem, self.generator, self.arguments = problem, generator, arguments
        self.monitor = arguments[-1]
        self.found: list[Solution] = []
        self.made: list[Tensor] = []  # whether a run is one of a task, (T,)
        self.left: list = []  # tensors (T,), or None where the problem knows none
        self.companion: tuple[Solution, Tensor] | None = None

    @property
    def stopped(self) -> bool:
        return self.monitor is not None and self.monitor.stopped

    def first(self, rules, n_init):
        """One run of every task, from the first of so many starts."""
        problem = self.problem
        self.start = (problem.repeat(n_init) if n_init > 1 else problem).init(self.generator)
        self.n_init = n_init
        everything = torch.arange(problem.n_tasks)
        run = minimize(problem, rules, take_tasks(self.start, everything), *self.arguments)
        self._add(run, everything)

    def open_tasks(self) -> Tensor:
        """Numbers of the tasks that the first run does not explain up to rounding."""
        if not self.problem.weighs_runs:
            return torch.arange(self.problem.n_tasks)
        return (~(self.left[0] <= _EXPLAINED)).nonzero()[:, 0]

    def others(self, rules, tasks):
        """Runs of some tasks from the other starts that were drawn with the first."""
        numbers = [tasks + i * self.problem.n_tasks for i in range(1, self.n_init)]
        self._run(rules, [take_tasks(self.start, n) for n in numbers], tasks)

    def until_two_agree(self, rules, tasks):
        """Rounds of runs from new starts for those tasks of which no run confirms the best."""
        while len(self.found) < _MOST and not self.stopped:
            tasks = tasks[~self._agree()[tasks]]
            if not len(tasks):
                return
            fresh = self.problem.take(tasks.repeat(_ROUND)).init(self.generator)
            parts = torch.arange(len(tasks) * _ROUND).reshape(_ROUND, -1)
            self._run(rules, [take_tasks(fresh, part) for part in parts], tasks)

    def classical(self, rules, tasks):
        """The classical run of some tasks from the first start."""
        if self.stopped:
            return
        start = take_tasks(self.start, tasks)
        (run,) = self._batch(classical_rules(rules), [start], tasks)
        self.companion = self._placed(run, tasks), self._mask(tasks)

    def weighted(self) -> Starts:
        """What all runs are worth."""
        runs = [*self.found, self.companion[0]] if self.companion else self.found
        if not self.problem.weighs_runs:
            return Starts(self.problem, runs, _lowest(runs))
        made = torch.stack(self.made)
        shares, least = _shares(self.found, torch.stack(self.left), made, self.arguments[0])
        if self.companion:
            run, made = self.companion
            shares = _joined(shares, least, self.problem.unexplained(run.variables), made)
        return Starts(self.problem, runs, shares)

    def _agree(self) -> Tensor:
        """Whether another run predicts what a task's best one does, (T,)."""
        made = torch.stack(self.made)
        best = torch.where(made, torch.stack(self.left), torch.inf).argmin(0)
        answer = self.found[0].variables
        for i, run in enumerate(self.found[1:], start=1):
            answer = where_tasks(best == i, run.variables, answer)
        distances = [self.problem.difference(run.variables, answer) for run in self.found]
        # The best run agrees with itself.
        return ((torch.stack(distances) < _SAME) & made).sum(0) > 1

    def _run(self, rules, starts, tasks):
        for run in self._batch(rules, starts, tasks):
            self._add(self._placed(run, tasks), tasks)

    def _add(self, run, tasks):
        self.found.append(run)
        self.left.append(self.problem.unexplained(run.variables))
        self.made.append(self._mask(tasks))

    def _mask(self, tasks) -> Tensor:
        return torch.zeros(self.problem.n_tasks, dtype=torch.bool).index_fill(0, tasks, True)

    def _batch(self, rules, starts, tasks) -> list[Solution]:
        """Runs of some tasks from several starts."""
        problem, n = self.problem, len(starts)
        if problem.one_start_at_a_time or n == 1:
            found = []
            own = problem if len(tasks) == problem.n_tasks else problem.take(tasks)
            for start in starts:
                if not self.stopped:
                    found.append(minimize(own, rules, start, *self.arguments))
            return found
        many = map_tensors(lambda *tensors: torch.cat(tensors), *starts)
        solution = minimize(problem.take(tasks.repeat(n)), rules, many, *self.arguments)
        parts = torch.arange(len(tasks) * n).reshape(n, -1)
        return [Solution(*take_tasks(tuple(solution), part)) for part in parts]

    def _placed(self, run, tasks) -> Solution:
        """A run of some tasks, the first run for the others."""

        def place(part, whole):
            return whole.index_copy(0, tasks, part)

        return Solution(*map_tensors(place, tuple(run), tuple(self.found[0])))


def _lowest(runs) -> Tensor:
    """The whole share for the lowest objective, (n_runs, T)."""
    objective = torch.stack([run.objective for run in runs])
    objective = torch.where(objective.isfinite(), objective, torch.inf)
    return nn.functional.one_hot(objective.argmin(0), len(runs)).T.to(objective.dtype)


def _shares(runs, left, made, n_outer) -> tuple[Tensor, Tensor]:
    """By the fourth power of the variance (n_runs, T) that each leaves, and the least of it.

    Runs that recover the truth leave nothing and take all; runs that explain a table equally
    well, in different ways, are averaged, which is better than the best of them
    (benchmarks/LOG.md). Those that the safeguard held back at more than a quarter of their
    outer steps have none, unless all are such.
    """
    usable = made & left.isfinite() & torch.stack([run.objective.isfinite() for run in runs])
    free = usable & torch.stack([run.n_guarded <= _MOST_GUARDED * n_outer for run in runs])
    usable = torch.where(free.any(0), free, usable)
    left = torch.where(usable, left, torch.inf)
    least = left.amin(0)
    shares = torch.where(usable, (least / left) ** _SHARE_POWER, 0.0)
    shares[0, ~usable.any(0)] = 1.0
    return shares / shares.sum(0), least


def _joined(shares, least, left, made) -> Tensor:
    """The shares with that of a classical run, which leaves ``left`` unexplained, (n_runs + 1, T).

    That of an equal opinion, half of all, where it leaves no more than the others do: on
    tables whose rank is high a learned rule may trust the data too little. Where it leaves
    more it soon has none, as with matrices that only the learned rule recovers.
    """
    weight = torch.where(made, (least / left).clamp(max=1.0) ** _COMPANION_POWER, 0.0)
    return torch.cat([shares, weight[None]]) / (1 + weight)
