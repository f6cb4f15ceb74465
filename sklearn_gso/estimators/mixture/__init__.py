"""Gaussian mixtures."""

from .em import EMGaussianMixture
from .gso import GSOGaussianMixture

__all__ = ["EMGaussianMixture", "GSOGaussianMixture"]
