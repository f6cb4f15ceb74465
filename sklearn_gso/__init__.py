"""Learned alternating optimisation with scikit-learn's face.

Names are imported when they are first asked for: torch takes seconds, and `import sklearn_gso`
none.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .estimators import (
        ALSMatrixCompleter,
        AlternatingEstimator,
        EMGaussianMixture,
        GSOBlindDeconvolution,
        GSODictionaryLearning,
        GSOGaussianMixture,
        GSOImputer,
        GSOMatrixCompleter,
        GSOSourceSeparation,
        MetaTraining,
        MixtureImputer,
        RobustMatrixCompleter,
        SGDMatrixCompleter,
        compare_imputers,
    )
    from .learned_optimizers import LearnedOptimizer

__version__ = "0.1.0"

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
    "LearnedOptimizer",
    "MetaTraining",
    "MixtureImputer",
    "RobustMatrixCompleter",
    "SGDMatrixCompleter",
    "__version__",
    "compare_imputers",
]

_FOLDERS = (
    "datasets",
    "estimators",
    "learned_optimizers",
    "metrics",
    "plotting",
    "problems",
    "rules",
    "solvers",
    "training",
)


def __getattr__(name):
    if name in _FOLDERS:
        return importlib.import_module("." + name, __name__)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = ".learned_optimizers" if name == "LearnedOptimizer" else ".estimators"
    value = globals()[name] = getattr(importlib.import_module(home, __name__), name)
    return value


def __dir__():
    return sorted({*globals(), *__all__, *_FOLDERS})
