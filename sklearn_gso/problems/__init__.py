"""What is minimised, one problem a file."""

from .base import Problem, has_role, new_generator, optional
from .blind_deconvolution import BlindDeconvolution
from .dictionary_learning import DictionaryLearning
from .empirical_bayes import EmpiricalBayesCompletion, identifiable_components
from .matrix_completion import MatrixCompletion
from .mixture_free_energy import MixtureFreeEnergy
from .mixture_incomplete import MixtureIncomplete
from .mixture_likelihood import MixtureLikelihood
from .mixture_missing import MixtureMissing
from .mixture_noisy import MixtureNoisy
from .noisy_ica import NoisyICA
from .nonnegative_factorization import NonnegativeFactorization
from .student_completion import StudentCompletion
from .testing import check_problem
from .trees import map_tensors, point, take_tasks, where_tasks, with_point

__all__ = [
    "BlindDeconvolution",
    "DictionaryLearning",
    "EmpiricalBayesCompletion",
    "MatrixCompletion",
    "MixtureFreeEnergy",
    "MixtureIncomplete",
    "MixtureLikelihood",
    "MixtureMissing",
    "MixtureNoisy",
    "NoisyICA",
    "NonnegativeFactorization",
    "Problem",
    "StudentCompletion",
    "check_problem",
    "has_role",
    "identifiable_components",
    "map_tensors",
    "new_generator",
    "optional",
    "point",
    "take_tasks",
    "where_tasks",
    "with_point",
]
