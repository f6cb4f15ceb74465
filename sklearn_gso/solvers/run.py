"""One run: the loop with a stopping rule, a safeguard, and a record of what happened."""

from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..problems.base import Problem
from ..problems.trees import Variables, map_tensors, take_tasks, where_tasks
from ..rules.base import Rules, check_rules
from .alternating import init_states
from .safeguard import SAFEGUARDS, Guard, Step, better, fallbacks

# Finished tasks are dropped from the batch when they are this share of it.
_SHARE_TO_DROP = 0.3
# Doubles of a batch: below, the cost of an operation's call shows; above, that of memory.
_BATCH_SIZE = 200_000


class Status(IntEnum):
    """How the run of a task ended."""

    MAX_ITER = 0
    CONVERGED = 1
    STOPPED = 2  # by a monitor
    NOT_FINITE = 3  # at its last iterate; a safeguard returns an earlier one


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
        """Whether the task stood still before the last outer step, (T,)."""
        return self.status == Status.CONVERGED


class Monitor:
    """A callback after each outer step; once told to stop, it stops whatever comes after.

    Parameters
    ----------
    on_sweep : callable
        Called with a function that computes the mean of the objectives; True stops all runs.
    """

    def __init__(self, on_sweep: Callable[[Callable[[], float]], bool | None]):
        self.on_sweep, self.stopped = on_sweep, False

    def __call__(self, objective: Callable[[], Tensor]) -> bool:
        if not self.stopped:
            self.stopped = bool(self.on_sweep(lambda: float(objective().mean())))
        return self.stopped


def in_batches(problem: Problem, runs: Tensor) -> tuple[Tensor, ...]:
    """Runs, each on a task of the problem, in batches of a size that is fast."""
    return runs.split(max(1, _BATCH_SIZE // max(1, problem.task_size)))


def joined(parts: list):
    """One tree from those of several batches."""
    return map_tensors(lambda *tensors: torch.cat(tensors), *parts) if len(parts) > 1 else parts[0]


def minimize(
    problem: Problem,
    rules: Rules,
    variables: Variables,
    max_iter: int,
    t_l: int | None = None,
    *,
    tol: float | None = None,
    safeguard: str = "step",
    monitor: Monitor | None = None,
    trace: bool | str = False,
) -> Run:
    """Run the loop from one start.

    Parameters
    ----------
    problem, rules, variables, max_iter, t_l
        As in `alternate`. ``max_iter=0`` returns the start.
    tol : float, optional
        The outer step after the first in which a task `stands still <Problem.stands_still>`
        is its last, as in scikit-learn. Tasks that have finished leave the batch.
    safeguard : {"step", "run", "none"}, default="step"
        "step": an outer step that ends in a non-finite objective, or gives back more
        than a tenth of the descent from the start to the best objective so far, is
        replaced by the rules' classical step. The last iterate is returned if it
        lies within that bound, else the best one. "run": besides, the classical
        rules run from the same start, and the lower objective wins. "none": the
        last iterate, as it is.
    monitor : Monitor, optional
        Called after each outer step; may end the run.
    trace : bool or "objective", default=False
        Whether to keep what happened, or the objectives alone; the batch then stays whole.
        With ``safeguard="run"`` it is the learned rules' run that is traced, unless the
        classical rules win every task.

    Returns
    -------
    run : Run

    Raises
    ------
    TypeError, ValueError
        For another safeguard, or if there is not one rule for each block.
    """
    check_rules(rules, problem)
    if safeguard not in SAFEGUARDS:
        raise ValueError(f"safeguard must be one of {SAFEGUARDS}, got {safeguard!r}")
    options = (max_iter, t_l, tol, monitor, trace)
    with torch.no_grad():
        if safeguard == "none":
            return _in_batches(problem, rules, variables, None, *options)
        classical = fallbacks(rules)
        learned = _in_batches(problem, rules, variables, classical, *options)
        if safeguard == "step" or classical == rules:
            return learned
        rival = _in_batches(problem, classical, variables, classical, *options)
        worse = better(rival.objective, learned.objective)
        told = rival.trace if worse.all() else learned.trace
        rival = rival._replace(n_guarded=rival.n_iter, trace=None)
        return where_tasks(worse, rival, learned._replace(trace=None))._replace(trace=told)


def _in_batches(problem, rules, variables, fallback, max_iter, t_l, tol, monitor, trace) -> Run:
    options = (fallback, max_iter, t_l, tol, monitor, trace)
    batches = in_batches(problem, torch.arange(problem.n_tasks))
    if trace or len(batches) == 1:
        return _Loop(problem, rules, variables, *options).run()
    parts = [(problem.take(batch), take_tasks(variables, batch)) for batch in batches]
    return joined([_Loop(part, rules, v, *options).run() for part, v in parts])


class _Loop:
    """The loop, one outer step at a time, for tasks that may end at different times."""

    def __init__(self, problem, rules, variables, fallback, max_iter, t_l, tol, monitor, trace):
        self.problem, self.rules, self.max_iter, self.t_l = problem, rules, max_iter, t_l
        self.tol, self.monitor = tol, monitor
        self.variables, self.states = variables, init_states(rules, variables)
        self.value: Any = None  # objectives, where they are needed in every step
        if tol is not None or fallback is not None or trace:
            self.value = problem.objective(variables)
        self.guard = Guard(rules, fallback, variables, self.value) if fallback else None
        self.trace = (
            Trace([self.value], [variables] if trace is True else [], []) if trace else None
        )
        self.traces_all = trace is True
        self.index = torch.arange(problem.n_tasks)
        self.end: Run | None = None  # of all tasks, where some have ended before the others

    def run(self) -> Run:
        if self.value is None and self.monitor is None:
            return self._unwatched()
        # Arrays, as these are many operations on a number or a few.
        still = np.zeros(self.problem.n_tasks, dtype=bool)
        active = ~still
        n_tasks, sweep, status = self.problem.n_tasks, -1, Status.MAX_ITER
        for sweep in range(self.max_iter):
            before, value = self.variables, self.value
            self._advance(sweep)
            stopped = self.monitor is not None and self.monitor(self._objective)
            if self.tol is None:
                if stopped:
                    status = Status.STOPPED
                    break
                continue
            finished = active & (still | ~np.isfinite(self.value.numpy()))
            if stopped or sweep == self.max_iter - 1:
                finished = active
            if finished.any():
                ended = self._status(torch.from_numpy(still), stopped)
                self._leave(torch.from_numpy(finished), sweep + 1, ended)
                active = active & ~finished
            if not active.any():
                break
            change = self.value - value
            still = self.problem.stands_still(before, self.variables, change, self.tol).numpy()
            if not self.trace and active.sum() <= (1 - _SHARE_TO_DROP) * len(active):
                still, active = self._drop(active, still)
        if self.end is not None:
            return self.end._replace(trace=self.trace)
        return self._now(sweep + 1, torch.full((n_tasks,), int(status)))

    def _unwatched(self) -> Run:
        """The run where nobody looks before its end."""
        step = Step(self.problem, 0, self.max_iter, self.t_l, None)
        self.variables, _ = step(self.rules, self.variables, self.states, self.max_iter)
        status = torch.full((self.problem.n_tasks,), int(Status.MAX_ITER))
        return self._now(self.max_iter, status)

    def _advance(self, sweep):
        step = Step(self.problem, sweep, self.max_iter, self.t_l, self._record())
        if self.guard is None:
            self.variables, self.states = step(self.rules, self.variables, self.states)
            self.value = None if self.value is None else self.problem.objective(self.variables)
        else:
            now = self.variables, self.states
            self.variables, self.states, self.value = self.guard(step, self.rules, *now)
        if self.trace:
            self.trace.objective.append(self.value)
        if self.trace and self.traces_all:
            self.trace.variables.append(self.variables)

    def _record(self):
        if not (self.trace and self.traces_all):
            return None
        told = self.trace.decided
        return lambda name, decided: told.append({name: decided})

    def _objective(self) -> Tensor:
        return self.problem.objective(self.variables) if self.value is None else self.value

    def _status(self, still, stopped) -> Tensor:
        otherwise = Status.STOPPED if stopped else Status.MAX_ITER
        return torch.where(still, int(Status.CONVERGED), int(otherwise))

    def _now(self, n_iter, status) -> Run:
        """The run of the tasks in the batch, were it to end now."""
        value, variables = self._objective(), self.variables
        status = torch.where(value.isfinite(), status, int(Status.NOT_FINITE))
        n_guarded = torch.zeros_like(status)
        if self.guard:
            variables, value = self.guard.end(variables, value)
            n_guarded = self.guard.n_guarded
        n_iter = torch.full_like(status, n_iter)
        return Run(variables, value, n_iter, n_guarded, status, self.trace)

    def _leave(self, finished, n_iter, status):
        now = self._now(n_iter, status)
        if self.end is None:
            # Whoever is still at work comes again, and is written over.
            self.end = now if finished.all() else map_tensors(torch.clone, now._replace(trace=None))
            return
        which = self.index[finished]
        map_tensors(
            lambda a, b: a.index_copy_(0, which, b[finished]),
            self.end._replace(trace=None),
            now._replace(trace=None),
        )

    def _drop(self, active, still):
        keep = torch.from_numpy(np.flatnonzero(active))
        self.problem, self.index = self.problem.take(keep), self.index[keep]
        self.variables, self.states = take_tasks((self.variables, self.states), keep)
        self.value = self.value[keep]
        if self.guard:
            self.guard.take(keep)
        return still[active], active[active]
