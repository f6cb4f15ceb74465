"""How good a completion, a kernel or a picture is."""

from itertools import product

import numpy as np
from scipy import signal
from sklearn.utils import check_array


def relative_error(truth, completed, where=None) -> float:
    r"""Relative error :math:`\|R - \hat R\|_F / \|R\|_F`, the paper's "RMSE".

    Parameters
    ----------
    truth : array-like of shape (n_samples, n_features)
        NaN marks entries whose truth is not known; they do not count.
    completed : array-like of shape (n_samples, n_features)
    where : array-like of bool of the same shape, optional
        The entries that count, for instance those that were hidden. By default all.

    Returns
    -------
    error : float
        0 where nothing counts; the root of the summed squares where the truth is zero throughout.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    truth = check_array(truth, dtype=np.float64, ensure_all_finite="allow-nan")
    completed = check_array(completed, dtype=np.float64)
    if truth.shape != completed.shape:
        raise ValueError(f"truth has shape {truth.shape}, completed has {completed.shape}.")
    counts = ~np.isnan(truth)
    if where is not None:
        counts &= np.asarray(where, dtype=bool)
    unit, norm = _norm(truth[counts])
    largest, deviation = _norm(truth[counts] / unit - completed[counts] / unit)
    return float(largest * (deviation / norm)) if norm else float(largest * deviation)


def _norm(values) -> tuple[float, float]:
    """A unit, and the norm in it: squares neither overflow nor vanish."""
    unit = min(float(np.abs(values).max(initial=0.0)), np.finfo(float).max) or 1.0
    return unit, float(np.linalg.norm(values / unit))


def shifted_cosine(truth, estimate) -> float:
    r"""Modulus of the cosine of two kernels at the shift at which it is largest.

    Blind deconvolution knows kernels but for their sign, scale and place.

    Parameters
    ----------
    truth, estimate : array-like of equal numbers of axes
        Of any sizes; beyond their ends they are 0.

    Returns
    -------
    cosine : float
        In [0, 1]; 0 where either is zero throughout.

    Raises
    ------
    ValueError
        If the numbers of axes differ, or for entries that are not finite.

    Examples
    --------
    >>> from sklearn_gso.metrics import shifted_cosine
    >>> shifted_cosine([3.0, 4.0], [0.0, 0.0, -6.0, -8.0])
    1.0
    """
    truth, estimate = (_finite(kernel) for kernel in (truth, estimate))
    if truth.ndim != estimate.ndim:
        raise ValueError(f"truth has {truth.ndim} axes, estimate has {estimate.ndim}.")
    (unit, norm), (other_unit, other_norm) = _norm(truth), _norm(estimate)
    products = signal.correlate(truth / unit, estimate / other_unit, method="direct")
    length = norm * other_norm
    return float(min(1.0, np.abs(products).max() / length)) if length else 0.0


def shifted_psnr(truth, estimate, max_shift=0) -> float:
    r"""Peak signal-to-noise ratio, :math:`-10 \log_{10}` of the mean squared error, in dB.

    The peak is 1. Of all whole shifts along each axis, by at most ``max_shift`` and around the
    border, the best one counts: what is lost of the place is no error of a picture.

    Parameters
    ----------
    truth, estimate : array-like of one shape
    max_shift : int, default=0

    Returns
    -------
    ratio : float
        Infinite where both agree.

    Raises
    ------
    ValueError
        If the shapes differ, or for entries that are not finite.

    Examples
    --------
    >>> from sklearn_gso.metrics import shifted_psnr
    >>> round(shifted_psnr([[0.1, 1.0, 0.0]], [[0.0, 0.0, 1.0]], max_shift=1), 2)
    24.77
    """
    truth, estimate = (_finite(picture) for picture in (truth, estimate))
    if truth.shape != estimate.shape:
        raise ValueError(f"truth has shape {truth.shape}, estimate has {estimate.shape}.")
    steps, axes = range(-max_shift, max_shift + 1), tuple(range(truth.ndim))
    shifts = product(steps, repeat=truth.ndim)
    error = min(np.mean(np.square(np.roll(estimate, shift, axes) - truth)) for shift in shifts)
    return float(-10 * np.log10(error)) if error else np.inf


def _finite(values) -> np.ndarray:
    return check_array(
        values, dtype=np.float64, ensure_2d=False, allow_nd=True, input_name="kernels and pictures"
    )
