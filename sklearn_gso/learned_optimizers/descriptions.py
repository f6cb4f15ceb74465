"""What the description of a learned optimizer must say, checked before anything is built."""

from collections.abc import Mapping

import numpy as np

from ..rules.accepts import FLAG, check, integer
from ..rules.recipes import ARGUMENTS, NAMES


def plain(value):
    """Numpy's numbers and arrays, and containers like Python's own, for JSON."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, range):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no place in a description")


def _is_text(value) -> bool:
    return isinstance(value, str)


_WANTED = {
    "rule": _is_text,
    "rule_module": _is_text,
    "arguments": lambda value: isinstance(value, Mapping),
    "blocks": lambda value: NAMES.fits(value) and len(value) > 0,
    "shared": FLAG.fits,
    "problem": _is_text,
    "feature_version": integer().fits,
}
# What says how the weights are read.
NEEDED = frozenset(_WANTED)


def check_description(description: Mapping, weights: Mapping[str, np.ndarray]) -> None:
    """Raise a ValueError unless the description is sound and no larger than the weights.

    A file may ask for networks of any size: only those are built whose weights it brings.
    """
    description = {"rule_module": "", **description}  # only rules of others name theirs
    missing = [key for key in _WANTED if key not in description]
    if missing:
        raise ValueError(f"the description of a learned optimizer lacks {missing}")
    for key, fits in _WANTED.items():
        if not fits(description[key]):
            raise ValueError(f"{key} of a learned optimizer cannot be {description[key]!r}")
    arguments = description["arguments"]
    check(arguments, ARGUMENTS, "a rule")
    if "hidden_size" not in arguments:
        return  # a rule of the user's, which this package cannot size
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
