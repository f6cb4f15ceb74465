"""Source separation beside its peers.

``python -m benchmarks.separation`` (``--quick``: three seeds of three cells) draws mixtures with
noise of a tenth of the data's deviation, paired by seed, and prints for each way: the median Amari
distance of the mixing, also over that of the best peer of the cell by this median; the median
signal-to-distortion ratio of the sources in decibels; and processor seconds of one thread. Results
are kept in ``benchmarks/results/separation.csv``; ``--fresh`` runs them again.

Sources that are not negative have mixtures that are not, either: noise is cut off at 0. The peer
``picard`` (PyPI: python-picard) is left out where it is not installed.
"""

import time
from functools import lru_cache
from importlib.util import find_spec

import numpy as np
import pandas as pd
from sklearn.datasets import load_sample_images
from sklearn.decomposition import NMF, FastICA

from sklearn_gso import GSOSourceSeparation
from sklearn_gso.learned_optimizers import LearnedOptimizer
from sklearn_gso.metrics import amari_distance, signal_to_distortion

from . import cell_training
from .asking import paired
from .measuring import quietly
from .showing import show
from .store import RESULTS, Store

NOISE = 0.1


def laplace(rng, shape):
    return rng.laplace(size=shape)


def gaussian(share):
    """Gaussian, but 0 in all but a share of the samples."""
    return lambda rng, shape: rng.standard_normal(shape) * (rng.rand(*shape) < share)


def exponential(share):
    """The same, exponential."""
    return lambda rng, shape: rng.exponential(size=shape) * (rng.rand(*shape) < share)


def gradients(rng, shape):
    """Differences of neighbouring pixels of two photographs, the same pixels of both."""
    images = np.stack(load_sample_images().images).mean(3)
    steps = np.diff(images, axis=2).reshape(2, -1)
    return steps[:, rng.permutation(steps.shape[1])[: shape[0]]].T


# What draws sources, samples, sources, sensors, whether nothing is negative.
CELLS = {
    "Laplace, 4 of 8": (laplace, 1000, 4, 8, False),
    "Laplace, 8 of 10": (laplace, 500, 8, 10, False),
    "Gaussian .2, 4 of 8": (gaussian(0.2), 1000, 4, 8, False),
    "Gaussian .2, 4 of 4": (gaussian(0.2), 1000, 4, 4, False),
    "Gaussian .2, 8 of 10": (gaussian(0.2), 500, 8, 10, False),
    "pictures, 2 of 4": (gradients, 1000, 2, 4, False),
    "exponential .3, 4 of 8": (exponential(0.3), 500, 4, 8, True),
    "exponential .1, 6 of 20": (exponential(0.1), 500, 6, 20, True),
    "exponential, 4 of 8": (exponential(1.0), 500, 4, 8, True),
    "exponential, 6 of 20": (exponential(1.0), 500, 6, 20, True),
}
QUICK = ["Laplace, 4 of 8", "Gaussian .2, 4 of 8", "exponential .3, 4 of 8"]


def drawn(cell, seed):
    """Mixtures, their mixing and their sources."""
    draw, n, k, d, positive = CELLS[cell]
    rng = np.random.RandomState(seed)
    sources = draw(rng, (n, k))
    sources = sources / sources.std(axis=0)
    mixing = rng.standard_normal((d, k))
    mixing = np.abs(mixing) if positive else mixing
    mixing /= np.linalg.norm(mixing, axis=0)
    X = sources @ mixing.T
    X = X + NOISE * X.std() * rng.standard_normal(X.shape)
    return (np.maximum(X, 0) if positive else X), mixing, sources


def of_fast_ica(**options):
    def separate(cell, X, k, seed):
        ica = FastICA(k, whiten="unit-variance", max_iter=500, random_state=seed, **options).fit(X)
        return ica.mixing_, ica.transform(X)

    return separate


def of_picard(**options):
    def separate(cell, X, k, seed):
        import picard

        whitening, rotation, sources = picard.picard(
            X.T, n_components=k, random_state=seed, **options
        )
        return np.linalg.pinv(rotation @ whitening), sources.T

    return separate


def of_nmf(**options):
    def separate(cell, X, k, seed):
        nmf = NMF(k, max_iter=500, random_state=seed, **options).fit(X)
        return nmf.components_.T, nmf.transform(X)

    return separate


def kind_of(cell):
    return "nonnegative" if CELLS[cell][4] else "sparse"


def of_ours(**options):
    def separate(cell, X, k, seed):
        own = {"sources": kind_of(cell), "random_state": seed, "n_epochs": 0, **options}
        ours = GSOSourceSeparation(k, **own).fit(X)
        return ours.mixing_, ours.transform(X)

    return separate


def of_trained(rule_of, options):
    """By a rule that was trained on other problems of a cell."""

    def separate(cell, X, k, seed):
        return of_ours(**options, optimizer=rule_of(cell))(cell, X, k, seed)

    return separate


@lru_cache
def tuned_rule(cell) -> LearnedOptimizer:
    separation = GSOSourceSeparation(CELLS[cell][2], sources=kind_of(cell))
    return cell_training.fine_tuned(separation, lambda seed: drawn(cell, seed)[0])


@lru_cache
def step_rule(cell) -> LearnedOptimizer:
    separation = GSOSourceSeparation(CELLS[cell][2], sources=kind_of(cell))
    return cell_training.trained_step(separation, lambda seed: drawn(cell, seed)[0])


PEERS = {
    "FastICA": of_fast_ica(),
    "FastICA, exp": of_fast_ica(fun="exp"),
    "picard": of_picard(),
    "picard, not orthogonal": of_picard(ortho=False),
    "NMF, cd": of_nmf(),
    "NMF, mu": of_nmf(solver="mu", init="nndsvda"),
    "NMF, cd, random": of_nmf(init="random"),
}
WAYS = {
    **PEERS,
    "closed forms, 40 sweeps": of_ours(optimizer=None, max_iter=40, tol=None),
    "closed forms, 200 sweeps": of_ours(optimizer=None, max_iter=200, tol=None),
    "closed forms, five starts": of_ours(optimizer=None, max_iter=200, n_init=5),
    "pretrained, 40 sweeps": of_ours(max_iter=40, tol=None),
    "pretrained": of_ours(),
    cell_training.TUNED: of_trained(tuned_rule, cell_training.TUNED_OPTIONS),
    cell_training.STEP: of_trained(step_rule, cell_training.STEP_OPTIONS),
}
# What is trained before, which is not counted in their time.
TRAINING = {cell_training.TUNED: tuned_rule, cell_training.STEP: step_rule}
LEARNED = ("pretrained", cell_training.TUNED)
WEIGHTS = {True: "nonnegative_sources", False: "sparse_sources"}


def available(cell) -> list[str]:
    """Ways that fit a cell and need nothing that is not there."""
    positive = CELLS[cell][4]
    known = WEIGHTS[positive] in LearnedOptimizer.pretrained_names()

    def fits(way):
        lacks = way.startswith("picard") and not find_spec("picard")
        lacks |= way.startswith("NMF") and not positive
        return not lacks and (known or not way.startswith(LEARNED))

    return [way for way in WAYS if fits(way)]


def settings(cell, way) -> str:
    if way == cell_training.STEP:
        return f"sources, {cell_training.STEP_SETTINGS}"
    if not way.startswith(LEARNED):
        return "sources"
    digest = LearnedOptimizer.load_pretrained(WEIGHTS[CELLS[cell][4]]).digest()[:8]
    more = f", {cell_training.TUNED_SETTINGS}" if way == cell_training.TUNED else ""
    return f"sources, {digest}{more}"


def run(store, cells, ways, seeds):
    for seed in range(seeds):
        for cell in cells:
            X, mixing, sources = drawn(cell, seed)
            for way in ways:
                key = cell, way, settings(cell, way)
                if way not in available(cell) or store.has(*key, seed):
                    continue
                if way in TRAINING:
                    TRAINING[way](cell)
                start = time.process_time()
                found, estimates = WAYS[way](cell, X, mixing.shape[1], seed)
                seconds = time.process_time() - start
                centred = (s - s.mean(axis=0) for s in (sources, estimates))
                ratio = signal_to_distortion(*centred)
                store.add(*key, [(seed, amari_distance(mixing, found), seconds, ratio)])
        print(f"seed {seed}: {store.said()}", flush=True)


def results(store, cells, ways, seeds) -> pd.DataFrame:
    """Medians of each cell and way, and the distance over the best peer's."""
    keys = [(c, w, settings(c, w)) for c in cells for w in ways if w in available(c)]
    frame = store.joined(keys)
    frame = frame[frame["instance"] < seeds]
    groups = frame.groupby(["cell", "method"], sort=False)
    table = groups[["error", "filled", "seconds"]].median()
    table.columns = ["distance", "ratio, dB", "seconds"]
    peers = table["distance"][table.index.isin(PEERS, level=1)].groupby("cell").min()
    best = table.index.map(lambda index: peers.get(index[0], np.nan))
    table.insert(1, "over the best peer", table["distance"] / best)
    return table.assign(problems=groups.size())


def main():
    asked = paired(__doc__, list(CELLS), QUICK, ways=list(WAYS))
    store = Store(RESULTS / "separation.csv", fresh=asked.fresh)
    with quietly():
        run(store, asked.cells, asked.ways, asked.seeds)
    table = results(store, asked.cells, asked.ways, asked.seeds)
    show("source separation, beside the best peer", table.round(4))


if __name__ == "__main__":
    main()
