"""What several runs say together, and what stands beside them."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ..problems.base import Problem, has_role
from ..problems.trees import Variables, map_tensors, take_tasks, where_tasks
from .outcome import Run
from .weighting import baseline_weight, weighted_average

# Of a baseline: with less it is not kept.
_MIN_WEIGHT = 1e-3


class Beside(NamedTuple):
    """An answer that is no run, and its weights (T,) beside the runs, which weigh 1 together."""

    variables: Variables
    weight: Tensor


class Answer(NamedTuple):
    """Runs from several starts, weighted.

    Attributes
    ----------
    problem : Problem
        Of T tasks.
    runs : list of Run
        One for each start, the first one's for tasks that needed no other, the classical one
        among them where there is one.
    weights : Tensor of shape (len(runs), T)
        Of each run in the answer to its task; they sum to 1 over the runs.
    beside : tuple of Beside
        The problem's baseline, where left-out data recommend it for some task, and its convex
        answer, where no two runs of some task agree.
    """

    problem: Problem
    runs: list[Run]
    weights: Tensor
    beside: tuple[Beside, ...] = ()

    @property
    def best(self) -> Run:
        """The runs of the largest weight, one a task."""
        best, largest = untraced(self.runs[0]), self.weights.argmax(0)
        for i, run in enumerate(self.runs[1:], start=1):
            best = where_tasks(largest == i, untraced(run), best)
        return best

    def parts(self) -> tuple[Tensor, list[Variables]]:
        """Weights (n_parts, T), and variables, of the runs and, last, of what is beside them."""
        weights = torch.stack([*self.weights, *(other.weight for other in self.beside)])
        variables = [run.variables for run in self.runs]
        variables += [other.variables for other in self.beside]
        return (weights / weights.sum(0) if self.beside else self.weights), variables

    def mean(self, function: Callable[[Variables], Tensor]) -> Tensor:
        """Weighted average of a function of each run's variables, (T, ...)."""
        weights, parts = self.parts()
        return weighted_average(weights, map(function, parts))


def untraced(run: Run) -> Run:
    return run._replace(trace=None)


def with_baseline(answer: Answer) -> Answer:
    """With the problem's baseline where it predicts left-out data about as well as the runs."""
    problem = answer.problem
    if not problem.weighs_runs:
        return answer
    with torch.no_grad():
        shares = [problem.beside_baseline(run.variables) for run in answer.runs]
        weight = baseline_weight(torch.stack(shares))
        if (weight < _MIN_WEIGHT).all():
            return answer
        baseline = problem.baseline(answer.runs[0].variables)
    return answer._replace(beside=(*answer.beside, Beside(baseline, weight)))


def with_convex(answer: Answer, tasks: Tensor) -> Answer:
    """With the problem's convex answer to some tasks, which counts as all runs together."""
    problem, like = answer.problem, answer.runs[0].variables
    if not len(tasks) or not has_role(problem, "convex"):
        return answer
    with torch.no_grad():
        part = problem.take(tasks).convex(take_tasks(like, tasks))
    variables = map_tensors(lambda one, all: all.index_copy(0, tasks, one), part, like)
    weight = torch.zeros_like(answer.weights[0]).index_fill(0, tasks, 1.0)
    return answer._replace(beside=(*answer.beside, Beside(variables, weight)))
