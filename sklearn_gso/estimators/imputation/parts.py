"""The models that a blend is made of.

Each estimates the entries of rows that are missing, by a number and by its standard deviation.
"""

import warnings

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from ..completion import GSOMatrixCompleter
from ..mixture import EMGaussianMixture
from .neighbours import Neighbours

# Rows and entries of covariances, rows * columns², that a mixture is fitted to at most.
_MAX_ROWS, _MAX_SIZE = 5000, 4_000_000
# Rows for each component that a mixture needs at least; and one for each column.
_ROWS_EACH = 10
_N_GAUSSIANS = 3
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
        mixture = EMGaussianMixture(k, max_iter=20, tol=1e-3, **settings)
        with warnings.catch_warnings():
            # What it estimates is soon good enough; how many components it used does not matter.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.mixture = mixture.fit(array)
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


def mixture_rows(array) -> int:
    """Rows that a mixture of a table is fitted to; 0 where it would be too large or too poor."""
    n_rows, n_columns = array.shape
    most = min(n_rows, _MAX_ROWS, _MAX_SIZE // n_columns**2)
    return most if most >= max(_ROWS_EACH, n_columns) else 0
