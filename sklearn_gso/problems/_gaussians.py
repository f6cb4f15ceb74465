"""Covariances of four types, and distances in their metrics; samples lie last.

A covariance block is ``(T, K, D, D)`` for "full", ``(T, 1, D, D)`` for "tied",
``(T, K, D)`` for "diag" and ``(T, K, 1)`` for "spherical".
"""

import math

import torch
from torch import Tensor

# Share of a variance in the mean square below which their difference is computed directly.
_LEAST_SHARE = 1e-7

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
    identity = torch.eye(n_features, dtype=factor.dtype).expand_as(factor)
    whitener = torch.linalg.solve_triangular(factor, identity, upper=False)
    log_det = 2 * factor.diagonal(dim1=2, dim2=3).log().sum(2)
    bad = failed > 0
    return (
        whitener.masked_fill(bad[..., None, None], torch.nan),
        log_det.masked_fill(bad, torch.nan),
    )


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


class Monomials:
    """Products of features, features and 1 of every sample: what quadratics are linear in.

    With them a Gaussian's log density of all samples, and all weighted moments up to the
    second, are one matrix product each.

    Parameters
    ----------
    points : Tensor of shape (T, D, G)
    products : bool
        Of every pair of features; else squares alone, for axis-parallel Gaussians.
    """

    def __init__(self, points: Tensor, products: bool):
        d = points.shape[1]
        self.n_features = d
        self.pairs = torch.triu_indices(d, d) if products else torch.arange(d).expand(2, -1)
        ones = torch.ones_like(points[:, :1])
        quadratic = points[:, self.pairs[0]] * points[:, self.pairs[1]]
        self.values = torch.cat([quadratic, points, ones], dim=1)
        self.largest = points.square().sum(1).amax(1)

    def take(self, index) -> "Monomials":
        other = object.__new__(type(self))
        other.n_features, other.pairs = self.n_features, self.pairs
        other.values, other.largest = self.values[index], self.largest[index]
        return other

    def rounding(self, whitener: Tensor) -> Tensor:
        """Size of the largest terms of a squared distance, whose rounding it inherits."""
        return (whitener.square().amax(dim=tuple(range(1, whitener.ndim))) * self.largest).max()

    def log_density(self, offset, means, whitener) -> Tensor:
        """``offset - |A (x - μ)|² / 2`` for all samples, (T, K, G); offset is (T, K, 1)."""
        if is_matrix(whitener):
            precision = whitener.mT @ whitener
            pulled = (precision @ means[..., None])[..., 0]
            once = self.pairs[0] == self.pairs[1]
            quadratic = precision[:, :, self.pairs[0], self.pairs[1]] * torch.where(
                once, -0.5, -1.0
            )
        else:
            precision = whitener.square().expand(-1, -1, self.n_features)
            pulled, quadratic = precision * means, -0.5 * precision
        offset = offset - 0.5 * (pulled * means).sum(2, keepdim=True)
        quadratic = quadratic.expand(-1, means.shape[1], -1)
        return torch.cat([quadratic, pulled, offset], dim=2) @ self.values

    def moments(self, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weighted sums (T, K) of 1, (T, K, D) of the features, (T, K, pairs) of products."""
        found = weights @ self.values.mT
        n_pairs = self.pairs.shape[1]
        return found[..., -1], found[..., n_pairs:-1], found[..., :n_pairs]

    def covariances(self, kind, means, moments, reg_covar, counts) -> Tensor | None:
        """As `fit_covariances`; None where differences of large sums would lose digits."""
        total, sums, products = moments
        first, second = self.pairs
        scatter = (
            products
            - means[..., first] * sums[..., second]
            - sums[..., first] * means[..., second]
            + means[..., first] * means[..., second] * total[..., None]
        )
        own = first == second
        if not (scatter[..., own] >= _LEAST_SHARE * products[..., own]).all():
            return None
        found = scatter / counts[..., None]
        if kind in ("diag", "spherical"):
            found = found + reg_covar
            return found if kind == "diag" else found.mean(2, keepdim=True)
        if kind == "tied":
            found = scatter.sum(1, keepdim=True) / counts.sum(1)[:, None, None]
        matrix = torch.empty(*found.shape[:2], self.n_features, self.n_features, dtype=found.dtype)
        matrix[..., first, second] = found
        matrix[..., second, first] = found
        return matrix + reg_covar * torch.eye(self.n_features, dtype=found.dtype)
