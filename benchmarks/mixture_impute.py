"""Imputing by a mixture alone: ten real tables, 30 % hidden, errors in column sd.

``python -m benchmarks.mixture_impute`` prints, for each table, the mean over the seeds of the
error of column means, of scikit-learn's KNNImputer and IterativeImputer, of the latter with
random forests (MissForest's way) and with extra trees, all after a StandardScaler; and of
mixtures on the table as it is: with their default prior, and with covariances drawn to the pooled
one. Processor seconds of one thread stand below. ``--no-forest`` leaves out the slow ones.
"""

import argparse
import time

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

from sklearn_gso import EMGaussianMixture, GSOGaussianMixture

from .measuring import quietly
from .raw_tables import error, hide, load, standardised

# Ten of those of `raw_tables`: small and large, few columns and many, skewed ones among them.
NAMES = [
    *("datasets/airquality", "datasets/USArrests", "datasets/quakes", "palmerpenguins/penguins"),
    *("Stat2Data/Hawks", "ISLR/College", "MASS/Boston", "MASS/crabs", "DAAG/ais"),
    "sklearn/cancer",
]
FORESTS = ("forest", "trees")


def with_trees(kind):
    """MissForest's way: every column by the others, ten rounds."""
    trees = kind(n_estimators=100, random_state=0)
    return standardised(IterativeImputer(trees, max_iter=10, random_state=0))


def by(mixture):
    return lambda X: mixture.fit(X).impute(X)


METHODS = {
    "mean": SimpleImputer().fit_transform,
    "knn": standardised(KNNImputer()),
    "iterative": standardised(IterativeImputer(random_state=0)),
    "forest": with_trees(RandomForestRegressor),
    "trees": with_trees(ExtraTreesRegressor),
    "gauss": by(EMGaussianMixture(1)),
    "default": by(GSOGaussianMixture(3, random_state=0)),
    "pooled 2": by(GSOGaussianMixture(2, covariance_prior="pooled", random_state=0)),
    "pooled 3": by(GSOGaussianMixture(3, covariance_prior="pooled", random_state=0)),
}


def measure(name, seeds, methods) -> tuple[list, list]:
    """Mean error and processor seconds of each method on a table."""
    table = load(name)
    table = table[~np.isnan(table).all(axis=1)]
    errors, seconds = np.zeros((2, seeds, len(methods)))
    for seed in range(seeds):
        X, hidden = hide(table, seed)
        for i, method in enumerate(methods):
            start = time.process_time()
            filled = METHODS[method](X)
            seconds[seed, i] = time.process_time() - start
            errors[seed, i] = error(table, filled, hidden)
    return errors.mean(0), seconds.mean(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tables", nargs="*", default=NAMES)
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--no-forest", action="store_true")
    options = parser.parse_args()
    methods = [m for m in options.methods if not (options.no_forest and m in FORESTS)]
    print(f"{'table':26s}" + "".join(f"{m:>10s}" for m in methods))
    rows = []
    with quietly():
        for name in options.tables:
            rows.append(measure(name, options.seeds, methods))
            print(f"{name:26s}" + "".join(f"{e:10.3f}" for e in rows[-1][0]), flush=True)
    errors, seconds = np.array(rows).swapaxes(0, 1)
    over_best = np.exp(np.log(errors / errors.min(axis=1, keepdims=True)).mean(0))
    for label, values in (
        ("mean error", errors.mean(0)),
        ("over best, geometric mean", over_best),
        ("seconds a table", seconds.mean(0)),
    ):
        print(f"{label:26s}" + "".join(f"{value:10.3f}" for value in values))


if __name__ == "__main__":
    main()
