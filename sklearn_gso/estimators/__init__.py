"""scikit-learn's face: one base for every problem, completers, dictionaries, mixtures."""

from .base import AlternatingEstimator
from .completion import (
    ALSMatrixCompleter,
    GSOMatrixCompleter,
    RobustMatrixCompleter,
    SGDMatrixCompleter,
)
from .deconvolution import GSOBlindDeconvolution
from .dictionary import GSODictionaryLearning
from .imputation import GSOImputer, compare_imputers
from .mixture import EMGaussianMixture, GSOGaussianMixture, MixtureImputer
from .parameters import MetaTraining
from .sources import GSOSourceSeparation

__all__ = [
    "ALSMatrixCompleter",
    "AlternatingEstimator",
    "EMGaussianMixture",
    "GSOBlindDeconvolution",
    "GSODictionaryLearning",
    "GSOGaussianMixture",
    "GSOImputer",
    "GSOMatrixCompleter",
    "GSOSourceSeparation",
    "MetaTraining",
    "MixtureImputer",
    "RobustMatrixCompleter",
    "SGDMatrixCompleter",
    "compare_imputers",
]
