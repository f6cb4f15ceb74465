"""MatrixIRLS: iteratively reweighted least squares on the log-determinant.

Kümmerle, Mayrink Verdun: "A scalable second order method for ill-conditioned matrix
completion from few samples" (ICML 2021). The weighted problem, whose inverse weight is
``ε² I`` but for the tangent space of the leading singular vectors, is solved there by
conjugate gradients after the Woodbury identity.
"""

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg


class _Tangent:
    """Matrices ``U A + B Vᵀ``, with coefficients A (k, q) and B (p, k), Uᵀ B = 0."""

    def __init__(self, u, v, seen):
        self.u, self.v, self.seen = u, v, seen
        self.p, self.k, self.q = len(u), u.shape[1], len(v)

    def split(self, x):
        cut = self.k * self.q
        return x[:cut].reshape(self.k, self.q), x[cut:].reshape(self.p, self.k)

    def matrix(self, x):
        a, b = self.split(x)
        return self.u @ a + (b - self.u @ (self.u.T @ b)) @ self.v.T

    def adjoint(self, matrix):
        b = matrix @ self.v
        b = b - self.u @ (self.u.T @ b)
        return np.concatenate([(self.u.T @ matrix).ravel(), b.ravel()])

    def scale(self, x, gains):
        """Each coefficient times its gain: a (k, k) block in V, and (k,) beyond."""
        inner, outer = gains
        a, b = self.split(x)
        own = a @ self.v
        a = (inner * own) @ self.v.T + outer[:, None] * (a - own @ self.v.T)
        return np.concatenate([a.ravel(), (b * outer).ravel()])


def _weighted_solution(filled, tangent, strengths, epsilon, start):
    """The minimiser of the weighted norm that agrees with the observed entries."""
    inner = np.outer(strengths, strengths) - epsilon**2
    outer = strengths * epsilon - epsilon**2
    over = (epsilon**2 / np.maximum(inner, 1e-300), epsilon**2 / np.maximum(outer, 1e-300))

    def normal(x):
        return tangent.scale(x, over) + tangent.adjoint(tangent.seen * tangent.matrix(x))

    size = tangent.k * (tangent.p + tangent.q)
    right = tangent.adjoint(filled)
    operator = LinearOperator((size, size), matvec=normal)
    x, _ = cg(operator, right, x0=start, rtol=1e-12, maxiter=300)
    # ε² Z with Z the multiplier; what is left over the tangent part sits on Ω.
    return tangent.matrix(x) + tangent.seen * (filled - tangent.matrix(x)), x


def matrix_irls(X, rank, *, random_state=None, max_iter=100, tol=1e-10):
    """Until two estimates agree to ``tol``."""
    seen = (~np.isnan(X)).astype(float)
    filled = np.nan_to_num(X)
    scale = np.linalg.norm(filled) or 1.0
    filled, estimate = filled / scale, filled / scale
    rank = min(rank, min(X.shape) - 1)
    u, s, vt = np.linalg.svd(estimate, full_matrices=False)
    epsilon = s[0]
    for _ in range(max_iter):
        epsilon = max(min(epsilon, s[rank]), 1e-15)
        k = max(1, int((s > epsilon * (1 + 1e-9)).sum()))
        tangent = _Tangent(u[:, :k], vt[:k].T, seen)
        new, _ = _weighted_solution(filled, tangent, np.maximum(s[:k], epsilon), epsilon, None)
        change = np.linalg.norm(new - estimate) / np.linalg.norm(new)
        estimate = new
        if change < tol or epsilon <= 1e-14:
            break
        u, s, vt = np.linalg.svd(estimate, full_matrices=False)
    u, s, vt = np.linalg.svd(estimate, full_matrices=False)
    return scale * (u[:, :rank] * s[:rank]) @ vt[:rank]
