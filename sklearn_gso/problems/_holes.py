"""Gaussians of rows with missing entries, pattern by pattern; samples lie last.

Where P is the precision of a Gaussian, the entries M that a row misses have, given the others,
the covariance ``C = P_MM⁻¹`` and the mean ``μ_M - C P_MO (x_O - μ_O)``, and the observed ones
the log determinant ``log|Σ| + log|P_MM|``: what is factorised is as small as the holes.
"""

import math
from collections import defaultdict
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ._gaussians import is_matrix, precisions, whiteners

# Doubles of one component that a group of patterns works on, to stay in cache.
_GROUP_SIZE = 100_000


class Group(NamedTuple):
    """P patterns, each of m missing features and of r rows that follow each other."""

    holes: Tensor  # (P, m)
    rows: slice
    n_rows: int  # r

    @property
    def place(self) -> tuple:
        """Of the missing entries in what has the axes (T, K, D, P, r): (T, K, P, m, r)."""
        return slice(None), slice(None), self.holes, torch.arange(len(self.holes))[:, None]

    @property
    def pairs(self) -> tuple[Tensor, Tensor]:
        """Numbers of the two features of every pair of missing ones, (P, m, m) and like it."""
        return self.holes[:, :, None], self.holes[:, None, :]

    def unflatten(self, values: Tensor) -> Tensor:
        """The last axis, of rows, as patterns and their rows."""
        return values.unflatten(-1, (len(self.holes), self.n_rows))


def group_rows(missing: np.ndarray) -> tuple[np.ndarray, list[Group]]:
    """An order of the rows (G, D) by patterns, those of equal sizes together, and the groups."""
    d = missing.shape[1]
    packed = np.packbits(missing, axis=1)
    _, pattern, counts = np.unique(packed, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(pattern.ravel(), kind="stable")
    by_size = defaultdict(list)
    most = max(1, _GROUP_SIZE // d)
    for rows in np.split(order, counts.cumsum()[:-1]):
        holes = np.flatnonzero(missing[rows[0]])
        for part in np.split(rows, range(most, len(rows), most)):
            by_size[len(holes), len(part)].append((holes, part))
    groups: list[Group] = []
    ordered: list[np.ndarray] = []
    end = 0
    for (m, r), patterns in sorted(by_size.items()):
        step = max(1, _GROUP_SIZE // (r * d + m * m))
        for start in range(0, len(patterns), step):
            some = patterns[start : start + step]
            begin, end = end, end + r * len(some)
            holes = np.stack([holes for holes, _ in some])
            groups.append(Group(torch.from_numpy(holes), slice(begin, end), r))
            ordered += [rows for _, rows in some]
    return np.concatenate(ordered), groups


class Gaussians(NamedTuple):
    """The components; blocks of covariances and what `whiteners` makes of them."""

    means: Tensor
    covariances: Tensor
    whitener: Tensor
    log_det: Tensor


class Holes:
    """Which entries are missing, the same in every task of a batch.

    Parameters
    ----------
    missing : Tensor of shape (G, D)
        Booleans.

    Attributes
    ----------
    order : Tensor of shape (G,)
        All methods want and return samples in this order, in which groups are slices.
    """

    def __init__(self, missing: Tensor):
        order, self.groups = group_rows(missing.numpy())
        self.order = torch.from_numpy(order)
        self.observed = (~missing).to(torch.float64)[self.order].T.contiguous()  # (D, G)
        # Doubles of the conditional covariances of one component.
        self.size = sum(group.holes.shape[1] * group.holes.numel() for group in self.groups)

    def conditionals(self, gaussians: Gaussians):
        """Of each group factors A, (T, K, P, m, m), with ``AᵀA = C``, and ``log|P_MM|``.

        One by one, or None for each group where no feature tells of another.
        """
        if not is_matrix(gaussians.covariances):
            yield from [None] * len(self.groups)
            return
        precision = precisions(gaussians.whitener)
        for group in self.groups:
            first, second = group.pairs
            block = precision[:, :, first, second]
            factor, log_det = whiteners(block.flatten(0, 1), group.holes.shape[1])
            yield tuple(x.unflatten(0, block.shape[:2]) for x in (factor, log_det))

    def deviations(self, points: Tensor, gaussians: Gaussians, conditionals):
        """Of the rows of each group from the means, missing entries as expected, (T, K, D, n)."""
        means = gaussians.means[..., None]
        precision = precisions(gaussians.whitener)
        for group, conditional in zip(self.groups, conditionals, strict=True):
            own = (points[:, None, :, group.rows] - means) * self.observed[:, group.rows]
            if conditional is not None and group.holes.shape[1]:
                factor, _ = conditional
                pulled = group.unflatten(precision @ own)[group.place]
                own = own.clone()  # gradients need what was there
                group.unflatten(own)[group.place] = -(factor.mT @ (factor @ pulled))
            yield own

    def log_density(self, gaussians: Gaussians, conditionals, deviations) -> Tensor:
        """Of the observed part of each row, (T, K, G)."""
        whitener, log_det = gaussians.whitener, gaussians.log_det[..., None]
        parts = []
        for group, conditional, own in zip(self.groups, conditionals, deviations, strict=True):
            observed = self.observed[:, group.rows]
            if conditional is None:
                squares = (whitener[..., None] * own).square().sum(2)
                logs = -2 * whitener.log().expand(-1, -1, len(observed)) @ observed
            else:
                squares = (whitener @ own).square().sum(2)
                logs = (log_det + conditional[1]).repeat_interleave(group.n_rows, dim=2)
            parts.append(-0.5 * (math.log(2 * math.pi) * observed.sum(0) + logs + squares))
        return torch.cat(parts, dim=2)

    def sums(self, shares: Tensor, deviations) -> Tensor:
        """Expected deviations, weighted by ``shares`` (T, K, G) and summed, (T, K, D)."""
        parts = [
            own @ shares[:, :, group.rows, None]
            for group, own in zip(self.groups, deviations, strict=True)
        ]
        return torch.stack(parts).sum(0)[..., 0]

    def squares(self, shares: Tensor, gaussians: Gaussians, conditionals, deviations) -> Tensor:
        """Expected products of deviations, (T, K, D, D), or squares where no others count."""
        is_full, (n_tasks, k, d) = is_matrix(gaussians.covariances), gaussians.means.shape
        total = shares.new_zeros(n_tasks, k, d, d if is_full else 1)
        for group, conditional, own in zip(self.groups, conditionals, deviations, strict=True):
            weights = shares[:, :, group.rows]
            if conditional is None:
                total += own.square() @ weights[..., None]
                continue
            total += (own * weights[:, :, None]) @ own.mT
            self._add_conditional(total, group, conditional[0], group.unflatten(weights).sum(3))
        if is_full:
            return total
        missing = shares @ (1 - self.observed).T
        return total[..., 0] + missing * gaussians.covariances

    def _add_conditional(self, total, group: Group, factor, weights) -> None:
        """Add what the missing entries of a group vary by, given the others."""
        first, second = group.pairs
        place = (first * total.shape[2] + second).flatten()
        varied = weights[..., None, None] * (factor.mT @ factor)
        total.flatten(2).index_add_(2, place, varied.flatten(2))

    def noisy(self, gaussians: Gaussians, conditionals, deviations, generator):
        """The deviations of each group, missing entries with the noise that they have."""
        for group, conditional, own in zip(self.groups, conditionals, deviations, strict=True):
            noise = torch.randn(own.shape, generator=generator, dtype=own.dtype)
            noise = group.unflatten(noise)[group.place]  # (T, K, P, m, r)
            if conditional is None:
                variances = gaussians.covariances.expand(own.shape[:3])
                noise = variances[:, :, group.holes].sqrt()[..., None] * noise
            else:
                noise = conditional[0].mT @ noise
            own = own.clone()
            group.unflatten(own)[group.place] += noise
            yield own

    def expectation(self, shares, gaussians: Gaussians, deviations) -> Tensor:
        """Of the entries of all rows, over the components, (T, D, G)."""
        parts = [
            (shares[:, :, None, group.rows] * own).sum(1)
            for group, own in zip(self.groups, deviations, strict=True)
        ]
        return gaussians.means.mT @ shares + torch.cat(parts, dim=2)
