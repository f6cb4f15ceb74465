"""What is kept of a fit on one matrix, and what new rows and single entries get from it."""

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ._answers import row_means, some_entries, with_surprise
from ._matrices import line_counts
from ._solving import to_values
from .problems.base import map_tensors, point

# Starts that count for less are not kept for new rows.
_LEAST_SHARE = 1e-3


def not_meta_fitted(completer):
    if hasattr(completer, "n_tasks_in_"):
        raise AttributeError("fitted on a collection, whose tasks have features of their own")
    return True


class FittedRows:
    """The part of a completer that was fitted on one matrix."""

    def _keep(self, found):
        """What new rows need, as numpy arrays: every start that counts, the best one first."""
        shares = found.shares[:, 0]
        order = shares.argsort(descending=True, stable=True)
        order = order[shares[order] >= _LEAST_SHARE]
        runs = [found.runs[i] for i in order]
        problem = found.problem
        self._shares = (shares[order] / shares[order].sum()).numpy()
        self._fixed, self._rows = [], []
        for run in runs:
            # The rows as new ones will be solved, given the others.
            left = problem.minimize_block(run.variables, "U")
            variables = with_surprise(problem, {**run.variables, "U": left})
            self._rows.append(row_means(variables))
            del variables["U"]
            # In the one order that pickles keep: sums in another differ in their last digit.
            self._fixed.append(map_tensors(lambda t: t.contiguous().numpy(), variables))
        solution = runs[0]
        self._scale = problem.scale.numpy()
        right = point(solution.variables["V"])
        self.components_ = (problem.scale[0] * right[0]).numpy().T.copy()
        self.n_components_ = len(self.components_)
        self.n_iter_ = int(solution.n_iter[0])
        self.n_guarded_ = int(solution.n_guarded[0])
        self.objective_ = float(solution.objective[0])

    @available_if(not_meta_fitted)
    def predict_entries(self, rows, columns):
        """Low-rank estimates of some entries of the fitted matrix, which is never made dense.

        Parameters
        ----------
        rows, columns : array-like of int
            Of the entries, counted from 0; broadcast against one another. Observed
            entries may be among them.

        Returns
        -------
        values : ndarray of the shape of rows and columns
            Those of `reconstruct`, in double precision.

        Raises
        ------
        ValueError
            If an index is no integer, or of no row or column of the fitted matrix.
        """
        check_is_fitted(self, "_seed")
        n_rows, width = len(self._rows[0]), self.n_features_in_
        rows, columns = np.broadcast_arrays(
            _as_index(rows, n_rows, "rows"), _as_index(columns, width, "columns")
        )
        kept = np.arange(width) if self._columns is None else self._columns
        number = np.full(width, -1)
        number[kept] = np.arange(len(kept))
        dropped = np.unique(columns[number[columns] < 0])
        if len(dropped):
            raise ValueError(f"columns {dropped.tolist()} had no entry and were dropped.")
        wanted = rows.ravel(), number[columns.ravel()]
        nothing = sparse.csr_array((n_rows, len(kept)))
        (found,) = self._rows_answers(nothing, some_entries, wanted, left=self._rows)
        return self._clipped(found, width, wanted[1]).reshape(rows.shape)

    def _rows_answers(self, array, read, wanted, left=None):
        """A reading of rows that are solved given the fitted components, or known."""
        problem = self._problem(
            to_values([array]), self.n_components_, scale=torch.from_numpy(self._scale.copy())
        )
        if left is None:
            runs = self._solved_rows(problem, array)
        else:
            runs = (_placed(fixed, u) for fixed, u in zip(self._fixed, left, strict=True))
        return read(problem, torch.tensor(self._shares)[:, None], runs, [wanted])

    def _solved_rows(self, problem, array):
        """Variables of each start, the rows of the problem solved given the others."""
        if problem.one_start_at_a_time:
            for fixed in self._fixed:
                variables = map_tensors(lambda a: torch.from_numpy(a.copy()), fixed)
                yield {**variables, "U": problem.minimize_block(variables, "U")}
            return
        # In one batch: of few rows, the calls cost more than the arithmetic.
        many = map_tensors(lambda *a: torch.from_numpy(np.concatenate(a)), *self._fixed)
        seen = np.flatnonzero(line_counts(array)[1])
        right = {**many, "V": _of_columns(many["V"], seen)}
        few = self._problem(to_values([array[:, seen]]), self.n_components_, scale=problem.scale)
        many["U"] = few.repeat(len(self._fixed)).minimize_block(right, "U")
        for i in range(len(self._fixed)):
            yield map_tensors(lambda tensor, i=i: tensor[i : i + 1], many)


def _of_columns(block, columns):
    """The part of the right factor that rows observed in these columns depend on."""
    if columns.size == point(block).shape[1]:
        return block
    columns = torch.from_numpy(columns)
    if isinstance(block, torch.Tensor):
        return block[:, columns]
    return block._replace(mean=block.mean[:, columns], covariance=block.covariance[..., columns])


def _placed(fixed, left):
    """Variables of a start, its rows known by their point estimates."""
    variables = map_tensors(lambda a: torch.from_numpy(a.copy()), fixed)
    return {**variables, "U": torch.from_numpy(left.copy())[None]}


def _as_index(numbers, size, name) -> np.ndarray:
    index = np.asarray(numbers)
    if index.dtype.kind not in "iu" and index.size:
        raise ValueError(f"{name} must be integers, got {index.dtype}.")
    outside = index[(index < 0) | (index >= size)]
    if outside.size:
        raise ValueError(f"{name} must lie in [0, {size}), got {outside.flat[0]}.")
    return index.astype(np.int64)
