"""Learning while solving: ``python -m benchmarks.while_solving`` (``--seeds 3``).

One data set, nothing else to learn from: the rule that ships, the same after so many passes of
training on this very data set (``MetaTraining(instance_epochs=...)``), closed forms, and a
new rule trained on it alone. Paired by seed; medians of the error over that of the shipped
rule, and processor seconds of one thread. Errors are those of hidden entries; of dictionaries the
objective with exact codes, of kernels 1 minus the cosine, of sources the Amari distance.
"""

import argparse
import time

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from sklearn_gso import (
    GSOBlindDeconvolution,
    GSODictionaryLearning,
    GSOMatrixCompleter,
    GSOSourceSeparation,
    MetaTraining,
)
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.metrics import amari_distance, shifted_cosine

from . import bilinear, deconvolution, separation
from .measuring import hidden_errors, quietly
from .showing import show

PASSES = 10
WAYS = {
    "shipped": ("pretrained", 0),
    f"shipped, {PASSES} passes": ("pretrained", PASSES),
    "closed forms": (None, 0),
    f"new, {PASSES} passes": (None, PASSES),
}


def matrix(**options):
    def draw(seed):
        X, truth = make_low_rank_tasks(1, random_state=seed, **options)
        return X[0], truth[0]

    return draw


def digits(seed):
    """300 pictures of 64 pixels, two fifths of these hidden."""
    random = np.random.RandomState(seed)
    truth = load_digits().data[random.permutation(1797)[:300]]
    return np.where(random.rand(*truth.shape) < 0.4, np.nan, truth), truth


def completed(draw, **settings):
    def solve(seed, **options):
        X, truth = draw(seed)
        filled = GSOMatrixCompleter(random_state=seed, **settings, **options).fit_transform(X)
        return hidden_errors([truth], [filled], [X])[0]

    return solve


def dictionary(cell):
    def solve(seed, **options):
        draw, k, alpha = bilinear.CELLS[cell]
        X, truth = draw(seed)
        own = {"alpha": alpha, "max_iter": 40, "tol": None, "random_state": seed}
        learner = GSODictionaryLearning(k, **own, **options).fit(X)
        return bilinear.judged(X, learner.components_, truth, alpha)[0]

    return solve


def kernel(cell):
    def solve(seed, **options):
        signal, truth, _ = deconvolution.SPIKES[cell](seed)
        own = {"max_iter": 40, "n_init": 1, "random_state": seed}
        model = GSOBlindDeconvolution(len(truth), **own, **options).fit(signal.reshape(1, -1))
        return 1 - shifted_cosine(truth, model.kernel_)

    return solve


def sources(cell):
    def solve(seed, **options):
        X, mixing, _ = separation.drawn(cell, seed)
        own = {"sources": separation.kind_of(cell), "max_iter": 40, "tol": None}
        model = GSOSourceSeparation(mixing.shape[1], random_state=seed, **own, **options).fit(X)
        return amari_distance(mixing, model.mixing_)

    return solve


CELLS = {
    "digits": completed(digits, n_components=20, max_iter=20),
    "rank 5, 35 %, noise": completed(
        matrix(shape=(60, 50), rank=5, rate=0.35, noise=0.05), n_components=8, max_iter=20
    ),
    "rank 5, 25 %, near the limit": completed(
        matrix(shape=(60, 50), rank=5, rate=0.25), n_components=5, max_iter=40
    ),
    "dictionary, 2 of 24 used": dictionary("16 x 24, 2 used"),
    "dictionary, 4 of 24 used": dictionary("16 x 24, 4 used"),
    "kernel, 400, 20 %": kernel("400, kernel 20, 20 %"),
    "kernel, 400, 30 %": kernel("400, kernel 20, 30 %"),
    "sources, Laplace": sources("Laplace, 4 of 8"),
    "sources, exponential": sources("exponential, 4 of 8"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cells", nargs="*", default=CELLS, choices=CELLS)
    options = parser.parse_args()
    rows = []
    with quietly():
        for cell in options.cells:
            solve = CELLS[cell]
            for seed in range(options.seeds):
                for way, (optimizer, passes) in WAYS.items():
                    training, start = MetaTraining(instance_epochs=passes), time.process_time()
                    error = solve(seed, optimizer=optimizer, n_epochs=0, training=training)
                    rows.append((cell, seed, way, error, time.process_time() - start))
            print(f"{cell}: done", flush=True)
    frame = pd.DataFrame(rows, columns=["cell", "seed", "way", "error", "seconds"])
    shipped = frame[frame["way"] == "shipped"].set_index(["cell", "seed"])["error"]
    errors = frame.set_index(["cell", "seed"])["error"]
    frame["over shipped"] = (errors / shipped.reindex(errors.index)).to_numpy()
    table = frame.groupby(["cell", "way"], sort=False)[
        ["error", "over shipped", "seconds"]
    ].median()
    show("medians", table.round(3))


if __name__ == "__main__":
    main()
