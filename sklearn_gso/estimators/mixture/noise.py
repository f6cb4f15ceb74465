"""What is known of the noise of samples: of one for all, or of each sample's own."""

import numpy as np
from sklearn.utils import check_array

_NAME = "noise_covariance"
# Shares of the largest entry that are rounding.
_SYMMETRY, _ROUNDING = 1e-8, 1e-10


def check_noise(noise, X) -> tuple[np.ndarray, np.ndarray | None]:
    """The samples, NaN where their noise is infinite, and its checked variances or covariances.

    These are of shape (n, D) or (n, D, D), n being 1 where there are one for all and nothing is
    missing. None where no sample has any noise.
    """
    if noise is None:
        return X, None
    noise = _shaped(noise, *X.shape)
    is_matrix = noise.ndim == 3
    variances = noise.diagonal(axis1=1, axis2=2) if is_matrix else noise
    if np.isinf(variances).any():
        X = np.where(np.isinf(variances) & (variances > 0), np.nan, X)
    missing = np.isnan(X)
    if missing.any():
        noise = np.broadcast_to(noise, (len(X), *noise.shape[1:])).copy()
        noise[missing] = 0  # rows of a matrix, or variances
        if is_matrix:
            noise.swapaxes(1, 2)[missing] = 0
    _check_each(noise)
    return X, noise if noise.any() else None


def _shaped(noise, n, d) -> np.ndarray:
    """Variances (n or 1, D) or matrices (n or 1, D, D)."""
    free = {"ensure_2d": False, "allow_nd": True, "ensure_min_samples": 0}
    noise = np.asarray(noise) if np.isscalar(noise) else noise  # of a number no namespace is known
    array = check_array(noise, dtype=np.float64, ensure_all_finite=False, input_name=_NAME, **free)
    if n == d and array.shape == (d, d) and d > 1:
        raise ValueError(
            f"{_NAME} of shape {array.shape} could be the variances of {n} samples or one matrix "
            f"for all: give it as (n_samples, n_features, n_features)."
        )
    shapes = {
        (): (1, 1),
        (d,): (1, d),
        (n, d): (n, d),
        (d, d): (1, d, d),
        (n, d, d): (n, d, d),
    }
    if array.shape not in shapes:
        raise ValueError(
            f"{_NAME} must be a number or have shape (n_features,) = {(d,)}, (n_features, "
            f"n_features) = {(d, d)}, (n_samples, n_features) = {(n, d)} or (n_samples, "
            f"n_features, n_features) = {(n, d, d)}, got {array.shape}."
        )
    array = array.reshape(shapes[array.shape])
    return np.broadcast_to(array, (1, d)) if array.shape == (1, 1) else array


def _check_each(noise) -> None:
    """Raise unless all is finite, symmetric and without a negative variance; errors name a row."""
    flat = noise.reshape(len(noise), -1)
    if not np.isfinite(flat).all():
        raise ValueError(
            _of_row(
                ~np.isfinite(flat).all(axis=1),
                "must be finite, or infinite as the variance of an entry that is missing",
            )
        )
    if noise.ndim == 2:
        if (noise < 0).any():
            raise ValueError(_of_row((noise < 0).any(axis=1), "must not be negative"))
        return
    size = np.abs(flat).max(axis=1)
    skewed = np.abs(noise - noise.swapaxes(1, 2)).max(axis=(1, 2)) > _SYMMETRY * size
    if skewed.any():
        raise ValueError(_of_row(skewed, "must be symmetric"))
    indefinite = np.linalg.eigvalsh(noise)[:, 0] < -_ROUNDING * size
    if indefinite.any():
        raise ValueError(_of_row(indefinite, "must be positive semi-definite"))


def _of_row(wrong, must) -> str:
    where = f" of sample {np.flatnonzero(wrong)[0]}" if len(wrong) > 1 else ""
    return f"{_NAME}{where} {must}."


def noise_per_task(noise, n_tasks) -> list:
    """One entry for each data set of a collection.

    A collection is a list or tuple of arrays, or an array of three axes or more; else the noise
    is one for all samples of all data sets.
    """
    is_list = isinstance(noise, list | tuple) and any(map(np.ndim, noise))
    if not is_list and np.ndim(noise) < 3:
        return [noise] * n_tasks
    if len(noise) != n_tasks:
        raise ValueError(
            f"{_NAME} must hold one entry for each of {n_tasks} data sets, got {len(noise)}."
        )
    return list(noise)
