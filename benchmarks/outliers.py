"""Outliers among the observed entries: ours with Student's noise, with Gaussian noise, and a peer.

``python -m benchmarks.outliers`` (``--quick``: three matrices of one cell) draws Gaussian matrices
of 100 x 100 and rank 5, 40 % observed, without noise or with a tenth of it, and moves 5 % of the
observed entries by up to so many standard deviations. It prints for each way the median relative
error of all entries, without noise or outliers, and seconds of one thread. The peers are robust
principal component analysis (Candès et al., 2011), which leaves missing entries free (of six
weights of its outliers it is given the best by the truth), and RGNMR (2025), which is told the rank
and 1.2 times the number of outliers. Results are kept in
``benchmarks/results/outliers.csv``; ``--fresh`` runs them again.
"""

import numpy as np
import pandas as pd

from sklearn_gso import GSOMatrixCompleter, RobustMatrixCompleter
from sklearn_gso.learned_optimizers import LearnedOptimizer
from sklearn_gso.metrics import relative_error

from .asking import paired, run_paired
from .measuring import quietly
from .peers.rgnmr import rgnmr
from .showing import number, show, texts
from .store import RESULTS, Store

N, RANK, RATE, SHARE = 100, 5, 0.4, 0.05
# Noise, and how far outliers are moved at most, in standard deviations of the entries.
CELLS = {f"noise {noise:g}, {far:g} sd": (noise, far) for noise in (0.0, 0.1) for far in (3, 10)}
QUICK = ["noise 0.1, 10 sd"]
# Of the weight of the outliers, over that of the reference.
_WEIGHTS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


def draw(cell, seed):
    """A matrix with holes and outliers, the same without outliers, and the truth."""
    noise, far = CELLS[cell]
    rng = np.random.RandomState(seed)
    truth = rng.standard_normal((N, RANK)) @ rng.standard_normal((RANK, N)) / np.sqrt(RANK)
    clean = np.where(rng.rand(N, N) < RATE, truth + noise * rng.standard_normal((N, N)), np.nan)
    moved = rng.rand(N, N) < SHARE
    return clean + moved * rng.uniform(-far, far, (N, N)), clean, truth


def principal_components(X, weight, n_steps=200):
    """Low-rank part of X by the alternating directions of principal component pursuit."""
    seen = ~np.isnan(X)
    values = np.where(seen, X, 0.0)
    step = 1.25 / np.linalg.norm(values, 2)
    outliers, dual = np.zeros_like(values), np.zeros_like(values)
    for _ in range(n_steps):
        left, sizes, right = np.linalg.svd(values - outliers + dual / step, full_matrices=False)
        low = left * np.maximum(sizes - 1 / step, 0) @ right
        rest = values - low + dual / step
        shrunk = np.sign(rest) * np.maximum(np.abs(rest) - weight / step, 0)
        outliers = np.where(seen, shrunk, rest)
        dual = dual + step * (values - low - outliers)
        step = min(1.05 * step, 1e7)
    return low


def best_components(X, clean, truth, seed):
    reference = 1 / np.sqrt(RATE * N)
    found = [principal_components(X, weight * reference) for weight in _WEIGHTS]
    return min(found, key=lambda low: np.linalg.norm(low - truth))


def told_all(X, clean, truth, seed):
    n_out = round(1.2 * np.sum(~np.isnan(X) & (clean != X)))
    return rgnmr(X, RANK, n_out, random_state=seed)


OURS = "RobustMatrixCompleter"
WAYS = {
    OURS: lambda X, clean, truth, seed: (
        RobustMatrixCompleter(random_state=seed).fit(X).reconstruct(X)
    ),
    "GSOMatrixCompleter": lambda X, clean, truth, seed: (
        GSOMatrixCompleter(random_state=seed).fit(X).reconstruct(X)
    ),
    "GSOMatrixCompleter, no outliers": lambda X, clean, truth, seed: (
        GSOMatrixCompleter(random_state=seed).fit(clean).reconstruct(clean)
    ),
    "robust PCA, best weight by the truth": best_components,
    "RGNMR, told rank and number": told_all,
}


def settings(way) -> str:
    if not way.startswith("GSO"):
        return "as it comes"
    return "weights " + LearnedOptimizer.load_pretrained("completer").digest()[:8]


def run(store, cells, ways, seeds):
    run_paired(
        store,
        cells,
        ways,
        seeds,
        draw=draw,
        settings=settings,
        solve=lambda way, problem, seed: WAYS[way](*problem, seed),
        judge=lambda problem, found: relative_error(problem[-1], found),
    )


def results(store, cells, ways, seeds) -> pd.DataFrame:
    """Medians of each cell and way."""
    frame = store.joined([(cell, way, settings(way)) for cell in cells for way in ways])
    groups = frame[frame["instance"] < seeds].groupby(["method", "cell"], sort=False)
    return groups[["error", "seconds"]].median().assign(matrices=groups.size())


def main():
    asked = paired(__doc__, list(CELLS), QUICK, ways=list(WAYS))
    store = Store(RESULTS / "outliers.csv", fresh=asked.fresh)
    with quietly():
        run(store, asked.cells, asked.ways, asked.seeds)
    table = results(store, asked.cells, asked.ways, asked.seeds)
    columns = dict(zip(asked.cells, asked.cells, strict=True))
    for name, form in (("error", number), ("seconds", "{:.2f}".format), ("matrices", str)):
        show(name, texts(table[name], form, columns))


if __name__ == "__main__":
    main()
