"""Columns of frames and arrays as values, and what their types say of them."""

import datetime
import numbers
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from ...rules.accepts import is_flag
from ..matrices import is_null

_DATES = ("date", "time", "duration", "period")
_CATEGORIES = ("categ", "enum", "bool", "str")


class Cells(NamedTuple):
    """One column of a table as it is read."""

    name: Any  # in a frame, else its number
    values: np.ndarray  # null where missing
    kind: str | None  # "category", "integer", "number"; None where values are to tell

    @property
    def nulls(self) -> np.ndarray:
        return nulls(self.values)


def is_frame(X) -> bool:
    """Whether X is a frame of pandas or polars."""
    return hasattr(X, "columns") and hasattr(X, "dtypes") and not isinstance(X, np.ndarray)


def is_number(value) -> bool:
    return isinstance(value, numbers.Real | Decimal) and not is_flag(value)


def nulls(values) -> np.ndarray:
    """Which of the values are None, NaN, NA or NaT."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind == "O":
        return np.frompyfunc(is_null, 1, 1)(values).astype(bool)
    return np.zeros(len(values), bool)


def read_columns(X, missing=np.nan) -> list[Cells]:
    """The columns of a frame or of a two-dimensional array.

    Parameters
    ----------
    X : frame or ndarray
    missing : number or null
        What marks a missing entry, beside nulls.

    Raises
    ------
    ValueError
        If a column holds dates, times or complex numbers.
    """
    if not is_frame(X):
        kind = {"i": "integer", "u": "integer", "f": "number", "b": "category"}.get(X.dtype.kind)
        read = [Cells(j, column, kind) for j, column in enumerate(X.T)]
    elif hasattr(X, "get_column"):
        read = [_of_series(X[name], name) for name in X.columns]
    else:
        read = [_of_series(X.iloc[:, j], name) for j, name in enumerate(X.columns)]
    for cells in read:
        if cells.values.dtype.kind == "O" and any(map(_is_date, cells.values)):
            _refuse_dates(cells.name)
    return read if is_null(missing) else [_without(cells, missing) for cells in read]


def _of_series(series, name) -> Cells:
    dtype = str(series.dtype).lower()
    if dtype.startswith("complex"):
        raise ValueError(f"Complex data not supported: column {name!r} of X.")
    if any(word in dtype for word in _DATES) and "categ" not in dtype:
        _refuse_dates(name)
    if any(word in dtype for word in _CATEGORIES):
        return Cells(name, _objects(series.to_list()), "category")
    is_whole = dtype.startswith(("int", "uint"))
    is_known = is_whole or dtype.startswith(("float", "decimal"))
    values = series.to_numpy() if is_known else _objects(series.to_list())
    return Cells(name, values, "integer" if is_whole else "number" if is_known else None)


def _objects(values) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _is_date(value) -> bool:
    dates = datetime.date | datetime.time | datetime.timedelta | np.datetime64
    return isinstance(value, dates) and not is_null(value)


def _refuse_dates(name):
    raise ValueError(
        f"Column {name!r} of X holds dates or times: numbers are needed, as days since a date, "
        "NaN where one is missing."
    )


def _without(cells: Cells, value) -> Cells:
    """With null in place of a number, which no flag is equal to."""
    values = cells.values
    if values.dtype.kind in "bSU":
        return cells
    if values.dtype.kind == "O":
        equal = np.array([is_number(v) and v == value for v in values], dtype=bool)
    else:
        equal = values == value
    return cells._replace(values=np.where(equal, np.nan, values)) if equal.any() else cells
