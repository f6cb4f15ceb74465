"""Where a training that was killed goes on: all of its state, in a file that runs no code."""

import glob
import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from scipy import sparse

from ..learned_optimizers.descriptions import plain
from ..learned_optimizers.files import read_arrays, unreadable, write_arrays

FORMAT_VERSION = 1
_WHAT = "checkpoint"
_ARRAY = "array of this file"
# Between two writings.
_SECONDS = 10.0


class Stateful(Protocol):
    """What can be saved: torch's modules and everything else with these two methods.

    A state is a number, string, None, array or tensor, or a dict of str to states, or a
    list of states.
    """

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state) -> Any: ...


class Draws:
    """The state of a random generator.

    Parameters
    ----------
    generator : torch.Generator or numpy.random.RandomState
    """

    def __init__(self, generator):
        self.generator = generator

    def state_dict(self):
        return self.generator.get_state()

    def load_state_dict(self, state):
        is_torch = isinstance(self.generator, torch.Generator)
        self.generator.set_state(torch.as_tensor(state) if is_torch else tuple(state))


class Checkpoint:
    """A file that is written every few seconds, and read where a training starts again.

    Killed at any moment and started again in the same way, a training ends as it would have
    without: `Trainer.run` writes its own state and that of all ``parts`` between two steps.

    Parameters
    ----------
    path : str or path-like
        Written anew as a whole each time.
    settings : mapping of str to JSON-compatible
        Of what training it is: one with other settings cannot go on from here.
    parts : mapping of str to Stateful, optional
        What changes while the training runs, random generators (as `Draws`) included.

    Raises
    ------
    ValueError
        If ``path`` is no place for a file, or the file there is damaged, foreign, of a newer
        format, or of a training with other settings.
    """

    def __init__(self, path, settings: Mapping, parts: Mapping[str, Stateful] | None = None):
        self.path = Path(path)
        self.settings = json.loads(json.dumps(dict(settings), sort_keys=True, default=plain))
        self.parts = dict(parts or {})
        if self.path.is_dir() or not self.path.parent.is_dir():
            raise ValueError(f"checkpoint must be a file in an existing folder, got {self.path}")
        for left in self.path.parent.glob(f"{glob.escape(self.path.name)}.*.part"):
            left.unlink(missing_ok=True)  # of a process that was killed as it wrote
        self._states = self._read() if self.path.exists() else {}
        self._written = -float("inf")

    def _read(self) -> dict:
        arrays, description = read_arrays(self.path, _WHAT, FORMAT_VERSION)
        try:
            said = json.loads(description)
            settings, states = dict(said["settings"]), dict(_unpacked(said["states"], arrays))
        except Exception as error:  # a file of arrays, but none of ours
            raise unreadable(self.path, _WHAT, error) from error
        # As texts, in which NaN equals itself.
        old, new = ({k: json.dumps(v) for k, v in s.items()} for s in (settings, self.settings))
        other = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
        if other:
            raise ValueError(
                f"{self.path} is the checkpoint of another training: it differs in "
                f"{', '.join(other)}. Remove it, or give another path."
            )
        return states

    def restore(self, name: str, part: Stateful) -> bool:
        """Count a part in and set it as it was in the file; False if it is not there."""
        self.parts[name] = part
        if name not in self._states:
            return False
        try:
            part.load_state_dict(self._states.pop(name))
        except Exception as error:  # the right settings, but not our states
            raise unreadable(self.path, _WHAT, error) from error
        return True

    def restore_all(self) -> None:
        """Set all parts that are in the file as they were."""
        for name, part in list(self.parts.items()):
            self.restore(name, part)

    def write(self, now: bool = True) -> None:
        """Write the file; unless ``now``, only if the last time is long enough ago."""
        if not now and time.monotonic() - self._written < _SECONDS:
            return
        arrays: dict[str, np.ndarray] = {}
        states = {name: part.state_dict() for name, part in self.parts.items()}
        packed = _packed(states, "states", arrays)
        said = json.dumps({"settings": self.settings, "states": packed}, default=plain)
        write_arrays(self.path, arrays, said, FORMAT_VERSION)
        self._written = time.monotonic()


def _packed(state, name, arrays):
    """JSON for a state, whose arrays are put aside by name."""
    if isinstance(state, torch.Tensor):
        state = state.detach().numpy()
    if isinstance(state, np.ndarray):
        arrays[name] = np.ascontiguousarray(state).reshape(state.shape)
        return {_ARRAY: name}
    if isinstance(state, Mapping):
        return {key: _packed(value, f"{name}/{key}", arrays) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [_packed(value, f"{name}/{i}", arrays) for i, value in enumerate(state)]
    return state


def _unpacked(packed, arrays):
    if isinstance(packed, dict):
        if _ARRAY in packed:
            return arrays[packed[_ARRAY]]
        return {key: _unpacked(value, arrays) for key, value in packed.items()}
    if isinstance(packed, list):
        return [_unpacked(value, arrays) for value in packed]
    return packed


def data_digest(arrays: Iterable) -> str:
    """SHA-256 of arrays, tensors and CSR matrices in their order; None stands for itself."""
    sha = hashlib.sha256()
    for array in arrays:
        is_sparse = sparse.issparse(array)
        sha.update(f"{array is None}{is_sparse and array.shape}".encode())
        for part in (array.indptr, array.indices, array.data) if is_sparse else (array,):
            values = np.asarray(() if part is None else part)
            sha.update(f"{values.shape}{values.dtype.str}".encode())
            sha.update(values.tobytes())
    return sha.hexdigest()
