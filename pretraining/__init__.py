"""The recipes of the weights that ship.

Those of completers, dictionaries and sources also run in several processes, given a number of
steps, to the same weights up to rounding::

    torchrun --nproc-per-node 2 -m pretraining.completer --steps 700
"""

import time
from importlib.metadata import version

import numpy as np
import torch

from sklearn_gso.training.processes import rank


def versions() -> dict[str, str]:
    """Of what a training depends on."""
    own = version("sklearn-gso")
    return {"sklearn_gso": own, "torch": torch.__version__, "numpy": np.__version__}


def minutes_since(start: float, end: float | None = None) -> float:
    """Minutes from one time to another, by default now."""
    return round(((end or time.time()) - start) / 60, 1)


def write(optimizer, path) -> None:
    """Save and describe an optimizer; of several processes the first does."""
    if rank() == 0:
        optimizer.save(path)
        print(optimizer.description)
