"""How many components: one walk over their numbers, from the solution of each to the next."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...problems import MixtureFreeEnergy, new_generator, take_tasks
from ...problems.mixture_likelihood import PARAMETERS
from ...problems.trees import Variables, where_tasks
from ...rules import ClosedForm
from ...solvers import Monitor, Run, minimize, rules_for
from ...solvers.local_search import Explored
from ...solvers.outcome import joined
from ...solvers.run import in_batches
from ..parallel import share_of_threads
from ..reporting import limited
from .criteria import criterion, n_free
from .data import Task, n_distinct, n_pinned, of_components, of_single
from .screening import screened
from .searching import Search, is_better
from .solving import MixturePlan, Solved
from .splitting import at, halved, with_empty

# Sweeps of each stage of a race between candidates, and how many of them go on.
_RACE = ((1, 4), (3, 2), (8, 1))
# Numbers above the best one at which the way down begins.
_ABOVE = 2
# Numbers that the criterion may rise for before an open walk ends.
_PATIENCE = 4


class Question(NamedTuple):
    """Among which numbers of components is to be chosen, and by what.

    ``numbers`` are None where the walk goes on as long as the criterion falls.
    """

    numbers: tuple[int, ...] | None
    criterion: str
    n_samples: float


class Known(NamedTuple):
    """The best solution known with one number of components."""

    task: Task
    problem: MixtureFreeEnergy
    run: Run
    value: float
    n_collapsed: int


@share_of_threads()
def count(plan: MixturePlan, task: Task, question: Question, seed, progress):
    """The best mixture by a criterion, its task, and the criterion of each number tried.

    Parameters
    ----------
    plan : MixturePlan
        Of the largest number where parameters of single components are given, which then go
        with their components; else of any.
    """
    with torch.no_grad(), progress.phase("solving", None, "step") as step:
        walk = _Walk(plan, task, question, seed, limited(step, plan.time_limit))
        return walk.solve()


def _tells(task: Task, kind: str) -> bool:
    """Whether anything is given of single components."""
    return bool(of_single(task, kind)) or task.pinned is not None


@dataclass
class _Walk:
    plan: MixturePlan
    task: Task
    question: Question
    seed: int
    monitor: Monitor | None

    def __post_init__(self):
        self.known: dict[int, Known] = {}
        self.generator = new_generator(self.seed)

    def solve(self) -> tuple[Solved, Task, dict[int, float]]:
        numbers, top = self.question.numbers, self.plan.n_components
        lowest = numbers[0] if numbers else 1
        if _tells(self.task, self.plan.covariance_type):
            self._begin(top)
        else:
            self._begin(lowest)
            self._up(numbers[-1] if numbers else n_distinct(self.task))
        self._down(lowest)
        best = self.known[self._best()]
        explored = self._searched(best)
        solution = self._with_value(best.task, best.problem, explored.run)
        self.known[best.problem.n_components] = solution
        (solved,) = self._plan(best).solved(best.problem, [best.task], explored)
        return solved, best.task, {k: self.known[k].value for k in self._asked()}

    def _asked(self) -> list[int]:
        numbers = self.question.numbers
        return sorted(k for k in self.known if numbers is None or k in numbers)

    def _best(self) -> int:
        """The number of the lowest criterion, sound solutions first."""
        return min(self._asked(), key=lambda k: (self.known[k].n_collapsed, self.known[k].value))

    def _plan(self, of) -> MixturePlan:
        return replace(self.plan, n_components=of.problem.n_components)

    @property
    def _stopped(self) -> bool:
        return self.monitor is not None and self.monitor.stopped

    # The walk -----------------------------------------------------------------------

    def _begin(self, k):
        plan = replace(self.plan, n_components=k)
        problem = plan.problem([self.task])
        search = Search(plan, plan.given([self.task]), self.seed, self.monitor)
        self._keep(self.task, problem, search.best_known(problem).run)

    def _up(self, most):
        """One component more at a time."""
        k = last = max(self.known)
        while k < most and not self._stopped:
            self._keep(*self._grown(self.known[k]))
            k += 1
            if self.known[k].value < self.known[last].value:
                last = k
            if self.question.numbers is None and k - last >= _PATIENCE:
                break

    def _down(self, least):
        """One component less at a time, where that leads lower than the way up.

        It begins a little above the best number, or at the largest where there was no way up.
        """
        k = max(self.known)
        if least in self.known:
            k = min(k, self._best() + _ABOVE)
        while k > least and not self._stopped:
            self._keep(*self._shrunk(self.known[k]))
            k -= 1

    def _keep(self, task, problem, run):
        before = self.known.get(problem.n_components)
        if before is None or bool(is_better(problem, run, before.run)):
            self.known[problem.n_components] = self._with_value(task, problem, run)

    def _searched(self, best: Known) -> Explored:
        """The best that the walk and a search of its own lead to."""
        plan = self._plan(best)
        search = Search(plan, plan.given([best.task]), self.seed, self.monitor)
        explored = search.best_known(best.problem)
        if bool(is_better(best.problem, best.run, explored.run)):
            explored = explored._replace(run=best.run)
        return explored

    def _with_value(self, task, problem, run) -> Known:
        values = problem.responsibilities(run.variables)
        share = self.question.n_samples / float(problem.total)
        entropy = -(problem.sample_weight * torch.xlogy(values, values)).sum()
        likelihood = problem.penalty(run.variables) - run.objective
        sizes = (problem.covariance_type, problem.n_components, problem.n_features)
        value = criterion(
            self.question.criterion,
            self.question.n_samples * float(likelihood),
            n_free(*sizes, task.held, n_pinned(task.pinned)),
            self.question.n_samples,
            share * float(entropy),
        )
        return Known(task, problem, run, value, int(problem.n_collapsed(run.variables)))

    # Steps ----------------------------------------------------------------------------

    def _grown(self, last: Known) -> tuple[Task, MixtureFreeEnergy, Run]:
        """From so many components to one more: a new one goes to a sample of any other."""
        k = last.problem.n_components
        problem = self._problem(k + 1, last.task)
        some = screened(problem)
        wide = with_empty(some, last.problem, last.run.variables)
        halves = halved(last.problem, last.run.variables)
        moves = problem.moves
        fresh = ((moves.first == k) & ~moves.exchange).nonzero()[:, 0]

        def start(part, numbers):
            many = take_tasks(wide, torch.zeros_like(numbers))
            placed = part.moved(many, fresh[numbers % k], self.generator)
            half = at(part, [value[numbers % k] for value in halves])
            return where_tasks(numbers < k, placed, half)

        def place(numbers):
            return some.take(torch.zeros_like(numbers))

        _, variables = _raced(place, start, 2 * k)
        return last.task, problem, self._converged(problem, variables)

    def _shrunk(self, last: Known) -> tuple[Task, MixtureFreeEnergy, Run]:
        """From so many components to one less: what it described the others take over."""
        k, kind = last.problem.n_components, self.plan.covariance_type
        others = torch.tensor([[i for i in range(k) if i != j] for j in range(k)])
        problem = self._problem(k - 1, of_components(last.task, others[0].numpy(), kind))
        some = screened(problem)

        def left(name, value, numbers):
            if name == "covariances" and kind == "tied":
                return value[torch.zeros_like(numbers)]
            return value[0][others[numbers]]

        def place(numbers):
            part, before = some.take(torch.zeros_like(numbers)), last.problem
            if before.pinned is not None:
                part.pinned = left("covariances", before.pinned, numbers)
            if not part.fixed:
                return part
            return part.with_fixed({n: left(n, v, numbers) for n, v in before.fixed.items()})

        def start(part, numbers):
            now = last.problem.parameters(last.run.variables)
            return at(part, [left(*one, numbers) for one in zip(PARAMETERS, now, strict=True)])

        gone, variables = _raced(place, start, k)
        task = of_components(last.task, others[gone].numpy(), kind)
        problem = self._problem(k - 1, task)
        return task, problem, self._converged(problem, variables)

    def _problem(self, k, task) -> MixtureFreeEnergy:
        if k in self.known and not _tells(task, self.plan.covariance_type):
            return self.known[k].problem
        return replace(self.plan, n_components=k).problem([task])

    def _converged(self, problem, variables) -> Run:
        search, some = Search(self.plan, {}, self.seed, self.monitor), screened(problem)
        if some is not problem:
            found = search.converged(some, variables).variables
            variables = at(problem, some.parameters(found))
        return search.converged(problem, variables)


def _raced(place, start, n) -> tuple[int, Variables]:
    """The number of the best of n starts, by successive halving, and where it ended.

    Parameters
    ----------
    place : callable
        The problem of some of the starts, by their numbers.
    start : callable
        Variables of them, from that problem and their numbers.
    """
    kept, reached = torch.arange(n), None
    for n_sweeps, n_kept in _RACE:
        parts: list[Any] = []
        for some in in_batches(place(kept[:1]), torch.arange(len(kept))):
            part = place(kept[some])
            if reached is None:
                begin = start(part, kept[some])
            else:
                begin = at(part, [value[some] for value in reached])
            run = minimize(part, _em(part), begin, n_sweeps, safeguard="none")
            ranked_by = (run.objective, part.n_collapsed(run.variables))
            parts.append((*part.parameters(run.variables), *ranked_by))
        *reached, objective, collapsed = joined(parts)
        best = _ranking(objective, collapsed)[:n_kept]
        kept, reached = kept[best], [value[best] for value in reached]
    return int(kept[0]), at(place(kept), reached)


def _em(problem):
    return rules_for(problem, ClosedForm())


def _ranking(objective: Tensor, collapsed: Tensor) -> Tensor:
    """Numbers of runs, sound ones first, the lowest objective first."""
    ranks = objective.nan_to_num(nan=torch.inf).argsort().argsort()
    return (ranks + len(ranks) * collapsed).argsort()
