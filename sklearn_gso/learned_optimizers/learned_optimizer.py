"""What is kept of meta-training: weights and a description, in a file that runs no code."""

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from textwrap import shorten
from types import MappingProxyType

import numpy as np
import torch

from ..rules.base import check_registered, registered_rule
from .descriptions import NEEDED, check_description, plain
from .display import as_html
from .files import digest, read_arrays, unreadable, write_arrays

FORMAT_VERSION = 1
_PRETRAINED, _SUFFIX = resources.files(__package__) / "weights", ".safetensors"
_PACKAGE = __name__.partition(".")[0]
_WHAT = "learned optimizer"


class LearnedOptimizer:
    """Trained rules and what they were trained on. Immutable.

    Parameters
    ----------
    weights : mapping of str to array
        Named ``<block>.<parameter>``; ``shared.<parameter>`` if all blocks share
        one network. Copied, read-only.
    description : mapping
        JSON-compatible; numpy's numbers become Python's. ``rule``, ``arguments`` (of the rule),
        ``blocks`` (that it moves), ``shared``, ``problem`` (class name) and ``feature_version`` are
        required; what it was trained on and the figures it reached stand beside.

    Raises
    ------
    ValueError
        If the description lacks a key, or the weights do not fit it.
    """

    __slots__ = ("_weights", "_description")
    _weights: dict[str, np.ndarray]
    _description: str

    def __init__(self, weights: Mapping, description: Mapping):
        frozen = {name: np.array(weights[name], dtype=np.float32) for name in sorted(weights)}
        for array in frozen.values():
            array.flags.writeable = False
        check_description(description, frozen)
        object.__setattr__(self, "_weights", frozen)
        described = json.dumps(dict(description), sort_keys=True, default=plain)
        object.__setattr__(self, "_description", described)
        self.rules()

    def __setattr__(self, name, value=None):
        raise AttributeError("a LearnedOptimizer is immutable")

    __delattr__ = __setattr__

    @property
    def weights(self) -> Mapping[str, np.ndarray]:
        """Read-only arrays by name."""
        return MappingProxyType(self._weights)

    @property
    def description(self) -> dict:
        """What the optimizer is and was trained on; a fresh copy."""
        return json.loads(self._description)

    @property
    def is_general(self) -> bool:
        """Whether it was trained for tasks of any kind, as those that come with the package.

        ``description["general"]``. On one collection the classical rule may beat it, so
        completers average the runs of both.
        """
        return self.description.get("general") is True

    def has_weights_of(self, other: "LearnedOptimizer") -> bool:
        """Whether the weights are those of another one, whatever the descriptions say."""
        own, others = self._weights, other._weights
        return own.keys() == others.keys() and all(np.array_equal(own[n], others[n]) for n in own)

    # Being immutable it is its own copy, as scikit-learn's clone wants of a parameter.
    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        return type(self), (self._weights, self.description)

    def __eq__(self, other):
        if not isinstance(other, LearnedOptimizer):
            return NotImplemented
        return self.digest() == other.digest()

    def __hash__(self):
        return hash(self.digest())

    def __repr__(self):
        d = self.description
        shown = f"rule={d['rule']!r}, problem={d['problem']!r}"
        if "trained_on" in d:
            shown += f", trained_on={shorten(str(d['trained_on']), 60, placeholder='...')!r}"
        return f"{type(self).__name__}({shown})"

    def _repr_html_(self) -> str:
        return as_html(repr(self), self.description)

    def described(self, **about) -> "LearnedOptimizer":
        """The same weights with further entries of the description: a note, an author, a licence.

        Parameters
        ----------
        **about
            JSON-compatible. They take the place of entries of the same names.

        Returns
        -------
        optimizer : LearnedOptimizer

        Raises
        ------
        ValueError
            If an entry says what the weights are, as ``rule`` and ``blocks`` do.

        Examples
        --------
        >>> from sklearn_gso import LearnedOptimizer
        >>> mine = LearnedOptimizer.load_pretrained("completer").described(note="as it comes")
        >>> mine.description["note"]
        'as it comes'
        """
        fixed = sorted(about.keys() & NEEDED)
        if fixed:
            raise ValueError(f"{fixed} say what the weights are and cannot be changed.")
        return type(self)(self._weights, {**self.description, **about})

    def digest(self) -> str:
        """SHA-256 of weights and description."""
        return digest(self._description, self._weights)

    @classmethod
    def from_rules(cls, rules: Mapping, problem, **about) -> "LearnedOptimizer":
        """Freeze trained rules.

        Parameters
        ----------
        rules : dict of str to Network
            For the blocks that they move.
        problem : Problem
            Of the kind they were trained on.
        **about
            Further entries of the description.

        Raises
        ------
        TypeError
            If it is no dict.
        ValueError
            If the rules are of several classes, or of one that is not registered.
        """
        if not rules or not hasattr(rules, "values"):
            raise TypeError(f"rules must be a dict of networks by block, got {rules!r}.")
        first, kinds = next(iter(rules.values())), {type(rule) for rule in rules.values()}
        if len(kinds) > 1:
            names = sorted(kind.__name__ for kind in kinds)
            raise ValueError(f"one optimizer holds rules of one class, got {names}.")
        check_registered(type(first))
        shared = len(rules) > 1 and all(rule is first for rule in rules.values())
        networks = {"shared": first} if shared else rules
        weights = {
            f"{block}.{key}": value.detach().numpy()
            for block, rule in networks.items()
            for key, value in rule.state_dict().items()
        }
        description = {
            "rule": type(first).__name__,
            "arguments": first.arguments(),
            "blocks": list(rules),
            "shared": shared,
            "problem": type(problem).__name__,
            "feature_version": problem.feature_version,
            **about,
        }
        module = type(first).__module__
        if module.partition(".")[0] != _PACKAGE:
            description["rule_module"] = module
        return cls(weights, description)

    def rules(self, generator: torch.Generator | None = None) -> dict:
        """Rebuild the rules, one for each block that they move.

        Parameters
        ----------
        generator : torch.Generator, optional
            For rules that draw at random while they run.
        """
        d = self.description
        kind, networks = registered_rule(d["rule"], d.get("rule_module")), {}
        for block in ["shared"] if d["shared"] else d["blocks"]:
            # Its own generator: the weights drawn here are overwritten, and whoever
            # passes one wants the same starts as without a learned rule.
            rule = kind(**d["arguments"], generator=torch.Generator())
            rule.generator = generator
            prefix = block + "."
            state = {
                name.removeprefix(prefix): torch.from_numpy(array.copy())
                for name, array in self._weights.items()
                if name.startswith(prefix)
            }
            try:
                rule.load_state_dict(state)
            except RuntimeError as error:
                raise ValueError(f"weights and description disagree: {error}") from error
            networks[block] = rule.requires_grad_(False)
        return {block: networks["shared" if d["shared"] else block] for block in d["blocks"]}

    def save(self, path) -> None:
        """Write a safetensors file with the description in its header.

        The file appears whole or not at all, even in a crash. Read it with `load`.

        Parameters
        ----------
        path : str or path-like
        """
        write_arrays(path, self._weights, self._description, FORMAT_VERSION)

    @classmethod
    def load(cls, path) -> "LearnedOptimizer":
        """Read a file written by `save`. No code in it is run.

        Raises
        ------
        FileNotFoundError
        ValueError
            If the file is truncated, altered, foreign, or of a newer format; the message
            names the file.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no learned optimizer at {path}")
        weights, description = read_arrays(path, _WHAT, FORMAT_VERSION)
        try:
            optimizer = cls(weights, json.loads(description))
        except Exception as error:  # whatever a description made up by others can provoke
            raise unreadable(path, _WHAT, error) from error
        if optimizer.digest() != digest(description, weights):
            raise unreadable(path, _WHAT, ValueError("it was not written by `save`"))
        return optimizer

    @classmethod
    def load_pretrained(cls, name: str = "completer") -> "LearnedOptimizer":
        """One of the optimizers that come with the package.

        Parameters
        ----------
        name : str, default="completer"
            One of `pretrained_names`.

        Raises
        ------
        ValueError
            If there is none of that name; the message lists the names.
        """
        names = cls.pretrained_names()
        if name not in names:
            raise ValueError(f"no pretrained optimizer {name!r}; there are {names}")
        return _pretrained(name)

    @staticmethod
    def pretrained_names() -> list[str]:
        """Names of the optimizers that come with the package, sorted."""
        paths = (Path(file.name) for file in _PRETRAINED.iterdir())
        return sorted(path.stem for path in paths if path.suffix == _SUFFIX)


@lru_cache
def _pretrained(name):
    """Read once: it is immutable."""
    with resources.as_file(_PRETRAINED / f"{name}{_SUFFIX}") as path:
        return LearnedOptimizer.load(path)
