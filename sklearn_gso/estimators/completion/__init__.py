"""Completion of matrices."""

from .baselines import ALSMatrixCompleter, SGDMatrixCompleter
from .completers import GSOMatrixCompleter
from .robust import RobustMatrixCompleter

__all__ = [
    "ALSMatrixCompleter",
    "GSOMatrixCompleter",
    "RobustMatrixCompleter",
    "SGDMatrixCompleter",
]
