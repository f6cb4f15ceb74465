"""What a mixture is given: samples in one order, and parameters in the shapes of their type."""

from typing import NamedTuple

import numpy as np
from sklearn.utils import check_array

from ..matrices import check_numbers, without_null
from ..tasks import unmask

# What the axes of the covariances of one mixture count, by type.
COVARIANCE_AXES = {
    "full": ("n_components", "n_features", "n_features"),
    "tied": ("n_features", "n_features"),
    "diag": ("n_components", "n_features"),
    "spherical": ("n_components",),
}
_SYMMETRY = 1e-8
_NORMALISED = 1e-6
# Share of the smallest eigenvalue of all samples below which a component is thin; and share
# of the largest that is rounding.
THIN = 1e-3
_ROUNDING = 1e-14
# Samples that vary by less are one place.
_MIN_VARIANCE = 1e-290


class Task(NamedTuple):
    """One data set to be described by a mixture."""

    # Distinct samples in lexical order, centred, (n_distinct, n_features), column by column in
    # memory; NaN where missing.
    points: np.ndarray
    weights: np.ndarray  # of mean 1
    centre: np.ndarray
    given: dict  # parameters that are known, or to start at, as the user gave them
    held: tuple[str, ...]  # those that are not to be estimated


def as_task(X, sample_weight, n_components, given, held) -> Task:
    """Distinct samples in lexical order, those of weight 0 left out.

    Whatever is drawn from them then depends neither on the order of the samples nor on
    whether equal ones are repeated or weighted.
    """
    X = np.asarray(X, dtype=np.float64)
    weights = np.ones(len(X)) if sample_weight is None else sample_weight
    used = weights > 0
    n_used = np.count_nonzero(used)
    if n_used < 2:
        raise ValueError(
            f"Found {n_used} sample(s) of positive weight, a minimum of 2 is required."
        )
    if n_used < n_components:
        raise ValueError(
            f"Expected n_samples >= n_components but got n_components = {n_components}, "
            f"n_samples = {n_used}" + ("" if sample_weight is None else " of positive weight")
        )
    if n_used < len(X):
        X, weights = X[used], weights[used]
    order = np.lexsort(X.T[::-1])
    X, weights = X.T.take(order, axis=1).T, weights[order]
    _check_columns(X)
    starts = np.flatnonzero(np.r_[True, _differ(X[1:], X[:-1])])
    if len(starts) < len(X):
        X, weights = X[starts], np.add.reduceat(weights, starts)
    if len(X) < n_components:
        # Some of them again, so that every component finds a sample to start at.
        times = np.bincount(np.arange(n_components) % len(X))
        X, weights = X.repeat(times, axis=0), (weights / times).repeat(times)
    weights = weights / weights.max()
    weights = weights * (len(weights) / weights.sum())
    with np.errstate(over="ignore", invalid="ignore"):
        X = np.asfortranarray(X)
        centre = _column_means(weights, X)
        X -= centre
        return Task(X, weights, centre, given, held)


def n_distinct(task: Task) -> int:
    """How many different samples there are."""
    return 1 + int(np.count_nonzero(_differ(task.points[1:], task.points[:-1])))


def _differ(rows, others) -> np.ndarray:
    """Which rows are not the same; what is missing in both is."""
    return ((rows != others) & ~(np.isnan(rows) & np.isnan(others))).any(axis=1)


def _check_columns(X) -> None:
    empty = np.flatnonzero(np.isnan(X).all(axis=0))
    if len(empty):
        raise ValueError(
            f"Features {empty.tolist()} of X have no observed entry (of positive weight): leave "
            "them out."
        )


def _column_means(weights, X) -> np.ndarray:
    """Weighted means of what is observed."""
    missing = np.isnan(X)
    if not missing.any():
        return weights @ X / len(X)
    return weights @ np.where(missing, 0.0, X) / (weights @ ~missing)


def variances(task: Task) -> np.ndarray:
    """Of the features, in units of which ``reg_covar`` is; of constant ones the mean of all."""
    with np.errstate(over="ignore", invalid="ignore"):
        own = _column_means(task.weights, np.square(task.points))
        varied = np.nanmax(task.points, axis=0) > np.nanmin(task.points, axis=0)
    varied = varied & (own > _MIN_VARIANCE)
    return np.where(varied, own, own[varied].mean() if varied.any() else 1.0)


def thin_components(task: Task, covariances, kind, whole) -> list[int]:
    """Numbers of the components that are nearly flat beside all samples; the tied one is 0.

    Those whose smallest eigenvalue is less than `THIN` times that of the ``whole`` covariance of
    the samples.
    """
    least = np.linalg.eigvalsh(whole)
    if "covariances" in task.held or not least[0] > _ROUNDING * least[-1]:
        return []
    if kind in ("full", "tied"):
        own = np.linalg.eigvalsh(covariances)[..., 0]
    else:
        own = covariances.reshape(len(covariances), -1).min(axis=1)
    return np.flatnonzero(own < THIN * least[0]).tolist()


def check_sample_weight(sample_weight, X):
    """Finite, non-negative weights that are not all zero, or None."""
    if sample_weight is None:
        return None
    weights = _finite(sample_weight, "sample_weight")
    if weights.ndim == 0:
        weights = np.full(len(X), float(weights))
    if weights.shape != (len(X),):
        raise ValueError(f"sample_weight.shape == {weights.shape}, expected {(len(X),)}!")
    if (weights < 0).any():
        raise ValueError("Negative values in data passed to `sample_weight`.")
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weights


def per_task(values, n_tasks, ndim, name) -> list:
    """One entry for each task, of a value for all or of a collection of values.

    A collection is a list or tuple of arrays with ``ndim`` axes, or one array with one more.
    """
    if values is None:
        return [None] * n_tasks
    is_list = isinstance(values, list | tuple)
    dimensions = 1 + max(map(np.ndim, values), default=0) if is_list else np.ndim(values)
    if dimensions != ndim + 1:
        return [values] * n_tasks
    if len(values) != n_tasks:
        raise ValueError(
            f"{name} must hold one array for each of {n_tasks} tasks, got {len(values)}."
        )
    missing = [i for i, value in enumerate(values) if value is None]
    if missing:
        raise ValueError(
            f"{name} must be given for every task or for none; task {missing[0]} has none."
        )
    return list(values)


def check_weights(weights, sizes) -> np.ndarray:
    """Non-negative numbers that sum to 1; ``sizes`` are n_components and n_features."""
    weights = _of_shape(weights, "weights_init", ("n_components",), sizes)
    if (weights < 0).any() or not abs(weights.sum() - 1) < _NORMALISED:
        raise ValueError(
            f"weights_init must be non-negative and sum to 1, got min {weights.min():.5f} "
            f"and sum {weights.sum():.5f}."
        )
    return weights


def check_means(means, sizes) -> np.ndarray:
    return _of_shape(means, "means_init", ("n_components", "n_features"), sizes)


def check_covariances(values, kind, sizes, name="covariances") -> np.ndarray:
    """Symmetric and positive-definite matrices, or positive variances."""
    of = f" of covariance_type={kind!r}"
    covariances = _of_shape(values, name, COVARIANCE_AXES[kind], sizes, of)
    for j, one in enumerate(covariances[None] if kind == "tied" else covariances):
        where = name if kind == "tied" else f"{name} of component {j}"
        if kind in ("diag", "spherical"):
            if (one <= 0).any():
                raise ValueError(f"{where} must be positive, got {np.min(one)}.")
            continue
        if not np.allclose(one, one.T, rtol=_SYMMETRY, atol=_SYMMETRY * np.abs(one).max()):
            raise ValueError(f"{where} must be symmetric.")
        try:
            np.linalg.cholesky((one + one.T) / 2)
        except np.linalg.LinAlgError as error:
            raise ValueError(f"{where} must be positive-definite.") from error
    return covariances


def _of_shape(values, name, axes, sizes, of="") -> np.ndarray:
    """A finite copy of the shape that its axes have."""
    size_of = dict(zip(("n_components", "n_features"), sizes, strict=True))
    array, shape = _finite(values, name), tuple(size_of[axis] for axis in axes)
    if array.shape != shape:
        words = str(axes).replace("'", "") + of
        raise ValueError(f"{name} must have shape {words} = {shape}, got {array.shape}.")
    return array


def _finite(values, name) -> np.ndarray:
    """A finite double-precision copy."""
    free = {"ensure_2d": False, "allow_nd": True, "ensure_min_samples": 0}
    return check_array(values, dtype=np.float64, copy=True, input_name=name, **free)


def invert(values, kind) -> np.ndarray:
    """Covariances of precisions, or the reverse."""
    if kind in ("diag", "spherical"):
        return 1 / values
    factor = cholesky_of_precisions(values, kind)
    return factor @ factor.swapaxes(-1, -2)


def cholesky_of_precisions(covariances, kind) -> np.ndarray:
    """As in scikit-learn: P with ``P Pᵀ`` the precision, upper triangular."""
    if kind in ("diag", "spherical"):
        return 1 / np.sqrt(covariances)
    factor = np.linalg.cholesky((covariances + covariances.swapaxes(-1, -2)) / 2)
    return np.tril(np.linalg.inv(factor)).swapaxes(-1, -2).copy()


def to_engine(name, value, kind, centre) -> np.ndarray:
    """A parameter as the block of a problem whose samples are centred."""
    if name == "weights":
        return np.log(np.maximum(value, np.finfo(float).tiny))[:, None]
    if name == "means":
        return value - centre
    return {"tied": value[None], "spherical": value[..., None]}.get(kind, value)


def from_engine(name, block, kind, centre) -> np.ndarray:
    """The reverse of `to_engine`, for one task."""
    if name == "weights":
        shares = np.exp(block[:, 0] - block.max())
        return shares / shares.sum()
    if name == "means":
        return block + centre
    return {"tied": block[0], "spherical": block[..., 0]}.get(kind, block)


def as_numbers(X):
    """What is masked or null as NaN; a ValueError that names a column without numbers."""
    X = without_null(unmask(X))
    check_numbers(X)
    return X
