"""Learned alternating optimisation with scikit-learn's face."""

from ._version import __version__
from .completion import ALSMatrixCompleter, GSOMatrixCompleter, SGDMatrixCompleter
from .learned_optimizer import LearnedOptimizer

__all__ = [
    "ALSMatrixCompleter",
    "GSOMatrixCompleter",
    "LearnedOptimizer",
    "SGDMatrixCompleter",
    "__version__",
]
