"""How mixtures are solved: starts, EM, non-local moves; values alone, for any process."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from ...problems import MixtureFreeEnergy, MixtureMissing, MixtureNoisy
from ...problems.mixture_likelihood import PARAMETERS
from ...solvers import Answer
from ...solvers.local_search import Explored
from ..parallel import share_of_threads
from ..reporting import Progress, limited, warn
from ..tasks import to_tensor
from .completing import complete
from .data import THIN, Task, from_engine, n_distinct, thin_components, to_engine, variances
from .prior import covariance_prior, pooled_prior
from .searching import Search

# Samples; a component of less is called empty.
_MIN_MASS = 1e-6
ILL_DEFINED = (
    "Fitting the mixture model failed because some components have ill-defined empirical "
    "covariance (for instance caused by singleton or collapsed samples). Try to decrease the "
    "number of components, increase reg_covar, or scale the input data."
)
_THIN = (
    "The covariance of components {} is thinner, in some direction, than {:g} of the smallest "
    "variance of the data in any: they describe samples that nearly coincide there, and their "
    "likelihood says little. Try to increase covariance_prior or to decrease the number of "
    "components."
)


class Solved(NamedTuple):
    """A mixture in the coordinates and shapes of the user, and how it was reached."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    lower_bound: float
    objective: float
    n_iter: int
    converged: bool
    n_empty: int
    n_rounds: int
    n_gains: int
    thin: list[int]
    kept: np.ndarray  # which components were not dropped


@dataclass(frozen=True)
class MixturePlan:
    """What solves data sets by EM, and by moves where a judge orders them."""

    n_components: int
    covariance_type: str
    reg_covar: float
    covariance_prior: float | str
    max_iter: int
    tol: float
    n_init: int
    init_params: str | None  # None: "random" where covariances are known, else "matched"
    drop_empty: bool = False
    judge: Any = None  # LearnedOptimizer, "random", or None: there are no moves
    max_rounds: int = 200  # of moves, from each start that moves go on from
    time_limit: float | None = None

    def problem(self, tasks: list[Task]) -> MixtureFreeEnergy:
        """The problem of tasks of equal shape."""
        problem = self._bare_problem(tasks)
        if self.covariance_prior == 0 or "covariances" in problem.fixed:
            return problem
        if isinstance(self.covariance_prior, str):
            return problem.with_prior(pooled_prior(problem))
        return problem.with_prior(covariance_prior(problem, self.covariance_prior))

    def _bare_problem(self, tasks) -> MixtureFreeEnergy:
        """Without a prior."""
        given = self.given(tasks)
        points = _samples(tasks)
        units = to_tensor([variances(task) for task in tasks])
        weights = to_tensor([task.weights for task in tasks])
        options = {
            "covariance_type": self.covariance_type,
            "fixed": {name: given[name] for name in tasks[0].held},
            "sample_weight": weights,
            "reg_covar": self.reg_covar * units,
        }
        if tasks[0].pinned is not None:
            kind = self.covariance_type
            pinned = [to_engine("covariances", t.pinned, kind, t.centre) for t in tasks]
            options["pinned"] = to_tensor(pinned)
        if tasks[0].noise is not None:
            noise = to_tensor([task.noise for task in tasks])
            completed, options["whole"] = complete(points, weights, units, noise)
            return MixtureNoisy(points, noise, completed, self.n_components, **options)
        if not points.isnan().any():
            return MixtureFreeEnergy(points, self.n_components, **options)
        completed, options["whole"] = complete(points, weights, units)
        return MixtureMissing(points, completed, self.n_components, **options)

    def given(self, tasks) -> dict[str, torch.Tensor]:
        kind = self.covariance_type
        return {
            name: to_tensor([to_engine(name, t.given[name], kind, t.centre) for t in tasks])
            for name in tasks[0].given
        }

    @share_of_threads()
    def solve(self, tasks: list[Task], seed, progress: Progress) -> list[Solved]:
        """Solve tasks of equal shape."""
        # How many steps there will be nobody knows: runs converge, moves begin new ones.
        with torch.no_grad(), progress.phase("solving", None, "step") as step:
            problem = self.problem(tasks)
            search = Search(self, self.given(tasks), seed, limited(step, self.time_limit))
            return self.solved(problem, tasks, search.best_known(problem))

    def __call__(self, tasks, seed, progress):
        solved = self.solve(tasks, seed, progress)
        return solved, -float(np.mean([one.lower_bound for one in solved]))

    @share_of_threads()
    def trace(self, task: Task, seed) -> Answer:
        """EM from one start, sweep by sweep."""
        problem = self.problem([task])
        with torch.no_grad():
            search = Search(self, self.given([task]), seed)
            run = search.converged(problem, search.starts(problem, 0, 1), trace=True)
        return Answer(problem, [run], torch.ones(1, 1, dtype=torch.float64))

    def solved(self, problem, tasks, explored: Explored) -> list[Solved]:
        """The mixtures in the coordinates of their data."""
        run, kind = explored.run, self.covariance_type
        counts = problem.responsibilities(run.variables) @ problem.sample_weight.mT
        empty, whole = counts[..., 0] < _MIN_MASS, problem.pooled_covariance("full")
        likelihood = problem.penalty(run.variables) - run.objective
        solved = []
        for t, task in enumerate(tasks):
            parameters = [
                task.given[name].copy()
                if name in task.held
                else from_engine(name, run.variables[name][t].numpy(), kind, task.centre).copy()
                for name in PARAMETERS
            ]
            n_empty = empty.sum(1)
            kept = np.ones(problem.n_components, bool)
            if self.drop_empty:
                kept, n_empty = ~empty[t].numpy(), 0 * n_empty
                parameters = self._reduced(parameters, kept)
            about = (likelihood, run.objective, run.n_iter, run.converged, n_empty)
            numbers = [a[t].item() for a in (*about, explored.n_rounds, explored.n_gains)]
            # Where there is noise a thin component is no sign of samples that coincide.
            tells = _all_finite(parameters) and task.noise is None
            thin = thin_components(task, parameters[2], kind, whole[t, 0].numpy()) if tells else []
            if task.pinned is not None:  # what was given is no news
                free = np.isnan(task.pinned[kept].reshape(kept.sum(), -1)[:, 0])
                thin = [j for j in thin if free[j]]
            solved.append(Solved._make([*parameters, *numbers, thin, kept]))
        return solved

    def _reduced(self, parameters, kept) -> list:
        """The parameters of some of the components."""
        weights, means, covariances = parameters
        if self.covariance_type != "tied":
            covariances = covariances[kept]
        return [weights[kept] / weights[kept].sum(), means[kept], covariances]


def _samples(tasks) -> torch.Tensor:
    """Of tasks of equal shape, (T, G, D); of one task those that it holds, without a copy."""
    columns = [task.points.T for task in tasks]
    if len(tasks) > 1:
        return to_tensor(columns).mT
    # Memory maps may be read-only.
    return torch.from_numpy(np.require(columns[0], requirements="W"))[None].mT


def _all_finite(arrays) -> bool:
    return all(np.isfinite(array).all() for array in arrays)


def check_sound(solved: list[Solved], tasks, n_components: int) -> None:
    """Raise unless all is finite; warn of each other thing that may have gone wrong."""
    for i, one in enumerate(solved):
        if not _all_finite(one[:4]):
            where = f"Task {i} of the collection: " if len(solved) > 1 else ""
            raise ValueError(where + ILL_DEFINED)

    def warn_where(flags, message):
        if any(flags):
            which = f" (tasks {np.flatnonzero(flags).tolist()})" if len(tasks) > 1 else ""
            warn(message + which, ConvergenceWarning)

    warn_where(
        [not one.converged for one in solved],
        "Best performing initialization did not converge. Try different init parameters, or "
        "increase max_iter, tol, or check for degenerate data.",
    )
    warn_where(
        [one.n_empty > 0 for one in solved],
        "A component ended without samples: n_components may be too large.",
    )
    for i, one in enumerate(solved):
        if one.thin:
            where = f"Task {i} of the collection: " if len(solved) > 1 else ""
            warn(where + _THIN.format(one.thin, THIN), ConvergenceWarning)
    warn_where(
        [n_distinct(task) < n_components for task in tasks],
        f"There are less distinct samples than n_components={n_components}: possibly due to "
        "duplicate points in X.",
    )
