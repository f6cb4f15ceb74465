"""What is one matrix, what is a collection; masks, groups and containers."""

import warnings

import numpy as np
from scipy import sparse
from sklearn.utils import check_array

# Doubles held at once by a batch of tasks, about 100 MB with what the loop needs.
MEMORY_BOUND = 2_000_000


def _is_matrix(element) -> bool:
    return sparse.issparse(element) or len(getattr(element, "shape", ())) == 2


def as_tasks(X) -> list | None:
    """The tasks of a collection, or None where X is one matrix.

    A collection is a non-empty list or tuple whose every element is sparse or
    has a two-dimensional ``shape``, a three-dimensional array, or a
    one-dimensional object array of matrices. Everything else is one matrix (or an
    error that scikit-learn's validation will report).

    Raises
    ------
    ValueError
        For a list in which only some elements are matrices.
    """
    if sparse.issparse(X) or hasattr(X, "columns"):
        return None
    if isinstance(X, list | tuple) and len(X):
        kinds = [_is_matrix(element) for element in X]
        if all(kinds):
            return list(X)
        if any(kinds):
            raise ValueError(
                "X mixes matrices with other elements: element "
                f"{kinds.index(False)} of the collection is no matrix."
            )
        return None
    if getattr(X, "ndim", None) == 3:
        if not len(X):
            raise ValueError("Found a collection of 0 tasks while a minimum of 1 is required.")
        return list(X)
    is_objects = getattr(X, "ndim", None) == 1 and X.dtype.kind == "O"
    if is_objects and len(X) and all(map(_is_matrix, X)):
        return list(X)
    return None


def same_container(tasks: list[np.ndarray], like):
    """The tasks in the container they came in; a list where that was a tuple."""
    if getattr(like, "ndim", None) == 3:
        return np.stack(tasks) if tasks else np.empty(like.shape)
    if isinstance(like, np.ndarray):
        objects = np.empty(len(tasks), dtype=object)
        objects[:] = tasks
        return objects
    return tasks


def unmask(X):
    """NaN for the masked entries of ``np.ma`` arrays, which check_array would drop."""
    if not isinstance(X, np.ma.MaskedArray):
        return X
    # Kinds that have a NaN keep their type: complex entries must be refused later.
    data = X.data if X.dtype.kind in "fcO" else X.data.astype(np.float64)
    return np.where(np.ma.getmaskarray(X), np.nan, data)


def densify(X) -> np.ndarray:
    """Stored entries of a sparse matrix are observed, the others are NaN."""
    if not sparse.issparse(X):
        return X
    coo = X.tocoo(copy=True)
    coo.sum_duplicates()
    dense = np.full(coo.shape, np.nan, dtype=np.result_type(coo.dtype, np.float32))
    dense[coo.row, coo.col] = coo.data
    return dense


def check_observed(X: np.ndarray, name: str = "X") -> None:
    """Raise if a matrix has no observed entry."""
    if np.isnan(X).all():
        raise ValueError(f"{name} has no observed entry: all {X.size} entries are missing.")


def check_collection(tasks: list, estimator, **check_params) -> list[np.ndarray]:
    """Validate every task as scikit-learn validates one X; errors name the index.

    Raises
    ------
    ValueError, TypeError
        Of the first broken task, with its index in front.
    """
    checked = []
    for i, task in enumerate(tasks):
        try:
            array = check_array(
                unmask(task), estimator=estimator, input_name=f"X[{i}]", **check_params
            )
            checked.append(densify(array))
            check_observed(checked[-1])
        except (ValueError, TypeError) as error:
            raise type(error)(f"Task {i} of the collection: {error}") from error
    return checked


def warn_empty(arrays, columns=True):
    """One warning for all rows, and columns, without an observed entry."""
    found = []
    for i, array in enumerate(arrays):
        missing = np.isnan(array)
        where = f" of task {i}" if len(arrays) > 1 else ""
        for what, empty in (
            ("Rows", missing.all(axis=1)),
            ("Columns", missing.all(axis=0) if columns else np.zeros(0, bool)),
        ):
            if empty.any():
                found.append(f"{what} {np.flatnonzero(empty).tolist()}{where}")
    if found:
        warnings.warn(
            f"{'; '.join(found)} of X have no observed entry and are filled from the prior.",
            UserWarning,
            stacklevel=4,
        )


def batches(tasks: list[np.ndarray], cost) -> list[list[int]]:
    """Indices of tasks of equal shape, in chunks that fit the memory bound.

    Parameters
    ----------
    tasks : list of ndarray
    cost : callable
        From a shape to the number of doubles that a task of it needs.
    """
    by_shape: dict[tuple, list[int]] = {}
    for i, task in enumerate(tasks):
        by_shape.setdefault(task.shape, []).append(i)
    chunks = []
    for shape, indices in by_shape.items():
        size = max(1, int(MEMORY_BOUND // cost(shape)))
        chunks += [indices[i : i + size] for i in range(0, len(indices), size)]
    return chunks
