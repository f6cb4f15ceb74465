"""Table 5 and figure 6: mixtures with given covariances, EM beside what is learned.

The error of a row is the negative log-likelihood per sample, natural logarithm.
"""

import time

import numpy as np

from sklearn_gso import LearnedOptimizer
from sklearn_gso.learned_optimizers.learned_optimizer import find_optimizer

from . import paper
from .mixture import MAX_ITER, STEP_FILE, TABLE_5, TOL, WITHIN, em, learned, problems, run_step
from .mixture import solve as solve_all

N_FULL, N_QUICK = 50, 10
SEED = 9000
TRUTH, BEST = "EM from the truth", "best known"
EM, GSO = "EM, one random start", "GSOGaussianMixture, that start"
OURS = "GSOGaussianMixture"


def cell(n_features) -> str:
    return f"table 5, D={n_features}"


def draw(n_features, n_tasks):
    """Samples, covariances, number of components, objective of EM from the truth."""
    name = cell(n_features)
    seed = SEED + list(TABLE_5).index(name)
    return problems(name, TABLE_5[name], n_tasks, seed)


def _estimator(make):
    return lambda X, covariances, k: solve_all(make(k), X, covariances)


def _step(X, covariances, k):
    return run_step(LearnedOptimizer.load(STEP_FILE), X, covariances)


def rows() -> dict:
    """By name ``(solve, settings)``; ``solve(X, covariances, k) -> objectives, seconds``."""
    plain = f"tol={TOL:g}, max_iter={MAX_ITER}"
    judge = f"{plain}, weights {find_optimizer('pretrained', 'mixture').digest()[:8]}"
    step = f"T=100, t_l=10, weights {LearnedOptimizer.load(STEP_FILE).digest()[:8]}"
    return {
        EM: (_estimator(lambda k: em(k, 1)), plain),
        "EM, 10 restarts": (_estimator(lambda k: em(k, 10)), plain),
        "EM, 20 restarts": (_estimator(lambda k: em(k, 20)), plain),
        "EM, 10 k-means++ starts": (_estimator(lambda k: em(k, 10, "k-means++")), plain),
        "LSTMStep (paper)": (_step, step),
        GSO: (_estimator(lambda k: learned(k, n_init=1)), judge),
        OURS: (_estimator(learned), judge),
    }


def run(store, quick=False, dimensions=tuple(paper.TABLE_5["EM"]), until=None):
    """Every dimension by every row, what is not stored yet."""
    n_tasks = N_QUICK if quick else N_FULL
    for d in dimensions:
        todo = {
            name: row
            for name, row in rows().items()
            if not store.has(cell(d), name, row[1], n_tasks - 1)
        }
        if not todo:
            continue
        X, covariances, k, from_truth = draw(d, n_tasks)
        if not store.has(cell(d), TRUTH, "", n_tasks - 1):
            store.add(cell(d), TRUTH, "", [(i, v, 0.0) for i, v in enumerate(from_truth)])
        for name, (solve, settings) in todo.items():
            if until and time.time() > until:
                return
            values, seconds = solve(X, covariances, k)
            found = [(i, v, seconds / n_tasks) for i, v in enumerate(values)]
            store.add(cell(d), name, settings, found)


def found(store, d) -> dict:
    """Objectives by row and problem, (n_problems,), and "best known"."""
    by_row = {name: store.errors(cell(d), name, settings) for name, (_, settings) in rows().items()}
    by_row[TRUTH] = store.errors(cell(d), TRUTH, "")
    by_row = {name: np.array(list(e.values())) for name, e in by_row.items() if e}
    if by_row:
        by_row[BEST] = np.min(list(by_row.values()), axis=0)
    return by_row


def summary(store, d) -> dict:
    """For each row mean objective, mean gap to the best known, share within .01, seconds."""
    values = found(store, d)
    best, known = values.get(BEST), rows()
    return {
        name: {
            "mean": value.mean(),
            "gap": (value - best).mean(),
            "within": np.mean(value - best <= WITHIN),
            "seconds": store.seconds(cell(d), name, known.get(name, ("", ""))[1]),
            "n": len(value),
        }
        for name, value in values.items()
    }


def lines(store, what="mean") -> list[list[str]]:
    """A header and one line for each row, the paper's first."""
    dimensions = list(paper.TABLE_5["EM"])
    digits = {"mean": ".2f", "gap": ".4f", "within": ".0%", "seconds": ".4f", "n": "d"}[what]
    out = [["", *(f"D={d}" for d in dimensions)]]
    if what == "mean":
        for name, figures in paper.TABLE_5.items():
            out.append([f"paper: {name}", *(f"{figures[d]:.2f}" for d in dimensions)])
    summaries = {d: summary(store, d) for d in dimensions}
    for name in [*rows(), TRUTH, BEST]:
        if any(name in s for s in summaries.values()):
            own = [summaries[d].get(name) for d in dimensions]
            out.append([name, *("–" if s is None else format(s[what], digits) for s in own)])
    return out


def show(store):
    for what in ("mean", "gap", "within", "seconds"):
        print(f"\ntable 5: {what}")
        for line in lines(store, what):
            print(f"{line[0]:34}" + "".join(f"{figure:>10}" for figure in line[1:]))
