"""Products of features: densities and moments of Gaussians are one matrix product with them."""

import copy
from typing import Any

import torch
from torch import Tensor

from ._gaussians import (
    CovariancePrior,
    averaged,
    in_parts,
    is_matrix,
    is_shared,
    multiply,
    of_tasks,
    on_diagonal,
    precisions,
    times,
    whiteners,
)

# Doubles of a task that are kept; more are made again in every pass.
_MAX_KEPT = 2_000_000
# Share of a sum of squares below which a difference of such sums is not trusted.
_MIN_SHARE = 1e-7
# Share of a mean square above which regularisation makes up for lost digits.
_ENOUGH = 1e-8


class Monomials:
    """Products of features, features and 1 of every sample: what quadratics are linear in.

    Differences of large sums lose digits that squares of differences keep, so each method
    says when: `rounding` before a density, None instead of covariances. Of many samples they
    are not kept but made again, part by part, whenever they are used.

    Parameters
    ----------
    points : Tensor of shape (T, D, G)
    products : bool
        Of every pair of features; else squares alone, for axis-parallel Gaussians.
    """

    def __init__(self, points: Tensor, products: bool):
        d, self.products = points.shape[1], products
        first, second = torch.triu_indices(d, d) if products else torch.arange(d).expand(2, -1)
        self.points, self.n_features, self.n_pairs = points, d, len(first)
        self.first, self.second = first, second
        self.largest = torch.linalg.vector_norm(points, torch.inf, dim=2).square()[:, None]
        self.n_each = self.n_pairs + d + 1  # monomials of a sample
        is_kept = self.n_each * points.shape[2] <= _MAX_KEPT
        self.values = self._of(points) if is_kept else None
        # Where a pair stands in a flat matrix, what it counts in a form, and the reverse.
        self.place = first * d + second
        self.factor = torch.where(first == second, -0.5, -1.0).to(points.dtype)
        self.number = torch.empty(d * d, dtype=torch.long)
        self.number[second * d + first] = self.number[self.place] = torch.arange(len(first))
        self.identity = torch.eye(d, dtype=points.dtype)

    def _of(self, points) -> Tensor:
        """Of some samples, (T, n_each, n)."""
        pairs = points[:, self.first] * points[:, self.second]
        return torch.cat([pairs, points, torch.ones_like(points[:, :1])], dim=1)

    def _parts(self):
        """Slices of the samples, and their monomials."""
        if self.values is not None:
            yield slice(None), self.values
            return
        points = self.points[:1] if is_shared(self.points) else self.points
        for part in in_parts(points.shape[2], self.n_each * len(points)):
            yield part, self._of(points[..., part])

    def take(self, index) -> "Monomials":
        other = copy.copy(self)
        other.points, other.largest = of_tasks(self.points, index), self.largest[index]
        other.values = None if self.values is None else of_tasks(self.values, index)
        return other

    def rounding(self, precision: Tensor) -> Tensor:
        """Size of the largest terms of a squared distance, whose rounding it inherits."""
        diagonal = precision.diagonal(dim1=2, dim2=3) if is_matrix(precision) else precision
        return (diagonal * self.largest).sum(2).max()

    def most_rounding(self, prior: CovariancePrior) -> Tensor:
        """The largest `rounding` of any precisions that are estimated with a prior."""
        precision = precisions(whiteners(prior.scale, self.n_features)[0])
        return self.rounding(precision) * (1 + self.points.shape[2] / prior.weight)

    def log_density(self, offset, means, precision) -> Tensor:
        """``offset - (x - μ)ᵀ P (x - μ) / 2`` of all samples, (T, K, G); offset is (T, K, 1)."""
        pulled = multiply(precision, means[..., None])[..., 0]
        if is_matrix(precision):
            quadratic = self.factor * precision.flatten(2).index_select(2, self.place)
        else:
            quadratic = -0.5 * precision
        quadratic = quadratic.expand(-1, -1, self.n_pairs)
        offset = offset - 0.5 * (pulled * means).sum(2, keepdim=True)
        linear = torch.cat([pulled, offset], dim=2)
        if quadratic.shape[1] > 1:
            linear, quadratic = torch.cat([quadratic, linear], dim=2), None
        if self.values is not None:
            return _density(linear, quadratic, self.values)
        result = linear.new_empty(*linear.shape[:2], self.points.shape[2])
        for part, values in self._parts():
            result[..., part] = _density(linear, quadratic, values)
        return result

    def moments(self, weights: Tensor, tied: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Weighted sums (T, K) of 1, (T, K, D) of the features, (T, K, pairs) of products.

        The products of all components together, (T, 1, pairs), where they share a covariance.
        """
        sums: Any = 0
        pairs: Any = 0
        if self.values is not None and not tied:
            all_sums = times(weights, self.values.mT)
            pairs, sums = all_sums.tensor_split([self.n_pairs], dim=2)
            return sums[..., -1], sums[..., :-1], pairs
        for part, values in self._parts():
            own = weights[..., part]
            if tied:
                pairs = pairs + times(own.sum(1, keepdim=True), values[:, : self.n_pairs].mT)
                values = values[:, self.n_pairs :]
            sums = sums + times(own, values.mT)
        if not tied:
            pairs, sums = sums.tensor_split([self.n_pairs], dim=2)
        return sums[..., -1], sums[..., :-1], pairs

    def matrices(self, products) -> Tensor:
        """Sums of products as matrices; those of squares as they are."""
        if not self.products:
            return products
        return products.index_select(2, self.number).unflatten(2, (self.n_features, -1))

    def scatter(self, means, sums, raw) -> Tensor:
        """Sums of outer products, or squares, about means ``sums / counts``; ``raw`` about 0."""
        if not self.products:
            return raw - means * sums
        if raw.shape[1] < means.shape[1]:  # all components together
            return raw - (means.mT @ sums)[:, None]
        return raw - means[..., None] * sums[..., None, :]

    def keeps_digits(self, prior: CovariancePrior) -> bool:
        """Whether what a prior adds exceeds, in every direction, what any sums lose."""
        added = prior.weight * prior.scale
        most = self.points.shape[2] * self.largest  # the weights are 1 on average
        if not self.products:
            return bool((added > _MIN_SHARE * most).all())
        # A feature that is 0 throughout loses nothing: what is added is its unit.
        most = most.maximum(added.diagonal(dim1=2, dim2=3))
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
        elif (on_diagonal(reg_covar, whole) >= _ENOUGH * whole / counts[..., None]).all():
            return False  # what is lost is lost in what is added
        scale = whole.clamp(min=torch.finfo(whole.dtype).tiny).rsqrt()
        correlation = scatter * scale[..., None] * scale[..., None, :]
        failed = torch.linalg.cholesky_ex(correlation - _MIN_SHARE * self.identity).info
        return bool((failed != 0).any())

    def covariances(self, kind, means, moments, reg_covar, counts, prior=None) -> Tensor | None:
        """As `fit_covariances`; None where differences of large sums would lose digits."""
        total, sums, products = moments
        drift = sums - total[..., None] * means
        raw = self.matrices(products)
        if self.products and kind == "tied":
            raw = raw.sum(1, keepdim=True)
        scatter = self.scatter(means, sums, raw)
        if self.products:
            if kind == "tied":
                counts = counts.sum(1, keepdim=True)
                scatter -= (drift.mT @ means)[:, None]
            else:
                scatter -= drift[..., None] * means[..., None, :]
            if self._has_lost_digits(scatter, raw, counts, reg_covar, prior):
                return None
        else:
            scatter -= drift * means
            added = 0.0 if prior is None else prior.weight * prior.scale
            if not (scatter + added >= _MIN_SHARE * products).all():
                return None
        return averaged(kind, scatter, reg_covar, counts, prior)


def _density(linear, quadratic, values) -> Tensor:
    """Forms of all monomials, or one quadratic form for all components and linear ones."""
    if quadratic is None:
        return times(linear, values)
    n_pairs = quadratic.shape[2]
    return times(linear, values[:, n_pairs:]).add_(times(quadratic, values[:, :n_pairs]))
