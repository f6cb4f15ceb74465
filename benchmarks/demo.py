"""The main job on real data: complete digits of which 60 % of the pixels are hidden.

``make demo``, or ``python -m benchmarks.demo``. Prints a table and writes
``demo_digits.png``.
"""

import time
import warnings

import numpy as np
import torch
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer
from tqdm.auto import tqdm

from benchmarks.peers import soft_impute
from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter
from sklearn_gso.datasets import make_digits_tasks
from sklearn_gso.metrics import relative_error

HIDDEN = 0.6
SWEEPS = 15
MINUTE = 60.0


def error(truth, completed, X):
    """Mean relative error on the hidden entries."""
    return np.mean(
        [relative_error(t, c, np.isnan(x)) for t, c, x in zip(truth, completed, X, strict=True)]
    )


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


def chosen(candidates, run, X_train, truth_train):
    """The setting with the lowest error on the training tasks."""
    few = slice(0, 10)
    bar = tqdm(candidates, desc=f"choosing the setting of {run.__name__}", leave=False)
    errors = [error(truth_train[few], run(X_train[few], c), X_train[few]) for c in bar]
    return candidates[int(np.argmin(errors))]


def run_soft_impute(X, shrinkage):
    return [soft_impute(x, shrinkage) for x in X]


def run_als(X, setting):
    rank, alpha = setting
    als = ALSMatrixCompleter(rank, alpha=alpha, alpha_start=max(10.0, alpha), random_state=0)
    return als.fit(X).transform(X)


def classical_rows(X_train, truth_train):
    """Peers by name, settings chosen on the training tasks."""
    fit = (X_train, truth_train)
    shrinkage = chosen([0.02, 0.05, 0.1, 0.15, 0.2, 0.3], run_soft_impute, *fit)
    grid = [(k, a) for k in (2, 4, 6, 8) for a in (3.0, 10.0, 30.0, 100.0)]
    setting = chosen(grid, run_als, *fit)
    return {
        "column means": column_means,
        "KNNImputer, per task": imputed(KNNImputer(n_neighbors=5, keep_empty_features=True)),
        "KNNImputer, all tasks stacked": stacked(KNNImputer(n_neighbors=5), X_train),
        "IterativeImputer": imputed(
            IterativeImputer(random_state=0, keep_empty_features=True, min_value=0, max_value=16)
        ),
        f"SoftImpute (λ = {shrinkage:g} σ₁)": lambda X: run_soft_impute(X, shrinkage),
        f"ALS (k = {setting[0]}, λ = {setting[1]:g})": lambda X: run_als(X, setting),
    }


def fine_tuned(X_train):
    """The pretrained optimizer after a minute on the training tasks (no truth used)."""
    start = time.perf_counter()
    GSOMatrixCompleter(n_epochs=1, max_iter=SWEEPS, random_state=0).fit(X_train)
    epochs = max(1, int(MINUTE / (time.perf_counter() - start)))
    completer = GSOMatrixCompleter(n_epochs=epochs, max_iter=SWEEPS, random_state=0, verbose=1)
    return completer.fit(X_train).set_params(verbose=0)


def draw(X, truth, completed, path="demo_digits.png"):
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
    torch.set_num_threads(1)  # small systems: a second thread costs more than it brings
    X_train, truth_train = make_digits_tasks(60, fraction_hidden=HIDDEN, random_state=0)
    X, truth = make_digits_tasks(20, half="test", fraction_hidden=HIDDEN, random_state=1)
    print(
        f"{len(X)} test tasks of {X.shape[1]} x {X.shape[2]}, {HIDDEN:.0%} hidden; seconds for all"
    )
    rows = classical_rows(X_train, truth_train)
    common = {"max_iter": SWEEPS, "random_state": 0}
    untrained = GSOMatrixCompleter(optimizer=None, n_epochs=0, **common).fit(X[:1])
    pretrained = GSOMatrixCompleter(n_epochs=0, **common).fit(X[:1])
    rows["untrained closed-form step"] = untrained.transform
    rows["pretrained optimizer"] = pretrained.transform
    rows["pretrained, fine-tuned for a minute"] = fine_tuned(X_train).transform
    print(f"\n{'':42}error   seconds")
    for name, run in tqdm(rows.items(), desc="solving", leave=False):
        start = time.perf_counter()
        completed = run(X)
        seconds = time.perf_counter() - start
        tqdm.write(f"{name:42}{error(truth, completed, X):.3f}   {seconds:.2f}")
    print(f"picture: {draw(X, truth, completed)}")


if __name__ == "__main__":
    main()
