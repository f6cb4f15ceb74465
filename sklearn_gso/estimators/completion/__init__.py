"""Completion of matrices."""

from .baselines import ALSMatrixCompleter, SGDMatrixCompleter
from .completers import GSOMatrixCompleter

__all__ = ["ALSMatrixCompleter", "GSOMatrixCompleter", "SGDMatrixCompleter"]
