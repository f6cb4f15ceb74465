"""Covariances of four types, and distances in their metrics; samples lie last.

A covariance block is ``(T, K, D, D)`` for "full", ``(T, 1, D, D)`` for "tied",
``(T, K, D)`` for "diag" and ``(T, K, 1)`` for "spherical".
"""

import copy
import math
from typing import NamedTuple

import torch
from torch import Tensor

COVARIANCE_TYPES = ("full", "tied", "diag", "spherical")
# Share of a sum of squares below which a difference of such sums is not trusted.
_MIN_SHARE = 1e-7
# Share of a mean square above which regularisation makes up for lost digits.
_ENOUGH = 1e-8


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


def squared_distances(points: Tensor, means: Tensor, whitener: Tensor) -> Tensor:
    """Squared Mahalanobis distances (T, K, G) of points (T, D, G) from means (T, K, D)."""
    deviation = multiply(whitener, points[:, None]) - multiply(whitener, means[..., None])
    return deviation.square().sum(2)


def scatters(points: Tensor, means: Tensor, weights: Tensor) -> Tensor:
    """Weighted second moments (T, K, D, D) of points about means; weights (T, K, G)."""
    deviation = points[:, None] - means[..., None]
    return (weights[:, :, None] * deviation) @ deviation.mT


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
        return _averaged(kind, scatters(points, means, weights), reg_covar, counts, prior)
    squares = (points[:, None] - means[..., None]).square() @ weights[..., None]
    return _averaged(kind, squares[..., 0], reg_covar, counts, prior)


def _averaged(kind, sums, reg_covar, counts, prior) -> Tensor:
    """Covariances of one type from sums of squares, or of outer products, and counts."""
    if kind == "tied":
        sums, counts = sums.sum(1, keepdim=True), counts.sum(1, keepdim=True)
    counts = counts.reshape(*counts.shape, *[1] * (sums.ndim - 2))
    if prior is not None:
        average = (sums + prior.weight * prior.scale) / (counts + prior.weight)
    else:
        average = sums / counts + _on_diagonal(reg_covar, sums)
    return average.mean(2, keepdim=True) if kind == "spherical" else average


def _on_diagonal(values, like: Tensor) -> Tensor:
    """A number, or (T, D), as variances or as diagonal matrices."""
    values = torch.as_tensor(values, dtype=like.dtype).expand(len(like), like.shape[2])[:, None]
    return torch.diag_embed(values) if is_matrix(like) else values


def log_normaliser(log_det: Tensor, n_features: int) -> Tensor:
    """Logarithm of the Gaussian density at its centre, equation (14)."""
    return -0.5 * (n_features * math.log(2 * math.pi) + log_det)


class Monomials:
    """Products of features, features and 1 of every sample: what quadratics are linear in.

    Differences of large sums lose digits that squares of differences keep, so each method
    says when: `rounding` before a density, None instead of covariances.

    Parameters
    ----------
    points : Tensor of shape (T, D, G)
    products : bool
        Of every pair of features; else squares alone, for axis-parallel Gaussians.
    """

    def __init__(self, points: Tensor, products: bool):
        d, self.products = points.shape[1], products
        first, second = torch.triu_indices(d, d) if products else torch.arange(d).expand(2, -1)
        ones = torch.ones_like(points[:, :1])
        pairs = points[:, first] * points[:, second]
        self.values = torch.cat([pairs, points, ones], dim=1)
        self.largest = points.square().amax(2)[:, None]
        self.n_features, self.n_pairs = d, len(first)
        # Where a pair stands in a flat matrix, what it counts in a form, and the reverse.
        self.place = first * d + second
        self.factor = torch.where(first == second, -0.5, -1.0).to(points.dtype)
        self.number = torch.empty(d * d, dtype=torch.long)
        self.number[second * d + first] = self.number[self.place] = torch.arange(len(first))
        self.identity = torch.eye(d, dtype=points.dtype)

    def take(self, index) -> "Monomials":
        other = copy.copy(self)
        other.values, other.largest = of_tasks(self.values, index), self.largest[index]
        return other

    def rounding(self, precision: Tensor) -> Tensor:
        """Size of the largest terms of a squared distance, whose rounding it inherits."""
        diagonal = precision.diagonal(dim1=2, dim2=3) if is_matrix(precision) else precision
        return (diagonal * self.largest).sum(2).max()

    def log_density(self, offset, means, precision) -> Tensor:
        """``offset - (x - μ)ᵀ P (x - μ) / 2`` of all samples, (T, K, G); offset is (T, K, 1)."""
        pulled = multiply(precision, means[..., None])[..., 0]
        if is_matrix(precision):
            quadratic = self.factor * precision.flatten(2).index_select(2, self.place)
        else:
            quadratic = -0.5 * precision
        quadratic = quadratic.expand(-1, -1, self.n_pairs)
        offset = offset - 0.5 * (pulled * means).sum(2, keepdim=True)
        if quadratic.shape[1] == 1:  # of all components the same
            shared = times(quadratic, self.values[:, : self.n_pairs])
            linear = self.values[:, self.n_pairs :]
            return times(torch.cat([pulled, offset], dim=2), linear).add_(shared)
        return times(torch.cat([quadratic, pulled, offset], dim=2), self.values)

    def moments(self, weights: Tensor, tied: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Weighted sums (T, K) of 1, (T, K, D) of the features, (T, K, pairs) of products.

        The products of all components together, (T, 1, pairs), where they share a covariance.
        """
        if tied:
            sums = times(weights, self.values[:, self.n_pairs :].mT)
            pairs = times(weights.sum(1, keepdim=True), self.values[:, : self.n_pairs].mT)
            return sums[..., -1], sums[..., :-1], pairs
        sums = times(weights, self.values.mT)
        return sums[..., -1], sums[..., self.n_pairs : -1], sums[..., : self.n_pairs]

    def keeps_digits(self, prior: CovariancePrior) -> bool:
        """Whether what a prior adds exceeds, in every direction, what any sums lose."""
        if not self.products:
            return False
        added = prior.weight * prior.scale
        most = self.values.shape[2] * self.largest  # the weights are 1 on average
        scale = most.clamp(min=torch.finfo(most.dtype).tiny).rsqrt()
        share = torch.linalg.eigvalsh(added * scale[..., None] * scale[..., None, :])[..., 0]
        return bool((share > _MIN_SHARE).all())

    def _has_lost_digits(self, scatter, raw, counts, reg_covar, prior) -> bool:
        """Whether some direction keeps too small a share of its sum of squares."""
        whole = raw.diagonal(dim1=2, dim2=3)
        if prior is not None:
            if prior.keeps_digits:
                return False
            scatter = scatter + prior.weight * prior.scale
        elif (_on_diagonal(reg_covar, whole) >= _ENOUGH * whole / counts[..., None]).all():
            return False  # what is lost is lost in what is added
        scale = whole.clamp(min=torch.finfo(whole.dtype).tiny).rsqrt()
        correlation = scatter * scale[..., None] * scale[..., None, :]
        failed = torch.linalg.cholesky_ex(correlation - _MIN_SHARE * self.identity).info
        return bool((failed != 0).any())

    def covariances(self, kind, means, moments, reg_covar, counts, prior=None) -> Tensor | None:
        """As `fit_covariances`; None where differences of large sums would lose digits."""
        total, sums, products = moments
        drift = sums - total[..., None] * means
        if self.products:
            raw = products.index_select(2, self.number).unflatten(2, (self.n_features, -1))
            if kind == "tied":
                raw, counts = raw.sum(1, keepdim=True), counts.sum(1, keepdim=True)
                scatter = raw - (means.mT @ sums + drift.mT @ means)[:, None]
            else:
                scatter = raw - means[..., None] * sums[..., None, :]
                scatter -= drift[..., None] * means[..., None, :]
            if self._has_lost_digits(scatter, raw, counts, reg_covar, prior):
                return None
        else:
            scatter = products - means * sums - drift * means
            if not (scatter >= _MIN_SHARE * products).all():
                return None
        return _averaged(kind, scatter, reg_covar, counts, prior)
