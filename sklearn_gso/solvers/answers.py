"""What several runs say together, and a baseline beside them."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ..problems.base import Problem
from ..problems.trees import Variables, where_tasks
from .outcome import Run
from .weighting import baseline_weight, weighted_average

# Of a baseline: with less it is not kept.
_MIN_WEIGHT = 1e-3


class Baseline(NamedTuple):
    """A problem's baseline, and its weights (T,) beside the runs, which weigh 1 together."""

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
    baseline : Baseline or None
        Where left-out data recommend it for some task.
    """

    problem: Problem
    runs: list[Run]
    weights: Tensor
    baseline: Baseline | None = None

    @property
    def best(self) -> Run:
        """The runs of the largest weight, one a task."""
        best, largest = untraced(self.runs[0]), self.weights.argmax(0)
        for i, run in enumerate(self.runs[1:], start=1):
            best = where_tasks(largest == i, untraced(run), best)
        return best

    def parts(self) -> tuple[Tensor, list[Variables]]:
        """Weights (n_parts, T), and variables, of the runs and, last, of the baseline."""
        variables = [run.variables for run in self.runs]
        if self.baseline is None:
            return self.weights, variables
        weight = self.baseline.weight
        weights = torch.cat([self.weights, weight[None]]) / (1 + weight)
        return weights, [*variables, self.baseline.variables]

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
    return answer._replace(baseline=Baseline(baseline, weight))
