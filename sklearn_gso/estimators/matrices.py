"""One matrix with missing entries: dense with NaN, or sparse, its stored entries observed."""

import math
import numbers

import numpy as np
from scipy import sparse

# Entries, and the observed share, from where on stored entries alone are faster.
_LARGE, _LITTLE = 250_000, 0.05
# Entries of each column of a large table that a fit needs.
_ENOUGH = 5000
# Entries looked at at once.
_BLOCK = 1 << 17
# Share of ones among stored entries from where on the others are rather zeros than unknown.
_ONE_HOT = 0.8


def looks_one_hot(X) -> bool:
    """Whether stored entries of a sparse matrix are ones, and the others rather zeros."""
    return sparse.issparse(X) and X.nnz > 0 and float(np.mean(X.data == 1)) >= _ONE_HOT


def is_null(value) -> bool:
    """None, NaN, or the NA and NaT of pandas."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, numbers.Real) and math.isnan(value)


def without_null(X):
    """NaN for all kinds of null among the objects of a frame or an array."""
    if getattr(X, "ndim", 2) != 2:
        return X
    if hasattr(X, "notna") and any(getattr(t, "kind", "") == "O" for t in X.dtypes):
        return X.where(X.notna(), np.nan)
    if isinstance(X, np.ndarray) and X.dtype.kind == "O":
        return np.where(np.frompyfunc(is_null, 1, 1)(X).astype(bool), np.nan, X)
    return X


def check_numbers(X) -> None:
    """Raise a ValueError that names the first column of a frame or an array without numbers."""
    if hasattr(X, "iloc"):
        if X.ndim == 1:
            raise ValueError(
                f"Expected a 2-dimensional container but got {type(X)} instead: pass a "
                "DataFrame, as X.to_frame()."
            )
        # Columns of numbers are not looked at: each would be a Series of its own.
        kinds = [getattr(dtype, "kind", "O") for dtype in X.dtypes]
        others = [j for j, kind in enumerate(kinds) if kind in "OSUmM"]
        columns = [(repr(X.columns[j]), X.iloc[:, j]) for j in others]
    elif hasattr(X, "get_columns"):  # a frame of polars
        own = [column for column in X.get_columns() if not column.dtype.is_numeric()]
        columns = [(repr(column.name), column.to_numpy()) for column in own]
    elif isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "OSUmM":
        columns = [(str(j), column) for j, column in enumerate(X.T)]
    else:
        return
    for name, column in columns:
        kind = getattr(column.dtype, "kind", "O")
        if kind in "mM":
            raise ValueError(
                f"Column {name} of X holds dates or times: numbers are needed, as days since a "
                "date, NaN where one is missing."
            )
        if kind in "OSU":
            try:
                np.asarray(column, dtype=float)
            except (TypeError, ValueError) as error:
                raise type(error)(f"{error}, in column {name} of X.") from error


def check_unique(X) -> None:
    """Raise a ValueError that names a cell of a sparse matrix that has several entries."""
    if not sparse.issparse(X) or getattr(X, "has_canonical_format", False):
        return
    coo = sparse.coo_array(X)
    order = np.lexsort((coo.col, coo.row))
    rows, columns = coo.row[order], coo.col[order]
    same = np.flatnonzero((np.diff(rows) == 0) & (np.diff(columns) == 0))
    if len(same):
        cell = int(rows[same[0]]), int(columns[same[0]])
        raise ValueError(
            f"X has several entries in cell {cell}: keep one of them, as their mean; scipy would "
            "add them up."
        )


def stored(X):
    """A sparse matrix as CSR of sorted entries; NaN is missing.

    Anything else is handed back as it is.
    """
    if not sparse.issparse(X):
        return X
    csr = sparse.coo_array(X).tocsr()
    csr.sum_duplicates()
    csr.data = csr.data.astype(np.result_type(csr.dtype, np.float32), copy=False)
    return _only(csr, ~np.isnan(csr.data))


def _only(csr, chosen):
    """The stored entries where ``chosen``."""
    if chosen.all():
        return csr
    n_before = np.concatenate([[0], np.cumsum(chosen)]).astype(csr.indptr.dtype)
    parts = (csr.data[chosen], csr.indices[chosen], n_before[csr.indptr])
    return sparse.csr_array(parts, shape=csr.shape)


def thinned(X):
    """A large dense matrix of which little is observed as a sparse one: time and memory."""
    if sparse.issparse(X) or X.size < _LARGE or count_observed(X) > _LITTLE * X.size:
        return X
    rows, columns, values = observed_entries(X)
    return sparse.csr_array((values, (rows, columns)), shape=X.shape)


def telling_rows(X, seed):
    """A large dense table's random rows, as many as tell its columns' part; else all of it.

    What one more entry of a column adds falls with their number. Columns of few entries keep
    all of them.
    """
    if sparse.issparse(X) or X.shape[0] < 2 * _ENOUGH:
        return X
    counts = line_counts(X)[1]
    share = _ENOUGH / max(1.0, float(np.median(counts)))
    if share > 0.5:
        return X
    chosen = np.random.RandomState(seed).rand(X.shape[0]) < share
    scarce = counts * share < min(_ENOUGH, counts.max()) / 2
    if scarce.any():
        chosen |= ~np.isnan(X[:, scarce]).all(1)
    return X[chosen] if chosen.mean() < 0.5 else X


def densify(X) -> np.ndarray:
    """Stored entries of a sparse matrix are observed, the others are NaN."""
    if not sparse.issparse(X):
        return X
    csr = stored(X)
    dense = np.full(csr.shape, np.nan, dtype=csr.dtype)
    rows, columns, values = observed_entries(csr)
    dense[rows, columns] = values
    return dense


def observed_entries(X) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and values of what is observed, row after row."""
    if sparse.issparse(X):
        rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
        return rows, X.indices, X.data
    index = np.int32 if max(X.shape) < np.iinfo(np.int32).max else np.int64
    places = [(start, *np.nonzero(seen)) for start, seen in _observed_blocks(X)]
    rows = np.concatenate([(start + rows).astype(index) for start, rows, _ in places])
    columns = np.concatenate([columns.astype(index) for *_, columns in places])
    return rows, columns, X[rows, columns]


def _observed_blocks(X):
    """Number of the first row, and where entries are observed, of some rows at a time.

    A mask of all of a large matrix would be an eighth of its memory.
    """
    step = max(1, _BLOCK // max(1, X.shape[1]))
    for start in range(0, max(1, X.shape[0]), step):
        yield start, ~np.isnan(X[start : start + step])


def count_observed(X) -> int:
    """Number of observed entries."""
    if sparse.issparse(X):
        return X.nnz
    return sum(int(np.count_nonzero(seen)) for _, seen in _observed_blocks(X))


def line_counts(X) -> tuple[np.ndarray, np.ndarray]:
    """Observed entries of each row and of each column."""
    if sparse.issparse(X):
        return np.diff(X.indptr), np.bincount(X.indices, minlength=X.shape[1])
    counts = [(seen.sum(1), seen.sum(0)) for _, seen in _observed_blocks(X)]
    return np.concatenate([rows for rows, _ in counts]), sum(columns for _, columns in counts)


def without(X, value):
    """The matrix with another value's entries missing, too."""
    if sparse.issparse(X):
        return _only(X, X.data != value)
    return np.where(value == X, np.nan, X)


def unseen(truth, X) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and values of what ``truth`` knows and ``X`` does not, row after row."""
    rows, columns, values = observed_entries(truth)
    if sparse.issparse(X):
        others, own = observed_entries(X)[:2]
        width = np.int64(X.shape[1])
        keys = rows * width + columns
        new = ~np.isin(keys, others * width + own, assume_unique=True)
    else:
        new = np.isnan(X[rows, columns])
    return rows[new], columns[new], values[new]


def alike(truth, X):
    """A true matrix as dense or sparse as the one that it belongs to."""
    if not sparse.issparse(X):
        return densify(truth)
    rows, columns, values = observed_entries(stored(truth))
    return sparse.csr_array((values, (rows, columns)), shape=X.shape)


def hide_share(X, fraction, seed):
    """A copy without a random share of the observed entries, one at least."""
    n_observed = count_observed(X)
    n_hidden = round(max(fraction, 1 / n_observed) * n_observed)
    order = np.random.RandomState(seed).permutation(n_observed)[:n_hidden]
    hidden = np.zeros(n_observed, bool)
    hidden[order] = True
    if sparse.issparse(X):
        return _only(X, ~hidden)
    rows, columns, _ = observed_entries(X)
    copy = X.copy()
    copy[rows[hidden], columns[hidden]] = np.nan
    return copy
