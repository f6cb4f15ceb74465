"""SoftImpute: iterated soft-thresholded singular values (Mazumder, Hastie, Tibshirani 2010)."""

import numpy as np

from .validation import choose, hide_some


def soft_impute(X, shrinkage):
    """Complete X; ``shrinkage`` is λ as a share of the largest singular value.

    Warm-started from larger λ, as the paper's regularisation path.
    """
    shrinkages = np.geomspace(max(shrinkage, 0.5), shrinkage, 6)
    *_, estimate = path(X, shrinkages, max_iter=200, tol=1e-5)
    return np.where(np.isnan(X), estimate, X)


def soft_impute_validated(X, rank=None, *, random_state=None):
    """λ by validation, along one path from large to small."""
    shrinkages = np.geomspace(0.5, 1e-3, 12)
    kept, hidden = hide_some(X, random_state)
    losses = [np.square((e - X)[hidden]).sum() for e in path(kept, shrinkages)]
    last = choose(range(len(losses)), losses.__getitem__)
    *_, estimate = path(X, shrinkages[: last + 1])
    return estimate


def path(X, shrinkages, max_iter=100, tol=1e-4):
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
