"""Gaussian mixtures over rows with holes, by a few sweeps of EM; several priors side by side.

What `EMGaussianMixture` solves and `problems.MixtureMissing` is the equations of, in NumPy, all
blocks in one step, from one start: of tables of usual size a tenth of the time.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from scipy import sparse

from ..mixture.clustering import hard_clusters, n_drawn
from .inverses import inverted

# Sweeps of EM: what the entries are expected to be is soon good enough. From clusters, and of the
# one Gaussian that completes rows for these.
_SWEEPS, _OF_ONE = 10, 6
# Pseudo-samples, per column, of the weak prior and of that which draws covariances to a common one.
_WEAK, _POOLED = 0.5, 3.0
# Least variance of a direction, the columns' being 1.
_FLOOR = 1e-6
# Doubles worked on at once.
_BLOCK = 500_000


@dataclass(frozen=True)
class Group:
    """Rows with equally many missing entries."""

    rows: np.ndarray  # (r,)
    holes: np.ndarray  # (r, m)
    values: np.ndarray  # (r, q), 0 where missing
    seen: np.ndarray  # (r, q)

    @cached_property
    def places(self) -> np.ndarray:
        """Where missing entries stand among all of the rows', (r, m)."""
        n, q = self.values.shape
        return np.arange(0, n * q, q)[:, None] + self.holes

    @cached_property
    def pairs(self) -> np.ndarray:
        """Where pairs of missing entries stand in a covariance, (m, m, r)."""
        holes = self.holes.T
        return holes[:, None] * self.values.shape[1] + holes

    @cached_property
    def scatter(self) -> sparse.csr_array:
        """Adds what pairs of missing entries have at their places in a covariance."""
        pairs, q = self.pairs.ravel(), self.values.shape[1]
        return sparse.csr_array(
            (np.ones(len(pairs)), (pairs, np.arange(len(pairs)))), shape=(q * q, len(pairs))
        )

    def of_holes(self, values) -> np.ndarray:
        """Of values (M, r, q) those of the missing entries, (M, r, m)."""
        return values.reshape(len(values), -1).take(self.places, axis=1)


def groups_of(array, n_gaussians) -> Iterator[Group]:
    """The rows by how many of their entries are missing, in blocks."""
    missing = np.isnan(array)
    counts = missing.sum(1)
    for m in np.unique(counts):
        rows = np.flatnonzero(counts == m)
        step = max(1, _BLOCK // (n_gaussians * max(array.shape[1], int(m) ** 2)))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            holes = np.nonzero(missing[part])[1].reshape(len(part), m)
            yield Group(part, holes, np.nan_to_num(array[part]), ~missing[part])


@dataclass(frozen=True)
class Mixtures:
    """Mixtures of Gaussians, these one after the other, and the priors of their covariances.

    The prior of a covariance is ``n_pseudo`` samples more of covariance ``scale``. All mixtures
    with the first kind of prior come first, and there are as many of each kind.
    """

    first: np.ndarray  # (S,), number of each mixture's first Gaussian
    log_weights: np.ndarray  # (M,)
    means: np.ndarray  # (M, q)
    covariances: np.ndarray  # (M, q, q)
    scale: np.ndarray  # (M, q, q)
    n_pseudo: np.ndarray  # (M,)
    n_kinds: int

    @classmethod
    def fit(cls, array, priors, sizes, seed) -> "Mixtures":
        """By EM from clusters of the rows that one Gaussian completes.

        Parameters
        ----------
        array : ndarray of shape (n, q)
            Columns about 0 and of variance 1, with NaN.
        priors : sequence of {"weak", "pooled"}
            Kinds: a weak prior, the covariance within clusters; or a strong one, that of all rows.
        sizes : sequence of int
            Numbers of Gaussians of the mixtures of each kind.
        seed : int
        """
        one = _one_gaussian(array).swept(array, _OF_ONE)
        rows = one.told(array)[0][0]
        labels = [_clusters(one, rows, k, seed) for k in sizes]
        parts = [_of_clusters(one, rows, own, prior) for prior in priors for own in labels]
        return _joined(parts, len(priors)).swept(array, _SWEEPS)

    def swept(self, array, n_sweeps) -> "Mixtures":
        """After some sweeps of EM."""
        groups, result = list(groups_of(array, len(self.means))), self
        for _ in range(n_sweeps):
            result = result._sweep(groups)
        return result

    def _sweep(self, groups) -> "Mixtures":
        gaussians, (n, q) = _Gaussians(self), self.means.shape
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
            spread = group.scatter @ (left * shares.T).reshape(-1, n)
            squares += spread.T.reshape(n, q, q)
        moved = sums / count[:, None]
        squares -= count[:, None, None] * moved[:, :, None] * moved[:, None, :]
        squares += self.n_pseudo[:, None, None] * self.scale
        covariances = squares / (count + self.n_pseudo)[:, None, None] + _FLOOR * np.eye(q)
        log_weights = np.log(count / self._summed(count))
        return replace(
            self, log_weights=log_weights, means=self.means + moved, covariances=covariances
        )

    def _summed(self, values) -> np.ndarray:
        """Sums over the Gaussians of each mixture, for each of these."""
        sizes = np.diff(np.r_[self.first, len(self.means)])
        return np.add.reduceat(values, self.first).repeat(sizes, axis=0)

    def _shares(self, density) -> np.ndarray:
        """Responsibilities, (M, r), from logarithms of densities."""
        logs = self.log_weights[:, None] + density
        sizes = np.diff(np.r_[self.first, len(self.means)])
        shares = np.exp(logs - np.maximum.reduceat(logs, self.first).repeat(sizes, axis=0))
        return shares / self._summed(shares)

    def told(self, array) -> tuple[np.ndarray, np.ndarray]:
        """The table with expectations in place of NaN, and their deviations, (n_kinds, n, q).

        Of the mixtures of each kind the mean, and the deviations of their mixture.
        """
        gaussians, kinds = _Gaussians(self), np.arange(self.n_kinds)[:, None, None]
        mean = np.repeat(np.asarray(array, dtype=float)[None], self.n_kinds, axis=0)
        variance = np.zeros_like(mean)
        for group in groups_of(array, len(self.means)):
            away, density, left = gaussians.given(group)
            chances = self._chances(density)
            values = group.of_holes(away + self.means[:, None])
            own = left.diagonal().swapaxes(0, 1)
            by_kind = (self.n_kinds, len(values) // self.n_kinds, *group.holes.shape)
            expected = (chances * values).reshape(by_kind).sum(1)
            squares = (chances * (own + values**2)).reshape(by_kind).sum(1) - expected**2
            place = kinds, group.rows[:, None], group.holes
            mean[place], variance[place] = expected, squares.clip(min=0)
        return mean, np.sqrt(variance)

    def _chances(self, density) -> np.ndarray:
        """Of each Gaussian within its kind, all mixtures alike, (M, r, 1)."""
        return self._shares(density)[..., None] * (self.n_kinds / len(self.first))

    def drawn(self, kind, array, n_samples, seed) -> np.ndarray:
        """Draws of what is missing by the mixtures of a kind, (n_samples, n, q)."""
        rng, gaussians = np.random.RandomState(seed), _Gaussians(self)
        result = np.repeat(np.asarray(array, dtype=float)[None], n_samples, axis=0)
        each = len(self.means) // self.n_kinds
        own = slice(kind * each, (kind + 1) * each)
        for group in groups_of(array, len(self.means)):
            away, density, left = gaussians.given(group)
            values = group.of_holes(away + self.means[:, None])[own]
            below = self._chances(density)[own, :, 0].cumsum(0)
            left, rows = left.T[own], np.arange(len(group.rows))
            for one in result:
                chosen = (rng.uniform(size=len(rows)) > below[:-1]).sum(0)
                noise = rng.standard_normal((*group.holes.shape, 1))
                noise = (np.linalg.cholesky(left[chosen, rows]) @ noise)[..., 0]
                one[group.rows[:, None], group.holes] = values[chosen, rows] + noise
        return result


def _joined(parts: list[Mixtures], n_kinds) -> Mixtures:
    sizes = [len(part.means) for part in parts]
    names = ("log_weights", "means", "covariances", "scale", "n_pseudo")
    first = np.cumsum([0, *sizes[:-1]])
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Mixtures(first, n_kinds=n_kinds, **joined)


class _Gaussians:
    """The Gaussians of some mixtures, one after the other, and what rows tell of their holes.

    Where P is the precision of one, the entries M that a row misses have, given the others O, the
    covariance ``C = P_MM⁻¹`` and the mean ``μ_M - C P_MO (x_O - μ_O)``.
    """

    def __init__(self, mixtures: Mixtures):
        self.means, covariances = mixtures.means, mixtures.covariances
        self.precision = np.linalg.inv(covariances)
        self.log_det = np.linalg.slogdet(covariances)[1]

    def given(self, group: Group) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of a group's rows, the observed entries being given.

        Returns
        -------
        away : ndarray of shape (M, r, q)
            From the means, missing entries as expected.
        density : ndarray of shape (M, r)
            Logarithm of that of the observed entries.
        left : ndarray of shape (m, m, r, M)
            Covariance C of the missing ones; entries first, so that what is done with one is done
            with those of all rows and Gaussians, side by side in memory.
        """
        n_missing, q = group.holes.shape[1], group.values.shape[1]
        away = np.ascontiguousarray(np.where(group.seen, group.values - self.means[:, None], 0.0))
        block = self.precision.reshape(-1, q * q).T.copy().take(group.pairs, axis=0)
        left, log_det = inverted(block)
        pulled = group.of_holes(away @ self.precision).T.copy()
        away.reshape(len(away), -1)[:, group.places] = -(left * pulled).sum(1).T
        squares = ((away @ self.precision) * away).sum(2)
        logs = self.log_det[:, None] + log_det.T
        return away, -0.5 * (logs + squares + (q - n_missing) * math.log(2 * math.pi)), left


def _one_gaussian(array) -> Mixtures:
    """One whose covariance is drawn to the columns' own variances, so that it is one."""
    variances = np.diag(np.maximum(np.nanvar(array, axis=0), _FLOOR))[None]
    means, n_pseudo = np.nanmean(array, axis=0)[None], np.array([array.shape[1] + 2.0])
    return Mixtures(np.zeros(1, int), np.zeros(1), means, variances, variances, n_pseudo, 1)


def _clusters(one: Mixtures, rows, n_clusters, seed) -> np.ndarray:
    """Numbers of clusters of completed rows, in units of the columns' deviations."""
    points = torch.from_numpy((rows / np.sqrt(one.covariances[0].diagonal())).T.copy())[None]
    drawn = np.random.RandomState(seed).uniform(size=(1, n_clusters, n_drawn(n_clusters)))
    even = points.new_ones(1, len(rows))
    return hard_clusters(points, even, torch.from_numpy(drawn))[0].numpy()


def _of_clusters(one: Mixtures, rows, labels, prior) -> Mixtures:
    """One with the weights, means and covariances of hard clusters of completed rows."""
    about, whole, (n, q) = one.means[0], one.covariances[0], rows.shape
    counts = np.bincount(labels)
    k = len(counts)
    means = np.array([rows[labels == j].mean(0) if counts[j] else about for j in range(k)])
    scale, n_pseudo = whole, _POOLED * q
    if prior == "weak":
        # Within clusters, drawn to the covariance of all in as small a volume as each has.
        between = (means - about).T @ (counts[:, None] * (means - about))
        scale = _without_negative(n * whole - between) + (q + 2) * k ** (-2 / q) * whole
        scale, n_pseudo = scale / (max(0, n - k) + q + 2), _WEAK * (q + 2)
    inside = [rows[labels == j] - means[j] for j in range(k)]
    squares = np.array([own.T @ own for own in inside]) + n_pseudo * scale
    return Mixtures(
        first=np.zeros(1, int),
        log_weights=np.log((counts + 1) / (n + k)),
        means=means,
        covariances=squares / (counts + n_pseudo)[:, None, None] + _FLOOR * np.eye(q),
        scale=np.repeat(scale[None], k, axis=0),
        n_pseudo=np.full(k, n_pseudo),
        n_kinds=1,
    )


def _without_negative(scatter) -> np.ndarray:
    """Completed rows may vary, in some direction, by more than what is estimated of all."""
    values, vectors = np.linalg.eigh(scatter)
    return (vectors * values.clip(min=0)) @ vectors.T
