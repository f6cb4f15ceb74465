"""A completed table in the container that it came in."""

import numpy as np

from ..matrices import is_null
from .columns import Column, nulls


def is_frame(X) -> bool:
    """Whether X is a frame of pandas or polars."""
    return hasattr(X, "columns") and hasattr(X, "dtypes") and not isinstance(X, np.ndarray)


def without_value(X, value):
    """A frame or an array in which a number is missing, too."""
    if is_null(value):
        return X
    if not is_frame(X):
        equal = value == X
        return X if not equal.any() else np.where(equal, np.nan, X)
    if hasattr(X, "with_columns"):
        return X.map_columns(X.columns, lambda s: s.set(s == value, None))
    return X.where(value != X, np.nan)


def appended(frame, names, flags):
    """A frame with columns of 0 and 1."""
    new = {name: flags[:, j].astype(float) for j, name in enumerate(names)}
    if hasattr(frame, "with_columns"):
        return frame.with_columns(**new)
    return frame.assign(**new)


def filled_array(values, estimates, dtype) -> np.ndarray:
    """Columns of values, estimates in place of nulls."""
    result = np.empty((len(values[0]), len(values)), dtype=dtype)
    for j, pair in enumerate(zip(values, estimates, strict=True)):
        result[:, j] = _filled(*pair)
    return result


def filled_frame(X, chosen, columns: list[Column], estimates):
    """A copy of a frame's chosen columns; those without nulls are as they were."""
    if hasattr(X, "with_columns"):
        frame = X.select([X.columns[j] for j in chosen])
        series = [frame.to_series(j) for j in range(len(chosen))]
        news = [_series(s, c, e, True) for s, c, e in zip(series, columns, estimates, strict=True)]
        return frame.with_columns([new for new in news if new is not None])
    frame = X.iloc[:, list(chosen)].copy()
    for j, (column, estimate) in enumerate(zip(columns, estimates, strict=True)):
        new = _series(frame.iloc[:, j], column, estimate, False)
        if new is not None:
            frame.isetitem(j, new)
    return frame


def _filled(values, estimates) -> np.ndarray:
    null = nulls(values)
    return np.where(null, estimates, values) if null.any() else values


def _series(series, column: Column, estimates, is_polars):
    """A completed series of the same kind, of floats where these are no integers."""
    values = series.to_numpy()
    if getattr(series.dtype, "name", "") == "category":
        values = np.asarray(series.astype(object))
    if not nulls(values).any():
        return None
    filled = _filled(values, estimates)
    if column.whole:
        filled = filled.astype(np.int64)
    is_float = column.categories is None and not column.whole
    if is_polars:
        return type(series)(series.name, filled.tolist(), dtype=None if is_float else series.dtype)
    new = type(series)(filled, index=series.index, name=series.name)
    if is_float:
        kind = "float32" if str(series.dtype).lower() == "float32" else "float64"
        return new.astype(kind)
    return new.astype(series.dtype)
