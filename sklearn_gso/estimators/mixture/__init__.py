"""Gaussian mixtures."""

from .mixtures import EMGaussianMixture, GSOGaussianMixture

__all__ = ["EMGaussianMixture", "GSOGaussianMixture"]
