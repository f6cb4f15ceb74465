"""One run: the loop with a stopping rule, a safeguard, and a record of what happened."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..problems.base import Problem
from ..problems.trees import Variables, map_tensors, take_tasks, where_tasks
from ..rules.base import Rules, check_rules
from .alternating import init_states
from .outcome import Offered, Run, Status, Trace, joined_runs
from .race import Race
from .safeguard import SAFEGUARDS, Guard, Step, better, fallbacks

# Finished tasks are dropped from the batch when they are this share of it.
_SHARE_TO_DROP = 0.3
# Doubles of a batch: below, the cost of an operation's call shows; above, that of memory.
_BATCH_SIZE = 200_000


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
    race: Race | None = None,
    finish: Callable[..., Offered] | None = None,
    numbers: Tensor | None = None,
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
        Whether to keep what happened, in one batch that stays whole, or the objectives alone.
        With ``safeguard="run"`` it is the learned rules' run that is traced, unless the
        classical rules win every task.
    race : Race, optional
        Ends runs that other starts of their task leave behind; not with ``safeguard="run"``.
    finish : Finish, optional
        Offers joint steps to runs that have come near an exact fit.
    numbers : Tensor of shape (T,), optional
        For a race and for offers: which task of theirs each task of the batch is a run of.

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
    race = race if safeguard != "run" else None
    settings = _Settings(max_iter, t_l, tol, monitor, trace, race, finish)
    numbers = torch.arange(problem.n_tasks) if numbers is None else numbers
    start = variables, numbers, settings
    with torch.no_grad():
        if safeguard == "none":
            return _in_batches(problem, rules, None, *start)
        classical = fallbacks(rules)
        learned = _in_batches(problem, rules, classical, *start)
        if safeguard == "step" or classical == rules:
            return learned
        rival = _in_batches(problem, classical, classical, *start)
        worse = better(rival.objective, learned.objective)
        told = rival.trace if worse.all() else learned.trace
        rival = rival._replace(n_guarded=rival.n_iter, trace=None)
        return where_tasks(worse, rival, learned._replace(trace=None))._replace(trace=told)


class _Settings(NamedTuple):
    """Of a loop, as in `minimize`."""

    max_iter: int
    t_l: int | None
    tol: float | None
    monitor: Monitor | None
    trace: bool | str
    race: Race | None
    finish: Callable[..., Offered] | None


def _in_batches(problem, rules, fallback, variables, numbers, settings) -> Run:
    batches = in_batches(problem, torch.arange(problem.n_tasks))
    if settings.trace is True or len(batches) == 1:
        return _Loop(problem, rules, fallback, variables, numbers, settings).run()
    parts = [
        _Loop(problem.take(b), rules, fallback, take_tasks(variables, b), numbers[b], settings)
        for b in batches
    ]
    return joined_runs([part.run() for part in parts])


class _Loop:
    """The loop, one outer step at a time, for tasks that may end at different times."""

    def __init__(self, problem, rules, fallback, variables, numbers, settings):
        self.problem, self.rules, self.numbers = problem, rules, numbers
        self.max_iter, self.t_l, self.tol, self.monitor, trace, self.race, self.finish = settings
        self.variables, self.states = variables, init_states(rules, variables)
        self.value: Any = None  # objectives, where they are needed in every step
        self.may_end = bool(self.tol is not None or self.race or self.finish)
        if self.may_end or fallback is not None or trace:
            self.value = problem.objective(variables)
        self.guard = Guard(rules, fallback, variables, self.value) if fallback else None
        self.trace = (
            Trace([self.value], [variables] if trace is True else [], []) if trace else None
        )
        self.traces_all = trace is True
        self.index = torch.arange(problem.n_tasks)
        self.last_offers = torch.full((problem.n_tasks,), torch.inf, dtype=torch.float64)
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
            if not self.may_end:
                if stopped:
                    status = Status.STOPPED
                    break
                continue
            given_up = self._given_up(sweep + 1, active)
            finished = active & (still | given_up | ~np.isfinite(self.value.numpy()))
            if stopped or sweep == self.max_iter - 1:
                finished = active
            exact = np.zeros_like(active)
            if self.finish and not stopped:
                exact, over = self._offer(active, finished)
                given_up, finished = given_up | (over & ~finished), finished | over
            if finished.any():
                ended = self._status(still, given_up, exact, stopped)
                self._leave(torch.from_numpy(finished), sweep + 1, ended)
                active = active & ~finished
            if not active.any():
                break
            if self.tol is not None:
                change = self.value - value
                still = self.problem.stands_still(before, self.variables, change, self.tol).numpy()
            if not self.traces_all and active.sum() <= (1 - _SHARE_TO_DROP) * len(active):
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
            # Of those who have left the batch the last one.
            last = self.trace.objective[-1]
            self.trace.objective.append(last.index_copy(0, self.index, self.value))
        if self.trace and self.traces_all:
            self.trace.variables.append(self.variables)

    def _record(self):
        if not (self.trace and self.traces_all):
            return None
        told = self.trace.decided
        return lambda name, decided: told.append({name: decided})

    def _objective(self) -> Tensor:
        return self.problem.objective(self.variables) if self.value is None else self.value

    def _given_up(self, sweep, active) -> np.ndarray:
        given_up = np.zeros_like(active)
        if self.race and sweep in self.race.sweeps:
            which = torch.from_numpy(active)
            numbers = self.numbers[self.index][which]
            given_up[active] = self.race.given_up(sweep, numbers, self.value[which])
        return given_up

    def _offer(self, active, finished) -> tuple[np.ndarray, np.ndarray]:
        """Which runs joint steps bring to an exact fit now, and of which tasks that is known."""
        assert self.finish
        tasks, last = self.numbers[self.index], self.last_offers[self.index]
        going, ending = torch.from_numpy(active), torch.from_numpy(finished)
        offered = self.finish(self.problem, self.variables, tasks, last, going, ending)
        self.last_offers[self.index] = offered.last
        if offered.exact.any():
            self.variables, value = offered.variables, self.problem.objective(offered.variables)
            self.value = torch.where(offered.exact, value, self.value)  # others to the bit
            if self.guard:
                self.guard.accept(self.variables, self.value, offered.exact)
            if self.trace:
                last = self.trace.objective[-1]
                self.trace.objective[-1] = last.index_copy(0, self.index, self.value)
            if self.trace and self.traces_all:
                self.trace.variables[-1] = self.variables
        return offered.exact.numpy(), offered.over.numpy()

    def _status(self, still, given_up, exact, stopped) -> Tensor:
        at_the_end = Status.STOPPED if stopped else Status.MAX_ITER
        told = Status.EXACT, Status.CONVERGED, Status.GIVEN_UP
        status = np.select((exact, still, given_up), [int(s) for s in told], int(at_the_end))
        return torch.from_numpy(status)

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
