"""Episodes that the completer's optimizer learns from: matrices and tables, the truth judges."""

import numpy as np
import torch

from pretraining.tables import draw_keel, draw_synthetic, hide
from sklearn_gso.datasets import make_low_rank_tasks, make_table_tasks
from sklearn_gso.problems import EmpiricalBayesCompletion, identifiable_components
from sklearn_gso.training import make_episode

# Kinds of tasks, and how much a loss of each weighs. Where noise or rank leave an error
# that nobody can remove, a few per cent are all there is to win or lose, while noiseless
# tasks go from lost to found: without weights the former are sacrificed to the latter.
KINDS = {
    "uniform": 2.0,
    "gaussian": 1.0,
    "near the limit": 3.0,
    "uniform, noisy": 5.0,
    "gaussian, noisy": 5.0,
    "high rank": 12.0,
    "high rank near the limit": 12.0,
    "decay": 3.0,
    "means": 2.0,
    "table": 4.0,
    "series": 4.0,
    "noisy table": 5.0,
    "noisy table of few rows": 5.0,
    "columns": 5.0,
    "real columns": 10.0,
}
DIET = (
    "synthetic matrices of 20 to 200 rows and columns: " + ", ".join(KINDS) + "; "
    "ranks 1 to 10 (12 to 100 for high rank), n_components matched and mismatched, "
    "rates from 1.03 times the counting limit to 0.9, noise 0 to 0.4, 8 to 80 sweeps"
)
# Entries times sweeps that one episode may cost.
_BUDGET = 500_000


def _shape(rng, kind):
    if kind == "noisy table of few rows":
        return int(rng.randint(20, 61)), int(rng.randint(40, 101))
    sizes = np.exp(rng.uniform(np.log(20), np.log(200), size=2)).round().astype(int)
    return (sizes[0], sizes[0]) if rng.rand() < 0.4 else tuple(sizes)


def _draw_table(kind, shape, n_tasks, rng):
    """Incomplete tables, what is known of the truth, and n_components."""
    noisy = kind.startswith("noisy")
    least = 4 if noisy else 2
    k = int(rng.randint(least, max(least, min(12, *(s // 2 for s in shape))) + 1))
    X, truth = make_table_tasks(
        n_tasks,
        shape=shape,
        rate=rng.uniform(0.25, 0.75) if noisy else rng.uniform(0.3, 0.9),
        smooth=kind == "series",
        largest_mean=5.0 if noisy else 2.0,
        largest_noise=3.0 if noisy else 1.0,
        random_state=rng,
    )
    # Noise on the entries that were seen is nothing to be predicted.
    return X, np.where(np.isnan(X), truth, np.nan), k


def _draw_low_rank(kind, shape, n_tasks, rng):
    """Incomplete matrices of low rank, the truth, and n_components."""
    p, q = shape
    rank = int(rng.randint(1, min(10, min(shape) // 4) + 1))
    k = rank if rng.rand() < 0.5 else int(round(rank * np.exp(rng.uniform(-0.7, 0.7))))
    uniform = kind.startswith("uniform")
    options = {"noise": 0.0}
    if kind.startswith("high rank"):
        rank, k = int(round(np.exp(rng.uniform(np.log(12), np.log(100))))), int(rng.randint(2, 11))
        uniform = rng.rand() < 0.75
    elif kind == "near the limit":
        k = rank if rng.rand() < 0.7 else k
        uniform = rng.rand() < 0.5
    elif kind == "decay":
        rank, k = 30, int(rng.randint(2, 11))
        options["decay"] = rng.uniform(0.7, 2)
    elif kind == "means":
        options["mean"] = rng.uniform(0, 2)
    if kind.endswith("noisy") or (kind in ("means", "decay") and rng.rand() < 0.5):
        options["noise"] = np.exp(rng.uniform(np.log(0.005), np.log(0.4)))
    k = max(1, min(k, min(shape) // 2, 20))
    fitted = min(rank, k)
    X, truth = make_low_rank_tasks(
        n_tasks,
        shape=shape,
        rank=rank,
        rate=_rate(kind, fitted * (p + q - fitted) / (p * q), rng),
        factors="uniform" if uniform else "gaussian",
        random_state=rng,
        **options,
    )
    return X, truth, k


def _rate(kind, limit, rng):
    """Share of the entries that is observed; ``limit`` is what counting needs."""
    if kind.endswith("near the limit"):
        # As few entries, yet of a rank that cannot be fitted: to be told apart.
        rate = limit * rng.uniform(1.03, 1.5)
    elif kind == "high rank":
        rate = rng.uniform(0.1, 0.5)
    else:
        rate = np.exp(rng.uniform(np.log(min(0.85, 1.2 * limit)), np.log(0.9)))
    return min(rate, 0.9)


def _draw_columns(kind, rules, rng, generator):
    """An episode of one table whose columns have units and noise of their own."""
    table = draw_keel(rng) if kind == "real columns" else draw_synthetic(rng)
    X = hide(table, rng)
    n_outer = 40 if rng.rand() < 0.1 else int(rng.randint(5, 21))
    k = identifiable_components(int(np.isfinite(X).sum()), X.shape, int(rng.randint(2, 11)))
    values = torch.from_numpy(X)[None]
    problem = EmpiricalBayesCompletion(values, min(k, *X.shape), scale="columns", noise="columns")
    judge = problem.with_values(torch.from_numpy(np.where(np.isnan(X), table, np.nan))[None])
    return make_episode(problem, rules, generator, n_outer, judge=judge)


def draw_episode(kind, rules, rng, generator):
    """An episode of one kind, judged on the truth."""
    if kind.endswith("columns"):
        episode = _draw_columns(kind, rules, rng, generator)
        return episode._replace(weight=KINDS[kind])
    shape = _shape(rng, kind)
    max_iter = 80 if rng.rand() < 0.1 else int(rng.randint(8, 41))
    n_tasks = int(np.clip(_BUDGET / (shape[0] * shape[1] * max_iter), 1, 16))
    draw = _draw_table if "table" in kind or kind == "series" else _draw_low_rank
    X, truth, k = draw(kind, shape, n_tasks, rng)
    k = identifiable_components(int(np.isfinite(X[0]).sum()), shape, k)
    problem = EmpiricalBayesCompletion(torch.from_numpy(X), k)
    judge = problem.with_values(torch.from_numpy(truth))
    episode = make_episode(problem, rules, generator, max_iter, judge=judge)
    return episode._replace(weight=KINDS[kind])
