"""How mixtures are solved: starts, EM, non-local moves; values alone, for any process."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from ...learned_optimizers import LearnedOptimizer
from ...problems import MixtureFreeEnergy, MixtureLikelihood, map_tensors, new_generator, take_tasks
from ...problems.mixture_likelihood import PARAMETERS
from ...rules import ClosedForm, RandomJudge
from ...solvers import Answer, Monitor, Run, explore, minimize, rules_for
from ...solvers.local_search import SHORT_RUN, Explored
from ...solvers.multistart import best_of_starts
from ..parallel import share_of_threads
from ..reporting import Progress, warn
from ..tasks import MEMORY_BOUND, to_tensor
from .data import Task, from_engine, n_distinct, to_engine
from .initialisation import STARTS

# Samples; a component of less is called empty.
_MIN_MASS = 1e-6
_MIN_LOG = -1e300
# Chances of a gain, as the judge sees it, above which an optimum is mistrusted: for the
# first, second and third attempt more. A search of more rounds than _LONG has had its time.
_UNSURE = (0.8, 0.95, 0.99)
_LONG = 20
# Estimated covariances adapt to most optima: a round costs more and brings less.
_MIN_HOPE_ESTIMATED = 0.05
ILL_DEFINED = (
    "Fitting the mixture model failed because some components have ill-defined empirical "
    "covariance (for instance caused by singleton or collapsed samples). Try to decrease the "
    "number of components, increase reg_covar, or scale the input data."
)


class Solved(NamedTuple):
    """A mixture in the coordinates and shapes of the user, and how it was found."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    lower_bound: float
    n_iter: int
    converged: bool
    n_empty: int
    n_rounds: int
    n_gains: int


@dataclass(frozen=True)
class MixturePlan:
    """What solves data sets by EM, and by moves where a judge orders them."""

    n_components: int
    covariance_type: str
    reg_covar: float
    max_iter: int
    tol: float
    n_init: int
    init_params: str | None  # None: "random" where covariances are known, else "matched"
    judge: Any = None  # LearnedOptimizer, "random", or None: there are no moves
    screens: bool = False  # only the best start, after a short run, is run to convergence

    def problem(self, tasks: list[Task]) -> MixtureFreeEnergy:
        """The problem of tasks of equal shape."""
        given = self._given(tasks)
        return MixtureFreeEnergy(
            to_tensor([task.points for task in tasks]),
            self.n_components,
            covariance_type=self.covariance_type,
            fixed={name: given[name] for name in tasks[0].held},
            sample_weight=to_tensor([task.weights for task in tasks]),
            reg_covar=self.reg_covar,
        )

    def _given(self, tasks) -> dict[str, torch.Tensor]:
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
            problem, generator = self.problem(tasks), new_generator(seed)
            monitor = step and Monitor(step)
            explored = self._best_known(problem, self._given(tasks), generator, monitor)
            return self._solved(problem, tasks, explored)

    def __call__(self, tasks, seed, progress):
        solved = self.solve(tasks, seed, progress)
        return solved, -float(np.mean([one.lower_bound for one in solved]))

    @share_of_threads()
    def trace(self, task: Task, seed) -> Answer:
        """EM from one start, sweep by sweep."""
        problem = self.problem([task])
        with torch.no_grad():
            start = self._start(problem, self._given([task]), new_generator(seed))
            run = self._converged(problem, start, trace=True)
        return Answer(problem, [run], torch.ones(1, 1, dtype=torch.float64))

    def _converged(self, problem, variables, **more) -> Run:
        rules, n = rules_for(problem, ClosedForm()), self.max_iter
        return minimize(problem, rules, variables, n, tol=self.tol, safeguard="none", **more)

    def _start(self, problem, given, generator):
        kind = self.init_params
        if kind is None:
            kind = "random" if "covariances" in problem.fixed else "matched"
        return STARTS[kind](problem, generator, given)

    def _best_known(self, problem, given, generator, monitor) -> Explored:
        """Starts, moves, and the same again for the tasks whose judge still has hope."""

        def attempt(problem, given):
            run = self._best_start(problem, given, generator, monitor)
            return self._explored(problem, run, generator, monitor)

        best = attempt(problem, given)
        # Where covariances are estimated the likelihood has no bound, and hope no end.
        if self.n_init == 1 or "means" in given or "covariances" not in problem.fixed:
            return best
        for most in _UNSURE:
            unsure = ((best.hope > most) & (best.n_rounds <= _LONG)).nonzero()[:, 0]
            if not len(unsure) or (monitor is not None and monitor.stopped):
                break
            other = attempt(problem.take(unsure), {n: v[unsure] for n, v in given.items()})
            better = (other.run.objective < best.run.objective[unsure]).nonzero()[:, 0]
            n_rounds = best.n_rounds.index_add(0, unsure, other.n_rounds)
            where = unsure[better]
            news = take_tasks(other, better)
            map_tensors(lambda old, new, i=where: old.index_copy_(0, i, new), best, news)
            best = best._replace(n_rounds=n_rounds)
        return best

    def _best_start(self, problem, given, generator, monitor) -> Run:
        """Every start run to convergence, or the best after a short run only."""
        # Where the centres are given all starts are the same.
        n_starts = 1 if "means" in given else self.n_init
        many = problem.repeat(n_starts) if n_starts > 1 else problem
        repeated = {n: v.repeat(n_starts, *[1] * (v.ndim - 1)) for n, v in given.items()}
        variables = self._start(many, repeated, generator)
        if n_starts > 1 and self.screens:
            rules = rules_for(many, ClosedForm())
            short = minimize(many, rules, variables, SHORT_RUN, safeguard="none")
            collapsed = many.n_collapsed(short.variables)
            chosen = best_of_starts(short.objective, n_starts, collapsed)
            variables, many, n_starts = take_tasks(short.variables, chosen), problem, 1
        run = self._converged(many, variables, monitor=monitor)
        if n_starts == 1:
            return run
        return take_tasks(run, best_of_starts(run.objective, n_starts))

    def _explored(self, problem, run: Run, generator, monitor) -> Explored:
        """Non-local moves from where a run ended."""
        none = torch.zeros(problem.n_tasks, dtype=torch.long)
        if self.judge is None or not problem.n_moves or not run.objective.isfinite().all():
            return Explored(run, none, none, none.to(torch.float64))
        if isinstance(self.judge, LearnedOptimizer):
            judge = _built(self.judge, "covariances" not in problem.fixed)
        else:
            judge = RandomJudge(generator)
        rules = rules_for(problem, ClosedForm())
        settings = (judge, generator, self.max_iter, self.tol)
        return explore(problem, rules, run, *settings, monitor=monitor)

    def _solved(self, problem, tasks, explored: Explored) -> list[Solved]:
        """The mixtures in the coordinates of their data."""
        run, kind = explored.run, self.covariance_type
        shares = problem.sample_weight * problem.responsibilities(run.variables)
        n_empty = (shares.sum(2) < _MIN_MASS).sum(1)
        solved = []
        for t, task in enumerate(tasks):
            parameters = [
                task.given[name].copy()
                if name in task.held
                else from_engine(name, run.variables[name][t].numpy(), kind, task.centre).copy()
                for name in PARAMETERS
            ]
            about = (-run.objective, run.n_iter, run.converged, n_empty)
            numbers = [a[t].item() for a in (*about, explored.n_rounds, explored.n_gains)]
            solved.append(Solved._make([*parameters, *numbers]))
        return solved


@lru_cache(maxsize=8)
def _built(optimizer, estimated):
    """The judge of an optimizer; both are immutable, and building takes milliseconds."""
    judge = optimizer.rules()["moves"]
    if estimated:
        judge.min_hope = _MIN_HOPE_ESTIMATED
    return judge


def check_sound(solved: list[Solved], tasks, n_components: int) -> None:
    """Raise unless all is finite; warn of each other thing that may have gone wrong."""
    for i, one in enumerate(solved):
        if not all(np.isfinite(value).all() for value in one[:4]):
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
    warn_where(
        [n_distinct(task) < n_components for task in tasks],
        f"There are less distinct samples than n_components={n_components}: possibly due to "
        "duplicate points in X.",
    )


@share_of_threads()
def log_joint(X, weights, means, covariances, kind) -> np.ndarray:
    """``log π_k N(x_g | μ_k, Σ_k)`` of each row by itself, (n_samples, K)."""
    centre = means.mean(0)
    parameters = zip(PARAMETERS, (weights, means, covariances), strict=True)
    variables = {n: to_tensor([to_engine(n, v, kind, centre)]) for n, v in parameters}
    step = max(1, MEMORY_BOUND // means.size)
    joint = np.empty((len(X), len(means)))
    for start in range(0, len(X), step):
        rows = to_tensor([X[start : start + step] - centre])
        problem = MixtureLikelihood(rows, len(means), covariance_type=kind)
        joint[start : start + step] = problem.log_joint(variables)[0].mT.numpy()
    # Rows whose distances overflow are infinitely unlikely, and stay numbers.
    return np.nan_to_num(joint, nan=_MIN_LOG, neginf=_MIN_LOG)
