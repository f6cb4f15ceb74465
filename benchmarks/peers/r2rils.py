"""R2RILS: rank 2r iterative least squares.

Bauch, Nadler, Zilber: "Rank 2r iterative least squares: efficient recovery of
ill-conditioned low rank matrices from few entries" (SIAM J. Math. Data Science 2021).
"""

import numpy as np
from scipy.sparse.linalg import LinearOperator, lsqr, svds


def _unit(factor):
    return factor / np.maximum(np.linalg.norm(factor, axis=0), 1e-300)


def operator(left, right, seen, rows, columns):
    """(A, B) to the observed entries of ``left Bᵀ + A rightᵀ``."""
    (p, k), q = left.shape, len(right)

    def forward(x):
        a, b = x[: p * k].reshape(p, k), x[p * k :].reshape(q, k)
        return (a @ right.T + left @ b.T)[rows, columns]

    def backward(y):
        matrix = np.zeros(seen.shape)
        matrix[rows, columns] = y
        return np.concatenate([(matrix @ right).ravel(), (matrix.T @ left).ravel()])

    return LinearOperator((len(rows), (p + q) * k), matvec=forward, rmatvec=backward)


def r2rils(X, rank, *, random_state=None, max_iter=100, n_inner=None, tol=1e-10):
    """Until the observed residual is ``tol``, or no longer changes."""
    seen = ~np.isnan(X)
    rank = min(rank, min(X.shape) - 1)
    rows, columns = np.nonzero(seen)
    values = X[rows, columns]
    scale = np.sqrt(np.mean(values**2)) or 1.0
    values = values / scale
    filled = np.zeros(X.shape)
    filled[rows, columns] = values
    left, _, right = svds(filled, rank, random_state=random_state)
    right, size, before = right.T, np.linalg.norm(values), np.inf
    for i in range(max_iter):
        moved = operator(left, right, seen, rows, columns)
        inner = n_inner or (25 if i < 5 else 100 if i < 20 else 400)
        x = lsqr(moved, values, atol=1e-14, btol=1e-14, iter_lim=inner)[0]
        a, b = x[: left.size].reshape(left.shape), x[left.size :].reshape(right.shape)
        estimate = left @ b.T + a @ right.T
        misfit = np.linalg.norm(estimate[rows, columns] - values) / size
        if misfit < tol or (i > 25 and abs(before - misfit) < 1e-5 * misfit):
            break
        before = misfit
        left, right = _unit(left + _unit(a)), _unit(right + _unit(b))
    u, s, v = np.linalg.svd(estimate, full_matrices=False)
    return scale * (u[:, :rank] * s[:rank]) @ v[:rank]
