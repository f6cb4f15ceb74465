"""Bilinear problems beside their peers: dictionary learning.

``python -m benchmarks.bilinear`` (``--quick``: three seeds of two cells) draws data sets, paired by
seed, and prints for each way: the median of the objective over that of scikit-learn's
`DictionaryLearning` with its defaults, the shares of problems on which it is lower and higher, the
share of planted atoms that are recovered (|cosine| > .99), and processor seconds of one thread,
also over scikit-learn's. The objective of all ways is computed alike: unit atoms, the same penalty,
exact codes. Results are kept in ``benchmarks/results/bilinear.csv``; ``--fresh`` runs them again.

The peer ``spams`` (PyPI: spams-bin) is left out where it is not installed.
"""

import time
from functools import lru_cache
from importlib.util import find_spec

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits, load_sample_images
from sklearn.decomposition import DictionaryLearning, MiniBatchDictionaryLearning, sparse_encode
from sklearn.feature_extraction.image import extract_patches_2d

from sklearn_gso import GSODictionaryLearning
from sklearn_gso.learned_optimizers import LearnedOptimizer

from . import cell_training
from .asking import paired
from .measuring import quietly
from .showing import show
from .store import RESULTS, Store

SKLEARN, OURS = "DictionaryLearning", "GSODictionaryLearning"
# Objectives that differ by less are the same optimum.
TIED = 1e-5
SWEEPS = 40
LEARNED = ("pretrained", "fine-tuned", OURS)


def planted(n_rows, n_columns, n_atoms, n_used, noise=0.02):
    """Rows of so many random atoms each; the problem of a seed."""

    def draw(seed):
        rng = np.random.RandomState(seed)
        atoms = rng.randn(n_atoms, n_columns)
        atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
        codes = np.zeros((n_rows, n_atoms))
        for row in codes:
            row[rng.choice(n_atoms, n_used, replace=False)] = rng.randn(n_used)
        return codes @ atoms + noise * rng.randn(n_rows, n_columns), atoms

    return draw


def digits(seed):
    """200 pictures, grey values in [0, 1], less their mean."""
    X = load_digits().data / 16
    X = X[np.random.RandomState(seed).permutation(len(X))[:200]]
    return X - X.mean(0), None


def patches(seed):
    """200 patches of 6 x 6 of a photograph, each less its mean, of unit variance together."""
    image = load_sample_images().images[seed % 2].mean(2) / 255
    X = extract_patches_2d(image, (6, 6), max_patches=200, random_state=seed).reshape(200, -1)
    X = X - X.mean(1, keepdims=True)
    return X / X.std(), None


# Data, atoms, alpha.
CELLS = {
    "16 x 24, 2 used": (planted(200, 16, 24, 2), 24, 0.1),
    "16 x 24, 4 used": (planted(200, 16, 24, 4), 24, 0.1),
    "16 x 24, 4 used, noise .1": (planted(200, 16, 24, 4, 0.1), 24, 0.1),
    "20 x 30, 5 used, 400 rows": (planted(400, 20, 30, 5), 30, 0.1),
    "digits": (digits, 30, 0.5),
    "patches": (patches, 40, 1.0),
}
QUICK = ["16 x 24, 2 used", "16 x 24, 4 used"]


def of_scikit_learn(kind, **options):
    def learn(cell, X, k, alpha, seed):
        return kind(k, alpha=alpha, random_state=seed, **options).fit(X).components_

    return learn


def of_ours(**options):
    def learn(cell, X, k, alpha, seed):
        own = {"alpha": alpha, "random_state": seed, "n_epochs": 0, **options}
        return GSODictionaryLearning(k, **own).fit(X).components_

    return learn


def of_trained(rule_of, options):
    """By a rule that was trained on other data sets of a cell."""

    def learn(cell, X, k, alpha, seed):
        return of_ours(**options, optimizer=rule_of(cell))(cell, X, k, alpha, seed)

    return learn


@lru_cache
def tuned_rule(cell) -> LearnedOptimizer:
    draw, k, alpha = CELLS[cell]
    learner = GSODictionaryLearning(k, alpha=alpha)
    return cell_training.fine_tuned(learner, lambda seed: draw(seed)[0])


@lru_cache
def step_rule(cell) -> LearnedOptimizer:
    draw, k, alpha = CELLS[cell]
    learner = GSODictionaryLearning(k, alpha=alpha)
    return cell_training.trained_step(learner, lambda seed: draw(seed)[0])


def of_spams(cell, X, k, alpha, seed):
    """A pass over all rows in each of 300 iterations, from random rows."""
    import spams

    rows = X[np.random.RandomState(seed).permutation(len(X))[:k]]
    start = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    atoms = spams.trainDL(
        np.asfortranarray(X.T),
        K=k,
        D=np.asfortranarray(start.T),
        lambda1=alpha,
        iter=300,
        batchsize=len(X),
        numThreads=1,
        verbose=False,
    )
    return atoms.T


WAYS = {
    SKLEARN: of_scikit_learn(DictionaryLearning),
    "DictionaryLearning, cd": of_scikit_learn(DictionaryLearning, fit_algorithm="cd"),
    "MiniBatchDictionaryLearning": of_scikit_learn(MiniBatchDictionaryLearning),
    "spams": of_spams,
    "closed forms, 40 sweeps": of_ours(optimizer=None, max_iter=SWEEPS, tol=None, n_init=1),
    "closed forms, 200 sweeps": of_ours(optimizer=None, max_iter=5 * SWEEPS, tol=None, n_init=1),
    "closed forms, 200 sweeps, thirty starts": of_ours(
        optimizer=None, max_iter=5 * SWEEPS, n_init=30
    ),
    "pretrained, 40 sweeps": of_ours(max_iter=SWEEPS, tol=None, n_init=1),
    OURS: of_ours(),
    "pretrained, thirty starts": of_ours(n_init=30),
    "pretrained, two hundred starts": of_ours(n_init=200),
    cell_training.TUNED: of_trained(tuned_rule, cell_training.TUNED_OPTIONS),
    cell_training.STEP: of_trained(step_rule, cell_training.STEP_OPTIONS),
}
# What is trained before, which is not counted in their time.
TRAINING = {cell_training.TUNED: tuned_rule, cell_training.STEP: step_rule}


def available() -> list[str]:
    """Ways that need nothing that is not there."""
    known = "dictionary" in LearnedOptimizer.pretrained_names()
    lacking = [] if find_spec("spams") else ["spams"]
    return [w for w in WAYS if w not in lacking and (known or not w.startswith(LEARNED))]


def judged(X, atoms, truth, alpha) -> tuple[float, float]:
    """The objective with unit atoms and exact codes, and the share of the atoms recovered."""
    norms = np.linalg.norm(atoms, axis=1, keepdims=True)
    atoms = atoms / np.where(norms > 0, norms, 1)
    codes = sparse_encode(X, atoms, algorithm="lasso_lars", alpha=alpha)
    objective = 0.5 * np.square(X - codes @ atoms).sum() + alpha * np.abs(codes).sum()
    found = np.nan
    if truth is not None:
        found = np.mean(np.abs(truth @ atoms.T).max(1) > 0.99)
    return float(objective), float(found)


def settings(way) -> str:
    if way == cell_training.STEP:
        return f"dictionary, {cell_training.STEP_SETTINGS}"
    digest = ""
    if way.startswith(LEARNED):
        digest = ", weights " + LearnedOptimizer.load_pretrained("dictionary").digest()[:8]
    return (
        f"dictionary, race, exact{digest}"
        if "starts" in way or way == OURS
        else f"dictionary{digest}"
    )


def run(store, cells, ways, seeds):
    for seed in range(seeds):
        for cell in cells:
            draw, k, alpha = CELLS[cell]
            X, truth = draw(seed)
            for way in ways:
                if store.has(cell, way, settings(way), seed):
                    continue
                if way in TRAINING:
                    TRAINING[way](cell)
                start = time.process_time()
                atoms = WAYS[way](cell, X, k, alpha, seed)
                seconds = time.process_time() - start
                objective, found = judged(X, atoms, truth, alpha)
                store.add(cell, way, settings(way), [(seed, objective, seconds, found)])
        print(f"seed {seed}: {store.said()}", flush=True)


def results(store, cells, ways, seeds) -> pd.DataFrame:
    """Of each cell and way: medians, and shares of the problems; "error" is the objective."""
    frame = store.joined([(cell, way, settings(way)) for cell in cells for way in ways])
    frame = frame[frame["instance"] < seeds]
    key = ["cell", "instance"]
    theirs = frame[frame["method"] == SKLEARN].set_index(key)[["error", "seconds"]]
    pairs = frame.join(theirs.set_axis(["objective", "time"], axis=1), on=key)
    pairs["objective"] = pairs["error"] / pairs["objective"]
    pairs["time"] = pairs["seconds"] / pairs["time"]
    pairs["lower"] = pairs["objective"] < 1 - TIED
    pairs["higher"] = pairs["objective"] > 1 + TIED
    groups = pairs.groupby(["cell", "method"], sort=False)
    table = groups[["objective", "seconds", "time"]].median()
    return table.assign(
        lower=groups["lower"].mean(),
        higher=groups["higher"].mean(),
        recovered=groups["filled"].mean(),
        problems=groups.size(),
    )


def main():
    asked = paired(__doc__, list(CELLS), QUICK, ways=available())
    store = Store(RESULTS / "bilinear.csv", fresh=asked.fresh)
    with quietly():
        run(store, asked.cells, asked.ways, asked.seeds)
    table = results(store, asked.cells, asked.ways, asked.seeds)
    show("dictionary learning, beside scikit-learn", table.round(3))


if __name__ == "__main__":
    main()
