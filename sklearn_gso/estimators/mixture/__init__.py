"""Gaussian mixtures."""

from .imputer import MixtureImputer
from .mixtures import EMGaussianMixture, GSOGaussianMixture

__all__ = ["EMGaussianMixture", "GSOGaussianMixture", "MixtureImputer"]
