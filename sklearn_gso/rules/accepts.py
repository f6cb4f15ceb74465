"""What parameters accept, declared in tables."""

import math
import numbers
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np


class Accepts(NamedTuple):
    """A kind of value: what it must be, in words, and how to tell."""

    wanted: str
    fits: Callable[[Any], bool]

    def __or__(self, other: "Accepts") -> "Accepts":
        return Accepts(f"{self.wanted} or {other.wanted}", lambda v: self.fits(v) or other.fits(v))


def is_flag(value) -> bool:
    return isinstance(value, bool | np.bool_)


def integer(least: int = 1, most: float = math.inf) -> Accepts:
    """An integer, Python's or numpy's, of at least ``least`` and at most ``most``."""
    return Accepts(
        f"an integer >= {least}" if most == math.inf else f"an integer from {least} to {most}",
        lambda v: isinstance(v, numbers.Integral) and not is_flag(v) and least <= int(v) <= most,
    )


def real(wanted: str, fits: Callable[[float], bool]) -> Accepts:
    """A number, by a condition in words and in code; NaN fits none."""
    return Accepts(
        wanted, lambda v: isinstance(v, numbers.Real) and not is_flag(v) and bool(fits(float(v)))
    )


def choice(*names: str) -> Accepts:
    """One of some strings."""
    # The value need not be hashable or comparable.
    return Accepts(f"one of {sorted(names)}", lambda v: isinstance(v, str) and v in names)


NONE = Accepts("None", lambda v: v is None)
FLAG = Accepts("True or False", is_flag)
POSITIVE = real("a positive number", lambda v: 0 < v < math.inf)


def check(values: Mapping[str, Any], table: Mapping[str, Accepts], of: str) -> None:
    """Raise a ValueError that names the first of some values that its table refuses."""
    for name, value in values.items():
        if name in table and not table[name].fits(value):
            raise ValueError(f"{name} of {of} must be {table[name].wanted}, got {value!r}.")
