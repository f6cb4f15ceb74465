"""The main job on real data: complete digits of which 60 % of the pixels are hidden.

``make demo``, or ``python -m benchmarks.demo``. Prints a table and draws a picture; that of the
documents is ``--picture doc/figures/demo.svg``.
"""

import argparse
import warnings
from functools import partial

import numpy as np
import pandas as pd
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer
from tqdm.auto import tqdm

from benchmarks.measuring import hidden_errors, one_thread, timed
from benchmarks.peers import soft_impute
from benchmarks.peers.validation import choose
from benchmarks.showing import show
from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter
from sklearn_gso.datasets import make_digits_tasks

HIDDEN = 0.6
SWEEPS = 15
MINUTE = 60.0


def column_means(X):
    return [np.where(np.isnan(x), np.nan_to_num(np.nanmean(x, axis=0)), x) for x in X]


def imputed(imputer):
    def run(X):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [imputer.fit_transform(x) for x in X]

    return run


def stacked(imputer, X_train):
    """The peer that knows that columns are shared: one imputer over all tasks."""

    def run(X):
        return imputer.fit(np.vstack([*X_train, *X])).transform(np.vstack(X)).reshape(X.shape)

    return run


def run_soft_impute(X, shrinkage):
    return [soft_impute(x, shrinkage) for x in X]


def run_als(X, setting):
    rank, alpha = setting
    als = ALSMatrixCompleter(rank, alpha=alpha, alpha_start=max(10.0, alpha), random_state=0)
    return als.fit(X).transform(X)


def classical_rows(X_train, truth_train):
    """Peers by name, settings chosen on ten of the training tasks."""
    X, truth = X_train[:10], truth_train[:10]

    def best(run, candidates):
        bar = tqdm(candidates, desc=f"choosing the setting of {run.__name__}", leave=False)
        return choose(bar, lambda setting: hidden_errors(truth, run(X, setting), X))

    shrinkage = best(run_soft_impute, [0.02, 0.05, 0.1, 0.15, 0.2, 0.3])
    k, alpha = best(run_als, [(k, a) for k in (2, 4, 6, 8) for a in (3.0, 10.0, 30.0, 100.0)])
    return {
        "column means": column_means,
        "KNNImputer, per task": imputed(KNNImputer(n_neighbors=5, keep_empty_features=True)),
        "KNNImputer, all tasks stacked": stacked(KNNImputer(n_neighbors=5), X_train),
        "IterativeImputer": imputed(
            IterativeImputer(random_state=0, keep_empty_features=True, min_value=0, max_value=16)
        ),
        f"SoftImpute (λ = {shrinkage:g} σ₁)": partial(run_soft_impute, shrinkage=shrinkage),
        f"ALS (k = {k}, λ = {alpha:g})": partial(run_als, setting=(k, alpha)),
    }


def completer(**options):
    return GSOMatrixCompleter(max_iter=SWEEPS, random_state=0, **options)


def fine_tuned(X_train):
    """The pretrained optimizer after a minute on the training tasks (no truth used)."""
    _, seconds = timed(completer(n_epochs=1).fit, X_train)
    epochs = max(1, int(MINUTE / seconds))
    return completer(n_epochs=epochs, verbose=1).fit(X_train).set_params(verbose=0)


def draw(X, truth, completed, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(3, 10, figsize=(10, 3.4))
    for i in range(10):
        for row, (name, images) in enumerate(
            [("original", truth), ("60 % hidden", X), ("completed", completed)]
        ):
            axis = axes[row, i]
            axis.imshow(np.ma.masked_invalid(images[i][0].reshape(8, 8)), cmap="gray_r", vmin=0)
            axis.set(xticks=[], yticks=[], facecolor="#d9b8a0")
            if i == 0:
                axis.set_ylabel(name)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", default="demo_digits.png")
    options = parser.parse_args()
    X_train, truth_train = make_digits_tasks(60, fraction_hidden=HIDDEN, random_state=0)
    X, truth = make_digits_tasks(20, half="test", fraction_hidden=HIDDEN, random_state=1)
    with one_thread():  # small systems: a second thread costs more than it brings
        rows = classical_rows(X_train, truth_train) | {
            "untrained closed-form step": completer(optimizer=None, n_epochs=0).fit(X).transform,
            "pretrained optimizer": completer(n_epochs=0).fit(X[:1]).transform,
            "pretrained, fine-tuned for a minute": fine_tuned(X_train).transform,
        }
        table = {}
        for name, run in tqdm(rows.items(), desc="solving", leave=False):
            completed, seconds = timed(run, X)
            error = hidden_errors(truth, completed, X).mean()
            table[name] = {"error": f"{error:.3f}", "seconds": f"{seconds:.2f}"}
    tasks = f"{len(X)} test tasks of {X.shape[1]} x {X.shape[2]}, {HIDDEN:.0%} hidden"
    show(f"{tasks}; seconds for all", pd.DataFrame(table).T)
    print(f"picture: {draw(X, truth, completed, options.picture)}")


if __name__ == "__main__":
    main()
