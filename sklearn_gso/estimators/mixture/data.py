"""Samples in one order, and parameters in the shapes of their type."""

from typing import NamedTuple

import numpy as np

# What the axes of the covariances of one mixture count, by type.
COVARIANCE_AXES = {
    "full": ("n_components", "n_features", "n_features"),
    "tied": ("n_features", "n_features"),
    "diag": ("n_components", "n_features"),
    "spherical": ("n_components",),
}
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
    # Parameters that are known, or to start at, as the user gave them; and "responsibilities"
    # to start at, of the distinct samples, (n_distinct, n_components).
    given: dict
    held: tuple[str, ...]  # those that are not to be estimated
    pinned: np.ndarray | None = None  # covariances of which some are given, NaN for the others
    # Of the points, (n_distinct or 1, n_features) or (n_distinct or 1, n_features, n_features).
    noise: np.ndarray | None = None


def as_task(X, sample_weight, n_components, given, held, pinned=None, noise=None) -> Task:
    """Distinct samples in lexical order, those of weight 0 left out.

    Whatever is drawn from them then depends neither on the order of the samples nor on
    whether equal ones are repeated or weighted. Equal are those of equal noise.
    """
    X, n_features = np.asarray(X, dtype=np.float64), X.shape[1]
    if noise is not None and len(noise) > 1:
        X = np.hstack([X, noise.reshape(len(X), -1)])
    weights = np.ones(len(X)) if sample_weight is None else sample_weight
    used = weights > 0
    _check_enough(np.count_nonzero(used), n_components, sample_weight is not None)
    shares, given = given.get("responsibilities", np.empty((len(X), 0))), dict(given)
    if not used.all():
        X, weights, shares = X[used], weights[used], shares[used]
    order = np.lexsort(X.T[::-1])
    X, weights, shares = X.T.take(order, axis=1).T, weights[order], shares[order]
    _check_columns(X[:, :n_features])
    starts = np.flatnonzero(np.r_[True, _differ(X[1:], X[:-1])])
    if len(starts) < len(X):
        shares = np.add.reduceat(weights[:, None] * shares, starts)
        X, weights = X[starts], np.add.reduceat(weights, starts)
        shares = shares / weights[:, None]
    if len(X) < n_components:
        # Some of them again, so that every component finds a sample to start at.
        times = np.bincount(np.arange(n_components) % len(X))
        X, weights = X.repeat(times, axis=0), (weights / times).repeat(times)
        shares = shares.repeat(times, axis=0)
    if "responsibilities" in given:
        given["responsibilities"] = shares
    if noise is not None and len(noise) > 1:
        noise = X[:, n_features:].reshape(len(X), *noise.shape[1:])
    X = X[:, :n_features]
    weights = weights / weights.max()
    weights = weights * (len(weights) / weights.sum())
    with np.errstate(over="ignore", invalid="ignore"):
        X = np.asfortranarray(X)
        centre = _column_means(weights, X)
        X -= centre
        return Task(X, weights, centre, given, held, pinned, noise)


def of_components(task: Task, which, kind) -> Task:
    """The task with what is given of some of its components alone."""
    given = dict(task.given)
    for name in of_single(task, kind):
        given[name] = given[name][:, which] if name == "responsibilities" else given[name][which]
    if "weights" in given:
        given["weights"] = given["weights"] / given["weights"].sum()
    pinned = None if task.pinned is None else task.pinned[which]
    return task._replace(given=given, pinned=pinned)


def of_single(task: Task, kind) -> list[str]:
    """Which parameters are given for each component."""
    return [name for name in task.given if name != "covariances" or kind != "tied"]


def n_distinct(task: Task) -> int:
    """How many different samples there are."""
    return 1 + int(np.count_nonzero(_differ(task.points[1:], task.points[:-1])))


def _differ(rows, others) -> np.ndarray:
    """Which rows are not the same; what is missing in both is."""
    return ((rows != others) & ~(np.isnan(rows) & np.isnan(others))).any(axis=1)


def _check_enough(n_used, n_components, are_weighted) -> None:
    if n_used < 2:
        raise ValueError(
            f"Found {n_used} sample(s) of positive weight, a minimum of 2 is required."
        )
    if n_used < n_components:
        raise ValueError(
            f"Expected n_samples >= n_components but got n_components = {n_components}, "
            f"n_samples = {n_used}" + (" of positive weight" if are_weighted else "")
        )


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


def per_task(values, n_tasks, ndim, name) -> list:
    """One entry for each task, of a value for all or of a collection of values.

    A collection is a list or tuple of arrays with ``ndim`` axes, or one array with one more.
    """
    if values is None:
        return [None] * n_tasks
    is_list = isinstance(values, list | tuple)
    dimensions = _n_axes(values) if is_list else np.ndim(values)
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


def _n_axes(values) -> int:
    """Axes of an array, or of lists of arrays and None."""
    if isinstance(values, list | tuple):
        return 1 + max(map(_n_axes, values), default=0)
    return np.ndim(values)


def n_pinned(pinned) -> int:
    """How many covariances are given."""
    return 0 if pinned is None else int((~np.isnan(pinned.reshape(len(pinned), -1)[:, 0])).sum())


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
    if name == "responsibilities":
        return value.T
    return {"tied": value[None], "spherical": value[..., None]}.get(kind, value)


def from_engine(name, block, kind, centre) -> np.ndarray:
    """The reverse of `to_engine`, for one task."""
    if name == "weights":
        shares = np.exp(block[:, 0] - block.max())
        return shares / shares.sum()
    if name == "means":
        return block + centre
    return {"tied": block[0], "spherical": block[..., 0]}.get(kind, block)
