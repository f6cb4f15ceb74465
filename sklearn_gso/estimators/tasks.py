"""What is one matrix, what is a collection; masks, groups and containers."""

import importlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from scipy import sparse
from sklearn import get_config
from sklearn.utils import check_array, check_random_state

from .lazy import checked_all, is_lazy, is_matrix, lazy
from .matrices import alike, check_numbers, count_observed, line_counts, stored, without_null
from .reporting import warn

# Doubles held at once by a batch of tasks, about 100 MB with what the loop needs.
MEMORY_BOUND = 2_000_000
_MAX_NAMED = 100


def as_tasks(X, name="X") -> Sequence | None:
    """The tasks of a collection, or None where X is one matrix.

    A collection is a non-empty list or tuple whose every element is sparse or
    has a two-dimensional ``shape``, a three-dimensional array, a one-dimensional
    object array of matrices, or another sequence of matrices, which are then read
    one by one (`is_lazy`). Everything else is one matrix (or an error that
    scikit-learn's validation will report).

    Raises
    ------
    ValueError
        For a list, or array of objects, in which only some elements are matrices.
    TypeError
        For a dict and for what can be read once only.
    """
    # First: a sparse matrix by keys is a dict, too.
    if sparse.issparse(X) or hasattr(X, "columns"):
        return None
    if isinstance(X, Mapping | Iterator):
        raise TypeError(
            f"{name} is a {type(X).__name__}: a collection is a sequence of matrices, as a list of "
            "its values."
        )
    if is_lazy(X):
        return lazy(X)
    if getattr(X, "ndim", None) == 3:
        if not len(X):
            raise ValueError("Found a collection of 0 tasks while a minimum of 1 is required.")
        return list(X)
    is_objects = getattr(X, "ndim", None) == 1 and X.dtype.kind == "O"
    if not (is_objects or isinstance(X, list | tuple)):
        return None
    kinds = [is_matrix(element) for element in X]
    if any(kinds) and not all(kinds):
        raise ValueError(
            f"{name} mixes matrices with other elements: element "
            f"{kinds.index(False)} of the collection is no matrix."
        )
    return list(X) if any(kinds) else None


def same_container(tasks: list[np.ndarray], like):
    """The tasks in the container they came in; a list where that was a tuple."""
    if getattr(like, "ndim", None) == 3:
        return np.stack(tasks) if tasks else np.empty(like.shape)
    if isinstance(like, np.ndarray):
        objects = np.empty(len(tasks), dtype=object)
        objects[:] = tasks
        return objects
    return tasks


def in_frames(results, tasks, estimator, prefix=None):
    """Results of a collection as `set_output` asks for them.

    Their columns are named as those of each task, or by a prefix and their number.
    """
    asked = getattr(estimator, "_sklearn_output_config", {}).get("transform")
    asked = asked or get_config()["transform_output"]
    if asked == "default":
        return results
    make = importlib.import_module(asked).DataFrame
    frames = []
    for result, task in zip(results, tasks, strict=True):
        names = [] if prefix else [str(name) for name in getattr(task, "columns", [])]
        names = names or [f"{prefix or 'x'}{j}" for j in range(result.shape[1])]
        if asked == "pandas":
            frames.append(make(result, columns=names, index=getattr(task, "index", None)))
        else:
            frames.append(make(result, schema=names))
    return frames


def unmask(X):
    """NaN for the masked entries of ``np.ma`` arrays, which check_array would drop.

    A list of masked rows is one matrix and keeps its masks too.
    """
    if isinstance(X, list | tuple) and any(isinstance(row, np.ma.MaskedArray) for row in X):
        return [unmask(row) for row in X]
    if not isinstance(X, np.ma.MaskedArray):
        return X
    # Kinds that have a NaN keep their type: complex entries must be refused later.
    data = X.data if X.dtype.kind in "fcO" else X.data.astype(np.float64)
    return np.where(np.ma.getmaskarray(X), np.nan, data)


def as_numbers(X):
    """What is masked or null as NaN; a ValueError that names a column without numbers."""
    X = without_null(unmask(X))
    check_numbers(X)
    return X


def check_observed(X, name: str = "X") -> None:
    """Raise if a matrix has no observed entry."""
    if not count_observed(X):
        size = X.shape[0] * X.shape[1]
        raise ValueError(f"{name} has no observed entry: all {size} entries are missing.")


def check_columns(X, n_columns: int, what: str) -> np.ndarray:
    """What belongs to rows, checked; a ValueError says what, where columns are too many or few."""
    array = check_array(X, dtype=np.float64)
    if array.shape[1] != n_columns:
        raise ValueError(f"{what}; got {array.shape[1]} columns.")
    return array


def check_collection(tasks, estimator, prepare=stored, read=as_numbers, **check_params):
    """Validate every task as scikit-learn validates one X; errors name the index.

    Sparse ones stay sparse; ``read`` makes of a task what is checked, and ``prepare`` of
    that what is solved.

    Raises
    ------
    ValueError, TypeError
        Of the first broken task, with its index in front.
    """

    def checked(i, task):
        try:
            array = check_array(
                read(task), estimator=estimator, input_name=f"X[{i}]", **check_params
            )
            array = prepare(array)
            check_observed(array)
        except (ValueError, TypeError) as error:
            raise type(error)(f"Task {i} of the collection: {error}") from error
        return array

    return checked_all(checked, tasks)


def check_truths(y, tasks, estimator, **check_params):
    """Validate true matrices, one of equal shape for each task; errors name the index.

    Each comes back as dense or sparse as its task.

    Raises
    ------
    ValueError, TypeError
        If ``y`` is no collection, or of its first broken member.
    """
    wanted = "y must hold one true matrix of equal shape for each task of X"
    members = y if isinstance(y, list | tuple) and not is_lazy(y) else as_tasks(y, "y")
    if members is None:
        raise ValueError(f"{wanted}, got no collection but {type(y).__name__}.")
    if len(members) != len(tasks):
        raise ValueError(f"{wanted}, got {len(members)} for {len(tasks)} tasks.")

    def checked(i, member, task):
        try:
            array = check_array(
                unmask(member), estimator=estimator, input_name=f"y[{i}]", **check_params
            )
        except (ValueError, TypeError) as error:
            raise type(error)(f"Member {i} of y: {error}") from error
        if array.shape != task.shape:
            raise ValueError(f"{wanted}; y[{i}] has shape {array.shape}, X[{i}] {task.shape}.")
        return alike(array, task)

    return checked_all(checked, members, tasks)


def warn_empty(arrays, columns=True, dropped=False):
    """One warning for all rows, and columns, without an observed entry."""
    filled: list[str] = []
    left_out: list[str] = []
    for i, array in enumerate(arrays):
        rows, in_columns = line_counts(array)
        where = f" of task {i}" if len(arrays) > 1 else ""
        empty = np.flatnonzero(rows == 0)
        filled += [f"Rows {_named(empty)}{where}"] if len(empty) else []
        empty = np.flatnonzero(in_columns == 0)
        if columns and len(empty):
            (left_out if dropped else filled).append(f"Columns {_named(empty)}{where}")
    for found, then in ((filled, "filled from the prior"), (left_out, "dropped")):
        if found:
            warn(f"{'; '.join(found)} of X have no observed entry and are {then}.")


def _named(numbers) -> str:
    """The numbers as a list, only the first ten of very many."""
    if len(numbers) <= _MAX_NAMED:
        return str(numbers.tolist())
    return f"{numbers[:10].tolist()} and {len(numbers) - 10} more"


def batches(tasks: list, kind, cost) -> list[list[int]]:
    """Numbers of tasks of one kind, in chunks that fit the memory bound.

    Parameters
    ----------
    tasks : list
    kind : callable
        From a task to what those solved together have in common, something hashable.
    cost : callable
        From a task to the number of doubles that it, or another of its kind, needs.
    """
    by_kind: dict = {}
    for i, task in enumerate(tasks):
        by_kind.setdefault(kind(task), []).append(i)
    chunks = []
    for numbers in by_kind.values():
        size = max(1, int(MEMORY_BOUND // cost(tasks[numbers[0]])))
        chunks += [numbers[i : i + size] for i in range(0, len(numbers), size)]
    return chunks


def draw_seed(random_state) -> int:
    """A seed from a ``random_state``; None draws from the system, not from numpy's global."""
    rng = np.random.RandomState() if random_state is None else check_random_state(random_state)
    return int(rng.randint(2**31 - 1))


def to_tensor(arrays) -> torch.Tensor:
    """Stacked double-precision copy; memory maps may be read-only, frames lie by columns."""
    # In one order, since sums in another differ in their last digit.
    return torch.from_numpy(np.stack([np.asarray(a, np.float64, order="C") for a in arrays]))


def to_values(arrays):
    """What a problem is made of: sparse matrices as they are, others as one tensor."""
    return list(arrays) if sparse.issparse(arrays[0]) else to_tensor(arrays)
