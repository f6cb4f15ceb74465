"""Gauss-Newton steps without the entries that the last one explained worst.

Laufer and Nadler: "RGNMR: A Gauss-Newton method for robust matrix completion with theoretical
guarantees" (arXiv:2505.12919, 2025); a compact implementation. It is told the rank and how many
entries to leave out.
"""

import numpy as np
from scipy.sparse.linalg import lsqr, svds

from .r2rils import operator


def _balanced(left, right):
    """Factors of the same product, of equal singular values."""
    (q, r), (p, s) = np.linalg.qr(left), np.linalg.qr(right)
    u, sizes, v = np.linalg.svd(r @ s.T)
    root = np.sqrt(sizes)
    return q @ (u * root), p @ (v.T * root)


def rgnmr(X, rank, n_out, *, random_state=None, max_iter=100, n_inner=400, tol=1e-14):
    """Until the entries that count are explained to ``tol``, or for ``max_iter`` steps."""
    seen = ~np.isnan(X)
    rows, columns = np.nonzero(seen)
    values = X[rows, columns]
    scale = np.median(np.abs(values)) or 1.0
    values, n_kept = values / scale, len(values) - n_out
    kept = np.argsort(np.abs(values))[:n_kept]
    filled = np.zeros(X.shape)
    filled[rows[kept], columns[kept]] = values[kept]
    left, sizes, right = svds(filled, rank, random_state=random_state)
    left, right = _balanced(left * sizes, right.T)
    for _ in range(max_iter):
        moved = operator(left, right, seen, rows[kept], columns[kept])
        rest = values[kept] - (left @ right.T)[rows[kept], columns[kept]]
        step = lsqr(moved, rest, atol=1e-15, btol=1e-15, iter_lim=n_inner)[0]
        left = left + step[: left.size].reshape(left.shape)
        right = right + step[left.size :].reshape(right.shape)
        left, right = _balanced(left, right)
        rest = np.abs((left @ right.T)[rows, columns] - values)
        kept = np.argsort(rest)[:n_kept]
        if np.linalg.norm(rest[kept]) < tol * np.linalg.norm(values[kept]):
            break
    return scale * left @ right.T
