"""Large mixtures, many components, many features: scores, seconds, memory.

``python -m benchmarks.mixture_sizes`` prints what was run before (``--fresh`` runs it again,
``--hundred`` scikit-learn with a hundred starts, too). Each fit has a process and one thread of
its own: processor seconds, and peak memory above what was in use over that of the input. Scores
are of the rows of the fit, and of as many new ones. scikit-learn maximises the likelihood of
the first, ours that and a prior; without the prior (``covariance_prior=0``) both do the same.
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
NO_PRIOR = "GSOGaussianMixture, no prior"
_N_STARTS = {"GaussianMixture, 1 start": 1, "GaussianMixture, 10 starts": 10, HUNDRED: 100}


def blobs(n_samples, n_features, k, spread):
    """Round clusters of unit variance about random centres, and as many new samples."""
    rng = np.random.RandomState(0)
    centres = spread * rng.randn(k, n_features)

    def drawn():
        return centres[rng.randint(k, size=n_samples)] + rng.randn(n_samples, n_features)

    return drawn(), drawn()


def long_clusters(n_samples, n_features, k):
    """Overlapping clusters, elongated in random directions, and as many new samples."""
    size = {"n_samples": n_samples, "n_features": n_features, "n_components": k}
    spread = 3 / np.sqrt(n_features / 2)
    X, truth = make_mixture_tasks(1, **size, spread=spread, eccentricity=25, random_state=0)
    rng = np.random.RandomState(1)
    own, noise = rng.choice(k, n_samples, p=truth.weights[0]), rng.randn(n_samples, n_features, 1)
    roots = np.linalg.cholesky(truth.covariances[0])
    return X[0], truth.means[0][own] + (roots[own] @ noise)[..., 0]


def holed(samples):
    """With 30 % of the entries missing at random."""
    rng = np.random.RandomState(1)
    return tuple(np.where(rng.rand(*X.shape) < 0.3, np.nan, X) for X in samples)


LARGE, MANY = "300,000 x 10, K=5, full", "5,000 x 20, K=50, full"
HOLED = "5,000 x 50, 30 % missing, K=3, full"
# Samples and new ones, the number of components, the type of their covariances.
SIZES = {
    LARGE: lambda: (blobs(300_000, 10, 5, 2), 5, "full"),
    MANY: lambda: (long_clusters(5_000, 20, 50), 50, "full"),
    "3,000 x 100, K=50, diag": lambda: (blobs(3_000, 100, 50, 1), 50, "diag"),
    HOLED: lambda: (holed(blobs(5_000, 50, 3, 1)), 3, "full"),
}


def settings(method) -> str:
    if method in (OURS, NO_PRIOR):
        return f"as it comes, {pretrained('mixture')}"
    return f"n_init={_N_STARTS[method]}"


def made(method, k, kind):
    same = {"covariance_type": kind, "random_state": 0}
    if method == OURS:
        return GSOGaussianMixture(k, **same)
    if method == NO_PRIOR:
        return GSOGaussianMixture(k, covariance_prior=0, **same)
    return GaussianMixture(k, n_init=_N_STARTS[method], **same)


def measured(name, method) -> tuple[float, float, float, float]:
    """Negative scores of the rows and of new ones, seconds, memory over that of the input.

    In a process of its own.
    """
    with one_thread():
        made(method, 2, "full").fit(blobs(60, 2, 2, 3)[0])  # what is loaded on first use
        (X, new), k, kind = SIZES[name]()
        mixture = made(method, k, kind)
        memory, start = PeakMemory(), time.process_time()
        mixture.fit(X)
        seconds, above = time.process_time() - start, memory.above() / X.nbytes
        return -mixture.score(X), -mixture.score(new), seconds, above


def asked(methods) -> list[tuple[str, str, str]]:
    """Sizes and methods; scikit-learn's take no holes, and many components gain by a prior."""
    pairs = [(name, method) for name in SIZES for method in methods]
    pairs = [(name, method) for name, method in pairs if method == OURS or name != HOLED]
    pairs = [(name, method) for name, method in pairs if method != NO_PRIOR or name == MANY]
    return [(name, method, settings(method)) for name, method in pairs]


def _of_new(name) -> str:
    """The cell of a size's new rows."""
    return f"{name}, new rows"


def run(store, methods):
    for name in SIZES:
        for cell, method, _ in asked(methods):
            both = (store.has(c, method, settings(method), 0) for c in (name, _of_new(name)))
            if cell == name and not all(both):
                command = [sys.executable, "-m", "benchmarks.mixture_sizes", "--one", name, method]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                own, new, *rest = map(float, done.stdout.split())
                for cell_name, error in ((name, own), (_of_new(name), new)):
                    store.add(cell_name, method, settings(method), [(0, error, *rest)])
        print(store.said(), name, flush=True)


def show_all(store, methods):
    of_rows = asked(methods)
    of_new = [(_of_new(name), *rest) for name, *rest in of_rows]
    frame = store.joined(of_rows).assign(score=lambda rows: -rows["error"])
    new = store.joined(of_new)[["cell", "method", "error"]]
    new = new.assign(cell=new["cell"].str.removesuffix(_of_new("")), new_rows=-new["error"])
    frame = frame.merge(new.drop(columns="error"), on=["cell", "method"], how="left")
    frame = frame.rename(columns={"filled": "memory / input", "new_rows": "score, new rows"})
    figures = frame.set_index(["cell", "method"])
    figures = figures[["score", "score, new rows", "seconds", "memory / input"]]
    show("one fit", figures.round(4))
    large = figures.loc[(LARGE, OURS)]
    seconds, memory = large["seconds"], large["memory / input"]
    figure = f"{seconds:.1f} s, {memory:.1f} x"
    show_bar("300,000 x 10", figure, "8 s, 6 x", seconds <= 8 and memory <= 6)
    if HUNDRED in methods:
        of_many(figures.loc[MANY])


def of_many(figures):
    """The bar of fifty components: by the same likelihood, and by default on new rows."""
    theirs = figures.loc[HUNDRED]
    for name, column in ((NO_PRIOR, "score"), (OURS, "score, new rows")):
        gain, seconds = figures.loc[name, column] - theirs[column], figures.loc[name, "seconds"]
        label, figure = f"K=50, {column}, beside 100 starts", f"{gain:+.4f} in {seconds:.1f} s"
        show_bar(f"{label}: {name}", figure, "as high, in 30 s", gain >= 0 and seconds <= 30)


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
    methods = [OURS, NO_PRIOR, *(m for m in _N_STARTS if m != HUNDRED or options.hundred)]
    run(store, methods)
    show_all(store, methods)


if __name__ == "__main__":
    main()
