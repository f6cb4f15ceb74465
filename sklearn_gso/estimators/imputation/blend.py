"""Several models of one table of numbers, weighted by what they tell of hidden entries."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..completion import GSOMatrixCompleter
from .parts import Factors, Means, Mixture, mixture_rows
from .weighing import MAX_JUDGED, equal_weights, errors, heldout_weights, hidden_entries

# Names of the parts, beside "means", and "neighbours", which add to "factors".
MODELS = ("factors", "mixture", "pooled")


def made_parts(names, completer: GSOMatrixCompleter, array) -> dict:
    """The means and the wanted parts that a table is large enough for, by name."""
    parts: dict = {"means": Means()}
    if "factors" in names:
        parts["factors"] = Factors(completer, "neighbours" in names)
    if mixture_rows(array):
        # Covariances of their own, and such as are drawn to a common one.
        priors = {"mixture": 1.0, "pooled": "pooled"}
        parts |= {name: Mixture(priors[name]) for name in names if name in priors}
    return parts


@dataclass(frozen=True)
class Blend:
    """Fitted parts, by name, and what each of them weighs."""

    parts: dict
    weights: dict

    @classmethod
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
        parts = make(array)
        if len(parts) == 1:
            weights = np.ones(1)
        elif weighing == "equal":
            weights = equal_weights(len(parts))
        elif isinstance(weighing, Mapping):
            weights = np.array([float(weighing.get(name, 0)) for name in parts])
            weights = weights / weights.sum() if weights.sum() > 0 else np.eye(len(parts))[0]
        else:
            weights = _judged(array, make, seed)
        used = {name: part for (name, part), w in zip(parts.items(), weights, strict=True) if w > 0}
        fitted = {name: part.fit(array, seed) for name, part in used.items()}
        shown = {name: float(w) for name, w in zip(parts, weights, strict=True)}
        return cls(fitted, shown)

    @property
    def learned_optimizer(self):
        """Of the factor model, if there is one."""
        factors = self.parts.get("factors")
        return factors and factors.completer.learned_optimizer_

    def expected(self, array) -> np.ndarray:
        """The table with the weighted mean of the parts' estimates in place of NaN."""
        total = sum(self.weights[name] * part.expected(array) for name, part in self.parts.items())
        return np.where(np.isnan(array), total, array)


def _judged(array, make, seed) -> np.ndarray:
    """Weights by entries that are hidden from all parts, of some rows of a large table."""
    if len(array) > MAX_JUDGED:
        array = array[np.random.RandomState(seed).choice(len(array), MAX_JUDGED, replace=False)]
        array = array[:, ~np.isnan(array).all(0)]
    hidden = hidden_entries(array, seed)
    rest = np.where(hidden, np.nan, array)
    estimates = [part.fit(rest, seed).expected(rest) for part in make(array).values()]
    return heldout_weights(np.array([errors(array, one, hidden) for one in estimates]))
