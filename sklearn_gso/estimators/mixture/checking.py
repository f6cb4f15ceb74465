"""What a mixture is given is checked: weights of samples, parameters, responsibilities."""

import numpy as np
from sklearn.utils import check_array

from .data import COVARIANCE_AXES

_SYMMETRY = 1e-8
_NORMALISED = 1e-6


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


def check_weights(weights, sizes, name="weights_init") -> np.ndarray:
    """Non-negative numbers that sum to 1; ``sizes`` are n_components and n_features."""
    weights = _of_shape(weights, name, ("n_components",), sizes)
    if (weights < 0).any() or not abs(weights.sum() - 1) < _NORMALISED:
        raise ValueError(
            f"{name} must be non-negative and sum to 1, got min {weights.min():.5f} "
            f"and sum {weights.sum():.5f}."
        )
    return weights


def check_means(means, sizes, name="means_init") -> np.ndarray:
    return _of_shape(means, name, ("n_components", "n_features"), sizes)


def are_single(covariances) -> bool:
    """Whether some covariances of a list are given, and None stands for the others."""
    is_list = isinstance(covariances, list | tuple)
    return is_list and any(one is None for one in covariances)


def check_single(values, kind, sizes) -> np.ndarray:
    """A covariance or None for each component, as an array with NaN for None."""
    if kind == "tied":
        raise ValueError("covariances of covariance_type='tied' must be one for all, not a list.")
    if len(values) != sizes[0]:
        raise ValueError(
            f"covariances must hold one covariance, or None, for each of n_components={sizes[0]}, "
            f"got {len(values)}."
        )
    size_of = dict(zip(("n_components", "n_features"), sizes, strict=True))
    pinned = np.full([size_of[axis] for axis in COVARIANCE_AXES[kind]], np.nan)
    for j, one in enumerate(values):
        if one is not None:
            pinned[j] = check_covariances([one], kind, (1, sizes[1]), first=j)[0]
    return pinned


def check_covariances(values, kind, sizes, name="covariances", first=0) -> np.ndarray:
    """Symmetric and positive-definite matrices, or positive variances."""
    of = f" of covariance_type={kind!r}"
    covariances = _of_shape(values, name, COVARIANCE_AXES[kind], sizes, of)
    for j, one in enumerate(covariances[None] if kind == "tied" else covariances, start=first):
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
    try:
        return check_array(values, dtype=np.float64, copy=True, input_name=name, **free)
    except (TypeError, ValueError) as error:
        if name in str(error):
            raise
        raise ValueError(f"{name} cannot be read as finite numbers: {error}") from error


def check_responsibilities(values, n_samples, n_components) -> np.ndarray:
    """Labels of clusters, or the share of each component in each sample, as the latter."""
    array, shape = _finite(values, "init_params"), (n_samples, n_components)
    if array.shape == shape[:1]:
        if not np.isin(array, np.arange(n_components)).all():
            raise ValueError(
                f"Labels of init_params must be integers from 0 to {n_components - 1}."
            )
        return np.eye(n_components)[array.astype(int)]
    if array.shape != shape:
        raise ValueError(
            "init_params must give labels of shape (n_samples,) or responsibilities of shape "
            f"(n_samples, n_components) = {shape}, got {array.shape}."
        )
    if (array < 0).any() or not (abs(array.sum(axis=1) - 1) < _NORMALISED).all():
        raise ValueError("Responsibilities of init_params must be >= 0 and sum to 1 in each row.")
    return array
