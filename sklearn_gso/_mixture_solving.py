"""Solving batches of data sets for a mixture, in this process or in several."""

from typing import NamedTuple

import numpy as np
import torch

from ._mixture_input import Task, from_engine, to_engine
from ._progress import Progress
from ._solving import in_chunks, new_generator, share_of_threads, to_tensor
from .alternating import Monitor, rules_for
from .exploration import SHORT_RUN, Converged, Explored, converge, explore, short_runs
from .mixture_starts import STARTS
from .problems.base import map_tensors, take_tasks
from .problems.gaussian_mixture import PARAMETERS, MixtureFreeEnergy, MixtureLikelihood
from .rules import ClosedForm
from .tasks import MEMORY_BOUND, batches

# Samples; a component of less is called empty.
_LEAST_MASS = 1e-6
_LEAST_LOG = -1e300
# Chances of a gain, as the judge sees it, above which an optimum is mistrusted: for the
# first, second and third attempt more. A search of more rounds than _LONG has had its time.
_UNSURE = (0.8, 0.95, 0.99)
_LONG = 20


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


def make_problem(mixture, tasks: list[Task]) -> MixtureFreeEnergy:
    """The problem of tasks of equal shape."""
    given = _given(mixture, tasks)
    return MixtureFreeEnergy(
        to_tensor([task.points for task in tasks]),
        mixture.n_components,
        covariance_type=mixture.covariance_type,
        fixed={name: given[name] for name in tasks[0].held},
        sample_weight=to_tensor([task.weights for task in tasks]),
        reg_covar=mixture.reg_covar,
    )


def _given(mixture, tasks) -> dict[str, torch.Tensor]:
    kind = mixture.covariance_type
    return {
        name: to_tensor([to_engine(name, t.given[name], kind, t.centre) for t in tasks])
        for name in tasks[0].given
    }


def _best_starts(objective, n_starts, n_collapsed=None):
    """Number, in the batch of all starts, of each task's lowest objective, sound ones first."""
    values = objective.nan_to_num(nan=torch.inf).reshape(n_starts, -1)
    if n_collapsed is not None:
        ranks = values.argsort(0).argsort(0)
        values = ranks + n_starts * n_collapsed.reshape(n_starts, -1)
    return values.argmin(0) * values.shape[1] + torch.arange(values.shape[1])


def best_of_starts(mixture, problem, given, generator, monitor=None) -> Converged:
    """Every start run to convergence, or the best after a short run only."""
    # Where the centres are given all starts are the same.
    n_starts = 1 if "means" in given else mixture.n_init
    many = problem.repeat(n_starts) if n_starts > 1 else problem
    repeated = {
        name: value.repeat(n_starts, *[1] * (value.ndim - 1)) for name, value in given.items()
    }
    rules = rules_for(problem, ClosedForm())
    variables = STARTS[mixture._start_kind(problem)](many, generator, repeated)
    if n_starts > 1 and mixture._screens_starts:
        variables = short_runs(many, rules, variables, SHORT_RUN)
        collapsed = many.n_collapsed(variables)
        chosen = _best_starts(many.objective(variables), n_starts, collapsed)
        variables, many, n_starts = take_tasks(variables, chosen), problem, 1
    run = converge(many, rules, variables, mixture.max_iter, mixture.tol, monitor)
    return take_tasks(run, _best_starts(run.objective, n_starts)) if n_starts > 1 else run


def improved(mixture, problem, run: Converged, generator, monitor=None) -> Explored:
    """Non-local moves from where a run ended."""
    judge = mixture._judge(generator, problem)
    none = torch.zeros(problem.n_tasks, dtype=torch.long)
    if judge is None or not problem.n_moves or not run.objective.isfinite().all():
        return Explored(run, none, none, none.to(torch.float64))
    rules = rules_for(problem, ClosedForm())
    arguments = (judge, generator, mixture.max_iter, mixture.tol)
    return explore(problem, rules, run, *arguments, monitor=monitor)


def best_known(mixture, problem, given, generator, monitor=None) -> Explored:
    """Starts, moves, and the same again for the tasks whose judge still has hope."""

    def attempt(problem, given):
        run = best_of_starts(mixture, problem, given, generator, monitor)
        return improved(mixture, problem, run, generator, monitor)

    found = attempt(problem, given)
    # Where covariances are estimated the likelihood has no bound, and hope no end.
    if mixture.n_init == 1 or "means" in given or "covariances" not in problem.fixed:
        return found
    for most in _UNSURE:
        unsure = ((found.hope > most) & (found.n_rounds <= _LONG)).nonzero()[:, 0]
        if not len(unsure) or (monitor is not None and monitor.stopped):
            break
        other = attempt(problem.take(unsure), {name: v[unsure] for name, v in given.items()})
        better = (other.run.objective < found.run.objective[unsure]).nonzero()[:, 0]
        n_rounds = found.n_rounds.index_add(0, unsure, other.n_rounds)
        for old, new in zip(_tensors(found), _tensors(other), strict=True):
            old.index_copy_(0, unsure[better], new[better])
        found = found._replace(n_rounds=n_rounds)
    return found


def _tensors(tree) -> list:
    """The tensors of a tree, in order."""
    found: list = []
    map_tensors(found.append, tree)
    return found


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
    return np.nan_to_num(joint, nan=_LEAST_LOG, neginf=_LEAST_LOG)


@share_of_threads()
def solve_batch(mixture, tasks: list[Task], seed, progress=None) -> list[Solved]:
    """Solve tasks of equal shape."""
    # How many steps there will be nobody knows: runs converge, moves begin new ones.
    watched = (progress or Progress()).phase("solving", None, "step")
    with torch.no_grad(), watched as step:
        problem = make_problem(mixture, tasks)
        generator = new_generator(seed)
        monitor = step and Monitor(step)
        found = best_known(mixture, problem, _given(mixture, tasks), generator, monitor)
        run = found.run
        shares = problem.sample_weight * problem.responsibilities(run.variables)
        n_empty = (shares.sum(2) < _LEAST_MASS).sum(1)
    held = tasks[0].held
    solved = []
    for t, task in enumerate(tasks):
        parameters = {
            name: task.given[name].copy()
            if name in held
            else from_engine(
                name, run.variables[name][t].numpy(), mixture.covariance_type, task.centre
            ).copy()
            for name in PARAMETERS
        }
        numbers = (-run.objective[t], run.n_iter[t], run.converged[t], n_empty[t])
        numbers += found.n_rounds[t], found.n_gains[t]
        solved.append(Solved(**parameters, **_named(x.item() for x in numbers)))
    return solved


def _named(numbers):
    return dict(zip(Solved._fields[3:], numbers, strict=True))


def task_batches(mixture, tasks: list[Task]) -> list[list[int]]:
    """Numbers of tasks of equal shape, in chunks that fit the memory bound."""

    def cost(shape):
        return mixture.n_init * mixture.n_components * shape[0] * (shape[1] + 4)

    return batches([task.points for task in tasks], cost)


def solve_tasks(mixture, tasks: list[Task], seed) -> list[Solved]:
    """Solve data sets in batches of equal shape; the same for any ``n_jobs``."""
    chunks = task_batches(mixture, tasks)
    seeds = np.random.RandomState(seed).randint(2**31 - 1, size=len(chunks))
    if len(tasks) == 1:
        seeds = [seed]  # as a fit on one matrix
    return in_chunks(_solved_batch, mixture, tasks, chunks, seeds)


def _solved_batch(mixture, tasks, seed, progress):
    solved = solve_batch(mixture, tasks, seed, progress)
    return solved, -float(np.mean([one.lower_bound for one in solved]))
