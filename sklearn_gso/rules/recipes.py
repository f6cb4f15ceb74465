"""How a learned rule is built, trained and run where the user says nothing."""

import dataclasses
import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .judges import LSTMJudge
from .learned import LSTMControl, LSTMStep, Network

LOSSES = ("heldout", "global")


def is_flag(value) -> bool:
    return isinstance(value, bool | np.bool_)


def is_size(value) -> bool:
    return isinstance(value, numbers.Integral) and not is_flag(value) and int(value) >= 1


def is_positive(value) -> bool:
    is_number = isinstance(value, numbers.Real) and not is_flag(value)
    return is_number and 0 < float(value) < math.inf


def are_names(value) -> bool:
    fits = isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
    return fits and len(set(value)) == len(value)


# What the arguments of the package's networks may be, in recipes and in files.
ARGUMENTS = {
    "hidden_size": (is_size, "an integer >= 1"),
    "n_layers": (is_size, "an integer >= 1"),
    "n_features": (is_size, "an integer >= 1"),
    "control_names": (are_names, "different names"),
    "scale": (is_positive, "a positive number"),
    "restart_iterate": (is_flag, "True or False"),
    "reset_state": (is_flag, "True or False"),
}
# The same for the other fields of a recipe.
_FIELDS = {
    "shared": (is_flag, "True or False"),
    "max_iter": (is_size, "an integer >= 1"),
    "t_u": (lambda value: value is None or is_size(value), "None or an integer >= 1"),
    "loss": (lambda value: value in LOSSES, f"one of {LOSSES}"),
    "learning_rate": (is_positive, "a positive number"),
    "anneal": (is_flag, "True or False"),
}


def check_arguments(arguments: Mapping[str, Any], table: Mapping = ARGUMENTS) -> None:
    """Raise a ValueError that names the first argument that no network could take."""
    for name, value in arguments.items():
        fits, wanted = table.get(name, (None, ""))
        if fits and not fits(value):
            raise ValueError(f"{name} of a rule must be {wanted}, got {value!r}.")


@dataclass(frozen=True)
class Recipe:
    """A learned rule with the defaults of its training and of its runs.

    Parameters
    ----------
    network : type
        A `Network`; ``network.for_problem(problem, **arguments)`` makes a new one.
    arguments : mapping
        Of new networks; an optimizer that was trained brings its own.
    shared : bool
        Whether one network serves all blocks that it moves.
    max_iter : int
        Outer steps of a run, the paper's T.
    t_u : int or None
        Outer steps between two updates of the weights; None is the whole run.
    loss : {"heldout", "global"}
        What training minimises where the truth is not known.
    learning_rate : float
        Of Adam, equation (10).
    anneal : bool
        Whether it falls to zero along a cosine.
    """

    network: type[Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    shared: bool = True
    max_iter: int = 40
    t_u: int | None = None
    loss: str = "heldout"
    learning_rate: float = 1e-2
    anneal: bool = True

    def __post_init__(self):
        check_arguments(self.arguments)
        check_arguments({name: getattr(self, name) for name in _FIELDS}, _FIELDS)

    def new(self, problem, generator) -> Network:
        """A new network for a problem."""
        return self.network.for_problem(problem, generator=generator, **self.arguments)

    def networks(self, problem, generator) -> dict[str, Any]:
        """New networks for the blocks of a problem that rules may move."""
        names = problem.moved_names
        if self.shared:
            return dict.fromkeys(names, self.new(problem, generator))
        return {name: self.new(problem, generator) for name in names}


RECIPES = {
    "control": Recipe(LSTMControl, {"hidden_size": 24}),
    "step": Recipe(
        LSTMStep, {"hidden_size": 20}, False, 100, 10, "global", learning_rate=1e-3, anneal=False
    ),
    "moves": Recipe(LSTMJudge, {"hidden_size": 48}, learning_rate=3e-3),
}


def register_recipe(name: str, recipe: Recipe) -> None:
    """Make a recipe known by a name, for ``rule=name`` of estimators."""
    RECIPES[name] = recipe


def recipe(rule: str | Recipe, **changes) -> Recipe:
    """The recipe of this name, changed.

    Parameters
    ----------
    rule : str or Recipe
        "control" (`LSTMControl`), "step" (`LSTMStep`, the paper's), "moves" (`LSTMJudge`), or
        what was registered besides.
    **changes
        Fields of `Recipe`, or arguments of its network: ``hidden_size``, ``n_layers``, and of
        "step" ``scale``, ``restart_iterate``, ``reset_state``.

    Raises
    ------
    ValueError
        For an unknown name, field or argument, or a value that no network could take.

    Examples
    --------
    >>> from sklearn_gso.rules import recipe
    >>> dict(recipe("step", hidden_size=500).arguments)
    {'hidden_size': 500}
    """
    if isinstance(rule, str):
        if rule not in RECIPES:
            raise ValueError(f"rule must be one of {sorted(RECIPES)}, got {rule!r}.")
        rule = RECIPES[rule]
    fields = {f.name for f in dataclasses.fields(Recipe)} - {"network", "arguments"}
    known = fields | set(rule.network.argument_names) - {"n_features", "control_names"}
    unknown = sorted(changes.keys() - known)
    if unknown:
        raise ValueError(
            f"a recipe of {rule.network.__name__} takes {sorted(known)}, got {unknown}."
        )
    arguments = {k: v for k, v in changes.items() if k not in fields}
    changed = {k: v for k, v in changes.items() if k in fields}
    return dataclasses.replace(rule, arguments={**rule.arguments, **arguments}, **changed)
