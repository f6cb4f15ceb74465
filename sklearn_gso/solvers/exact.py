"""From where a run has ended to a fit up to rounding, by joint steps, where there is one."""

from typing import NamedTuple

import torch
from torch import Tensor

from ..problems.base import Problem, has_role
from ..problems.trees import Variables, map_tensors, take_tasks, where_tasks
from ..rules.joint import GaussNewton
from .alternating import rules_for
from .outcome import Run
from .run import minimize

# Variance in units of the data that a run leaves unexplained: with more it is not near.
_NEAR = 1e-3
# ... and with no more than this it may be noise or small components.
_LEAST = 1e-8
# A start of too few components leaves more than so many times what the run does.
_FAR = 10.0
# Of data with noise the right number of components leaves about what the run does.
_NOISY = 4.0
# Steps at most; a step that lowers the squares by less than a share is the last but one.
_MAX_ITER, _TOL = 60, 0.015
# Squares of what is left of an exact fit, over those of the data.
_EXACT = 1e-18


def can_be_exact(problem: Problem, variables: Variables) -> Tensor:
    """Which runs are near enough to an exact fit that joint steps are worth it, (T,)."""
    if not has_role(problem, "least_squares"):
        return torch.zeros(problem.n_tasks, dtype=torch.bool)
    return problem.unexplained(variables) < _NEAR


def finished(problem: Problem, run: Run, wanted: Tensor) -> tuple[Run, Tensor]:
    """A run whose wanted tasks, (T,), end in an exact fit where there is one; and where, (T,).

    The fit is one more outer step, also of a trace, in which no rule decides.
    """
    tasks = wanted.nonzero()[:, 0]
    own = problem.take(tasks)
    variables, exact = fit_exactly(own, _some(run.variables, tasks))
    ends = own.objective(variables)
    exact = exact & ends.isfinite()  # what a task has is not given for less
    found = torch.zeros_like(wanted).index_put((tasks,), exact)
    if not exact.any():
        return run, found

    where = tasks[exact]
    objective = _placed(run.objective, where, ends[exact])
    ended = _placed(run.variables, where, _some(variables, exact.nonzero()[:, 0]))
    trace = run.trace and run.trace._replace(
        objective=[*run.trace.objective, objective],
        variables=[*run.trace.variables, ended] if run.trace.variables else [],
    )
    n_iter = run.n_iter + found
    return Run(ended, objective, n_iter, run.n_guarded, run.status, trace), found


def fit_exactly(problem: Problem, variables: Variables) -> tuple[Variables, Tensor]:
    """Fit data up to rounding by as few components as do, with more data than these can fit.

    Components are added one by one, from the best approximation of the run's estimates, as long
    as `GaussNewton` ends with a residual that is no rounding. Data with noise end this early.

    Parameters
    ----------
    problem : Problem
        With the role of exact fits.
    variables : dict
        Where a run has ended.

    Returns
    -------
    variables : dict
        As before where there is no exact fit.
    exact : Tensor of shape (T,)
        Where there is one.
    """
    unexplained = problem.unexplained(variables)
    exact, part = torch.zeros_like(unexplained, dtype=torch.bool), problem.exact_part(variables)
    tasks, last = (unexplained < _NEAR).nonzero()[:, 0], None
    for rank in range(1, problem.n_components + 1):  # type: ignore[attr-defined]
        going = part.determined(rank)[tasks]
        tasks, last = tasks[going], take_tasks(last, going) if last else None
        if not len(tasks):
            break
        last = _of_rank(part.take(tasks), take_tasks(variables, tasks), rank, last)
        found = last.error <= _EXACT
        if found.any():
            solved = tasks[found]
            own = _some(variables, solved)
            own = problem.take(solved).with_exact(own, take_tasks(last.variables, found))
            variables = _placed(variables, solved, own)
        exact[tasks] = found
        noise = unexplained[tasks]
        ended = found | ((noise > _LEAST) & (last.error <= _NOISY * noise))
        tasks, last = tasks[~ended], take_tasks(last, ~ended)
    return variables, exact


def _some(tree, tasks: Tensor):
    """The tree of some tasks, in order: of all of them itself, as copies take much memory."""
    return map_tensors(lambda own: own if len(tasks) == len(own) else own[tasks], tree)


def _placed(tree, tasks: Tensor, new):
    """The tree with the new one in place of some tasks, in order."""
    return map_tensors(
        lambda old, own: own if len(tasks) == len(old) else old.index_copy(0, tasks, own), tree, new
    )


class _Fit(NamedTuple):
    """Factors, and their squared errors over the data's squares, (T,)."""

    variables: Variables
    error: Tensor


def _of_rank(problem, variables, rank, last: _Fit | None) -> _Fit:
    """A fit of so many components, after one of one less.

    From the run's own components, or from the last fit's where these hardly lower its error.
    Where the start tells that they are too few for all tasks nobody moves.
    """
    squares, start = problem.least_squares(variables, rank)
    error = squares.error(start)
    if last is not None:
        start = where_tasks(error > last.error / 2, squares.extended(last.variables), start)
    if not (error <= _FAR * problem.unexplained(variables)).any():
        return _Fit(start, error)
    rules = rules_for(squares, GaussNewton())
    end = minimize(squares, rules, start, _MAX_ITER, tol=_TOL, safeguard="none").variables
    return _Fit(end, squares.error(end))
