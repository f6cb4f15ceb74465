"""Learned alternating optimisation with scikit-learn's face."""

from ._version import __version__
from .baselines import ALSMatrixCompleter, SGDMatrixCompleter
from .completion import GSOMatrixCompleter
from .learned_optimizer import LearnedOptimizer
from .mixture import EMGaussianMixture, GSOGaussianMixture

__all__ = [
    "ALSMatrixCompleter",
    "EMGaussianMixture",
    "GSOGaussianMixture",
    "GSOMatrixCompleter",
    "LearnedOptimizer",
    "SGDMatrixCompleter",
    "__version__",
]
