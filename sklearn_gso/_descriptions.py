"""What the description of a learned optimizer must say, checked before anything is built."""

import math
import numbers
from collections.abc import Mapping

import numpy as np


def plain(value):
    """Numpy's numbers and arrays, and containers like Python's own, for JSON."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, range):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no place in a description")


def _is_flag(value) -> bool:
    return isinstance(value, bool | np.bool_)


def _is_size(value) -> bool:
    return isinstance(value, numbers.Integral) and not _is_flag(value) and int(value) >= 1


def _is_number(value) -> bool:
    return isinstance(value, numbers.Real) and not _is_flag(value) and math.isfinite(value)


def _are_names(value) -> bool:
    fits = isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
    return fits and len(set(value)) == len(value)


_WANTED = {
    "rule": lambda value: isinstance(value, str),
    "arguments": lambda value: isinstance(value, Mapping),
    "blocks": lambda value: _are_names(value) and len(value) > 0,
    "shared": _is_flag,
    "problem": lambda value: isinstance(value, str),
    "feature_version": _is_size,
}
_WANTED_ARGUMENTS = {
    "hidden_size": _is_size,
    "n_layers": _is_size,
    "n_features": _is_size,
    "control_names": _are_names,
    "scale": _is_number,
    "restart_iterate": _is_flag,
    "reset_state": _is_flag,
}


def check_description(description: Mapping, weights: Mapping[str, np.ndarray]) -> None:
    """Raise a ValueError unless the description is sound and no larger than the weights.

    A file may ask for networks of any size: only those are built whose weights it brings.

    Parameters
    ----------
    description : mapping
    weights : dict of str to ndarray
    """
    missing = [key for key in _WANTED if key not in description]
    if missing:
        raise ValueError(f"the description of a learned optimizer lacks {missing}")
    _check_values(description, _WANTED)
    arguments = description["arguments"]
    _check_values(arguments, _WANTED_ARGUMENTS)
    for block in ["shared"] if description["shared"] else description["blocks"]:
        sizes = [a.size for name, a in weights.items() if name.startswith(f"{block}.")]
        held = sum(sizes)
        units, depth = arguments.get("hidden_size", 1), arguments.get("n_layers", 1)
        needed = 4 * units * max(units * depth, arguments.get("n_features", 1))
        needed = max(needed, units * len(arguments.get("control_names", ())))
        if needed > held or depth > len(sizes):
            raise ValueError(
                f"weights and description disagree: {arguments} needs more than the {held} "
                f"numbers of block {block!r}"
            )


def _check_values(given, wanted):
    for key, fits in wanted.items():
        if key in given and not fits(given[key]):
            raise ValueError(f"{key} of a learned optimizer cannot be {given[key]!r}")
