"""What is minimised, one problem a file."""

from .base import Problem
from .empirical_bayes import EmpiricalBayesCompletion, identifiable_components
from .gaussian_mixture import MixtureFreeEnergy, MixtureLikelihood
from .matrix_completion import MatrixCompletion

__all__ = [
    "EmpiricalBayesCompletion",
    "MatrixCompletion",
    "MixtureFreeEnergy",
    "MixtureLikelihood",
    "Problem",
    "identifiable_components",
]
