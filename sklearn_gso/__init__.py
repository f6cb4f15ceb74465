"""Learned alternating optimisation with scikit-learn's face."""

from .completion import ALSMatrixCompleter, GSOMatrixCompleter, SGDMatrixCompleter
from .learned_optimizer import LearnedOptimizer

__version__ = "0.1.0"

__all__ = [
    "ALSMatrixCompleter",
    "GSOMatrixCompleter",
    "LearnedOptimizer",
    "SGDMatrixCompleter",
    "__version__",
]
