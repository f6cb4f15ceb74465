"""Gaussian mixtures over rows with holes, by a few sweeps of EM; several priors side by side.

What `EMGaussianMixture` solves and `problems.MixtureMissing` is the equations of, in NumPy, all
blocks in one step, from one start: of tables of usual size a tenth of the time.
"""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from ..mixture.clustering import hard_clusters, n_drawn

# Sweeps of EM: what the entries are expected to be is soon good enough. From a mixture of nearly
# the same rows.
_SWEEPS, _MORE = 10, 4
# Pseudo-samples, per column, of the weak prior and of that which draws covariances to a common one.
_WEAK, _POOLED = 0.5, 3.0
# Least variance of a direction, the columns' being 1.
_FLOOR = 1e-6
# Doubles worked on at once.
_BLOCK = 500_000


class Group(NamedTuple):
    """Rows with equally many missing entries."""

    rows: np.ndarray  # (r,)
    holes: np.ndarray  # (r, m)
    values: np.ndarray  # (r, q), 0 where missing
    seen: np.ndarray  # (r, q)


def groups_of(array, n_gaussians) -> list[Group]:
    """The rows by how many of their entries are missing, in blocks."""
    missing = np.isnan(array)
    counts, groups = missing.sum(1), []
    for m in np.unique(counts):
        rows = np.flatnonzero(counts == m)
        step = max(1, _BLOCK // (n_gaussians * max(array.shape[1], int(m) ** 2)))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            holes = np.nonzero(missing[part])[1].reshape(len(part), m)
            groups.append(Group(part, holes, np.nan_to_num(array[part]), ~missing[part]))
    return groups


@dataclass(frozen=True)
class Mixtures:
    """S mixtures of K Gaussians each, and the priors of their covariances.

    The prior of a covariance is ``n_pseudo`` samples more of covariance ``scale``.
    """

    log_weights: np.ndarray  # (S, K)
    means: np.ndarray  # (S, K, q)
    covariances: np.ndarray  # (S, K, q, q)
    scale: np.ndarray  # (S, q, q)
    n_pseudo: np.ndarray  # (S,)

    @classmethod
    def fit(cls, array, priors, n_components, seed, start=None) -> "Mixtures":
        """By EM from clusters of the rows that one Gaussian completes, or from ``start``.

        Parameters
        ----------
        array : ndarray of shape (n, q)
            Columns about 0 and of variance 1, with NaN.
        priors : sequence of {"weak", "pooled"}
            Of each mixture: a weak prior, the covariance within clusters; or a strong one, that of
            all rows.
        n_components : int
        seed : int
        start : Mixtures, optional
        """
        if start is not None:
            return start.swept(array, _MORE)
        one = _one_gaussian(array).swept(array, _SWEEPS)
        labels = _clusters(one, array, n_components, seed)
        return _of_clusters(one, array, labels, priors).swept(array, _SWEEPS)

    def swept(self, array, n_sweeps) -> "Mixtures":
        """After some sweeps of EM."""
        groups, result = groups_of(array, self.log_weights.size), self
        for _ in range(n_sweeps):
            result = result._sweep(groups)
        return result

    def _sweep(self, groups) -> "Mixtures":
        gaussians = _Gaussians(self)
        (n, q), shape = gaussians.means.shape, self.log_weights.shape
        count: np.ndarray = np.full(n, 1e-9)
        sums: np.ndarray = np.zeros((n, q))
        squares: np.ndarray = np.zeros((n, q, q))
        for group in groups:
            away, density, left = gaussians.given(group)
            shares = self._shares(density)
            weighted = shares[..., None] * away
            count += shares.sum(1)
            sums += weighted.sum(1)
            squares += weighted.swapaxes(1, 2) @ away
            _add_left(squares, group.holes, shares[..., None, None] * left)
        moved = sums / count[:, None]
        squares -= count[:, None, None] * moved[:, :, None] * moved[:, None, :]
        count = count.reshape(shape)
        squares = squares.reshape(self.covariances.shape)
        squares += (self.n_pseudo[:, None, None] * self.scale)[:, None]
        total = (count + self.n_pseudo[:, None])[..., None, None]
        return replace(
            self,
            log_weights=np.log(count / count.sum(1, keepdims=True)),
            means=self.means + moved.reshape(self.means.shape),
            covariances=squares / total + _FLOOR * np.eye(q),
        )

    def _shares(self, density) -> np.ndarray:
        """Responsibilities, (S K, r), from logarithms of densities."""
        logs = self.log_weights[..., None] + density.reshape(*self.log_weights.shape, -1)
        shares = np.exp(logs - logs.max(1, keepdims=True))
        return (shares / shares.sum(1, keepdims=True)).reshape(density.shape)

    def told(self, array) -> tuple[np.ndarray, np.ndarray]:
        """The table with expectations in place of NaN, and their deviations, (S, n, q)."""
        gaussians, (n_mixtures, k) = _Gaussians(self), self.log_weights.shape
        mean = np.repeat(np.asarray(array, dtype=float)[None], n_mixtures, axis=0)
        variance = np.zeros_like(mean)
        for group in groups_of(array, self.log_weights.size):
            away, density, left = gaussians.given(group)
            shares = self._shares(density).reshape(n_mixtures, k, -1, 1)
            place = np.arange(n_mixtures)[:, None, None], group.rows[:, None], group.holes
            at = np.broadcast_to(group.holes, (len(away), *group.holes.shape))
            values = away + gaussians.means[:, None]
            values = np.take_along_axis(values, at, 2).reshape(n_mixtures, k, *group.holes.shape)
            own = left.diagonal(axis1=2, axis2=3).reshape(values.shape)
            expected = (shares * values).sum(1)
            mean[place] = expected
            variance[place] = (shares * (own + np.square(values - expected[:, None]))).sum(1)
        return mean, np.sqrt(variance)

    def drawn(self, which, array, n_samples, seed) -> np.ndarray:
        """Draws of what is missing by one of the mixtures, (n_samples, n, q)."""
        cut = {name: value[which : which + 1] for name, value in vars(self).items()}
        own, rng = Mixtures(**cut), np.random.RandomState(seed)
        result = np.repeat(np.asarray(array, dtype=float)[None], n_samples, axis=0)
        gaussians = _Gaussians(own)
        for group in groups_of(array, own.log_weights.size):
            away, density, left = gaussians.given(group)
            below = own._shares(density).cumsum(0)
            rows = np.arange(len(group.rows))
            for one in result:
                chosen = (rng.uniform(size=len(rows)) > below[:-1]).sum(0)
                values = away[chosen, rows] + gaussians.means[chosen]
                noise = rng.standard_normal(group.holes.shape)
                noise = (np.linalg.cholesky(left[chosen, rows]) @ noise[..., None])[..., 0]
                missing = np.take_along_axis(values, group.holes, 1) + noise
                one[group.rows[:, None], group.holes] = missing
        return result


class _Gaussians:
    """The Gaussians of some mixtures, one after the other, and what rows tell of their holes.

    Where P is the precision of one, the entries M that a row misses have, given the others O, the
    covariance ``C = P_MM⁻¹`` and the mean ``μ_M - C P_MO (x_O - μ_O)``.
    """

    def __init__(self, mixtures: Mixtures):
        q = mixtures.means.shape[2]
        self.means = mixtures.means.reshape(-1, q)
        covariances = mixtures.covariances.reshape(-1, q, q)
        self.precision = np.linalg.inv(covariances)
        self.log_det = np.linalg.slogdet(covariances)[1]

    def given(self, group: Group) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of a group's rows, the observed entries being given.

        Returns
        -------
        away : ndarray of shape (S K, r, q)
            From the means, missing entries as expected.
        density : ndarray of shape (S K, r)
            Logarithm of that of the observed entries.
        left : ndarray of shape (S K, r, m, m)
            Covariance C of the missing ones.
        """
        holes = group.holes
        away = np.where(group.seen, group.values - self.means[:, None], 0.0)
        block = self.precision[:, holes[:, :, None], holes[:, None, :]]
        left = np.linalg.inv(block)
        at = np.broadcast_to(holes, (len(away), *holes.shape))
        pulled = np.take_along_axis(away @ self.precision, at, 2)
        np.put_along_axis(away, at, -(left @ pulled[..., None])[..., 0], 2)
        squares = ((away @ self.precision) * away).sum(2)
        logs = self.log_det[:, None] + np.linalg.slogdet(block)[1]
        n_seen = group.seen.shape[1] - holes.shape[1]
        return away, -0.5 * (logs + squares + n_seen * math.log(2 * math.pi)), left


def _add_left(squares, holes, left) -> None:
    """Add covariances of missing entries, (n, r, m, m), at their places in those of all."""
    q = squares.shape[1]
    place = (holes[:, :, None] * q + holes[:, None, :]).ravel()
    for total, own in zip(squares, left, strict=True):
        total += np.bincount(place, own.ravel(), q * q).reshape(q, q)


def _one_gaussian(array) -> Mixtures:
    """One whose covariance is drawn to the columns' own variances, so that it is one."""
    variances = np.diag(np.maximum(np.nanvar(array, axis=0), _FLOOR))[None]
    q = array.shape[1]
    means, n_pseudo = np.nanmean(array, axis=0)[None, None], np.array([q + 2.0])
    return Mixtures(np.zeros((1, 1)), means, variances[None], variances, n_pseudo)


def _clusters(one: Mixtures, array, n_components, seed) -> np.ndarray:
    """Numbers of clusters of the completed rows, in units of the columns' deviations."""
    units = np.sqrt(one.covariances[0, 0].diagonal())
    points = torch.from_numpy((one.told(array)[0][0] / units).T.copy())[None]
    drawn = np.random.RandomState(seed).uniform(size=(1, n_components, n_drawn(n_components)))
    even = points.new_ones(1, len(array))
    return hard_clusters(points, even, torch.from_numpy(drawn))[0].numpy()


def _of_clusters(one: Mixtures, array, labels, priors) -> Mixtures:
    """Mixtures with the weights, means and covariances of hard clusters of the rows."""
    rows, whole, (n, q) = one.told(array)[0][0], one.covariances[0, 0], array.shape
    counts = np.bincount(labels)
    k, about = len(counts), one.means[0, 0]
    means = np.array([rows[labels == j].mean(0) if counts[j] else about for j in range(k)])
    # Within clusters, drawn to the covariance of all in as small a volume as each has.
    between = (means - about).T @ (counts[:, None] * (means - about))
    within = _without_negative(n * whole - between) + (q + 2) * k ** (-2 / q) * whole
    within /= max(0, n - k) + q + 2
    known = {"weak": (within, _WEAK * (q + 2)), "pooled": (whole, _POOLED * q)}
    scale, n_pseudo = (np.array(items) for items in zip(*(known[p] for p in priors), strict=True))
    inside = [rows[labels == j] - means[j] for j in range(k)]
    squares = np.array([own.T @ own for own in inside])
    total = (counts + n_pseudo[:, None])[..., None, None]
    covariances = (squares + (n_pseudo[:, None, None] * scale)[:, None]) / total
    each = np.ones((len(priors), 1))
    return Mixtures(
        each * np.log((counts + 1) / (n + k)),
        each[..., None] * means,
        covariances + _FLOOR * np.eye(q),
        scale,
        n_pseudo,
    )


def _without_negative(scatter) -> np.ndarray:
    """Completed rows may vary, in some direction, by more than what is estimated of all."""
    values, vectors = np.linalg.eigh(scatter)
    return (vectors * values.clip(min=0)) @ vectors.T
