"""Covariances of four types, and distances in their metrics; samples lie last.

A covariance block is ``(T, K, D, D)`` for "full", ``(T, 1, D, D)`` for "tied",
``(T, K, D)`` for "diag" and ``(T, K, 1)`` for "spherical".
"""

import math

import torch
from torch import Tensor

COVARIANCE_TYPES = ("full", "tied", "diag", "spherical")


def is_matrix(covariances: Tensor) -> bool:
    return covariances.ndim == 4


def whiteners(covariances: Tensor, n_features: int) -> tuple[Tensor, Tensor]:
    """Factors A with ``AᵀA`` the precision, and log determinants (T, K) of the covariances.

    Covariances that are not positive definite give NaN.
    """
    if not is_matrix(covariances):
        log_det = covariances.log().expand(-1, -1, n_features).sum(2)
        return covariances.rsqrt(), log_det
    # Of the symmetric part: Cholesky reads one triangle only, a gradient both.
    factor, failed = torch.linalg.cholesky_ex((covariances + covariances.mT) / 2)
    if failed.any():
        factor = factor.masked_fill((failed > 0)[..., None, None], torch.nan)
    identity = torch.eye(n_features, dtype=factor.dtype).expand_as(factor)
    whitener = torch.linalg.solve_triangular(factor, identity, upper=False)
    return whitener, 2 * factor.diagonal(dim1=2, dim2=3).log().sum(2)


def precisions(whitener: Tensor) -> Tensor:
    """Inverse covariances from their factors, (T, K, D, D), or (T, K, D) of axis-parallel ones."""
    return whitener.mT @ whitener if is_matrix(whitener) else whitener.square()


def whiten(whitener: Tensor, points: Tensor) -> Tensor:
    """``A x`` for points (T, K or 1, D, n)."""
    return whitener @ points if is_matrix(whitener) else whitener[..., None] * points


def squared_distances(points: Tensor, means: Tensor, whitener: Tensor) -> Tensor:
    """Squared Mahalanobis distances (T, K, G) of points (T, D, G) from means (T, K, D)."""
    deviation = whiten(whitener, points[:, None]) - whiten(whitener, means[..., None])
    return deviation.square().sum(2)


def scatters(points: Tensor, means: Tensor, weights: Tensor) -> Tensor:
    """Weighted second moments (T, K, D, D) of points about means; weights (T, K, G)."""
    deviation = points[:, None] - means[..., None]
    return (weights[:, :, None] * deviation) @ deviation.mT


def fit_covariances(kind, points, means, weights, reg_covar, counts) -> Tensor:
    """Maximum-likelihood covariances of one type, ``reg_covar`` on their diagonals.

    ``counts`` (T, K) are the sums of the ``weights``.
    """
    deviation = points[:, None] - means[..., None]
    if kind in ("diag", "spherical"):
        found = (deviation.square() @ weights[..., None])[..., 0] / counts[..., None]
        found = found + reg_covar
        return found if kind == "diag" else found.mean(2, keepdim=True)
    scatter = (weights[:, :, None] * deviation) @ deviation.mT
    if kind == "tied":
        scatter, counts = scatter.sum(1, keepdim=True), counts.sum(1, keepdim=True)
    found = scatter / counts[..., None, None]
    return found + reg_covar * torch.eye(points.shape[1], dtype=points.dtype)


def log_normaliser(log_det: Tensor, n_features: int) -> Tensor:
    """Logarithm of the Gaussian density at its centre, equation (14)."""
    return -0.5 * (n_features * math.log(2 * math.pi) + log_det)
