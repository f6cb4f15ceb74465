"""Large mixtures, many components, many features: training score, seconds, memory.

``python -m benchmarks.mixture_sizes`` prints what was run before (``--fresh`` runs it again,
``--hundred`` scikit-learn with a hundred starts, too). Each fit has a process and one thread of
its own: processor seconds, and peak memory above what was in use over that of the input.
"""

import argparse
import subprocess
import sys
import time

import numpy as np
from sklearn.mixture import GaussianMixture

from sklearn_gso import GSOGaussianMixture
from sklearn_gso.datasets import make_mixture_tasks

from .measuring import PeakMemory, one_thread
from .methods import pretrained
from .showing import show, show_bar
from .store import RESULTS, Store

OURS, HUNDRED = "GSOGaussianMixture", "GaussianMixture, 100 starts"
_N_STARTS = {"GaussianMixture, 1 start": 1, "GaussianMixture, 10 starts": 10, HUNDRED: 100}


def blobs(n_samples, n_features, k, spread):
    """Round clusters of unit variance about random centres."""
    rng = np.random.RandomState(0)
    centres = spread * rng.randn(k, n_features)
    return centres[rng.randint(k, size=n_samples)] + rng.randn(n_samples, n_features)


def long_clusters(n_samples, n_features, k):
    """Overlapping clusters, elongated in random directions."""
    size = {"n_samples": n_samples, "n_features": n_features, "n_components": k}
    spread = 3 / np.sqrt(n_features / 2)
    X, _ = make_mixture_tasks(1, **size, spread=spread, eccentricity=25, random_state=0)
    return X[0]


def holed(X):
    """With 30 % of the entries missing at random."""
    return np.where(np.random.RandomState(1).rand(*X.shape) < 0.3, np.nan, X)


# The samples, the number of components, the type of their covariances.
SIZES = {
    "300,000 x 10, K=5, full": lambda: (blobs(300_000, 10, 5, 2), 5, "full"),
    "5,000 x 20, K=50, full": lambda: (long_clusters(5_000, 20, 50), 50, "full"),
    "3,000 x 100, K=50, diag": lambda: (blobs(3_000, 100, 50, 1), 50, "diag"),
    "5,000 x 50, 30 % missing, K=3, full": lambda: (holed(blobs(5_000, 50, 3, 1)), 3, "full"),
}


def settings(method) -> str:
    if method == OURS:
        return f"as it comes, {pretrained('mixture')}"
    return f"n_init={_N_STARTS[method]}"


def made(method, k, kind):
    same = {"covariance_type": kind, "random_state": 0}
    if method == OURS:
        return GSOGaussianMixture(k, **same)
    return GaussianMixture(k, n_init=_N_STARTS[method], **same)


def measured(name, method) -> tuple[float, float, float]:
    """Negative score, seconds, memory over that of the input; in a process of its own."""
    with one_thread():
        made(method, 2, "full").fit(blobs(60, 2, 2, 3))  # what is loaded on first use
        X, k, kind = SIZES[name]()
        mixture = made(method, k, kind)
        memory, start = PeakMemory(), time.process_time()
        mixture.fit(X)
        seconds, above = time.process_time() - start, memory.above() / X.nbytes
        return -mixture.score(X), seconds, above


def asked(methods) -> list[tuple[str, str, str]]:
    """Sizes and methods; scikit-learn's take no holes."""
    pairs = [(name, method) for name in SIZES for method in methods]
    pairs = [(name, method) for name, method in pairs if method == OURS or "missing" not in name]
    return [(name, method, settings(method)) for name, method in pairs]


def run(store, methods):
    for name in SIZES:
        for cell, method, _ in asked(methods):
            if cell == name and not store.has(name, method, settings(method), 0):
                command = [sys.executable, "-m", "benchmarks.mixture_sizes", "--one", name, method]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                store.add(name, method, settings(method), [(0, *map(float, done.stdout.split()))])
        print(store.said(), name, flush=True)


def show_all(store, methods):
    frame = store.joined(asked(methods)).assign(score=lambda rows: -rows["error"])
    frame = frame.rename(columns={"filled": "memory / input"})
    figures = frame.set_index(["cell", "method"])[["score", "seconds", "memory / input"]]
    show("one fit", figures.round(4))
    ours = figures.xs(OURS, level="method")
    large, many = (ours.loc[name] for name in list(SIZES)[:2])
    seconds, memory = large["seconds"], large["memory / input"]
    figure = f"{seconds:.1f} s, {memory:.1f} x"
    show_bar("300,000 x 10", figure, "8 s, 6 x", seconds <= 8 and memory <= 6)
    if HUNDRED in methods:
        gain = many["score"] - figures.loc[(list(SIZES)[1], HUNDRED), "score"]
        figure = f"{gain:+.4f} in {many['seconds']:.1f} s"
        met = gain >= 0 and many["seconds"] <= 30
        show_bar("K=50 beside 100 starts of scikit-learn", figure, "as high, in 30 s", met)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--hundred", action="store_true")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(*measured(*options.one))
        return
    store = Store(RESULTS / "mixture_sizes.csv", fresh=options.fresh)
    methods = [OURS, *(m for m in _N_STARTS if m != HUNDRED or options.hundred)]
    run(store, methods)
    show_all(store, methods)


if __name__ == "__main__":
    main()
