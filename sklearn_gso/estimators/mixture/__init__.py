"""Gaussian mixtures."""

from .em import EMGaussianMixture
from .gso import GSOGaussianMixture
from .imputer import MixtureImputer

__all__ = ["EMGaussianMixture", "GSOGaussianMixture", "MixtureImputer"]
