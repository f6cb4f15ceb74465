"""The recipes of the weights that ship."""

import time
from importlib.metadata import version

import numpy as np
import torch


def versions() -> dict[str, str]:
    """Of what a training depends on."""
    own = version("sklearn-gso")
    return {"sklearn_gso": own, "torch": torch.__version__, "numpy": np.__version__}


def minutes_since(start: float, end: float | None = None) -> float:
    """Minutes from one time to another, by default now."""
    return round(((end or time.time()) - start) / 60, 1)
