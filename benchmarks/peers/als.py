"""Alternating least squares with a ridge, plain and along a path of ridges.

Zhou, Wilkinson, Schreiber, Pan: "Large-scale parallel collaborative filtering for the
Netflix prize" (2008); the path is homotopy in the ridge, as SoftImpute-ALS warm-starts
(Hastie, Mazumder, Lee, Zadeh 2015).
"""

import numpy as np

from .validation import choose, hidden_loss

_RIDGE = 1e-3
_RIDGES = (1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0)


def _solve(filled, seen, other, ridge):
    k = other.shape[1]
    squares = (other[:, :, None] * other[:, None, :]).reshape(len(other), -1)
    matrix = (seen @ squares).reshape(-1, k, k) + ridge * np.eye(k)
    return np.linalg.solve(matrix, (filled @ other)[..., None])[..., 0]


def sweeps(X, rank, ridges, random_state):
    """One sweep for each ridge, in units of the root mean square; the estimate."""
    seen = (~np.isnan(X)).astype(float)
    filled = np.nan_to_num(X)
    scale = np.sqrt(np.square(filled).sum() / seen.sum()) or 1.0
    filled = filled / scale
    right = np.random.RandomState(random_state).randn(X.shape[1], rank)
    for ridge in ridges:
        left = _solve(filled, seen, right, ridge)
        right = _solve(filled.T, seen.T, left, ridge)
    return scale * left @ right.T


def als(X, rank, *, random_state=None, ridge=_RIDGE, max_iter=100):
    """From a random start, 100 sweeps."""
    return sweeps(X, rank, np.full(max_iter, ridge), random_state)


def rank_one(X, rank=None, *, random_state=None):
    """Plain ALS of rank 1."""
    return als(X, 1, random_state=random_state)


def als_validated(X, rank, *, random_state=None, candidates=None):
    """Ridge and rank (at most ``rank``) chosen on a hidden tenth of the entries."""
    ranks = sorted({1, 2, 3, 5, 10, rank} & set(range(1, min(rank, 10, *X.shape) + 1)))
    candidates = candidates or [(k, ridge) for k in ranks for ridge in _RIDGES]

    def fit(values, one):
        return als(values, one[0], random_state=random_state, ridge=one[1])

    return fit(X, choose(candidates, hidden_loss(X, fit, random_state)))


def continuation_als(X, rank, *, random_state=None, max_iter=100, last=_RIDGE):
    """The ridge falls geometrically from 10 (at least ``last``) over 70 % of 100 sweeps."""
    n_falling = int(0.7 * max_iter)
    path = np.geomspace(max(10.0, last), last, n_falling)
    path = np.concatenate([path, np.full(max_iter - n_falling, last)])
    return sweeps(X, rank, path, random_state)
