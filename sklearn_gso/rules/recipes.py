"""How a learned rule is built, trained and run where the user says nothing."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .accepts import FLAG, NONE, POSITIVE, Accepts, check, choice, integer
from .judges import LSTMJudge
from .learned import LSTMControl, LSTMStep, Network

LOSSES = ("heldout", "global")


def _are_names(value) -> bool:
    fits = isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
    return fits and len(set(value)) == len(value)


NAMES = Accepts("different names", _are_names)
# What the arguments of the package's networks may be, in recipes and in files.
ARGUMENTS = {
    "hidden_size": integer(),
    "n_layers": integer(),
    "n_features": integer(),
    "control_names": NAMES,
    "scale": POSITIVE,
    "restart_iterate": FLAG,
    "reset_state": FLAG,
}
# The same for the other fields of a recipe.
_FIELDS = {
    "shared": FLAG,
    "max_iter": integer(),
    "t_u": NONE | integer(),
    "loss": Accepts(f"one of {LOSSES}", choice(*LOSSES).fits),
    "learning_rate": POSITIVE,
    "anneal": FLAG,
}


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
        check(self.arguments, ARGUMENTS, "a rule")
        check(vars(self), _FIELDS, "a rule")

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
