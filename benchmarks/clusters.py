"""Seven sets of clusters in the plane: runs that find every one of them, beside peers.

``python -m benchmarks.clusters --data DIR`` reads S1 to S4 (15 clusters of rising overlap) and
A1 to A3 (20, 35 and 50 clusters) of Fränti and Sieranoja [1] from DIR, as ``s1.data.gz`` and
``s1.labels.gz`` of Gagolewski's collection [2], standardises them, and prints, for each set and
method, in how many of ``--runs`` runs, of one seed each, the centroid index [3] is 0, the mean
score (log-likelihood of a sample, of mixtures alone) and the median processor seconds of one
thread. What was run before is read from the results (``--fresh`` runs it again).

[1] K-means properties on six clustering benchmark datasets, Applied Intelligence 48, 2018.
[2] A framework for benchmarking clustering algorithms, SoftwareX 20, 2022.
[3] Fränti, Rezaei and Zhao, Centroid index, Pattern Recognition 47, 2014.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import pairwise_distances_argmin
from sklearn.mixture import GaussianMixture

from sklearn_gso import GSOGaussianMixture

from .measuring import one_thread
from .methods import pretrained
from .peers import random_swap
from .showing import show, show_bar
from .store import RESULTS, Store

SETS = {"s1": 15, "s2": 15, "s3": 15, "s4": 15, "a1": 20, "a2": 35, "a3": 50}
OURS, TIED = "GSOGaussianMixture", "GSOGaussianMixture, tied"
THEIRS, TEN = "GaussianMixture", "GaussianMixture, 10 starts"
SWAPS = "random swap k-means"
# Clusters overlap so much that the likeliest centres are not those of the labels.
ILL_POSED = ("s4",)


def mixture(kind, **options):
    """Centres and mean score of a mixture."""

    def solve(X, k, seed):
        fitted = kind(k, random_state=seed, **options).fit(X)
        return fitted.means_, fitted.score(X)

    return solve


def swapped(X, k, seed):
    return random_swap(X, k, random_state=seed), np.nan


METHODS = {
    OURS: mixture(GSOGaussianMixture),
    TIED: mixture(GSOGaussianMixture, covariance_type="tied"),
    THEIRS: mixture(GaussianMixture),
    TEN: mixture(GaussianMixture, n_init=10),
    SWAPS: swapped,
}


def settings() -> dict:
    ours = f"as it comes, {pretrained('mixture')}"
    return {OURS: ours, TIED: ours, THEIRS: "n_init=1", TEN: "n_init=10", SWAPS: "500 swaps"}


def load(folder, name) -> tuple[np.ndarray, np.ndarray]:
    """Standardised samples, and the centres of the labelled clusters."""
    X, y = (np.loadtxt(Path(folder) / f"{name}.{what}.gz") for what in ("data", "labels"))
    X = (X - X.mean(0)) / X.std(0)
    # 0 labels what belongs to no cluster.
    return X, np.stack([X[y == label].mean(0) for label in np.unique(y[y > 0])])


def centroid_index(centres, others) -> int:
    """Centres of one set that none of the other is nearest to, the more of either direction."""

    def orphans(a, b):
        return len(b) - len(np.unique(pairwise_distances_argmin(a, b)))

    return max(orphans(centres, others), orphans(others, centres))


def run(store, folder, names, methods, n_runs):
    for name in names:
        X, truth = load(folder, name)
        for method in methods:
            setting = settings()[method]
            for seed in range(n_runs):
                if store.has(name, method, setting, seed):
                    continue
                start = time.process_time()
                centres, score = METHODS[method](X, SETS[name], seed)
                seconds = time.process_time() - start
                row = (seed, centroid_index(centres, truth), seconds, -score)
                store.add(name, method, setting, [row])
        print(store.said(), name, flush=True)


def results(store, names, methods, n_runs) -> pd.DataFrame:
    """Of each set and method: runs, those with index 0, mean index and score, median seconds."""
    known = settings()
    frame = store.joined([(name, method, known[method]) for name in names for method in methods])
    groups = frame[frame["instance"] < n_runs].groupby(["cell", "method"], sort=False)
    return groups.agg(
        runs=("error", "size"),
        right=("error", lambda index: int((index == 0).sum())),
        index=("error", "mean"),
        score=("filled", lambda lost: -lost.mean()),
        seconds=("seconds", "median"),
    )


def show_bars(table):
    for name, rows in table.groupby("cell", sort=False):
        rows = rows.droplevel("cell")
        for ours in [method for method in (OURS, TIED) if method in rows.index]:
            right, runs = rows.loc[ours, ["right", "runs"]].astype(int)
            bar, met = "all", right == runs
            if name in ILL_POSED and TEN in rows.index:
                bar, met = "scikit-learn's", right >= rows.loc[TEN, "right"]
            show_bar(f"{name}, {ours}: runs with centroid index 0", f"{right} of {runs}", bar, met)
            if TEN in rows.index:
                ratio = rows.loc[ours, "seconds"] / rows.loc[TEN, "seconds"]
                show_bar(f"{name}, {ours}: time over ten starts", f"{ratio:.2f}", "< 1", ratio < 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of s1.data.gz and so on")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--only", nargs="*", default=list(SETS), choices=list(SETS))
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--fresh", action="store_true")
    options = parser.parse_args()
    store = Store(RESULTS / "clusters.csv", fresh=options.fresh)
    with one_thread():
        run(store, options.data, options.only, options.methods, options.runs)
    table = results(store, options.only, options.methods, options.runs)
    show("clusters found", table.round({"index": 2, "score": 4, "seconds": 2}))
    show_bars(table)


if __name__ == "__main__":
    main()
