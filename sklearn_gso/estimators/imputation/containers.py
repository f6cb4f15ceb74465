"""A completed table in the container that it came in."""

import numpy as np

from .columns import Column
from .reading import Cells


def appended(frame, names, flags):
    """A frame with further columns of 0 and 1; ``names`` are those of all columns."""
    flags = flags.astype(float)
    if hasattr(frame, "with_columns"):
        new = names[len(frame.columns) :]
        return frame.with_columns(**{name: flags[:, j] for j, name in enumerate(new)})
    import pandas as pd  # X is one of its frames

    more = pd.DataFrame(flags, index=frame.index)
    whole = pd.concat([frame, more], axis=1)
    whole.columns = list(names)
    return whole


def filled_array(read: list[Cells], estimates, dtype) -> np.ndarray:
    """Columns of values, estimates in place of nulls."""
    result = np.empty((len(read[0].values), len(read)), dtype=dtype)
    for j, (cells, own) in enumerate(zip(read, estimates, strict=True)):
        result[:, j] = np.where(cells.nulls, own, cells.values)
    return result


def filled_frame(X, chosen, read: list[Cells], columns: list[Column], estimates):
    """A copy of a frame's chosen columns; those without nulls are as they were."""
    is_polars = hasattr(X, "with_columns")
    names = [X.columns[j] for j in chosen]
    frame = X.select(names) if is_polars else X.iloc[:, list(chosen)].copy()
    for j, (cells, column, own) in enumerate(zip(read, columns, estimates, strict=True)):
        null = cells.nulls
        if not null.any():
            continue
        if is_polars:
            new = _polars_series(frame.to_series(j), null, column, own)
            frame = frame.with_columns(new)
        else:
            frame.isetitem(j, _pandas_series(frame.iloc[:, j], cells, null, column, own))
    return frame


def _limits(series) -> tuple[float, float]:
    """Least and largest integer of a type; all where it is none of integers."""
    name = str(series.dtype).lower()
    if not name.startswith(("int", "uint")):
        return -np.inf, np.inf
    limits = np.iinfo(name)
    # The largest double that is no more.
    return float(limits.min), np.nextafter(float(limits.max), 0)


def _pandas_series(series, cells: Cells, null, column: Column, estimates):
    """A completed series of the same type, of floats where these are no integers."""
    low, high = _limits(series)
    if column.categories is None and not (column.whole and np.isfinite(low)):
        kind = "float32" if str(series.dtype).lower() == "float32" else "float64"
        values = np.where(null, estimates, np.where(null, 0, cells.values).astype(float))
        return type(series)(values, index=series.index, name=series.name).astype(kind)
    fills = estimates[null]
    if column.categories is None:
        fills = np.clip(fills, low, high).astype(np.int64)
    elif hasattr(series, "cat"):
        levels = set(series.cat.categories)
        series = series.cat.add_categories([v for v in dict.fromkeys(fills) if v not in levels])
    elif getattr(series.dtype, "kind", "O") == "f":
        series = series.astype(object)  # a batch in which the category is nowhere known
    series = series.copy()
    series.iloc[np.flatnonzero(null)] = fills
    return series


def _polars_series(series, null, column: Column, estimates):
    """The same of polars; a type that does not know a category becomes strings."""
    make, (low, high) = type(series), _limits(series)
    own = series.to_list()
    if column.categories is None and not (column.whole and np.isfinite(low)):
        values = [float(e if n else v) for v, n, e in zip(own, null, estimates, strict=True)]
        return make(series.name, values)
    if column.categories is None:
        estimates = [int(e) for e in np.clip(estimates, low, high)]
    values = [e if n else v for v, n, e in zip(own, null, estimates, strict=True)]
    try:
        return make(series.name, values, dtype=series.dtype)
    except Exception:  # of several kinds, one for each type
        return make(series.name, values, strict=False)
