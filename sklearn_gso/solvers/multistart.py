"""Runs from several random starts: how many, and what each of them weighs in the answer."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..problems.base import Problem
from ..problems.trees import Variables, map_tensors, take_tasks, where_tasks
from ..rules.base import Rules
from .answers import Answer, untraced, with_baseline
from .exact import Finish
from .outcome import Run, Status
from .policies import Fixed, Policy, UntilAgree
from .race import Race
from .run import Monitor, in_batches, minimize
from .safeguard import fallbacks
from .weighting import by_unexplained, companion_weight, lowest_objective

# Two runs agree if what they predict differs by less than this share: where luck does not
# matter starts differ by .01 at most, where it does by .05 and more (benchmarks/LOG.md).
_SAME = 0.02
# ... or by less than this share of the standard deviation of what the best run leaves
# unexplained: an average of both could gain a sixteenth of that variance at most.
_MINOR = 0.5
# Variance in units of the data, just above the least one that models estimate: such a run
# has recovered its task, and other starts could only find the same.
_EXPLAINED = 2e-10


@dataclass(frozen=True)
class Multistart:
    """How the runs of a batch of tasks are made.

    Parameters
    ----------
    policy : Fixed or UntilAgree
    max_iter, t_l, tol, safeguard
        As in `minimize`.
    companion : bool, default=False
        Whether the classical rules run, too, beside learned ones from several starts: from a
        start of their own or, of tables, from where the first run ended. Only where runs are
        averaged, and with ``safeguard="step"``.
    exact : bool, default=True
        Whether a run that has come near goes, by joint steps, to an exact fit if there is one.
    race : bool, default=False
        Whether starts beside a task's first are given up where others are better (`Race`).
        Only where the lowest objective wins.
    """

    policy: Policy = field(default_factory=Fixed)
    max_iter: int = 40
    t_l: int | None = None
    tol: float | None = None
    safeguard: str = "step"
    companion: bool = False
    exact: bool = True
    race: bool = False

    def solve(
        self,
        problem: Problem,
        rules: Rules,
        generator: torch.Generator,
        monitor: Monitor | None = None,
        trace: bool | str = False,
    ) -> Answer:
        """Runs from random starts, and what each weighs.

        A task whose first run explains it up to rounding needs no other: by itself, or where
        joint steps do (`exact.Finish`). The others run in batches, or one by
        one where the problem says so. Where the monitor ends a run no other begins.

        Parameters
        ----------
        problem, rules, monitor, trace
            As in `minimize`.
        generator : torch.Generator
            Draws the starts.
        """
        runs, everyone = _Runs(problem, self, monitor, trace), torch.arange(problem.n_tasks)
        runs.add(rules, _starts(problem, everyone, 1, generator), everyone)
        tasks = runs.unexplained_tasks()
        if self.policy.most(problem) > 1 and len(tasks):
            companion = self._has_companion(problem, rules)
            n_more = self.policy.first(companion) - 1
            runs.add(rules, _starts(problem, tasks, n_more, generator), tasks)
            if companion:
                start = runs.companion_starts(tasks, generator)
                runs.add(fallbacks(rules), start, tasks, companion=True)
            self._until_agreed(runs, rules, tasks, generator)
        runs.settle()
        answer = Answer(problem, runs.runs, runs.weights())
        return answer if runs.stopped else with_baseline(answer)

    def _until_agreed(self, runs, rules, tasks, generator):
        """Runs from new starts for those tasks of which no run confirms the best."""
        problem, policy = runs.problem, self.policy
        if not isinstance(policy, UntilAgree):
            return
        while runs.n_own < policy.most(problem) and not runs.stopped:
            tasks = tasks[~runs.agree()[tasks]]
            if not len(tasks):
                return
            n_more = min(policy.step, policy.most(problem) - runs.n_own)
            runs.add(rules, _starts(problem, tasks, n_more, generator), tasks)

    def _has_companion(self, problem, rules) -> bool:
        learned = fallbacks(rules) != rules
        return self.companion and problem.weighs_runs and self.safeguard == "step" and learned

    def max_sweeps(self, problem: Problem, rules: Rules) -> int:
        """How often `solve` calls its monitor at most."""
        numbers = self._together(problem, rules)
        n_calls = sum(len(in_batches(problem, torch.arange(problem.n_tasks * n))) for n in numbers)
        if self.safeguard == "run" and fallbacks(rules) != rules:
            n_calls *= 2
        return self.max_iter * n_calls

    def _together(self, problem: Problem, rules: Rules) -> list[int]:
        """Numbers of starts that run together, if all are made that there may be."""
        most = self.policy.most(problem)
        companion = most > 1 and self._has_companion(problem, rules)
        first = self.policy.first(companion)
        numbers = [1, first - 1, int(companion)]
        if isinstance(self.policy, UntilAgree):
            n_whole, rest = divmod(max(0, most - first), self.policy.step)
            numbers += [self.policy.step] * n_whole + [rest]
        if _alone(problem):
            return [1] * sum(numbers)
        return [n for n in numbers if n]


def _starts(problem: Problem, tasks: Tensor, n: int, generator) -> Iterator[Variables]:
    """Random starts of some tasks, each drawn, and taking memory, when its turn comes."""
    own = problem if len(tasks) == problem.n_tasks else problem.take(tasks)
    return (own.init(generator) for _ in range(n))


def _alone(problem: Problem) -> bool:
    """Whether starts are made one by one: in one batch they would only take memory."""
    return problem.one_start_at_a_time or len(in_batches(problem, torch.arange(2))) > 1


class _Runs:
    """Runs of a batch of tasks; those that were made for some tasks only are masked."""

    def __init__(self, problem: Problem, settings: Multistart, monitor, trace):
        self.problem, self.settings = problem, settings
        self.monitor, self.trace = monitor, trace
        races = settings.race and not problem.weighs_runs
        self.race = Race(settings.max_iter) if races else None
        self.finish = Finish.of(problem) if settings.exact else None
        self.runs: list[Run] = []
        self.made: list[Tensor] = []  # whether a run is one of a task, (T,)
        self.companion: int | None = None  # which run is the classical one
        self.exact = torch.full((problem.n_tasks,), -1)  # which run is an exact fit of a task

    @property
    def n_own(self) -> int:
        """How many there are beside the companion."""
        return len(self.runs) - (self.companion is not None)

    @property
    def stopped(self) -> bool:
        return self.monitor is not None and self.monitor.stopped

    def add(self, rules, starts, tasks, companion=False):
        """Runs of some tasks from these starts."""
        mask = torch.zeros(self.problem.n_tasks, dtype=torch.bool).index_fill(0, tasks, True)
        finish = None if companion else self.finish
        for run in self._batch(rules, starts, tasks, finish):
            whole = len(tasks) == self.problem.n_tasks
            run = run if whole else _placed(run, tasks, self.runs[0])
            new = mask & (run.status == Status.EXACT) & (self.exact < 0)
            self.exact[new] = len(self.runs)
            self.runs.append(run)
            self.made.append(mask)
            self.companion = len(self.runs) - 1 if companion else self.companion

    def _batch(self, rules, starts, tasks, finish) -> list[Run]:
        problem = self.problem
        own = problem if len(tasks) == problem.n_tasks else problem.take(tasks)
        if _alone(problem):
            # Each start is taken when its turn comes.
            todo = (start for start in starts if not self.stopped)
            return [self._minimize(own, rules, start, tasks, finish) for start in todo]
        starts = list(starts)
        n = len(starts)
        if self.stopped or not n:
            return []
        if n == 1:
            return [self._minimize(own, rules, starts[0], tasks, finish)]
        many = map_tensors(lambda *tensors: torch.cat(tensors), *starts)
        each = tasks.repeat(n)
        run = self._minimize(problem.take(each), rules, many, each, finish)
        parts = torch.arange(len(tasks) * n).split(len(tasks))
        return [take_tasks(run, part) for part in parts]

    def _minimize(self, problem, rules, start, numbers, finish) -> Run:
        s = self.settings
        options = {"tol": s.tol, "safeguard": s.safeguard, "monitor": self.monitor}
        options |= {"race": self.race, "numbers": numbers, "finish": finish}
        return minimize(problem, rules, start, s.max_iter, s.t_l, trace=self.trace, **options)

    def companion_starts(self, tasks, generator) -> Iterator[Variables]:
        """Where the classical run of some tasks begins: on tables where the first run ended.

        There luck does not matter, and what it says in few sweeps is as good as what it says
        in many from a start of its own (benchmarks/LOG.md, "Factors with posteriors in NumPy").
        """
        if self.problem.is_table:
            return iter([take_tasks(self.runs[0].variables, tasks)])
        return _starts(self.problem, tasks, 1, generator)

    def unexplained_tasks(self) -> Tensor:
        """Numbers of the tasks that the first run does not explain up to rounding."""
        if not self.problem.weighs_runs:
            return torch.arange(self.problem.n_tasks)
        explained = (self._unexplained()[0] <= _EXPLAINED) | (self.exact >= 0)
        return (~explained).nonzero()[:, 0]

    def _unexplained(self) -> Tensor:
        return torch.stack([self.problem.unexplained(run.variables) for run in self.runs])

    def agree(self) -> Tensor:
        """Whether another run predicts what a task's best one does, (T,).

        Where the classical run is the best one luck does not matter, either.
        """
        made, unexplained = torch.stack(self.made), self._unexplained()
        least, best = torch.where(made, unexplained, torch.inf).min(0)
        answer = self.runs[0].variables
        for i, run in enumerate(self.runs[1:], start=1):
            answer = where_tasks(best == i, run.variables, answer)
        distances = [self.problem.difference(run.variables, answer) for run in self.runs]
        near = (_MINOR * least.sqrt()).clamp(min=_SAME)
        # The best run agrees with itself.
        confirmed = ((torch.stack(distances) < near) & made).sum(0) > 1
        confirmed = confirmed | (self.exact >= 0)
        return confirmed | (best == (-1 if self.companion is None else self.companion))

    def settle(self):
        """End the runs that go on to their end as the problem ends them (`Problem.settled`)."""
        with torch.no_grad():
            for i, run in enumerate(self.runs):
                if not (run.status == Status.GIVEN_UP).all():
                    variables = self.problem.settled(run.variables)
                    if variables is not run.variables:
                        objective = self.problem.objective(variables)
                        self.runs[i] = run._replace(variables=variables, objective=objective)

    def weights(self) -> Tensor:
        """What each run weighs, (n_runs, T): an exact fit all."""
        if not self.problem.weighs_runs:
            return lowest_objective(self.runs)
        weights = self._weights()
        alone = torch.arange(len(self.runs))[:, None] == self.exact
        return torch.where(self.exact >= 0, alone.to(weights.dtype), weights)

    def _weights(self) -> Tensor:
        made, unexplained = torch.stack(self.made), self._unexplained()
        own = [i for i in range(len(self.runs)) if i != self.companion]
        weights, least = by_unexplained(
            [self.runs[i] for i in own],
            unexplained[own],
            made[own],
            self.agree(),
            self.settings.max_iter,
        )
        if self.companion is None:
            return weights
        weight = companion_weight(least, unexplained[self.companion], made[self.companion])
        parts = weights.split([self.companion, len(own) - self.companion])
        return torch.cat([parts[0], weight[None], parts[1]]) / (1 + weight)


def _placed(run: Run, tasks: Tensor, first: Run) -> Run:
    """A run of some tasks, the first run for the others."""
    return map_tensors(
        lambda part, whole: whole.index_copy(0, tasks, part), untraced(run), untraced(first)
    )


def best_of_starts(objective: Tensor, n_starts: int, n_collapsed: Tensor | None = None) -> Tensor:
    """Number of each task's lowest objective in a batch of all starts, sound ones first.

    Parameters
    ----------
    objective : Tensor of shape (n_starts * T,)
        The first starts of all tasks, then the second ones, and so on.
    n_starts : int
    n_collapsed : Tensor of shape (n_starts * T,), optional
        As `Problem.n_collapsed`.

    Returns
    -------
    numbers : Tensor of shape (T,)
    """
    values = objective.nan_to_num(nan=torch.inf).reshape(n_starts, -1)
    if n_collapsed is not None:
        ranks = values.argsort(0).argsort(0)
        values = ranks + n_starts * n_collapsed.reshape(n_starts, -1)
    return values.argmin(0) * values.shape[1] + torch.arange(values.shape[1])
