"""Classical searches for the best mixture: starts, the best polished, swap moves."""

from functools import partial

import torch

from sklearn_gso.estimators.mixture.initialisation import STARTS
from sklearn_gso.problems import MixtureFreeEnergy, map_tensors, take_tasks
from sklearn_gso.rules import AllMoves, ClosedForm
from sklearn_gso.solvers import explore, minimize, rules_for
from sklearn_gso.solvers.local_search import SHORT_RUN


def search(
    samples, n_components, covariances, max_iter, tol, *, starts, short, n_polished=1, **options
):
    """Objectives (T,) of a batch of tasks (T, G, D) with given covariances.

    Parameters
    ----------
    starts : dict of str to int
        How many of each kind.
    short : int
        Sweeps from each start; tempered ones are runs already.
    n_polished : int
        How many then run to convergence; from the best of them all swap moves are tried.
    **options
        Of `explore`.
    """
    generator = torch.Generator().manual_seed(0)
    problem = MixtureFreeEnergy(samples, n_components, fixed={"covariances": covariances})
    rules = rules_for(problem, ClosedForm())
    ends = []
    for kind, n_starts in starts.items():
        many = problem.repeat(n_starts)
        start = STARTS[kind](many, generator)
        if kind != "tempered":
            start = minimize(many, rules, start, short, safeguard="none").variables
        ends.append(start)
    ends = map_tensors(lambda *parts: torch.cat(parts), *ends)
    chosen = _lowest(problem, problem.repeat(sum(starts.values())).objective(ends), n_polished)
    best, polished = take_tasks(ends, chosen), problem.repeat(n_polished)
    run = minimize(polished, rules, best, max_iter, tol=tol, safeguard="none")
    run = take_tasks(run, _lowest(problem, run.objective))
    return explore(
        problem, rules, run, AllMoves(), generator, max_iter, tol, **options
    ).run.objective


def _lowest(problem, objective, n=1):
    """Numbers of each task's lowest objectives in a batch of all starts, the lowest first."""
    ranks = objective.reshape(-1, problem.n_tasks).argsort(0)[:n]
    return (ranks * problem.n_tasks + torch.arange(problem.n_tasks)).flatten()


portfolio = partial(
    search,
    starts={"tempered": 12, "matched": 3, "random": 6, "k-means++": 4},
    short=40,
    n_polished=2,
    max_rounds=3,
)
swap_em = partial(search, starts={"random": 4}, short=SHORT_RUN)
