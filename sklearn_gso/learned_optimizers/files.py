"""Files of arrays and JSON that run no code, appear whole or not at all, and are checked."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save as to_bytes

Arrays = Mapping[str, np.ndarray]


def digest(description: str, arrays: Arrays) -> str:
    """SHA-256 of a text and of arrays by name, shape and type."""
    sha = hashlib.sha256(description.encode())
    for name in sorted(arrays):
        array = arrays[name]
        # Single precision goes unnamed, as in the first files that were written.
        kind = "" if array.dtype == np.float32 else array.dtype.str
        sha.update(f"{name}{array.shape}{kind}".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


def write_arrays(path, arrays: Arrays, description: str, version: int) -> None:
    """Write a safetensors file with a description, and its format's version, in the header.

    It is written beside its place, synced and renamed, and the folder synced: after a
    crash there is the old file or the new one.
    """
    path = Path(path)
    header = {
        "format_version": str(version),
        "description": description,
        "sha256": digest(description, arrays),
    }
    data = to_bytes(dict(arrays), metadata=header)
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(beside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # Windows cannot sync a folder and need not
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read_arrays(path, what: str, version: int) -> tuple[dict[str, np.ndarray], str]:
    """Read a file of `write_arrays`; ``what`` names it in errors, ``version`` is the newest known.

    A file that is truncated, altered, foreign, or of a newer format raises a ValueError.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            written, description = int(header["format_version"]), header["description"]
            if written > version:
                raise ValueError(
                    f"format version {written} is newer than {version}; upgrade sklearn_gso"
                )
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if written < 1 or digest(description, arrays) != header["sha256"]:
            raise ValueError("its checksum is wrong")
    except OSError:
        raise
    except Exception as error:  # whatever a foreign file can provoke
        raise unreadable(path, what, error) from error
    return arrays, description


def unreadable(path, what: str, error: Exception) -> ValueError:
    """The one error for files that cannot be used."""
    why = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    return ValueError(f"{path} is no readable {what}: {why[:500]}")
