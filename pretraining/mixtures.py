"""Random mixtures, and what moves bring at their local optima: what judges are trained on."""

import numpy as np
import torch
from tqdm.auto import tqdm

from pretraining.tables import draw_keel
from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.estimators.mixture.initialisation import matched
from sklearn_gso.estimators.mixture.prior import covariance_prior
from sklearn_gso.estimators.mixture.searching import SHORT_RUN_ESTIMATED
from sklearn_gso.problems import MixtureFreeEnergy
from sklearn_gso.rules import ClosedForm
from sklearn_gso.solvers import rules_for
from sklearn_gso.training import gather

KINDS = ("round", "unbalanced", "rotated", "crowded", "many", "flower", "dense flower", "touching")
# Never seen in training, so that it can be judged whether other numbers work as well.
_LEFT_OUT = 7
# Tables of KEEL in a round.
_N_TABLES = 8


def draw_options(kind: str, rng) -> dict:
    """Random arguments of `make_mixture_tasks`, of one kind."""
    u = rng.uniform
    k = int(rng.choice([k for k in range(3, 11) if k != _LEFT_OUT]))
    d = int(np.exp(u(np.log(2), np.log(33))))
    plain, rotated = {"n_components": k, "n_features": d}, {"eccentricity": u(8, 40)}
    root = np.sqrt(d / 2)
    return {
        "round": lambda: dict(spread=u(3, 8) / root, **plain),
        "unbalanced": lambda: dict(spread=u(4, 8) / root, concentration=u(1, 4), **plain),
        "rotated": lambda: dict(spread=u(2, 5) / root, **plain, **rotated),
        "crowded": lambda: dict(
            n_components=int(rng.choice([8, 9, 10, 11, 12])),
            n_features=int(rng.choice([2, 2, 3])),
            n_samples=int(u(700, 1500)),
            layout="uniform",
            spread=u(6, 10),
            **rotated,
        ),
        "many": lambda: dict(
            n_components=int(rng.randint(12, 19)),
            n_features=int(rng.randint(2, 17)),
            n_samples=2000,
            spread=u(2, 4),
            **rotated,
        ),
        "flower": lambda: dict(
            n_components=k,
            layout="flower",
            n_samples=int(u(1000, 3000)),
            spread=u(3.5, 6),
            petal=(u(1, 2), u(0.3, 0.6)),
        ),
        "dense flower": lambda: dict(
            n_components=int(rng.choice([6, 8, 9, 10])),
            layout="flower",
            n_samples=int(u(1000, 3000)),
            spread=u(2.5, 3.5),
            petal=(u(1, 2), u(0.3, 0.6)),
        ),
        "touching": lambda: dict(spread=u(1, 2) / root, **plain, **rotated),
    }[kind]()


def draw_problem(kind: str, estimated: bool, rng, n_tasks: int = 4) -> MixtureFreeEnergy:
    """A batch of tasks of one kind, their covariances given or to be estimated."""
    options = draw_options(kind, rng)
    X, truth = make_mixture_tasks(n_tasks, random_state=rng, **options)
    samples = torch.from_numpy(X - X.mean(1, keepdims=True))
    k = options["n_components"]
    if not estimated:
        given = {"covariances": torch.from_numpy(truth.covariances)}
        return MixtureFreeEnergy(samples, k, fixed=given)
    kinds = ["full", "tied", "diag", "spherical"]
    covariance_type = "full" if rng.rand() < 0.5 else rng.choice(kinds)
    return MixtureFreeEnergy(samples, k, covariance_type=covariance_type, reg_covar=1e-6)


def draw_tables(n_rounds: int, seed: int, verbose: bool) -> list:
    """Tables from ``n_rounds`` batches of each kind, half as many with estimated covariances."""
    rng, generator = np.random.RandomState(seed), torch.Generator().manual_seed(seed)
    tables = []
    for i in tqdm(range(n_rounds), disable=not verbose, desc="local optima", unit="round"):
        for kind in KINDS:
            for estimated in (False, True)[: 1 + i % 2]:
                problem = draw_problem(kind, estimated, rng)
                rules = rules_for(problem, ClosedForm())
                tables += gather(problem, rules, generator)
    return tables


def draw_crowd(rng) -> MixtureFreeEnergy:
    """Many components in many features, 60 samples of each."""
    k, d = int(rng.randint(15, 41)), int(rng.randint(5, 21))
    options = {"spread": rng.uniform(2, 5) / np.sqrt(d / 2), "eccentricity": rng.uniform(8, 40)}
    X, _ = make_mixture_tasks(
        1, n_samples=60 * k, n_components=k, n_features=d, random_state=rng, **options
    )
    return MixtureFreeEnergy(torch.from_numpy(X - X.mean(1, keepdims=True)), k)


def draw_table(rng) -> MixtureFreeEnergy:
    """Part of a table of KEEL, standardised."""
    X = draw_keel(rng, max_rows=1000, max_columns=16)
    X = (X - X.mean(0)) / X.std(0)
    kind = rng.choice(["full", "full", "tied", "diag"])
    return MixtureFreeEnergy(torch.from_numpy(X[None]), rng.randint(2, 12), covariance_type=kind)


def as_fitted(problem: MixtureFreeEnergy) -> MixtureFreeEnergy:
    """As `GSOGaussianMixture` has it: with a prior, and a floor relative to the data."""
    floored = MixtureFreeEnergy(
        problem.points.mT,
        problem.n_components,
        covariance_type=problem.covariance_type,
        reg_covar=1e-6 * problem.points.var(2),
    )
    return floored.with_prior(covariance_prior(floored, 1.0))


def draw_estimated(n_rounds: int, seed: int, verbose: bool) -> list:
    """As `draw_tables`, all covariances estimated with a prior; besides crowds and real tables.

    In every other round the first optimum is that of clusters, where the estimator begins.
    """
    rng, generator = np.random.RandomState(seed), torch.Generator().manual_seed(seed)
    tables = []
    for i in tqdm(range(n_rounds), disable=not verbose, desc="local optima", unit="round"):
        problems = [draw_problem(kind, True, rng) for kind in KINDS]
        problems += [draw_crowd(rng), *(draw_table(rng) for _ in range(_N_TABLES))]
        for problem in map(as_fitted, problems):
            rules, start = rules_for(problem, ClosedForm()), matched if i % 2 else None
            options = {"start": start, "n_short": SHORT_RUN_ESTIMATED}
            tables += gather(problem, rules, generator, **options)
    return tables
