"""What is read from completed matrices, and what a fit on one keeps for new rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ...problems import map_tensors, point
from ...solvers import weighted_average
from ..fitting import fitted_on_one
from ..matrices import line_counts, observed_entries
from ..parallel import share_of_threads
from ..solving import FittedRows, Mean, reconstruction, to_tensors
from ..tasks import to_values

completions = Mean(reconstruction)
# Doubles in each of the arrays that a block of new rows is solved with.
_BLOCK = 200_000


def some_entries(problem, weights, runs, wanted) -> list[np.ndarray]:
    """Estimates of the entries at ``wanted[t] = (rows, columns)``; nothing of size p q is made."""
    p, q = problem.observed.shape[1:]
    sizes = [len(rows) for rows, _ in wanted]
    task = np.repeat(np.arange(len(wanted)), sizes)
    rows = np.concatenate([rows for rows, _ in wanted]) + task * p
    columns = np.concatenate([columns for _, columns in wanted]) + task * q
    places = [torch.from_numpy(index.astype(np.int64, copy=False)) for index in (rows, columns)]
    values = (problem.entries(run, *places) for run in runs)
    estimates = weighted_average(weights[:, torch.from_numpy(task)], values).numpy()
    return np.split(estimates, np.cumsum(sizes)[:-1])


def deviations(problem, weights, runs, wanted) -> np.ndarray:
    """Standard deviations of all entries, were they measured, (T, p, q).

    Of the mixture of what the runs predict.
    """
    runs = [with_surprise(problem, run) for run in runs]
    mean = weighted_average(weights, map(problem.reconstruct, runs))

    def second_moment(run):
        variance = run["surprise"] * problem.predictive_variance(run)
        return variance + (problem.reconstruct(run) - mean).square()

    return weighted_average(weights, map(second_moment, runs)).sqrt().numpy()


def with_surprise(problem, variables):
    """The variables and, if the problem can tell, by how much its variances are too small."""
    if "surprise" in variables or not hasattr(problem, "surprise"):
        return variables
    return {**variables, "surprise": problem.surprise(variables)[:, None, None]}


def spread_apart(array, scale) -> np.ndarray:
    """Standard deviations of columns of which factors tell nothing; NaN for the others.

    Those without a scale: constant, alone, or of hardly an entry. Infinite without any.
    """
    _, columns, values = observed_entries(array)
    n = np.maximum(counts := line_counts(array)[1], 1)
    away = values - (np.bincount(columns, values, len(n)) / n)[columns]
    spread = np.sqrt(np.bincount(columns, away**2, len(n)) / n)
    spread = np.where(np.broadcast_to(scale, len(n)) == 0, spread, np.nan)
    return np.where(counts == 0, np.inf, spread)


@dataclass(frozen=True)
class FittedMatrix(FittedRows):
    """What a fit on one matrix keeps."""

    row_means: list  # point estimates (n_rows, k) of the fitted rows in each run; may be empty
    columns: np.ndarray | None = None  # that the fit kept; None for all
    apart: np.ndarray | None = None  # `spread_apart` of each kept column

    @classmethod
    @torch.no_grad()
    def of(cls, answer, options, keep_rows=True, **more):
        problem, (weights, parts) = answer.problem, cls.main_parts(answer)
        runs, row_means = [], []
        for variables in parts:
            # The rows as new ones will be solved, given the others.
            variables = with_surprise(problem, problem.with_rows(variables))
            runs.append(cls.kept(problem, variables))
            row_means += [point(variables["U"])[0].numpy()] * keep_rows
        return cls(*cls.made_with(problem, options), weights, runs, row_means, **more)

    @property
    def n_rows(self) -> int:
        """Of the fitted matrix; 0 if they were not kept."""
        return len(self.row_means[0]) if self.row_means else 0

    def components(self) -> np.ndarray:
        """Vᵀ of the run that weighs most, in the units of the data, (k, n_columns)."""
        scale, right = self.options["scale"], point(self.runs[0]["V"])
        return (scale[0].T * right[0]).T.copy()

    def narrowed(self, array):
        """Without the columns that the fit dropped."""
        whole = self.columns is None or len(self.columns) == array.shape[1]
        return array if whole else array[:, self.columns]

    def read(self, read, array, wanted=None):
        """In blocks of rows: what becomes of one depends on no other, and memory stays small."""
        array = self.narrowed(array)
        n_rows, n_columns = array.shape
        # Of single entries of sparse rows nothing is as wide as these.
        width = 1 if wanted and sparse.issparse(array) else n_columns
        size = max(1, _BLOCK // max(width, self._row_size))
        blocks = [slice(start, start + size) for start in range(0, n_rows, size)]

        def of(rows):
            return FittedRows.read(self, read, array[rows], wanted and _within(rows, wanted))

        if wanted or len(blocks) == 1:
            return np.concatenate([of(rows) for rows in blocks])
        result = np.empty((n_rows, n_columns))
        for rows in blocks:
            result[rows] = of(rows)
        return result

    @property
    def _row_size(self) -> int:
        """Doubles that the posteriors of one row take in all runs."""
        k = point(self.runs[0]["V"]).shape[2]
        return len(self.runs) * k * (k + 1) // 2

    def solved(self, problem, array):
        if problem.one_start_at_a_time:
            for kept in self.runs:
                variables = to_tensors(kept)
                yield problem.with_rows(variables)
            return
        # In one batch: of few rows, the calls cost more than the arithmetic.
        many = map_tensors(lambda *a: torch.from_numpy(np.concatenate(a)), *self.runs)
        seen = (problem.row_counts["V"][0] > 0).nonzero()[:, 0]
        seen = seen if len(seen) else torch.zeros(1, dtype=torch.long)
        units, right = problem.of_columns(many, seen)
        few = self.problem(to_values([array[:, seen.numpy()]]), **{**self.options, **units})
        rows = few.repeat(len(self.runs)).with_rows(right)
        many |= {name: rows[name] for name in problem.local_blocks}
        for i in range(len(self.runs)):
            yield map_tensors(lambda tensor, i=i: tensor[i : i + 1], many)

    @share_of_threads()
    def entries(self, rows, columns) -> np.ndarray:
        """Estimates of entries of the fitted matrix, by number of row and kept column."""
        n_columns = point(self.runs[0]["V"]).shape[1]
        problem = self.problem_of(sparse.csr_array((self.n_rows, n_columns)))
        weights = torch.tensor(self.weights)[:, None]
        runs = (
            to_tensors({**kept, "U": left[None]})
            for kept, left in zip(self.runs, self.row_means, strict=True)
        )
        return some_entries(problem, weights, runs, [(rows, columns)])[0]


def _within(rows: slice, wanted):
    """Those of some entries, given row after row, that are in these rows, counted from there."""
    first, last = np.searchsorted(wanted[0], (rows.start, rows.stop))
    return wanted[0][first:last] - rows.start, wanted[1][first:last]


class PredictsEntries:
    """Single entries of the matrix that a completer was fitted to."""

    _fitted: Any
    n_features_in_: int
    _clipped: Any

    @available_if(fitted_on_one)
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
            If an index is no integer, or of no row or column of the fitted matrix; or if
            this was a large table, of which only some rows were fitted.
        """
        check_is_fitted(self)
        fitted, width = self._fitted.rows, self.n_features_in_
        if not fitted.n_rows:
            raise ValueError(
                "The rows of large tables are not kept: complete them by transform or reconstruct."
            )
        rows, columns = np.broadcast_arrays(
            _as_index(rows, fitted.n_rows, "rows"), _as_index(columns, width, "columns")
        )
        kept = np.arange(width) if fitted.columns is None else fitted.columns
        number = np.full(width, -1)
        number[kept] = np.arange(len(kept))
        dropped = np.unique(columns[number[columns] < 0])
        if len(dropped):
            raise ValueError(f"columns {dropped.tolist()} had no entry and were dropped.")
        own = number[columns.ravel()]
        values = self._clipped(fitted.entries(rows.ravel(), own), width, own)
        return values.reshape(rows.shape)


def _as_index(numbers, size, name) -> np.ndarray:
    index = np.asarray(numbers)
    if index.dtype.kind not in "iu" and index.size:
        raise ValueError(f"{name} must be integers, got {index.dtype}.")
    outside = index[(index < 0) | (index >= size)]
    if outside.size:
        raise ValueError(f"{name} must lie in [0, {size}), got {outside.flat[0]}.")
    return index.astype(np.int64)
