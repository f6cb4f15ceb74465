"""Imputers beside each other on entries of a table of one's own."""

import time
import warnings

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..tasks import draw_seed
from .columns import describe, to_numbers
from .imputer import GSOImputer
from .reading import is_frame, is_number, read_columns


def compare_imputers(X, *, hidden=0.2, imputers=None, n_repeats=3, random_state=0):
    """Hide entries of a table, let imputers fill them, and look how far off they are.

    Parameters
    ----------
    X : DataFrame or array-like of shape (n_samples, n_features)
        With holes of its own or without.
    hidden : float, default=0.2
        Share of the known entries of each column that is hidden, in (0, 1).
    imputers : dict, default=None
        More imputers by name, for columns of numbers, beside `GSOImputer` and scikit-learn's
        `SimpleImputer`, `KNNImputer` and `IterativeImputer`, the last two on standardised columns.
    n_repeats : int, default=3
        Times that other entries are hidden.
    random_state : int, RandomState instance or None, default=0

    Returns
    -------
    comparison : pandas.DataFrame
        A row for each imputer, the best first: "error", the root mean squared error of hidden
        numbers in units of their column's standard deviation; "accuracy", the share of hidden
        categories that are filled in right, where there are such columns (of `GSOImputer`, and
        of the most frequent category in the row of `SimpleImputer`); "seconds" a table.

    Raises
    ------
    ValueError
        If ``hidden`` is no share, or a column has less than two known entries.
    ImportError
        Without pandas.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_gso import compare_imputers
    >>> compare_imputers(load_iris().data, n_repeats=1).index[-1]
    'SimpleImputer'
    """
    if not is_number(hidden) or not 0 < hidden < 1:
        raise ValueError(f"hidden must be a number in (0, 1), got {hidden!r}.")
    if not isinstance(n_repeats, int | np.integer) or n_repeats < 1:
        raise ValueError(f"n_repeats must be an integer >= 1, got {n_repeats!r}.")
    import pandas as pd  # not needed elsewhere

    frame = X if is_frame(X) and hasattr(X, "iloc") else pd.DataFrame(_plain(X))
    read = read_columns(frame)
    columns = describe(read, "from_dtype", None)
    numeric = np.array([column.categories is None for column in columns])
    known = ~np.column_stack([cells.nulls for cells in read])
    if (known.sum(0) < 2).any():
        few = [columns[j].name for j in np.flatnonzero(known.sum(0) < 2)]
        raise ValueError(f"Columns {few} of X have less than two known entries to hide one of.")
    rng, peers = np.random.RandomState(draw_seed(random_state)), {**_peers(), **(imputers or {})}
    found = [
        pd.DataFrame(_once(frame, _hidden(known, hidden, rng), columns, numeric, peers)).T
        for _ in range(n_repeats)
    ]
    return pd.concat(found).groupby(level=0).mean().sort_values("error").dropna(axis=1, how="all")


def _plain(X):
    return {name: X[name].to_list() for name in X.columns} if is_frame(X) else X


def _hidden(known, share, rng) -> np.ndarray:
    """Of each column a share of what is known, one entry at least and not all."""
    out = np.zeros(known.shape, bool)
    for j in range(known.shape[1]):
        rows = rng.permutation(np.flatnonzero(known[:, j]))
        out[rows[: min(max(1, round(share * len(rows))), len(rows) - 1)], j] = True
    return out


def _peers() -> dict:
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    kept = {"keep_empty_features": True}
    return {
        "SimpleImputer": SimpleImputer(**kept),
        "KNNImputer": make_pipeline(StandardScaler(), KNNImputer(**kept)),
        "IterativeImputer": make_pipeline(
            StandardScaler(), IterativeImputer(random_state=0, **kept)
        ),
    }


def _once(frame, out, columns, numeric, peers) -> dict:
    """Errors, accuracies and seconds of all imputers, with some entries out."""
    holes = frame.mask(out)
    numbers = [column for column, own in zip(columns, numeric, strict=True) if own]
    truth = (
        to_numbers(numbers, read_columns(frame.loc[:, numeric]))
        if numbers
        else np.empty((len(frame), 0))
    )
    array = np.where(out[:, numeric], np.nan, truth)
    start = time.perf_counter()
    filled = GSOImputer(random_state=0, keep_empty_features=True).fit_transform(holes)
    seconds = time.perf_counter() - start
    own = to_numbers(numbers, read_columns(filled.loc[:, numeric])) if numbers else truth
    right = _accuracy(frame, filled, out, ~numeric)
    rows = {"GSOImputer": _row(_error(own, truth, array), right, seconds)}
    for name, peer in peers.items() if numbers else ():
        start = time.perf_counter()
        told = _told(clone(peer), array)
        rows[name] = _row(_error(told, truth, array), np.nan, time.perf_counter() - start)
    most = holes.copy()
    for j in np.flatnonzero(~numeric):
        most.isetitem(j, np.repeat(columns[j].categories[:1], len(frame)))
    if numbers:
        rows["SimpleImputer"]["accuracy"] = _accuracy(frame, most, out, ~numeric)
    return rows


def _row(error, accuracy, seconds) -> dict:
    return {"error": error, "accuracy": accuracy, "seconds": seconds}


def _told(imputer, array) -> np.ndarray:
    """What an imputer fills in, in the units of the data after a pipeline with a scaler."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        filled = imputer.fit_transform(array)
    if hasattr(imputer, "steps") and hasattr(imputer[0], "inverse_transform"):
        return imputer[0].inverse_transform(filled)
    return filled


def _error(filled, truth, array) -> float:
    """Of the entries that are known but not in the array."""
    units = np.nanstd(truth, axis=0)
    judged = np.isnan(array) & ~np.isnan(truth) & (units > 0)
    scaled = (filled - truth) / np.where(units > 0, units, 1.0)
    return float(np.sqrt(np.mean(np.square(scaled[judged])))) if judged.any() else np.nan


def _accuracy(frame, filled, out, chosen) -> float:
    """Share of the hidden entries of some columns that are filled in right."""
    right = [
        frame.iloc[:, j].to_numpy()[out[:, j]] == np.asarray(filled.iloc[:, j])[out[:, j]]
        for j in np.flatnonzero(chosen)
    ]
    return float(np.mean(np.concatenate(right).astype(float))) if right else np.nan
