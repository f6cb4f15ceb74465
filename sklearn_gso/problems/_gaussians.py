"""Covariances of four types, and distances in their metrics; samples lie last.

A covariance block is ``(T, K, D, D)`` for "full", ``(T, 1, D, D)`` for "tied",
``(T, K, D)`` for "diag" and ``(T, K, 1)`` for "spherical".
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

COVARIANCE_TYPES = ("full", "tied", "diag", "spherical")
# Doubles that are made of samples at once: they stay in cache.
_PART = 1 << 17


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


def as_matrices(values: Tensor, n_features: int) -> Tensor:
    """Covariances, precisions or their factors as matrices, (T, K or 1, D, D)."""
    return values if is_matrix(values) else torch.diag_embed(values.expand(-1, -1, n_features))


def of_tasks(values: Tensor, index) -> Tensor:
    """Some of the tasks of data; of one task over and over no copies are made."""
    if isinstance(index, Tensor) and is_shared(values):
        return values[:1].expand(len(index), *values.shape[1:])
    return values[index]


def is_shared(values: Tensor) -> bool:
    """Whether all tasks have the very same data."""
    return len(values) == 1 or values.stride(0) == 0


def times(left: Tensor, right: Tensor) -> Tensor:
    """``left @ right`` of (T, m, n) and (T, n, p): one product where tasks share the latter."""
    return left @ right[0] if len(right) and is_shared(right) else left @ right


def multiply(factor: Tensor, points: Tensor) -> Tensor:
    """``A x`` for points (T, K or 1, D, n), and A a matrix or its diagonal."""
    if not is_matrix(factor):
        return factor[..., None] * points
    if points.shape[1] == 1 < points.shape[3]:  # one product, and no copies of the points
        return times(factor.flatten(1, 2), points[:, 0]).unflatten(1, factor.shape[1:3])
    return factor @ points


def in_parts(n_samples: int, n_each: int) -> list[slice]:
    """Slices of the samples, each of which makes ``n_each`` doubles, that stay in cache."""
    step = max(1, _PART // max(1, n_each))
    return [slice(i, min(i + step, n_samples)) for i in range(0, n_samples, step)]


def squared_distances(points: Tensor, means: Tensor, whitener: Tensor) -> Tensor:
    """Squared Mahalanobis distances (T, K, G) of points (T, D, G) from means (T, K, D)."""
    centres, result = multiply(whitener, means[..., None]), []
    for part in in_parts(points.shape[2], centres.numel()):
        deviation = multiply(whitener, points[:, None, :, part]) - centres
        result.append(deviation.square().sum(2))
    return torch.cat(result, dim=2) if len(result) > 1 else result[0]


def scatters(points: Tensor, means: Tensor, weights: Tensor) -> Tensor:
    """Weighted second moments (T, K, D, D) of points about means; weights (T, K, G)."""

    def of(deviation, weight):
        return (weight[:, :, None] * deviation) @ deviation.mT

    return _summed(of, points, means, weights)


def _squares(points, means, weights) -> Tensor:
    """Their diagonals alone, (T, K, D)."""

    def of(deviation, weight):
        return (deviation.square() @ weight[..., None])[..., 0]

    return _summed(of, points, means, weights)


def _summed(of, points, means, weights) -> Tensor:
    """The sum of a function of deviations (T, K, D, part) and weights (T, K, part)."""
    first, *others = in_parts(points.shape[2], max(means.numel(), weights[..., 0].numel()))
    total = of(points[:, None, :, first] - means[..., None], weights[..., first])
    for part in others:
        total += of(points[:, None, :, part] - means[..., None], weights[..., part])
    return total


class CovariancePrior(NamedTuple):
    r"""So many samples of one Gaussian more, for every covariance that is estimated.

    Its penalty is ``weight`` times the divergence of that Gaussian from each component's, both
    centred: zero where they agree, infinite where a covariance is singular [1]_.

    .. math::
        \frac{m}{2} \sum_k \operatorname{tr}(\Lambda \Sigma_k^{-1}) - D
            + \log |\Sigma_k| - \log |\Lambda|

    References
    ----------
    .. [1] Chen and Tan, Inference for multivariate normal mixtures, J. Multivariate Analysis
       100, 2009; with the sample covariance as scale and another weight.
    """

    scale: Tensor  # Λ, as the covariance block of one component
    weight: float  # m
    log_det: Tensor  # of the scale, (T, 1)
    keeps_digits: bool = False  # see `Monomials.keeps_digits`

    @classmethod
    def of(cls, scale: Tensor, weight: float, n_features: int) -> "CovariancePrior":
        return cls(scale, weight, whiteners(scale, n_features)[1])

    def take(self, index) -> "CovariancePrior":
        return self._replace(scale=self.scale[index], log_det=self.log_det[index])

    def penalty(self, precision: Tensor, log_det: Tensor, n_features: int) -> Tensor:
        """Of each covariance, (T, K), from precisions and what `whiteners` returns."""
        if is_matrix(precision):
            traces = (precision * self.scale).sum((2, 3))
        else:
            traces = (precision * self.scale).expand(-1, -1, n_features).sum(2)
        return 0.5 * self.weight * (traces - n_features + log_det - self.log_det)


def fit_covariances(kind, points, means, weights, reg_covar, counts, prior=None) -> Tensor:
    """Maximum-likelihood covariances of one type, or those that a prior makes most likely.

    ``counts`` (T, K) are the sums of the ``weights``. ``reg_covar``, a number or (T, D), is
    added to the diagonals where there is no prior.
    """
    if kind in ("full", "tied"):
        return averaged(kind, scatters(points, means, weights), reg_covar, counts, prior)
    return averaged(kind, _squares(points, means, weights), reg_covar, counts, prior)


def averaged(kind, sums, reg_covar, counts, prior) -> Tensor:
    """Covariances of one type from sums of squares, or of outer products, and counts."""
    if kind == "tied":
        sums, counts = sums.sum(1, keepdim=True), counts.sum(1, keepdim=True)
    counts = counts.reshape(*counts.shape, *[1] * (sums.ndim - 2))
    if prior is not None:
        average = (sums + prior.weight * prior.scale) / (counts + prior.weight)
    else:
        average = sums / counts + on_diagonal(reg_covar, sums)
    return average.mean(2, keepdim=True) if kind == "spherical" else average


def on_diagonal(values, like: Tensor) -> Tensor:
    """A number, or (T, D), as variances or as diagonal matrices."""
    values = torch.as_tensor(values, dtype=like.dtype).expand(len(like), like.shape[2])[:, None]
    return torch.diag_embed(values) if is_matrix(like) else values


def log_normaliser(log_det: Tensor, n_features: int) -> Tensor:
    """Logarithm of the Gaussian density at its centre, equation (14)."""
    return -0.5 * (n_features * math.log(2 * math.pi) + log_det)
