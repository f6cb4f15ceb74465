"""Scaled gradient descent from a spectral start.

Tong, Ma, Chi: "Accelerating ill-conditioned low-rank matrix estimation via scaled gradient
descent" (JMLR 2021).
"""

import numpy as np


def _spectral(filled, rate, rank):
    left, values, right = np.linalg.svd(filled / rate, full_matrices=False)
    root = np.sqrt(values[:rank])
    return left[:, :rank] * root, right[:rank].T * root


def scaled_gd(X, rank, *, random_state=None, step=0.35, max_iter=1000, tol=1e-10):
    """Until the residual on the observed entries is ``tol`` of them, or stalls."""
    seen = ~np.isnan(X)
    filled = np.where(seen, X, 0.0)
    rate, size = seen.mean(), np.linalg.norm(filled)
    rank = min(rank, *X.shape)
    left, right = _spectral(filled, rate, rank)
    best, found = np.inf, left @ right.T
    for _ in range(max_iter):
        estimate = left @ right.T
        residual = np.where(seen, estimate - filled, 0.0)
        misfit = np.linalg.norm(residual) / size
        if misfit < best:
            best, found = misfit, estimate
        if misfit < tol or not misfit < 1e3:
            break
        ridge = 1e-12 * np.eye(rank)
        left, right = (
            left - step / rate * residual @ right @ np.linalg.inv(right.T @ right + ridge),
            right - step / rate * residual.T @ left @ np.linalg.inv(left.T @ left + ridge),
        )
    return found
