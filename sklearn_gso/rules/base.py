"""How one block moves while the others stand still; the registry of rules that can be saved."""

import copy
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from ..problems.base import Problem
from ..problems.trees import Block, Variables


class Clock(NamedTuple):
    """Which step of a run this is.

    Attributes
    ----------
    sweep, n_sweeps : int
        Outer step, and how many there are at most.
    inner : int
        Inner step of this block within the sweep; 0 is the first.
    record : callable or None
        ``record(name, decided)`` where somebody traces what a rule decides.
    """

    sweep: int
    n_sweeps: int
    inner: int = 0
    record: Callable[[str, dict[str, Tensor]], None] | None = None

    @property
    def fraction(self) -> float:
        return self.sweep / self.n_sweeps


class UpdateRule:
    """A rule for one block; classical and learned rules answer the same calls.

    A state is a (nested) tuple of tensors whose first axis counts the tasks.

    Attributes
    ----------
    t_l : int, default=1
        Inner steps within an outer step, where the caller does not say.
    moves_together : bool, default=False
        Whether one step moves all blocks that the rule is given for, by `step_together`, at the
        turn of the first of them.
    generator : torch.Generator or None
        Of rules that draw at random while they run.
    """

    t_l = 1
    moves_together = False
    generator: torch.Generator | None = None

    def init_state(self, block: Block) -> tuple:
        """State before the first outer step."""
        return ()

    def step(
        self, problem: Problem, variables: Variables, name: str, state: tuple, clock: Clock
    ) -> tuple[Block, tuple]:
        """One inner step: the new block, which must be feasible, and the new state."""
        raise NotImplementedError(f"{type(self).__name__} has no step.")

    def step_together(
        self,
        problem: Problem,
        variables: Variables,
        names: tuple[str, ...],
        state: tuple,
        clock: Clock,
    ) -> tuple[Variables, tuple]:
        """One inner step of the named blocks, by default of one: all variables, the new state."""
        (name,) = names
        block, state = self.step(problem, variables, name, state, clock)
        return {**variables, name: block}, state

    def fallback(self) -> "UpdateRule":
        """The rule without learning that a safeguard falls back on; itself if classical."""
        return self

    def seeded(self, generator: torch.Generator) -> "UpdateRule":
        """The same rule, drawing from this generator."""
        rule = copy.copy(self)
        rule.generator = generator
        return rule


Rules = dict[str, UpdateRule]


def bent_minimiser(problem: Problem, variables: Variables, name: str, controls=None) -> Block:
    """`Problem.minimize_block`, refusing controls that the problem does not have.

    Raises
    ------
    ValueError
        Naming them.
    """
    unknown = [] if controls is None else [c for c in controls if c not in problem.control_names]
    if unknown:
        raise ValueError(
            f"{type(problem).__name__} has no control {unknown}; it has {problem.control_names}."
        )
    return problem.minimize_block(variables, name, controls)


def damped(old: Tensor, target: Tensor, relaxation, previous_step, momentum) -> Tensor:
    """Over-relaxed step with momentum; (1, ·, 0) is the plain step to the target."""
    return old + relaxation * (target - old) + momentum * previous_step


_REGISTERED: dict[str, type] = {}


def _place(rule: type) -> tuple[str, str]:
    return rule.__module__, rule.__qualname__


def register_rule(rule: type) -> type:
    """Make a rule known by its class name, so that optimizers made of it can be loaded.

    To be used as a decorator. The module that defines the rule must be imported before a file
    is loaded.

    Parameters
    ----------
    rule : type
        A `Network`.

    Raises
    ------
    ValueError
        If another rule bears this name.
    """
    known = _REGISTERED.get(rule.__name__, rule)
    if _place(known) != _place(rule):
        raise ValueError(f"a rule {rule.__name__!r} of {known.__module__} is registered already")
    _REGISTERED[rule.__name__] = rule
    return rule


def registered_rule(name: str, module: str | None = None) -> type:
    """The rule of this name.

    Parameters
    ----------
    name : str
    module : str, optional
        Where it was defined, for the error.

    Raises
    ------
    ValueError
        If no such rule is registered.
    """
    if name not in _REGISTERED:
        where = f"import {module}, which defines it, first" if module else "is it decorated?"
        raise ValueError(
            f"no rule {name!r} is registered (register_rule): {where}; registered are "
            f"{sorted(_REGISTERED)}"
        )
    return _REGISTERED[name]


def check_registered(rule: type) -> None:
    """Raise a ValueError unless an optimizer made of this rule is loaded as this rule."""
    known = registered_rule(rule.__name__)
    if _place(known) != _place(rule):
        raise ValueError(
            f"the rule {rule.__name__!r} of {rule.__module__} is not registered (register_rule); "
            f"one of {known.__module__} bears this name"
        )


def check_rules(rules, problem: Problem | None = None) -> None:
    """Raise a TypeError unless it is a dict, a ValueError unless of one rule for each block."""
    if not isinstance(rules, Mapping):
        raise TypeError(
            f"rules must be a dict with one rule for each block, got {type(rules).__name__}; "
            "rules_for(problem, rule) makes one."
        )
    if problem is None:
        return
    lacking = [name for name in problem.block_names if name not in rules]
    unknown = [name for name in rules if name not in problem.block_names]
    if lacking or unknown:
        raise ValueError(
            f"rules must be given for the blocks {problem.block_names}: "
            f"{lacking} lack one, {unknown} are no blocks."
        )
