"""The models that a blend is made of.

Each has one or more ``names``; ``fit(array, seed, earlier)`` to a table, ``earlier`` being the
fitted parts before it; and ``tell(array, told)``: by name what it expects of the entries that are
missing, and the standard deviations of that, where the parts before have ``told`` theirs.
"""

from typing import NamedTuple

import numpy as np
from sklearn import config_context
from sklearn.tree import ExtraTreeRegressor

from ...solvers.policies import Fixed
from ..completion import GSOMatrixCompleter
from .mixtures import Mixtures
from .neighbours import Neighbours

# Of the factor model: what it predicts is soon good enough.
_MAX_SWEEPS = 8
# Rows and entries of covariances, rows * columns², that a mixture is fitted to at most.
_MAX_ROWS, _MAX_SIZE = 5000, 4_000_000
# Rows for each component that a mixture needs at least; and one for each column.
_ROWS_EACH = 10
# Gaussians of the mixtures of each kind, whose mean is better than any one of them.
_SIZES = (2, 3, 5)
_PRIORS = {"mixture": "weak", "pooled": "pooled"}
# Trees of each column; rows, and rows * columns², that they are grown with at most.
_N_TREES, _MAX_TREE_ROWS, _MAX_TREE_SIZE = 20, 2000, 1_000_000


class Told(NamedTuple):
    """What a model says of a table."""

    estimates: np.ndarray  # (n, q), observed entries as they are
    deviations: np.ndarray  # (n, q), 0 of observed ones


def told_by(parts, array) -> dict[str, Told]:
    """What each part says of a table, by name; one after the other."""
    told: dict[str, Told] = {}
    for part in parts:
        told |= part.tell(array, told)
    return told


class Means:
    """The mean of what is observed of each column."""

    names = ("means",)

    def fit(self, array, seed, earlier=()):
        self.values, self.spread = np.nanmean(array, axis=0), np.nanstd(array, axis=0)
        return self

    def tell(self, array, told) -> dict[str, Told]:
        missing = np.isnan(array)
        return {
            "means": Told(
                np.where(missing, self.values, array), np.where(missing, self.spread, 0.0)
            )
        }


class TwoRunCompleter(GSOMatrixCompleter):
    """Of a learned run and a classical one: a third makes no better imputer (benchmarks/LOG.md)."""

    def _policy(self):
        return Fixed(2, companion_counts=True)


class Factors:
    """A factor model and, if wanted, what its nearest rows add.

    Parameters
    ----------
    completer : GSOMatrixCompleter
    neighbours : bool
    """

    names = ("factors",)

    def __init__(self, completer: GSOMatrixCompleter, neighbours: bool):
        self.completer, self.with_neighbours = completer, neighbours

    def fit(self, array, seed, earlier=()):
        settings = self.completer.get_params(deep=False)
        settings |= {"max_iter": _MAX_SWEEPS, "random_state": seed}
        self.completer = TwoRunCompleter(**settings).fit(array)
        self.neighbours = None
        if self.with_neighbours and len(array) > 1:
            estimates = self.completer.reconstruct(array)
            self.neighbours = Neighbours.of(array, estimates, seed)
        return self

    def tell(self, array, told) -> dict[str, Told]:
        estimates = self.completer.reconstruct(array)
        if self.neighbours is not None:
            estimates = estimates + self.neighbours.corrections(estimates)
        estimates = np.where(np.isnan(array), estimates, array)
        return {"factors": Told(estimates, self.completer.transform_std(array))}


class Mixture:
    """Gaussian mixtures over rows with holes.

    Parameters
    ----------
    names : sequence of {"mixture", "pooled"}
        With covariances of their own, or such as are drawn to a common one.
    """

    def __init__(self, names):
        self.names = tuple(names)

    def fit(self, array, seed, earlier=()):
        rows = mixture_rows(array)
        if rows < len(array):
            array = array[np.random.RandomState(seed).choice(len(array), rows, replace=False)]
        sizes = [max(1, min(k, len(array) // _ROWS_EACH)) for k in _SIZES]
        priors = [_PRIORS[name] for name in self.names]
        self.mixtures = Mixtures.fit(array, priors, sizes, seed)
        return self

    def tell(self, array, told) -> dict[str, Told]:
        return dict(zip(self.names, map(Told, *self.mixtures.told(array)), strict=True))

    def drawn(self, name, array, n_samples, seed) -> np.ndarray:
        """Draws of the missing entries, those of a row together, (n_samples, n, q)."""
        return self.mixtures.drawn(self.names.index(name), array, n_samples, seed)


class Trees:
    """Extra trees, each column by all others: one round of MissForest's way.

    What is missing of the others is as the parts before say. There are trees for the columns that
    have holes in the fit; in other columns the parts before speak for them.
    """

    names = ("trees",)

    def fit(self, array, seed, earlier=()):
        rows, random = tree_rows(array), np.random.RandomState(seed)
        if rows < len(array):
            array = array[random.choice(len(array), rows, replace=False)]
        filled = _mean_of(told_by(earlier, array)).astype(np.float32)
        self.forests: dict[int, list] = {}
        for j in np.flatnonzero(np.isnan(array).any(0)).tolist():
            known = ~np.isnan(array[:, j])
            if known.any():
                inputs = np.ascontiguousarray(np.delete(filled[known], j, axis=1))
                target = np.ascontiguousarray(array[known, j][:, None])
                self.forests[j] = [_tree(inputs, target, random) for _ in range(_N_TREES)]
        return self

    def tell(self, array, told) -> dict[str, Told]:
        """Deviations are of what the trees say: grown to single rows, they differ as these do."""
        estimates, deviations = _mean_of(told).copy(), np.zeros(array.shape)
        filled = estimates.astype(np.float32)
        for j in np.flatnonzero(np.isnan(array).any(0)).tolist():
            rows = np.flatnonzero(np.isnan(array[:, j]))
            if j in self.forests:
                inputs = np.ascontiguousarray(np.delete(filled[rows], j, axis=1))
                said = np.stack([tree.predict(inputs)[:, 0] for tree in self.forests[j]])
                estimates[rows, j], deviations[rows, j] = said.mean(0), said.std(0)
            else:
                others = [one.deviations[rows, j] for one in told.values()]
                deviations[rows, j] = np.mean(others, axis=0)
        return {"trees": Told(estimates, deviations)}


def _mean_of(told: dict[str, Told]) -> np.ndarray:
    """The mean of the models' estimates; columns' means where there is no other."""
    models = [one.estimates for name, one in told.items() if name != "means"]
    return np.mean(models or [told["means"].estimates], axis=0)


def _tree(inputs, target, random):
    """Without the checks of a forest and of parameters, which would take most of the time."""
    tree = ExtraTreeRegressor(max_features=0.5, random_state=random)
    with config_context(skip_parameter_validation=True):
        return tree.fit(inputs, target, check_input=False).tree_


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
