"""Groups of columns that no row joins: nothing is known of one from another."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ..matrices import observed_entries
from .predictions import FittedMatrix, completions

# Of the columns: what is less, as an item that one person alone has rated, stays with the rest.
_LEAST_SHARE = 0.05


def joined_columns(array) -> list[np.ndarray]:
    """Numbers of the columns of each group, the one of most entries first.

    Two columns are joined by a row where both are observed, and by further columns that are
    joined to both. Between groups any rotation of the factors explains the data equally well.
    """
    rows, columns, _ = observed_entries(array)
    n_rows, n_columns = array.shape
    edges = sparse.coo_array(
        (np.ones(len(rows), bool), (rows, columns + np.int64(n_rows))),
        shape=(n_rows + n_columns,) * 2,
    )
    labels = connected_components(edges, directed=False)[1][n_rows:]
    names, group, n_members = np.unique(labels, return_inverse=True, return_counts=True)
    n_entries = np.bincount(group[columns], minlength=len(names))
    order = np.argsort(-n_entries, kind="stable")
    main = order[0]
    alone = (n_members >= _LEAST_SHARE * n_columns) & (n_entries > 0)
    group = np.where(alone[group], group, main)
    return [np.flatnonzero(group == name) for name in order if (group == name).any()]


def stands_alone(part, whole) -> bool:
    """Whether a group is one column of several: it has a mean and a deviation, and no factors."""
    return part.shape[1] == 1 < whole.shape[1]


def solved_by_group(solved, array, columns, keep_rows):
    """The answer and what is kept of it, `FittedMatrix`, or `UnjoinedColumns` of several.

    ``solved(array, columns)`` solves some rows and columns, of numbers ``columns`` in the
    data; the answer is that of the group of most entries.
    """
    groups = joined_columns(array)
    if len(groups) == 1:
        return solved(array, columns)
    columns = np.arange(array.shape[1]) if columns is None else columns
    rows = [np.unique(observed_entries(array[:, group])[0]) for group in groups]
    pairs = zip(rows, groups, strict=True)
    answers, kept = zip(*(solved(array[r][:, c], columns[c]) for r, c in pairs), strict=True)
    n_rows = array.shape[0] if keep_rows else 0
    return answers[0], UnjoinedColumns(list(kept), groups, rows, n_rows, columns)


@dataclass(frozen=True)
class UnjoinedColumns:
    """A fit for each group of columns: read as one fit of all of them, `FittedMatrix`."""

    groups: list[FittedMatrix]
    places: list[np.ndarray]  # of each group's columns among those that the fit kept
    rows: list[np.ndarray]  # numbers of the fitted rows of each group
    n_rows: int  # of the fitted matrix, 0 if they were not kept
    columns: np.ndarray  # that the fit kept

    narrowed = FittedMatrix.narrowed

    def components(self) -> np.ndarray:
        """Those of all groups, each 0 in the columns of the others."""
        parts = [group.components() for group in self.groups]
        whole = np.zeros((sum(map(len, parts)), len(self.columns)))
        first = 0
        for place, part in zip(self.places, parts, strict=True):
            whole[first : first + len(part), place] = part
            first += len(part)
        return whole

    @property
    def apart(self) -> np.ndarray:
        """Standard deviations of columns of which factors tell nothing; NaN for the others."""
        whole = np.empty(len(self.columns))
        for place, group in zip(self.places, self.groups, strict=True):
            whole[place] = group.apart
        return whole

    def read(self, read, array, wanted=None):
        """What a reader makes of rows: of each group from the row's entries there."""
        if wanted is None:
            result = np.empty((array.shape[0], len(self.columns)))
            for place, group in zip(self.places, self.groups, strict=True):
                result[:, place] = group.read(read, array[:, group.columns])
            return result

        def within(group, own, rows, columns):
            return group.read(read, array[:, group.columns], (rows, columns))

        return self._by_group(within, *wanted)

    def entries(self, rows, columns) -> np.ndarray:
        """Estimates of entries of the fitted matrix, by number of row and kept column."""

        def within(group, own, rows, columns):
            known = np.isin(rows, own)
            nothing = np.full((1, len(group.columns)), np.nan)
            values = group.read(completions, nothing)[0, columns]
            values[known] = group.entries(np.searchsorted(own, rows[known]), columns[known])
            return values

        return self._by_group(within, rows, columns)

    def _by_group(self, within, rows, columns) -> np.ndarray:
        values = np.empty(len(rows))
        for place, group, own in zip(self.places, self.groups, self.rows, strict=True):
            here = np.isin(columns, place)
            if here.any():
                numbers = np.searchsorted(place, columns[here])
                values[here] = within(group, own, rows[here], numbers)
        return values
