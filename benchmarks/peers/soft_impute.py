"""SoftImpute: iterated soft-thresholded singular values (Mazumder, Hastie, Tibshirani 2010)."""

import numpy as np

from .validation import hide_some


def soft_impute(X, shrinkage, max_iter=200, tol=1e-5):
    """Complete X; ``shrinkage`` is λ as a share of the largest singular value.

    Warm-started from six larger λ, as the paper's regularisation path.
    """
    missing = np.isnan(X)
    filled = np.where(missing, 0.0, X)
    largest = np.linalg.norm(filled, 2)
    path = largest * np.geomspace(max(shrinkage, 0.5), shrinkage, 6)
    estimate = np.zeros_like(filled)
    for threshold in path:
        for _ in range(max_iter):
            left, values, right = np.linalg.svd(np.where(missing, estimate, X), full_matrices=False)
            new = (left * np.maximum(values - threshold, 0)) @ right
            change = np.linalg.norm(new - estimate) / max(np.linalg.norm(estimate), 1e-12)
            estimate = new
            if change < tol:
                break
    return np.where(missing, estimate, X)


def soft_impute_validated(X, rank=None, *, random_state=None, shrinkages=None):
    """λ by validation, along one path from large to small."""
    shrinkages = np.geomspace(0.5, 1e-3, 12) if shrinkages is None else np.asarray(shrinkages)
    kept, hidden = hide_some(X, random_state)
    losses = [np.square((e - X)[hidden]).sum() for e in _path(kept, shrinkages)]
    return list(_path(X, shrinkages[: int(np.argmin(losses)) + 1]))[-1]


def _path(X, shrinkages, max_iter=100, tol=1e-4):
    """Low-rank estimates along falling shares of the largest singular value."""
    missing = np.isnan(X)
    filled = np.where(missing, 0.0, X)
    largest = np.linalg.norm(filled, 2)
    estimate = np.zeros_like(filled)
    for threshold in largest * shrinkages:
        for _ in range(max_iter):
            left, values, right = np.linalg.svd(np.where(missing, estimate, X), full_matrices=False)
            new = (left * np.maximum(values - threshold, 0)) @ right
            change = np.linalg.norm(new - estimate) / max(np.linalg.norm(estimate), 1e-12)
            estimate = new
            if change < tol:
                break
        yield estimate
