"""Tables with missing entries: what comes in, and what goes out, names and indicators."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import OneToOneFeatureMixin
from sklearn.impute import MissingIndicator
from sklearn.utils import check_array
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from ..completion.imputing import Bounded, Imputing
from ..fitting import fitted_on_one
from ..tasks import as_tasks, unmask
from .blend import Blend
from .columns import Column, starts, to_numbers
from .containers import appended, filled_array, filled_frame
from .reading import Cells, is_frame, read_columns


@dataclass(frozen=True)
class Fitted:
    """What a fit on one table keeps."""

    blend: Blend
    columns: list[Column]
    kept: np.ndarray  # numbers of the columns that come out
    known: np.ndarray  # flags of the columns of numbers that had an observed entry

    def whole(self, numbers) -> np.ndarray:
        """Numbers (n, q) of the known columns with 0 in the others."""
        whole = np.zeros((len(numbers), len(self.known)))
        whole[:, self.known] = numbers
        return whole

    def decoded(self, numbers) -> list[np.ndarray]:
        """Values of every column, from numbers (n, q) of the known ones; of others 0 or null."""
        whole, first = self.whole(numbers), starts(self.columns)
        parts = [whole[:, first[j] : first[j + 1]] for j in range(len(self.columns))]
        return [c.from_numbers(part) for c, part in zip(self.columns, parts, strict=True)]


class Tables(Bounded):
    """The part of an imputer of tables that reads and writes them."""

    accepts = {name: kind for name, kind in Imputing.accepts.items() if name != "copy"}
    missing_values: Any
    handle_unknown: str
    add_indicator: bool
    indicator_: MissingIndicator | None
    _fitted: Any

    # What comes in ------------------------------------------------------------------------

    def _checked(self, X, check=check_array) -> tuple[Any, list[Cells]]:
        """A frame as it is, anything else as an array; and its columns."""
        if sparse.issparse(X):
            raise TypeError(
                "Sparse data was passed, but dense data is required: GSOMatrixCompleter takes "
                "sparse matrices."
            )
        X = _with_nulls(X)
        if not is_frame(X):
            X = check(X, dtype=None, ensure_all_finite="allow-nan")
        elif not all(X.shape):
            raise ValueError(f"Found a table of shape {X.shape}: it has no rows or no columns.")
        return X, read_columns(X, self.missing_values)

    def _checked_rows(self, X) -> tuple[Any, list[Cells]]:
        """The same of rows with the columns of the fit."""
        if as_tasks(X) is not None:
            raise ValueError("Fitted on one table: transform takes one table, not a collection.")
        if is_frame(X):
            validate_data(self, X, reset=False, skip_check_array=True)
        return self._checked(X, lambda X, **checks: validate_data(self, X, reset=False, **checks))

    def _indicator_of(self, read):
        """Of the columns that had missing entries in a fit."""
        if not self.add_indicator:
            return None
        return MissingIndicator(error_on_new=False).fit(_holes(read))

    def _numbers(self, X):
        """A table, its columns, and the known columns of numbers that it is for the models."""
        (table, read), fitted = self._checked_rows(X), self._fitted
        array = to_numbers(fitted.columns, read, self.handle_unknown == "error")
        return table, read, array[:, fitted.known]

    # What goes out ------------------------------------------------------------------------

    def _completed(self, table, read, numbers):
        """A table with estimates, numbers of the known columns, in place of what is missing."""
        return self._packed(table, read, self._fitted.decoded(self._within(numbers)))

    def _deviations(self, read, numbers, deviations) -> np.ndarray:
        """Of the columns that come out; of a category how likely another one is."""
        fitted = self._fitted
        numbers, deviations = fitted.whole(numbers), fitted.whole(deviations)
        first, result = starts(fitted.columns), []
        for j in fitted.kept:
            own = slice(first[j], first[j + 1])
            doubt = fitted.columns[j].doubt(numbers[:, own], deviations[:, own])
            result.append(np.where(read[j].nulls, doubt, 0.0))
        return np.column_stack(result)

    def _limits(self, columns) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the columns of numbers; of whole ones the whole numbers within them.

        Raises
        ------
        ValueError
            If a bound is none, or no whole number lies within them where one is needed.
        """
        low, high = self._bounds(len(columns), [column.name for column in columns])
        is_number = [column.categories is None for column in columns]
        is_whole = [column.whole for column in columns]
        low = np.where(is_number, np.where(is_whole, np.ceil(low), low), -np.inf)
        high = np.where(is_number, np.where(is_whole, np.floor(high), high), np.inf)
        if (low > high).any():
            name = columns[int(np.argmax(low > high))].name
            raise ValueError(f"No integer lies within min_value and max_value of column {name!r}.")
        return low, high

    def _within(self, numbers):
        """Estimates of the known columns within their bounds."""
        columns, known = self._fitted.columns, self._fitted.known
        widths = np.diff(starts(columns))
        low, high = (np.repeat(bound, widths)[known] for bound in self._limits(columns))
        return np.clip(numbers, low, high)

    def _packed(self, X, read, estimates):
        """A completed table, with indicators, in the container of X."""
        chosen = self._fitted.kept
        columns, own, estimates = (
            [items[j] for j in chosen] for items in (self._fitted.columns, read, estimates)
        )
        flags = None if self.indicator_ is None else self.indicator_.transform(_holes(read))
        set_output = getattr(self, "_sklearn_output_config", {})
        if is_frame(X) and set_output.get("transform") != "default":
            frame = filled_frame(X, chosen, own, columns, estimates)
            return frame if flags is None else appended(frame, self.get_feature_names_out(), flags)
        dtype: Any = object
        if all(column.categories is None for column in columns):
            dtype = np.float32 if getattr(X, "dtype", None) == np.float32 else np.float64
        array = filled_array(own, estimates, dtype)
        return array if flags is None else np.hstack([array, flags.astype(float).astype(dtype)])

    @available_if(fitted_on_one)
    def get_feature_names_out(self, input_features=None):
        """Names of the columns that `transform` gives.

        Parameters
        ----------
        input_features : array-like of str or None, default=None

        Returns
        -------
        feature_names_out : ndarray of str objects
        """
        check_is_fitted(self, "n_features_in_")
        names = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        kept = names[self._fitted.kept]
        if self.indicator_ is None:
            return kept
        return np.concatenate([kept, self.indicator_.get_feature_names_out(names)])


def _holes(read: list[Cells]) -> np.ndarray:
    """NaN where columns are null, 0 elsewhere, (n, q)."""
    return np.where(np.column_stack([cells.nulls for cells in read]), np.nan, 0.0)


def _with_nulls(X):
    """Masked entries as nulls, and lists with strings as objects, which keep NaN apart."""
    if isinstance(X, np.ma.MaskedArray) and X.dtype.kind in "bSUO":
        objects = X.data.astype(object)
        objects[np.ma.getmaskarray(X)] = None
        return objects
    if isinstance(X, list | tuple) and any(
        isinstance(value, str | bool) for row in X if isinstance(row, list | tuple) for value in row
    ):
        return np.array(X, dtype=object)
    return unmask(X)
