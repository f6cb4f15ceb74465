"""How runs ended: variables and objectives, statuses, and what happened on the way."""

from enum import IntEnum
from typing import NamedTuple

import torch
from torch import Tensor

from ..problems.trees import Variables, map_tensors


class Status(IntEnum):
    """How the run of a task ended."""

    MAX_ITER = 0
    CONVERGED = 1
    STOPPED = 2  # by a monitor
    NOT_FINITE = 3  # at its last iterate; a safeguard returns an earlier one
    GIVEN_UP = 4  # for better starts of its task
    EXACT = 5  # brought to a fit up to rounding by joint steps


class Trace(NamedTuple):
    """What happened in a run, from its start on.

    Attributes
    ----------
    objective : list of Tensor of shape (T,)
        At the start and after each outer step.
    variables : list of dict
        The same, as the safeguard let them pass.
    decided : list of dict
        What rules decided in each inner step of each block they move: the controls by name,
        (T, rows, 1), under the name of the block.
    """

    objective: list[Tensor]
    variables: list[Variables]
    decided: list[dict]


class Run(NamedTuple):
    """Where the runs of a batch of tasks ended.

    Attributes
    ----------
    variables : dict
    objective : Tensor of shape (T,)
    n_iter : Tensor of shape (T,)
        Outer steps.
    n_guarded : Tensor of shape (T,)
        Outer steps at which the safeguard replaced the learned step by the classical one.
    status : Tensor of shape (T,)
        See `Status`.
    trace : Trace or None
        Where it was asked for.
    """

    variables: Variables
    objective: Tensor
    n_iter: Tensor
    n_guarded: Tensor
    status: Tensor
    trace: Trace | None = None

    @property
    def converged(self) -> Tensor:
        """Whether the task stood still before the last outer step, or is exact, (T,)."""
        return (self.status == Status.CONVERGED) | (self.status == Status.EXACT)


class Offered(NamedTuple):
    """What became of offers to go on by joint steps.

    Attributes
    ----------
    variables : dict
    exact : Tensor of bool of shape (n_runs,)
        Which runs were brought to an exact fit.
    over : Tensor of bool of shape (n_runs,)
        Which runs are of tasks that have one.
    last : Tensor of shape (n_runs,)
        For the next offers, as they were told.
    """

    variables: Variables
    exact: Tensor
    over: Tensor
    last: Tensor


def joined(parts: list):
    """One tree from those of several batches."""
    return map_tensors(lambda *tensors: torch.cat(tensors), *parts) if len(parts) > 1 else parts[0]


def joined_runs(parts: list[Run]) -> Run:
    """As `joined`; of traces that end at different sweeps the shorter ones stay where they end."""
    traces = [run.trace for run in parts if run.trace]
    whole = joined([run._replace(trace=None) for run in parts])
    if not traces:
        return whole
    sweeps = range(max(len(trace.objective) for trace in traces))
    told = [joined([t.objective[min(i, len(t.objective) - 1)] for t in traces]) for i in sweeps]
    return whole._replace(trace=Trace(told, [], []))
