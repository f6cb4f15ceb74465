"""Learned alternating optimisation with scikit-learn's face."""

from .estimators import (
    ALSMatrixCompleter,
    AlternatingEstimator,
    EMGaussianMixture,
    GSODictionaryLearning,
    GSOGaussianMixture,
    GSOImputer,
    GSOMatrixCompleter,
    MetaTraining,
    MixtureImputer,
    SGDMatrixCompleter,
    compare_imputers,
)
from .learned_optimizers import LearnedOptimizer

__version__ = "0.1.0"

__all__ = [
    "ALSMatrixCompleter",
    "AlternatingEstimator",
    "EMGaussianMixture",
    "GSODictionaryLearning",
    "GSOGaussianMixture",
    "GSOImputer",
    "GSOMatrixCompleter",
    "LearnedOptimizer",
    "MetaTraining",
    "MixtureImputer",
    "SGDMatrixCompleter",
    "__version__",
    "compare_imputers",
]
