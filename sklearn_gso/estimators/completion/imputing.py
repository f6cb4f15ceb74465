"""What is expected of an imputer: markers of missing entries, bounds, columns, indicators."""

import numbers
from collections.abc import Mapping

import numpy as np
from scipy import sparse
from sklearn.impute import MissingIndicator
from sklearn.utils import check_array
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ...rules.accepts import FLAG, Accepts, is_flag
from ..fitting import fitted_on_one
from ..matrices import (
    check_numbers,
    check_unique,
    is_null,
    line_counts,
    observed_entries,
    stored,
    without,
    without_null,
)
from ..tasks import unmask


def _marks_missing(value) -> bool:
    is_number = isinstance(value, numbers.Real) and not is_flag(value)
    return is_null(value) or (is_number and bool(np.isfinite(value)))


def _is_free(bound, infinite) -> bool:
    return bound is None or (np.ndim(bound) == 0 and bound == infinite)


class Bounded:
    """Bounds of what is filled in."""

    def _by_position(self, name, free, width, names):
        """A bound that may be None, or a dict by the names of columns."""
        value = getattr(self, name)
        if value is None:
            return free
        if not isinstance(value, Mapping):
            return value
        names = getattr(self, "feature_names_in_", None) if names is None else names
        names = list(names if names is not None else ())
        unknown = [key for key in value if key not in names]
        if unknown:
            raise ValueError(f"{name} names columns that X does not have: {unknown}.")
        return [value.get(column, free) for column in names]

    def _bounds(self, width, names=None) -> tuple[np.ndarray, np.ndarray]:
        """Least and largest value of each column.

        Raises
        ------
        ValueError
            If a bound is no number or none for each column, or they cross.
        """
        found = []
        for name, free in (("min_value", -np.inf), ("max_value", np.inf)):
            value = self._by_position(name, free, width, names)
            try:
                bound = np.asarray(value, dtype=np.float64)
            except (TypeError, ValueError):
                bound = np.empty((0, 0))
            if bound.shape not in ((), (width,)) or np.isnan(bound).any():
                raise ValueError(
                    f"{name} must be None, a number, one for each of {width} columns or a dict "
                    f"by their names, got {value!r}."
                )
            found.append(np.broadcast_to(bound, width))
        crossed = np.flatnonzero(found[0] > found[1])
        if len(crossed):
            raise ValueError(
                f"min_value must be <= max_value, but is not in columns {crossed.tolist()}."
            )
        return found[0], found[1]


class Imputing(Bounded):
    """Parameters of an imputer, for a completer; they act on one matrix at a time."""

    accepts = {
        "missing_values": Accepts("NaN, None, pandas.NA or a finite number", _marks_missing),
        "keep_empty_features": FLAG,
        "add_indicator": FLAG,
        "copy": FLAG,
    }

    # What comes in ----------------------------------------------------------------

    def _checks(self, **more):
        finite = "allow-nan" if is_null(self.missing_values) else True
        return {
            "accept_sparse": ("csr", "csc", "coo"),
            "dtype": [np.float64, np.float32],
            "ensure_all_finite": finite,
            **more,
        }

    def _unmasked(self, X):
        """NaN for masked entries and, among objects, for all kinds of null."""
        X = unmask(X)
        check_unique(X)
        X = without_null(X) if is_null(self.missing_values) else X
        check_numbers(X)
        return X

    def _marked(self, array):
        """The checked matrix: NaN where missing, CSR of the observed entries if sparse."""
        array = stored(array)
        if is_null(self.missing_values):
            return array
        return without(array, self.missing_values)

    def _indicator_of(self, array) -> MissingIndicator | None:
        """Of the columns that had missing entries in a fit."""
        if not self.add_indicator:
            return None
        holes = np.where(line_counts(array)[1] < array.shape[0], np.nan, 0.0)
        return MissingIndicator(error_on_new=False).fit(holes[None])

    def _narrowed(self, array):
        """Without the columns that the fit dropped."""
        rows = self._fitted.rows
        return array if rows is None else rows.narrowed(array)

    # What goes out ----------------------------------------------------------------

    def _clipped(self, estimates, width, columns=slice(None)):
        """Estimates within the bounds of their columns, of a matrix of that width."""
        if _is_free(self.min_value, -np.inf) and _is_free(self.max_value, np.inf):
            return estimates
        low, high = (self._narrowed(bound[None])[0][columns] for bound in self._bounds(width))
        return np.clip(estimates, low, high)

    def _filled(self, array, estimates):
        """The narrowed estimates where the matrix has no entry of its own."""
        narrow = self._narrowed(array)
        estimates = self._clipped(estimates, array.shape[1]).astype(array.dtype, copy=False)
        if sparse.issparse(narrow):
            rows, columns, values = observed_entries(narrow)
            estimates[rows, columns] = values
        elif self.copy or not narrow.flags.writeable:
            np.copyto(estimates, narrow, where=~np.isnan(narrow))
        else:
            np.copyto(narrow, estimates, where=np.isnan(narrow))
            estimates = narrow
        return self._with_indicator(array, estimates)

    def _with_indicator(self, array, filled):
        indicator = getattr(self, "indicator_", None)
        if indicator is None:
            return filled
        missing = np.ones(array.shape, bool)
        rows, columns, _ = observed_entries(array)
        missing[rows, columns] = False
        return np.hstack([filled, missing[:, indicator.features_].astype(filled.dtype)])

    @available_if(fitted_on_one)
    def inverse_transform(self, X):
        """The way back of a pipeline: filled data as they are, in the columns of the fit.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_out)
            As `transform` returns them.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
            Without indicators; NaN in columns that the fit dropped.
        """
        check_is_fitted(self)
        names = self._names_out(np.arange(self.n_features_in_).astype(str).astype(object))
        X = check_array(X, ensure_all_finite="allow-nan", dtype=[np.float64, np.float32], copy=True)
        if X.shape[1] != len(names):
            raise ValueError(f"X has {X.shape[1]} columns, but transform gives {len(names)}.")
        rows = self._fitted.rows
        if rows.columns is None:
            return X[:, : self.n_features_in_]
        whole = np.full((len(X), self.n_features_in_), np.nan, dtype=X.dtype)
        whole[:, rows.columns] = X[:, : len(rows.columns)]
        return whole

    def _names_out(self, names):
        """Names of the columns of what `_filled` gives."""
        kept = self._narrowed(np.asarray(names, dtype=object)[None])[0]
        if self.indicator_ is None:
            return kept
        return np.concatenate([kept, self.indicator_.get_feature_names_out(names)])
