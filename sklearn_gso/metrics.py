"""How good a completion, a separation, a kernel or a picture is."""

from itertools import product

import numpy as np
from scipy import signal
from scipy.optimize import linear_sum_assignment
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


def amari_distance(mixing, other) -> float:
    r"""How far one mixing is from another, whatever the order, scales and signs of the sources.

    Of :math:`P = B^+ A`, a permutation with signs for mixings A and B of the same sources, their
    columns brought to length 1,

    .. math::
        \frac1{2 k (k - 1)} \Big( \sum_i \Big[ \frac{\sum_j |p_{ij}|}{\max_j |p_{ij}|} - 1 \Big]
        + \sum_j \Big[ \frac{\sum_i |p_{ij}|}{\max_i |p_{ij}|} - 1 \Big] \Big)

    Parameters
    ----------
    mixing : array-like of shape (n_features, n_components)
    other : array-like of shape (n_features, n_components)
        Of independent columns.

    Returns
    -------
    distance : float
        In [0, 1]; 0 for the same sources, and for a single one.

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    Amari, Cichocki and Yang, A new learning algorithm for blind signal separation, NIPS 1995.
    """
    mixing, other = check_array(mixing, dtype=np.float64), check_array(other, dtype=np.float64)
    if mixing.shape != other.shape:
        raise ValueError(f"mixing has shape {mixing.shape}, other has {other.shape}.")
    k = mixing.shape[1]
    if k == 1:
        return 0.0
    product = np.abs(np.linalg.pinv(_of_norm_one(other)) @ _of_norm_one(mixing))
    total = 0.0
    for axis in (0, 1):
        largest, whole = product.max(axis), product.sum(axis)
        # A source that is not there at all is as bad as one in equal parts of all.
        total += np.sum(np.divide(whole, largest, out=np.full(k, float(k)), where=largest > 0) - 1)
    return float(total / (2 * k * (k - 1)))


def _of_norm_one(columns) -> np.ndarray:
    """Columns of norm 1, whatever their units; of zeros where they are."""
    largest = np.abs(columns).max(axis=0, keepdims=True)
    columns = columns / np.where(largest > 0, largest, 1.0)
    return columns / np.maximum(np.linalg.norm(columns, axis=0), 1e-300)


def signal_to_distortion(sources, estimates) -> float:
    r"""Mean ratio of signal to distortion in decibels, best order and scales.

    :math:`10 \log_{10} \rho^2 / (1 - \rho^2)` for the cosine ρ of a source and an estimate: what
    is in the source's direction over what is not (scale-invariant; filters are no part of it).

    Parameters
    ----------
    sources : array-like of shape (n_samples, n_components)
    estimates : array-like of shape (n_samples, n_components)

    Returns
    -------
    ratio : float
        Mean over the sources, each with the estimate that the best assignment gives it; at most
        150.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    sources = check_array(sources, dtype=np.float64)
    estimates = check_array(estimates, dtype=np.float64)
    if sources.shape != estimates.shape:
        raise ValueError(f"sources have shape {sources.shape}, estimates {estimates.shape}.")
    share = np.square(_of_norm_one(sources).T @ _of_norm_one(estimates))
    ratio = 10 * np.log10(np.clip(share, 1e-15, 1) / np.clip(1 - share, 1e-15, 1))
    return float(ratio[linear_sum_assignment(ratio, maximize=True)].mean())


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
