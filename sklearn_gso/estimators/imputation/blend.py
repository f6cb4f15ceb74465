"""Several models of one table of numbers, weighted by what they tell of hidden entries."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import wraps

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..completion import GSOMatrixCompleter
from .parts import Factors, Means, Mixture, Trees, mixture_rows, tree_rows
from .weighing import (
    MAX_JUDGED,
    equal_weights,
    given_weights,
    heldout_weights,
    hidden_entries,
    surprise_of,
)

# Standard deviations of a column: no entry counts as further away.
_FAR = 1e8
# Names of the parts, beside "means", and "neighbours", which add to "factors".
PARTS = ("factors", "neighbours", "mixture", "pooled", "trees")
MODELS = ("factors", "mixture", "pooled", "trees")


def are_parts(value) -> bool:
    """Whether a parameter names parts."""
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return False
    names = list(value)
    known = all(name in PARTS for name in names) and len(set(names)) == len(names)
    return known and ("neighbours" not in names or "factors" in names)


def are_weights(value) -> bool:
    """Whether a parameter says what parts weigh."""
    if not isinstance(value, Mapping):
        return isinstance(value, str) and value in ("heldout", "equal")
    numbers = all(
        isinstance(w, int | float | np.number) and 0 <= w < np.inf for w in value.values()
    )
    return set(value) <= {"means", *MODELS} and numbers and sum(value.values()) > 0


def quiet(method):
    """Without the parts' warnings, of rows that were emptied for them or of sweeps to come."""

    @wraps(method)
    def silent(*arguments, **more):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*no observed entry")
            warnings.simplefilter("ignore", ConvergenceWarning)
            return method(*arguments, **more)

    return silent


def made_parts(names, completer: GSOMatrixCompleter, array) -> dict:
    """The means and the wanted parts that a table is large enough for, by name."""
    parts: dict = {"means": Means()}
    if "factors" in names:
        parts["factors"] = Factors(completer, "neighbours" in names)
    if mixture_rows(array):
        # Covariances of their own, and such as are drawn to a common one.
        priors = {"mixture": 1.0, "pooled": "pooled"}
        parts |= {name: Mixture(priors[name]) for name in names if name in priors}
    if "trees" in names and tree_rows(array):
        parts["trees"] = Trees(list(parts.values())[1:] or [parts["means"]])
    return parts


@dataclass(frozen=True)
class Blend:
    """Fitted parts, by name, what each of them weighs, and by how much they are too sure.

    The parts see columns in units of their own.
    """

    parts: dict
    weights: dict
    surprise: float
    centre: np.ndarray
    spread: np.ndarray  # 0 of constant columns

    @classmethod
    @quiet
    def fit(cls, array, make, weighing, seed) -> "Blend":
        """Judge the parts on hidden entries, then fit them to all.

        Parameters
        ----------
        array : ndarray of shape (n, q)
        make : callable
            Makes the parts for a table.
        weighing : {"heldout", "equal"} or mapping
            Numbers by the names of parts.
        seed : int
        """
        # Of the largest entry first: squares of what is huge or tiny are no numbers.
        largest = np.nanmax(np.abs(array), axis=0)
        largest = np.where(largest > 0, largest, 1.0)
        centre, spread = (f(array / largest, axis=0) * largest for f in (np.nanmean, np.nanstd))
        units = np.where(spread > 0, spread, 1.0)
        array = (array - centre) / units
        parts, surprise = make(array), 1.0
        if isinstance(weighing, Mapping):
            weights = given_weights(weighing, list(parts))
        elif weighing == "equal" or len(parts) == 1:
            weights = equal_weights(len(parts))
        else:
            weights, surprise = _judged(array, make, seed)
        named = {name: float(w) for name, w in zip(parts, weights, strict=True)}
        # One after the other: trees ask those before.
        fitted = {name: part.fit(array, seed) for name, part in parts.items()}
        used = {name: part for name, part in fitted.items() if named[name] > 0}
        return cls(used, named, surprise, centre, spread)

    @property
    def learned_optimizer(self):
        """Of the factor model, if there is one."""
        factors = self.parts.get("factors")
        return factors and factors.completer.learned_optimizer_

    @property
    def units(self) -> np.ndarray:
        return np.where(self.spread > 0, self.spread, 1.0)

    def _standardised(self, array) -> np.ndarray:
        """In the parts' units; what lies far beyond all that was seen is as far as that."""
        return np.clip((array - self.centre) / self.units, -_FAR, _FAR)

    @quiet
    def expected(self, array) -> np.ndarray:
        """The table with the weighted mean of the parts' estimates in place of NaN."""
        told = weighted(expected(self.parts, self._standardised(array)), self.weights)
        return np.where(np.isnan(array), told * self.units + self.centre, array)

    @quiet
    def deviations(self, array) -> np.ndarray:
        """Standard deviations of what is missing."""
        own = self._standardised(array)
        told = doubts(self.parts, expected(self.parts, own), self.weights, own)
        return self.surprise * told * self.spread

    @quiet
    def drawn(self, array, n_samples, seed) -> np.ndarray:
        """Draws of what is missing, (n_samples, n, q).

        About the blend's estimates, with its deviations; entries of a row go together as the
        heaviest mixture draws them, if there is one.
        """
        mixtures = [name for name, part in self.parts.items() if isinstance(part, Mixture)]
        if mixtures:
            part = self.parts[max(mixtures, key=self.weights.__getitem__)]
            own = self._standardised(array)
            scale = part.deviations(own)
            draws = part.drawn(own, n_samples, seed) - part.expected(own)
            draws = draws / np.where(scale > 0, scale, 1.0)
        else:
            draws = np.random.RandomState(seed).normal(size=(n_samples, *array.shape))
        return np.where(
            np.isnan(array), self.expected(array) + self.deviations(array) * draws, array
        )


def expected(parts, array) -> dict:
    """What each part expects, by name."""
    return {name: part.expected(array) for name, part in parts.items()}


def weighted(told, weights) -> np.ndarray:
    """Weighted mean of what parts expect."""
    return sum(weights[name] * estimates for name, estimates in told.items())


def doubts(parts, told, weights, array) -> np.ndarray:
    """Standard deviations of the mixture of what parts say."""
    mean, total = weighted(told, weights), np.zeros(array.shape)
    for name, estimates in told.items():
        own = np.square(parts[name].deviations(array)) + np.square(estimates - mean)
        total += weights[name] * own
    return np.sqrt(total)


def _judged(array, make, seed) -> tuple[np.ndarray, float]:
    """Weights, and surprise, by entries that are hidden from all parts.

    Of some rows, where there are many.
    """
    if len(array) > MAX_JUDGED:
        array = array[np.random.RandomState(seed).choice(len(array), MAX_JUDGED, replace=False)]
        array = array[:, ~np.isnan(array).all(0)]
    hidden = hidden_entries(array, seed)
    rest = np.where(hidden, np.nan, array)
    parts = {name: part.fit(rest, seed) for name, part in make(array).items()}
    told = expected(parts, rest)
    weights = heldout_weights(np.array([(one - array)[hidden] for one in told.values()]))
    named = dict(zip(parts, weights, strict=True))
    # Of indicators most errors are tiny: they say nothing of the numbers' deviations.
    judged = hidden & [len(np.unique(c[~np.isnan(c)])) > 2 for c in array.T]
    error = (weighted(told, named) - array)[judged]
    return weights, surprise_of(error, doubts(parts, told, named, rest)[judged])
