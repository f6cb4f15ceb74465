"""Columns of a table as numbers, categories as indicators, and the way back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...rules.accepts import is_flag
from ..matrices import check_numbers, is_null

# Categories with an indicator of their own: the most frequent ones.
_MAX_CATEGORIES = 50


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : object
        For messages: its name in a frame, else its number.
    categories : ndarray or None
        The values that may be filled in, most frequent first where there are more of them than
        indicators; None for a column of numbers.
    whole : bool
        Whether what is filled in is rounded.
    """

    name: Any
    categories: np.ndarray | None
    whole: bool

    @property
    def width(self) -> int:
        """How many columns of numbers there are for it."""
        if self.categories is None:
            return 1
        return len(self.categories) if len(self.categories) != 2 else 1

    def to_numbers(self, values, known_only) -> np.ndarray:
        """Numbers (n, width), NaN where missing."""
        if self.categories is None:
            return _as_numbers(values, self.name)[:, None]
        null = nulls(values)
        code = {category: i for i, category in enumerate(self.categories)}
        codes = np.array([-1 if n else code.get(v, -2) for v, n in zip(values, null, strict=True)])
        if known_only and (codes == -2).any():
            unknown = sorted({str(values[i]) for i in np.flatnonzero(codes == -2)})
            raise ValueError(
                f"Column {self.name!r} of X has categories that fit did not see: {unknown[:5]}. "
                "With handle_unknown='keep' they stay, and tell nothing of the others."
            )
        if len(self.categories) == 2:
            numbers = np.where(codes >= 0, codes, np.nan)[:, None]
        else:
            numbers = (codes[:, None] == np.arange(len(self.categories))).astype(float)
            numbers[null] = np.nan
        return numbers

    def from_numbers(self, numbers) -> np.ndarray:
        """The values that estimates (n, width) stand for."""
        if self.categories is None:
            return np.rint(numbers[:, 0]) if self.whole else numbers[:, 0]
        if len(self.categories) == 0:
            return np.full(len(numbers), None)
        if len(self.categories) == 2:
            return self.categories[(numbers[:, 0] > 0.5).astype(int)]
        return self.categories[numbers.argmax(1)]

    def doubt(self, numbers, deviations) -> np.ndarray:
        """Standard deviation of a number; of a category how likely another one is."""
        if self.categories is None:
            return deviations[:, 0]
        if len(self.categories) == 2:
            return np.clip(0.5 - np.abs(numbers[:, 0] - 0.5), 0.0, 0.5)
        shares = np.clip(numbers, 1e-9, None)
        return 1 - shares.max(1) / shares.sum(1) if self.width else np.zeros(len(numbers))


def nulls(values) -> np.ndarray:
    """Which of the values are None, NaN or NA."""
    values = np.asarray(values)
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind == "O":
        return np.frompyfunc(is_null, 1, 1)(values).astype(bool)
    return np.zeros(len(values), bool)


def _as_numbers(values, name) -> np.ndarray:
    null = nulls(values)
    try:
        with np.errstate(over="ignore"):
            numbers = np.where(null, np.nan, values).astype(float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Column {name!r} of X was one of numbers in fit, or is to be one: {error}."
        ) from error
    if np.isinf(numbers).any():
        raise ValueError(f"Input X contains infinity, in column {name!r}.")
    return numbers


def read_columns(X) -> tuple[list, list[np.ndarray]]:
    """Names, and values as arrays, of the columns of a frame or of a two-dimensional array."""
    if hasattr(X, "columns") and not isinstance(X, np.ndarray):
        names = list(X.columns)
        return names, [
            _values(X[name] if hasattr(X, "get_column") else X.iloc[:, j])
            for j, name in enumerate(names)
        ]
    return list(range(X.shape[1])), list(np.asarray(X).T)


def _values(series) -> np.ndarray:
    kind = getattr(series.dtype, "kind", "")
    if kind == "M" or kind == "m" or str(series.dtype).startswith(("datetime", "Date", "Duration")):
        raise ValueError(
            f"Column {series.name!r} of X holds dates or times: numbers are needed, as days since "
            "a date, NaN where one is missing."
        )
    if hasattr(series, "cat") and hasattr(series.cat, "categories"):
        return np.asarray(series.astype(object))
    return series.to_numpy()


def describe(X, categorical, whole) -> list[Column]:
    """The columns of a table, as `GSOImputer.fit` sees them.

    Parameters
    ----------
    X : frame or ndarray of shape (n_samples, n_features)
    categorical : "from_dtype", None, or array-like
        Names, numbers or flags of columns of categories; "from_dtype": those that are no numbers.
    whole : "from_dtype", None, or array-like
        Likewise of columns to be filled in with integers.
    """
    names, values = read_columns(X)
    given = _chosen(categorical, names, "categorical_features")
    integers = _chosen(whole, names, "integer_features")
    columns = []
    for j, (name, column) in enumerate(zip(names, values, strict=True)):
        is_category = _holds_categories(column) if given is None else given[j]
        rounded = _holds_integers(column) if integers is None else integers[j]
        categories = _categories(column) if is_category else None
        columns.append(Column(name, categories, bool(rounded) and categories is None))
    return columns


def _chosen(which, names, parameter) -> np.ndarray | None:
    """Flags of the columns that a parameter names; None where their types are to tell."""
    if isinstance(which, str) and which == "from_dtype":
        return None
    flags = np.zeros(len(names), bool)
    if which is None:
        return flags
    if isinstance(which, str | Mapping) or np.ndim(which) != 1:
        raise ValueError(
            f"{parameter} must be 'from_dtype', None, or a list of names, numbers or flags of "
            f"columns, got {which!r}."
        )
    items = list(which)
    if len(items) == len(names) and all(is_flag(item) for item in items):
        return np.array(items, dtype=bool)
    for item in items:
        if item in names:
            flags[names.index(item)] = True
        elif isinstance(item, int | np.integer) and -len(names) <= item < len(names):
            flags[item] = True
        else:
            raise ValueError(f"{parameter} names a column that X does not have: {item!r}.")
    return flags


def _holds_categories(column) -> bool:
    """Whether values are flags, strings or other objects that are no numbers."""
    if column.dtype.kind in "bSU":
        return True
    if column.dtype.kind != "O":
        return False
    known = column[~nulls(column)]
    return len(known) > 0 and not all(_is_number(value) for value in known)


def _is_number(value) -> bool:
    return isinstance(value, int | float | np.number) and not is_flag(value)


def _holds_integers(column) -> bool:
    """Whether values are integers by their type; nulls aside, as in pandas' Int64."""
    if column.dtype.kind in "iu":
        return True
    if column.dtype.kind != "O":
        return False
    known = column[~nulls(column)]
    return len(known) > 0 and all(
        isinstance(value, int | np.integer) and not is_flag(value) for value in known
    )


def _categories(column) -> np.ndarray:
    known = [value for value in column[~nulls(column)]]
    counts: dict = {}
    for value in known:
        counts[value] = counts.get(value, 0) + 1
    frequent = sorted(counts, key=lambda value: (-counts[value], str(value)))[:_MAX_CATEGORIES]
    categories = np.empty(len(frequent), dtype=object)
    categories[:] = frequent
    return categories


def to_numbers(columns, X, known_only=False) -> np.ndarray:
    """A table as numbers, the columns of each category in place of it, NaN where missing."""
    _, values = read_columns(X)
    if all(column.categories is None for column in columns) and isinstance(X, np.ndarray):
        check_numbers(X)
    blocks = [c.to_numbers(v, known_only) for c, v in zip(columns, values, strict=True)]
    return np.concatenate(blocks, axis=1)


def starts(columns) -> np.ndarray:
    """Where the numbers of each column begin, and the end."""
    return np.cumsum([0, *(column.width for column in columns)])
