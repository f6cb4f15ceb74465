"""To a fit up to rounding, by joint steps from where a run is, where there is one."""

from typing import NamedTuple

import torch
from torch import Tensor

from ..problems.base import Problem, has_role
from ..problems.trees import Variables, map_tensors, take_tasks, where_tasks
from ..rules.joint import GaussNewton
from .alternating import rules_for
from .outcome import Offered
from .run import minimize

# Variance in units of the data that a run leaves unexplained: with more it is not near an exact
# fit at its end, with more than the second before its end.
_NEAR, _SOON = 1e-3, 3e-5
# ... and with no more than this it may be noise or small components.
_LEAST = 1e-8
# What a run leaves at its end over what joint steps from it have left, where these are noise.
_AS_NOISE = 0.5, 4.0
# Offers to runs of a task before their ends, and at their ends.
_MAX_OFFERS = torch.tensor([1, 3])
# Offers before the end wait for such a share of the tasks at work in a batch: many small fits
# take longer than a large one.
_SHARE = 0.5
# A start of too few components leaves more than so many times what the run does.
_FAR = 10.0
# Of data with noise the right number of components leaves about what the run does.
_NOISY = 4.0
# Steps at most, before the end of a run and at its end; a step that lowers the squares by less
# than a share is the last but one.
_FEW, _MANY, _TOL = 10, 60, 0.015
# Squares of what is left of an exact fit, over those of the data.
_EXACT = 1e-18


class Finish:
    """Offers joint steps to runs, taken where they end in an exact fit (`fit_exactly`).

    A run gets an offer where it has come near and at its end, but no second one where it leaves
    about what joint steps have left before, as data with noise do. Where there is no exact fit it
    goes on as if nothing had happened; where there is one the runs of the task end.

    Parameters
    ----------
    n_tasks : int
    """

    def __init__(self, n_tasks: int):
        self.solved = torch.zeros(n_tasks, dtype=torch.bool)
        self.n_offers = torch.zeros(2, n_tasks, dtype=torch.long)  # before the end, at the end

    @classmethod
    def of(cls, problem: Problem) -> "Finish | None":
        """For problems with the role of exact fits."""
        return cls(problem.n_tasks) if has_role(problem, "least_squares") else None

    def __call__(
        self,
        problem: Problem,
        variables: Variables,
        tasks: Tensor,
        last: Tensor,
        going: Tensor,
        ending: Tensor,
    ) -> Offered:
        """Offers to the runs of a batch.

        Parameters
        ----------
        problem, variables
            Of the batch.
        tasks : Tensor of shape (n_runs,)
            The number of each run's task.
        last : Tensor of shape (n_runs,)
            What joint steps from a run left unexplained, infinite before the first; 0 where that
            is hardly noise, and of runs that end what they leave themselves.
        going, ending : Tensor of bool of shape (n_runs,)
            Which runs are at work, and which of them end now.
        """
        exact = torch.zeros_like(going)
        while True:
            left = problem.unexplained(variables)
            runs = self._wanted(left, tasks, last, going, ending)
            if not len(runs):
                return Offered(variables, exact, going & self.solved[tasks], last)
            self.n_offers[ending[runs].long(), tasks[runs]] += 1
            at_the_end = bool(ending[runs].all())
            own, most = problem.take(runs), _MANY if at_the_end else _FEW
            found, there, error = fit_exactly(own, _some(variables, runs), most)
            noise = torch.where((error > _LEAST) & error.isfinite(), error, 0.0)
            told = (left[runs] if at_the_end else noise).to(last.dtype)
            last = last.index_copy(0, runs, told)
            there = there & own.objective(found).isfinite()  # nothing is given for less
            if there.any():
                variables = _placed(variables, runs[there], _some(found, there.nonzero()[:, 0]))
                exact[runs[there]] = self.solved[tasks[runs[there]]] = True

    def _wanted(self, left, tasks, last, going, ending) -> Tensor:
        """Numbers of the runs that get an offer now, one a task: all of them end, or none."""
        noise = (left > _AS_NOISE[0] * last) & (left < _AS_NOISE[1] * last)
        near = torch.where(ending, (left < _NEAR) & ~noise, (left < _SOON) & last.isinf())
        n_offers = self.n_offers[ending.long(), tasks]
        open_ = ~self.solved[tasks] & (n_offers < _MAX_OFFERS[ending.long()])
        wanted = (going & open_ & near).nonzero()[:, 0]
        at_the_end = wanted[ending[wanted]]
        chosen = at_the_end if len(at_the_end) else wanted
        first = {int(tasks[run]): run for run in reversed(chosen.tolist())}
        if not len(at_the_end) and len(first) < _SHARE * len(tasks[going].unique()):
            return wanted[:0]
        return torch.tensor(sorted(first.values()), dtype=torch.long)


def fit_exactly(
    problem: Problem, variables: Variables, max_iter: int = _MANY
) -> tuple[Variables, Tensor, Tensor]:
    """Fit data up to rounding by as few components as do, with more data than these can fit.

    Components are added one by one, from the best approximation of the run's estimates, as long
    as `GaussNewton` ends with a residual that is no rounding. Data with noise end this early.

    Parameters
    ----------
    problem : Problem
        With the role of exact fits.
    variables : dict
        Where a run is.
    max_iter : int, default=60
        Joint steps of each number of components, at most.

    Returns
    -------
    variables : dict
        As before where there is no exact fit.
    exact : Tensor of shape (T,)
        Where there is one.
    error : Tensor of shape (T,)
        The least that was left, as a share of the squares; infinite where nothing was tried.
    """
    unexplained = problem.unexplained(variables)
    least = torch.full_like(unexplained, torch.inf)
    exact, part = torch.zeros_like(unexplained, dtype=torch.bool), problem.exact_part(variables)
    tasks, last = (unexplained < _NEAR).nonzero()[:, 0], None
    for rank in range(1, problem.n_components + 1):  # type: ignore[attr-defined]
        going = part.determined(rank)[tasks]
        tasks, last = tasks[going], take_tasks(last, going) if last else None
        if not len(tasks):
            break
        last = _of_rank(part.take(tasks), take_tasks(variables, tasks), rank, last, max_iter)
        least[tasks] = least[tasks].minimum(last.error)
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
    return variables, exact, least


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


def _of_rank(problem, variables, rank, last: _Fit | None, max_iter) -> _Fit:
    """A fit of so many components, after one of one less.

    From the run's own components, or from the last fit's where these hardly lower its error.
    Where the start tells that they are too few for all tasks nobody moves.
    """
    squares, start = problem.least_squares(variables, rank)
    error = squares.error(start)
    if not (error <= _FAR * problem.unexplained(variables)).any():
        return _Fit(start, error)
    if last is not None and (same := error > last.error / 2).any():
        start = where_tasks(same, squares.extended(last.variables), start)
    rules = rules_for(squares, GaussNewton())
    end = minimize(squares, rules, start, max_iter, tol=_TOL, safeguard="none").variables
    return _Fit(end, squares.error(end))
