"""Every problem of the package, two tasks of each, by name."""

import numpy as np
import torch

from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.problems import (
    BlindDeconvolution,
    DictionaryLearning,
    EmpiricalBayesCompletion,
    MatrixCompletion,
    MixtureFreeEnergy,
    MixtureLikelihood,
    NoisyICA,
    NonnegativeFactorization,
    StudentCompletion,
)
from tests.problems.stored import stored


def completion(kind):
    X = np.random.RandomState(0).standard_normal((2, 6, 5))
    X[:, 0, 0] = np.nan
    return kind(torch.from_numpy(X), 2)


def mixture(kind, **options):
    X, truth = make_mixture_tasks(2, n_samples=30, n_components=3, random_state=0)
    if options.pop("known", False):
        options["fixed"] = {"covariances": torch.from_numpy(truth.covariances)}
    return kind(torch.from_numpy(X), 3, **options)


def dictionary(**options):
    X = np.random.RandomState(0).standard_normal((2, 9, 5))
    X[:, 0, 0] = np.nan
    return DictionaryLearning(torch.from_numpy(X), 4, 0.5, **options)


def sources(kind, **options):
    X = np.abs(np.random.RandomState(0).laplace(size=(2, 30, 4)))
    X[:, 0, 0] = np.nan
    return kind(torch.from_numpy(X), 3, **options)


def deconvolution(**options):
    X = np.random.RandomState(0).standard_normal((2, 2, 12))
    X[:, 0, 0] = np.nan
    return BlindDeconvolution(torch.from_numpy(X), (3,), alpha=0.3, **options)


PROBLEMS = {
    "ridge": lambda: completion(MatrixCompletion),
    "bayes": lambda: completion(EmpiricalBayesCompletion),
    "student": lambda: completion(StudentCompletion),
    "dictionary": dictionary,
    "sparse sources": lambda: sources(NoisyICA),
    "non-negative sources": lambda: sources(NonnegativeFactorization),
    "deconvolution": deconvolution,
    "ridge, sparse": lambda: MatrixCompletion([stored(0), stored(1)], 2),
    "bayes, sparse": lambda: EmpiricalBayesCompletion([stored(0), stored(1)], 2),
    "likelihood": lambda: mixture(MixtureLikelihood),
    "free energy": lambda: mixture(MixtureFreeEnergy),
    "free energy, known covariances": lambda: mixture(MixtureFreeEnergy, known=True),
}
