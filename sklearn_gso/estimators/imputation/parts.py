"""The models that a blend is made of.

Each estimates the entries of rows that are missing, by a number and by its standard deviation.
"""

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesRegressor

from ..completion import GSOMatrixCompleter
from ..mixture import EMGaussianMixture
from .neighbours import Neighbours

# Rows and entries of covariances, rows * columns², that a mixture is fitted to at most.
_MAX_ROWS, _MAX_SIZE = 5000, 4_000_000
# Rows for each component that a mixture needs at least; and one for each column.
_ROWS_EACH = 10
_N_GAUSSIANS = 3
# Trees of each column; rows, and rows * columns², that they are grown with at most.
_N_TREES, _MAX_TREE_ROWS, _MAX_TREE_SIZE = 30, 2000, 1_000_000
# Doubles of covariances worked on at once.
_BLOCK = 2_000_000


class Means:
    """The mean of what is observed of each column."""

    def fit(self, array, seed):
        self.values, self.spread = np.nanmean(array, axis=0), np.nanstd(array, axis=0)
        return self

    def expected(self, array) -> np.ndarray:
        return np.where(np.isnan(array), self.values, array)

    def deviations(self, array) -> np.ndarray:
        return np.where(np.isnan(array), self.spread, 0.0)


class Factors:
    """A factor model and, if wanted, what its nearest rows add.

    Parameters
    ----------
    completer : GSOMatrixCompleter
    neighbours : bool
    """

    def __init__(self, completer: GSOMatrixCompleter, neighbours: bool):
        self.completer, self.with_neighbours = completer, neighbours

    def fit(self, array, seed):
        self.completer = clone(self.completer).set_params(random_state=seed).fit(array)
        self.neighbours = None
        if self.with_neighbours and len(array) > 1:
            estimates = self.completer.reconstruct(array)
            self.neighbours = Neighbours.of(array, estimates, seed)
        return self

    def expected(self, array) -> np.ndarray:
        estimates = self.completer.reconstruct(array)
        if self.neighbours is not None:
            estimates = estimates + self.neighbours.corrections(estimates)
        return np.where(np.isnan(array), estimates, array)

    def deviations(self, array) -> np.ndarray:
        return self.completer.transform_std(array)


class Mixture:
    """A Gaussian mixture over rows with holes.

    Parameters
    ----------
    covariance_prior : float or "pooled"
    """

    def __init__(self, covariance_prior):
        self.covariance_prior = covariance_prior

    def fit(self, array, seed):
        rows = mixture_rows(array)
        if rows < len(array):
            array = array[np.random.RandomState(seed).choice(len(array), rows, replace=False)]
        k = max(1, min(_N_GAUSSIANS, len(array) // _ROWS_EACH))
        settings = {"covariance_prior": self.covariance_prior, "random_state": seed}
        # What it estimates is soon good enough.
        self.mixture = EMGaussianMixture(k, max_iter=20, tol=1e-3, **settings).fit(array)
        return self

    def expected(self, array) -> np.ndarray:
        return self.mixture.impute(array)

    def deviations(self, array) -> np.ndarray:
        result = np.zeros_like(array, dtype=np.float64)
        step = max(1, _BLOCK // array.shape[1] ** 2)
        for start in range(0, len(array), step):
            rows = slice(start, start + step)
            _, covariances = self.mixture.denoise(
                array[rows], noise_covariance=0.0, return_cov=True
            )
            result[rows] = np.sqrt(covariances.diagonal(axis1=1, axis2=2).clip(min=0))
        return np.where(np.isnan(array), result, 0.0)

    def drawn(self, array, n_samples, seed) -> np.ndarray:
        """Draws of the missing entries, those of a row together, (n_samples, n, q)."""
        return self.mixture.sample_missing(array, n_samples, random_state=seed)


class Trees:
    """Extra trees, each column by all others: one round of MissForest's way.

    What is missing of the others is as the parts before say, these being fitted to the table.

    Parameters
    ----------
    others : sequence of parts
    """

    def __init__(self, others):
        self.others = list(others)

    def fit(self, array, seed):
        rows, random = tree_rows(array), np.random.RandomState(seed)
        if rows < len(array):
            array = array[random.choice(len(array), rows, replace=False)]
        filled, self.forests = self._filled(array), []
        for j in range(array.shape[1]):
            known = ~np.isnan(array[:, j])
            forest = ExtraTreesRegressor(_N_TREES, max_features=0.5, random_state=seed)
            inputs = np.delete(filled[known], j, axis=1)
            self.forests.append(forest.fit(inputs, array[known, j]) if known.any() else None)
        return self

    def _filled(self, array) -> np.ndarray:
        return sum(part.expected(array) for part in self.others) / len(self.others)

    def _each(self, array):
        """Rows where a column is missing, its number, and what each tree says, (n_trees, rows)."""
        filled = self._filled(array)
        for j, forest in enumerate(self.forests):
            rows = np.flatnonzero(np.isnan(array[:, j]))
            if len(rows) and forest is not None:
                # Checked by scikit-learn for each tree, this would take most of the time.
                inputs = np.delete(filled[rows], j, axis=1).astype(np.float32)
                yield (
                    rows,
                    j,
                    np.stack([tree.tree_.predict(inputs)[:, 0] for tree in forest.estimators_]),
                )

    def expected(self, array) -> np.ndarray:
        result = np.asarray(array, dtype=np.float64).copy()
        for rows, j, told in self._each(array):
            result[rows, j] = told.mean(0)
        return result

    def deviations(self, array) -> np.ndarray:
        """Of what the trees say: grown to single rows, they differ as the values of these do."""
        result = np.zeros(array.shape)
        for rows, j, told in self._each(array):
            result[rows, j] = told.std(0)
        return result


def tree_rows(array) -> int:
    """Rows that trees are grown with; 0 where there would be too few."""
    n_rows, n_columns = array.shape
    most = min(n_rows, _MAX_TREE_ROWS, _MAX_TREE_SIZE // n_columns**2)
    return most if n_columns > 1 and most >= max(_ROWS_EACH, n_columns) else 0


def mixture_rows(array) -> int:
    """Rows that a mixture of a table is fitted to; 0 where it would be too large or too poor."""
    n_rows, n_columns = array.shape
    most = min(n_rows, _MAX_ROWS, _MAX_SIZE // n_columns**2)
    return most if most >= max(_ROWS_EACH, n_columns) else 0
