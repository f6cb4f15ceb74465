"""Mixtures whose planted parameters are known, as problems for the solvers."""

import torch

from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.problems import MixtureFreeEnergy
from sklearn_gso.rules import ClosedForm
from sklearn_gso.solvers import minimize, rules_for

EASY = {"n_components": 4, "n_features": 2, "spread": 3.0, "eccentricity": 25, "n_samples": 200}


def mixture(n_tasks=4, given=True, seed=0, **options):
    """A problem, its closed forms, and variables at the planted parameters.

    ``given``: covariances are known; else they are estimated.
    """
    options = {**EASY, **options}
    X, truth = make_mixture_tasks(n_tasks, random_state=seed, **options)
    centre = X.mean(1, keepdims=True)
    fixed = {"covariances": torch.from_numpy(truth.covariances)} if given else None
    problem = MixtureFreeEnergy(
        torch.from_numpy(X - centre), options["n_components"], fixed=fixed, reg_covar=1e-6
    )
    planted = problem.start_from(
        torch.from_numpy(truth.means - centre),
        covariances=None if given else torch.from_numpy(truth.covariances),
    )
    return problem, rules_for(problem, ClosedForm()), planted


def converge(problem, rules, variables, max_iter=200, tol=1e-8):
    """A plain run to convergence."""
    return minimize(problem, rules, variables, max_iter, tol=tol, safeguard="none")
