"""Peers without a package of their own, from their published algorithms."""

from .soft_impute import soft_impute

__all__ = ["soft_impute"]
