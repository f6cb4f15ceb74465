"""How good a completion is."""

import numpy as np
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
