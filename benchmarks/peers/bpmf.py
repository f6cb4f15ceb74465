"""Bayesian probabilistic matrix factorisation by Gibbs sampling.

Salakhutdinov, Mnih: "Bayesian probabilistic matrix factorization using Markov chain Monte
Carlo" (ICML 2008), with the noise precision sampled too.
"""

import numpy as np
from scipy.stats import wishart


def _hyperparameters(factor, rng):
    """A draw of mean and precision of the rows, normal-Wishart with identity scale."""
    n, k = factor.shape
    beta, mean = 2.0, factor.mean(0)
    centred = factor - mean
    scale = np.eye(k) + centred.T @ centred + beta * n / (beta + n) * np.outer(mean, mean)
    precision = wishart.rvs(k + n, np.linalg.inv(scale), random_state=rng).reshape(k, k)
    root = np.linalg.cholesky((beta + n) * precision)
    centre = n * mean / (beta + n)
    return centre + np.linalg.solve(root.T, rng.standard_normal(k)), precision


def _draw(filled, seen, other, noise, mean, precision, rng):
    k = other.shape[1]
    squares = (other[:, :, None] * other[:, None, :]).reshape(len(other), -1)
    matrix = precision + noise * (seen @ squares).reshape(-1, k, k)
    right = noise * filled @ other + precision @ mean
    root = np.linalg.inv(np.linalg.cholesky(matrix))
    whitened = (root @ right[..., None])[..., 0] + rng.standard_normal(right.shape)
    return (root.transpose(0, 2, 1) @ whitened[..., None])[..., 0]


def bpmf(X, rank, *, random_state=None, n_burn=300, n_kept=200):
    """Mean of ``n_kept`` sampled estimates after ``n_burn``; rank at most 10."""
    rng = np.random.RandomState(random_state)
    seen = (~np.isnan(X)).astype(float)
    filled = np.nan_to_num(X)
    scale = np.sqrt(np.square(filled).sum() / seen.sum()) or 1.0
    filled = filled / scale
    k = min(rank, 10, *X.shape)
    left, right = (0.1 * rng.standard_normal((n, k)) for n in X.shape)
    noise, total = 1.0, np.zeros(X.shape)
    for sweep in range(n_burn + n_kept):
        left = _draw(filled, seen, right, noise, *_hyperparameters(left, rng), rng)
        right = _draw(filled.T, seen.T, left, noise, *_hyperparameters(right, rng), rng)
        estimate = left @ right.T
        misfit = np.square(seen * (estimate - filled)).sum()
        noise = rng.gamma(1.0 + seen.sum() / 2, 1.0 / (1e-12 + misfit / 2))
        if sweep >= n_burn:
            total += estimate
    return scale * total / n_kept
