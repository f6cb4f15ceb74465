"""What the nearest rows add to estimates of a table: the mean of what these left unexplained."""

from dataclasses import dataclass

import numpy as np
from sklearn.neighbors import NearestNeighbors

# Rows that are looked at for each, of which so many count in each column: those that know it.
_NEAREST, _COUNTED = 40, 10
# Rows that others are compared with, at most.
_MAX_ROWS = 5000
# Doubles worked on at once.
_BLOCK = 2_000_000
# Share of the variance of estimates that coordinates keep.
_KEPT = 1 - 1e-6
# Entries of all columns' shrinkage that each column's own counts beside its own.
_DRAWN = 20


@dataclass(frozen=True)
class Neighbours:
    """Rows of a table as a model estimates them, and what it leaves of the observed entries.

    Rows are compared as the model estimates all of their entries, so that holes do not matter.
    The mean residual of the nearest rows, each entry's own left out, is shrunk by the least
    squares coefficient of the entries' residuals on it, column by column and drawn to the common
    one.
    """

    centre: np.ndarray  # (q,)
    axes: np.ndarray  # (q, r)
    residuals: np.ndarray  # (n, q); NaN where nothing is observed
    shrinkage: np.ndarray  # (q,)
    index: NearestNeighbors

    @classmethod
    def of(cls, array, estimates, seed) -> "Neighbours":
        """From a table and a model's estimates of all of its entries, both (n, q)."""
        if len(array) > _MAX_ROWS:
            chosen = np.random.RandomState(seed).choice(len(array), _MAX_ROWS, replace=False)
            array, estimates = array[chosen], estimates[chosen]
        centre, axes = _coordinates(array, estimates)
        places = (estimates - centre) @ axes
        index = NearestNeighbors(n_neighbors=min(_NEAREST, len(array) - 1)).fit(places)
        residuals = array - estimates
        # Without a query every row is compared with the others.
        means = _means(residuals, index.kneighbors(return_distance=False))
        seen = ~np.isnan(residuals)
        own, near = np.where(seen, residuals, 0.0), np.where(seen, means, 0.0)
        products, squares = (own * near).sum(0), (near * near).sum(0)
        scale = np.where(squares > 0, squares, 1.0) / np.maximum(seen.sum(0), 1)
        common = (products / scale).sum() / max((squares / scale).sum(), 1e-300)
        drawn = _DRAWN * scale
        shrinkage = np.clip((products + drawn * common) / (squares + drawn), 0.0, 1.0)
        return cls(centre, axes, residuals, shrinkage, index)

    def corrections(self, estimates) -> np.ndarray:
        """What is to be added to a model's estimates of rows, (n, q)."""
        result = np.empty_like(estimates)
        step = max(1, _BLOCK // (_NEAREST * estimates.shape[1]))
        for start in range(0, len(estimates), step):
            part = slice(start, start + step)
            places = (estimates[part] - self.centre) @ self.axes
            nearest = self.index.kneighbors(places, return_distance=False)
            result[part] = self.shrinkage * _means(self.residuals, nearest)
        return result


def _coordinates(array, estimates) -> tuple[np.ndarray, np.ndarray]:
    """Centre and axes of what estimates vary by, in units of each column's deviation."""
    centre = estimates.mean(0)
    units = np.nanstd(array, axis=0)
    units = np.where(units > 0, units, 1.0)
    _, values, axes = np.linalg.svd((estimates - centre) / units, full_matrices=False)
    share = np.cumsum(values**2) / max((values**2).sum(), 1e-300)
    rank = 1 + int(np.searchsorted(share, _KEPT))
    return centre, axes[:rank].T / units[:, None]


def _means(residuals, nearest) -> np.ndarray:
    """Mean residual, (n, q), of the first of the rows ``nearest`` (n, m) that know a column."""
    values = residuals[nearest]
    seen = ~np.isnan(values)
    counted = seen & (np.cumsum(seen, axis=1, dtype=np.int16) <= _COUNTED)
    total = np.where(counted, values, 0.0).sum(1)
    return total / np.maximum(counted.sum(1), 1)
