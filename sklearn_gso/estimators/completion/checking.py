"""What comes in: one matrix, rows, collections, and truths."""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from ..lazy import mapped
from ..matrices import looks_one_hot, unseen
from ..reporting import warn
from ..tasks import check_collection, check_observed, check_truths, warn_empty

_DEFAULT_COMPONENTS = 10


class Checking:
    """The part of a completer that checks its data."""

    n_components: int | None
    _bounds: Any
    _checks: Any
    _marked: Any
    _unmasked: Any

    def _n_components(self, array) -> int:
        """Components for a matrix."""
        if self.n_components is None:
            return min(_DEFAULT_COMPONENTS, *array.shape)
        return min(int(self.n_components), *array.shape)

    def _check_components(self, shapes):
        """``n_components`` is an upper bound: warn where it is out of reach."""
        if self.n_components is None:
            return
        small = [
            (i, min(shape)) for i, shape in enumerate(shapes) if self.n_components > min(shape)
        ]
        if small:
            number, least = small[0]
            task = f" of task {number}" if len(shapes) > 1 else ""
            warn(
                f"n_components={self.n_components} is more than min(n_samples, n_features)={least}"
                f"{task}: as many are used."
            )

    def _checked_matrix(self, X):
        checks = self._checks()
        checked = check_array(self._unmasked(X), estimator=self, input_name="X", **checks)
        array = self._marked(checked)
        check_observed(array)
        if looks_one_hot(array):
            warn(
                "Most stored entries of X are 1, as in one-hot columns. What a sparse matrix does "
                "not store counts as missing, not as 0; where it is 0, pass X.toarray()."
            )
        return array

    def _checked_rows(self, X):
        checked = validate_data(self, self._unmasked(X), reset=False, **self._checks())
        array = self._marked(checked)
        warn_empty([array], columns=False)
        return array

    def _checked_tasks(self, tasks):
        arrays = check_collection(tasks, self, self._marked, self._unmasked, **self._checks())
        self._check_components([array.shape for array in arrays])
        for array in arrays:
            self._bounds(array.shape[1])
        warn_empty(arrays)
        return arrays

    def _checked_truths(self, arrays, y):
        if y is None:
            return None
        checks = self._checks(ensure_all_finite="allow-nan")
        return mapped(self._marked, check_truths(y, arrays, self, **checks))

    def _unseen_truths(self, arrays, y):
        """The truths where the optimizer does not see them; all where it sees everything."""
        truths = self._checked_truths(arrays, y)
        return truths and mapped(_unseen, truths, arrays)


def _unseen(truth, task):
    """The truth where the optimizer does not see it; all of it if it sees everything."""
    rows, columns, values = unseen(truth, task)
    if not len(values):
        return truth
    if sparse.issparse(task):
        return sparse.csr_array((values, (rows, columns)), shape=task.shape)
    hidden = np.full(truth.shape, np.nan)
    hidden[rows, columns] = values
    return hidden
