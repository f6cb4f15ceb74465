"""The classical portfolio: many starts of four kinds, the best two polished, swap moves."""

import torch

from sklearn_gso.solvers.alternating import rules_for
from sklearn_gso.solvers.local_search import converge, explore, short_runs
from sklearn_gso.estimators.mixture.initialisation import STARTS
from sklearn_gso.problems import MixtureFreeEnergy
from sklearn_gso.problems.base import map_tensors, take_tasks
from sklearn_gso.rules import AllMoves, ClosedForm

STARTS_OF_EACH = {"tempered": 12, "matched": 3, "random": 6, "k-means++": 4}
SHORT, POLISHED, ROUNDS = 40, 2, 3


def portfolio(samples, n_components, covariances, max_iter, tol, seed=0) -> torch.Tensor:
    """Objectives (T,) of a batch of tasks (T, G, D) with given covariances."""
    generator = torch.Generator().manual_seed(seed)
    problem = MixtureFreeEnergy(samples, n_components, fixed={"covariances": covariances})
    rules = rules_for(problem, ClosedForm())
    ends = []
    for kind, n_starts in STARTS_OF_EACH.items():
        many = problem.repeat(n_starts)
        start = STARTS[kind](many, generator)
        ends.append(start if kind == "tempered" else short_runs(many, rules, start, SHORT))
    together = map_tensors(lambda *parts: torch.cat(parts), *ends)
    values = problem.repeat(sum(STARTS_OF_EACH.values())).objective(together)
    ranks = values.reshape(-1, problem.n_tasks).argsort(0)[:POLISHED]
    chosen = (ranks * problem.n_tasks + torch.arange(problem.n_tasks)).flatten()
    best = take_tasks(together, chosen)
    run = converge(problem.repeat(POLISHED), rules, best, max_iter, tol)
    which = run.objective.reshape(POLISHED, -1).argmin(0)
    best = take_tasks(run, which * problem.n_tasks + torch.arange(problem.n_tasks))
    found = explore(problem, rules, best, AllMoves(), generator, max_iter, tol, max_rounds=ROUNDS)
    return found.run.objective
