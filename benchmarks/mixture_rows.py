"""The data sets of the mixtures' benchmarks, and the rows that solve them.

Negative log-likelihoods per sample, natural logarithm. Every row has the same tolerance
(1e-6) and at most 200 sweeps a run.
"""

import numpy as np
import torch

from sklearn_gso import EMGaussianMixture, GSOGaussianMixture
from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.problems import MixtureFreeEnergy
from sklearn_gso.rules import ClosedForm
from sklearn_gso.solvers import minimize, rules_for

from .measuring import timed

TOL, MAX_ITER = 1e-6, 200
WITHIN = 0.01

_TABLE_5 = {2: (5.70, 24.0), 4: (0.904, 1.72), 8: (0.971, 1.65)}
_TABLE_5 |= {16: (0.941, 1.46), 32: (1.009, 0.69), 64: (1.061, 0.90)}
TABLE_5 = {
    f"table 5, D={d}": {"n_features": d, "sd": sd, "spread": s} for d, (sd, s) in _TABLE_5.items()
}
_C = {"eccentricity": 25}
_FLOWER = {"layout": "flower", "spread": 5, "n_samples": 10_000}
SETS = {
    "A2": {"n_features": 2, "sd": 5.4, "spread": 32.4},
    "B16": {"n_features": 16, "spread": 6 / np.sqrt(8), "concentration": 2},
    "B64": {"n_features": 64, "spread": 6 / np.sqrt(32), "concentration": 2},
    "C2": {"n_features": 2, "spread": 3, **_C},
    "C5": {"n_features": 5, "n_components": 6, "spread": 3 / np.sqrt(2.5), **_C},
    "C8": {"n_features": 8, "spread": 1.5, **_C},
    "FO8": {"n_components": 8, "layout": "flower", "spread": 3, "n_samples": 2000},
    "Fl6": {"n_components": 6, **_FLOWER},
    "Fl7": {"n_components": 7, **_FLOWER},
    "Fl8": {"n_components": 8, **_FLOWER},
    "R10": {"n_components": 10, "n_samples": 1000, "layout": "uniform", "spread": 8, **_C},
}
LARGER = {
    f"K=20, D={d}": {
        "n_components": 20,
        "n_features": d,
        "n_samples": 5000,
        "spread": 3 / np.sqrt(d / 2),
        **_C,
    }
    for d in (2, 16)
}


def count(name) -> int:
    """Problems of a set."""
    return 8 if name.startswith("F") else 20


def problems(options, n_tasks, seed):
    """Samples, covariances, n_components, and the objective of EM from the truth."""
    X, truth = make_mixture_tasks(n_tasks, random_state=seed, **options)
    k = options.get("n_components", 4)
    centre = X.mean(1, keepdims=True)
    problem = MixtureFreeEnergy(
        torch.from_numpy(X - centre), k, fixed={"covariances": torch.from_numpy(truth.covariances)}
    )
    weights = torch.from_numpy(np.log(truth.weights))[..., None]
    start = problem.start_from(torch.from_numpy(truth.means - centre), weights)
    return X, truth.covariances, k, em_from(problem, start, 1000, 1e-9)


def em_from(problem, start, max_iter=MAX_ITER, tol=TOL) -> np.ndarray:
    """Objectives of EM from a start."""
    rules = rules_for(problem, ClosedForm())
    run = minimize(problem, rules, start, max_iter, tol=tol, safeguard="none")
    return run.objective.numpy()


def em(k, n_init, kind="random"):
    return EMGaussianMixture(
        k, n_init=n_init, init_params=kind, tol=TOL, max_iter=MAX_ITER, random_state=0
    )


def learned(k, **options):
    return GSOGaussianMixture(k, n_epochs=0, tol=TOL, max_iter=MAX_ITER, random_state=0, **options)


def stepped(k):
    """The paper's rule with its numbers of steps, from one random start."""
    return GSOGaussianMixture(
        k, rule="step", n_epochs=0, n_init=1, t_l=10, max_iter=100, tol=0.0, random_state=0
    )


def by(make, **options):
    """A row: from X, covariances, k to the objective of each problem, and seconds for all."""

    def solve(X, covariances, k):
        mixture = make(k, **options).fit(X[:2], covariances=covariances[:2])
        values, seconds = timed(lambda: mixture.score_samples(X, covariances=covariances))
        return -np.mean(values, axis=1), seconds

    return solve


def by_search(search):
    """The same of a peer."""

    def solve(X, covariances, k):
        centred = torch.from_numpy(X - X.mean(1, keepdims=True))
        values, seconds = timed(search, centred, k, torch.from_numpy(covariances), MAX_ITER, TOL)
        return values.numpy(), seconds

    return solve
