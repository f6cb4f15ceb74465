"""Columns of a table as numbers, categories as indicators, and the way back."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...rules.accepts import is_flag
from ..reporting import warn
from .reading import Cells, is_number

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
    rare : frozenset
        Further values, which are never filled in.
    whole : bool
        Whether what is filled in is rounded.
    """

    name: Any
    categories: np.ndarray | None
    rare: frozenset
    whole: bool

    @property
    def width(self) -> int:
        """How many columns of numbers there are for it."""
        if self.categories is None:
            return 1
        return len(self.categories) if len(self.categories) != 2 else 1

    def to_numbers(self, cells: Cells, known_only) -> np.ndarray:
        """Numbers (n, width), NaN where missing or, of a category, where it is unknown."""
        null = cells.nulls
        if self.categories is None:
            return _as_numbers(cells, null)[:, None]
        code = {category: i for i, category in enumerate(self.categories)}
        code |= dict.fromkeys(self.rare, -1)
        codes = np.array([code.get(value, -3) for value in cells.values])
        codes[null] = -2
        if known_only and (codes == -3).any():
            unknown = sorted({str(cells.values[i]) for i in np.flatnonzero(codes == -3)})
            raise ValueError(
                f"Column {self.name!r} of X has categories that fit did not see: {unknown[:5]}. "
                "With handle_unknown='keep' they stay, and tell nothing of the others."
            )
        if len(self.categories) == 2:
            return np.where(codes >= 0, codes, np.nan)[:, None]
        numbers = (codes[:, None] == np.arange(len(self.categories))).astype(float)
        numbers[codes < -1] = np.nan
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


def _as_numbers(cells: Cells, null) -> np.ndarray:
    try:
        numbers = np.where(null, np.nan, cells.values).astype(float)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"Column {cells.name!r} of X was one of numbers in fit, or is to be one: {error}."
        ) from error
    if np.isinf(numbers).any():
        raise ValueError(f"Input X contains infinity, in column {cells.name!r}.")
    return numbers


def describe(read: list[Cells], categorical, whole) -> list[Column]:
    """The columns of a table, as `GSOImputer.fit` sees them.

    Parameters
    ----------
    read : list of Cells
    categorical : "from_dtype", None, or array-like
        Names, numbers or flags of columns of categories; "from_dtype": those that are no numbers.
    whole : "from_dtype", None, or array-like
        Likewise of columns to be filled in with integers.
    """
    names = [cells.name for cells in read]
    given = _chosen(categorical, names, "categorical_features")
    integers = _chosen(whole, names, "integer_features")
    columns = []
    for j, cells in enumerate(read):
        if _holds_categories(cells) if given is None else given[j]:
            columns.append(Column(cells.name, *_categories(cells), False))
        else:
            rounded = _holds_integers(cells) if integers is None else integers[j]
            columns.append(Column(cells.name, None, frozenset(), bool(rounded)))
    return columns


def warn_of_many_categories(columns: list[Column]) -> None:
    """Warn of columns that look like identifiers, or like numbers with their units."""
    for column in columns:
        if column.categories is not None and column.rare:
            n_filled, some = len(column.categories), column.categories[0]
            warn(
                f"Column {column.name!r} of X has {n_filled + len(column.rare)} different values, "
                f"which are categories, as {some!r}: only the {n_filled} most frequent ones are "
                "filled in. Leave identifiers out, and make numbers of texts with units."
            )


def _chosen(which, names, parameter) -> np.ndarray | None:
    """Flags of the columns that a parameter names; None where their types are to tell."""
    if isinstance(which, str) and which == "from_dtype":
        return None
    flags = np.zeros(len(names), bool)
    if which is None:
        return flags
    if isinstance(which, str | Mapping) or not hasattr(which, "__iter__"):
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


def _holds_categories(cells) -> bool:
    """Whether values are flags, strings or other objects that are no numbers."""
    if cells.kind is not None:
        return cells.kind == "category"
    if cells.values.dtype.kind in "SU":
        return True
    known = cells.values[~cells.nulls]
    return len(known) > 0 and not all(map(is_number, known))


def _holds_integers(cells) -> bool:
    """Whether values are integers by their type; nulls aside, as in pandas' Int64."""
    if cells.kind is not None:
        return cells.kind == "integer"
    known = cells.values[~cells.nulls]
    return len(known) > 0 and all(
        isinstance(value, int | np.integer) and not is_flag(value) for value in known
    )


def _categories(cells) -> tuple[np.ndarray, frozenset]:
    """The most frequent values, and the others."""
    counts = Counter(cells.values[~cells.nulls].tolist())
    ordered = sorted(counts, key=lambda value: (-counts[value], str(value)))
    frequent = ordered[:_MAX_CATEGORIES]
    categories = np.empty(len(frequent), dtype=object)
    categories[:] = frequent
    return categories, frozenset(ordered[_MAX_CATEGORIES:])


def to_numbers(columns, read: list[Cells], known_only=False) -> np.ndarray:
    """A table as numbers, the columns of each category in place of it, NaN where missing."""
    blocks = [c.to_numbers(cells, known_only) for c, cells in zip(columns, read, strict=True)]
    return np.concatenate(blocks, axis=1)


def starts(columns) -> np.ndarray:
    """Where the numbers of each column begin, and the end."""
    return np.cumsum([0, *(column.width for column in columns)])
