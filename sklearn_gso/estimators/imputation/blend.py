"""Several models of one table of numbers, weighted by what they tell of hidden entries."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import wraps

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..completion import GSOMatrixCompleter
from .parts import (
    Factors,
    Means,
    Mixture,
    Told,
    Trees,
    mixture_rows,
    told_by,
    tree_rows,
)
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


def made_parts(names, completer: GSOMatrixCompleter, array) -> list:
    """The means and the wanted parts that a table is large enough for."""
    parts: list = [Means()]
    if "factors" in names:
        parts.append(Factors(completer, "neighbours" in names))
    mixtures = [name for name in names if name in ("mixture", "pooled")]
    if mixtures and mixture_rows(array):
        parts.append(Mixture(mixtures))
    if "trees" in names and tree_rows(array):
        parts.append(Trees())
    return parts


@dataclass(frozen=True)
class Blend:
    """Fitted parts, what each of their models of them weighs, and by how much they are too sure.

    The parts see columns in units of their own.
    """

    parts: list
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
        names = _names_of(parts)
        if isinstance(weighing, Mapping):
            weights = given_weights(weighing, names)
        elif weighing == "equal" or len(parts) == 1:
            weights = equal_weights(len(names))
        else:
            weights, surprise = _judged(array, make, seed)
        _fit(parts, array, seed)
        named = {name: float(w) for name, w in zip(names, weights, strict=True)}
        # Trees ask those before.
        needed = [p for p in parts if named.get("trees") or any(named[n] for n in p.names)]
        return cls(needed, named, surprise, centre, spread)

    @property
    def learned_optimizer(self):
        """Of the factor model, if there is one."""
        factors = [part for part in self.parts if isinstance(part, Factors)]
        return factors[0].completer.learned_optimizer_ if factors else None

    @property
    def units(self) -> np.ndarray:
        return np.where(self.spread > 0, self.spread, 1.0)

    def _standardised(self, array) -> np.ndarray:
        """In the parts' units; what lies far beyond all that was seen is as far as that."""
        return np.clip((array - self.centre) / self.units, -_FAR, _FAR)

    @quiet
    def told(self, array) -> Told:
        """The table with the weighted mean of the models' estimates in place of NaN.

        And standard deviations of these, 0 where nothing is missing.
        """
        own = _blended(told_by(self.parts, self._standardised(array)), self.weights)
        estimates = own.estimates * self.spread + self.centre
        deviations = self.surprise * own.deviations * self.spread
        return Told(np.where(np.isnan(array), estimates, array), deviations)

    @quiet
    def drawn(self, array, n_samples, seed) -> np.ndarray:
        """Draws of what is missing, (n_samples, n, q).

        About the blend's estimates, with its deviations; entries of a row go together as the
        heaviest mixture draws them, if there is one.
        """
        mixtures = [part for part in self.parts if isinstance(part, Mixture)]
        if mixtures:
            name = max(mixtures[0].names, key=self.weights.__getitem__)
            own = self._standardised(array)
            mean, scale = mixtures[0].tell(own, {})[name]
            draws = mixtures[0].drawn(name, own, n_samples, seed) - mean
            draws = draws / np.where(scale > 0, scale, 1.0)
        else:
            draws = np.random.RandomState(seed).normal(size=(n_samples, *array.shape))
        estimates, deviations = self.told(array)
        return np.where(np.isnan(array), estimates + deviations * draws, array)


def _names_of(parts) -> list[str]:
    """Of all models, the means first."""
    return [name for part in parts for name in part.names]


def _fit(parts, array, seed) -> None:
    """One after the other: trees ask those before."""
    for i, part in enumerate(parts):
        part.fit(array, seed, parts[:i])


def _blended(told: dict[str, Told], weights) -> Told:
    """Weighted mean of what models say, and standard deviations of the mixture of it."""
    mean = sum(weights[name] * one.estimates for name, one in told.items())
    variance = sum(
        weights[name] * (np.square(one.deviations) + np.square(one.estimates - mean))
        for name, one in told.items()
    )
    return Told(mean, np.sqrt(variance))


def _judged(array, make, seed) -> tuple[np.ndarray, float]:
    """Weights, and surprise, by entries that are hidden from all parts.

    Of some rows, where there are many.
    """
    if len(array) > MAX_JUDGED:
        array = array[np.random.RandomState(seed).choice(len(array), MAX_JUDGED, replace=False)]
        array = array[:, ~np.isnan(array).all(0)]
    hidden = hidden_entries(array, seed)
    rest = np.where(hidden, np.nan, array)
    parts = make(array)
    _fit(parts, rest, seed)
    told = told_by(parts, rest)
    weights = heldout_weights(np.array([(one.estimates - array)[hidden] for one in told.values()]))
    blended = _blended(told, dict(zip(told, weights, strict=True)))
    # Of indicators most errors are tiny: they say nothing of the numbers' deviations.
    judged = hidden & [len(np.unique(c[~np.isnan(c)])) > 2 for c in array.T]
    error = (blended.estimates - array)[judged]
    return weights, surprise_of(error, blended.deviations[judged])
