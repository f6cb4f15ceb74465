"""Peers without a package of their own, from their published algorithms."""

from .mixture_portfolio import portfolio
from .soft_impute import soft_impute

__all__ = ["portfolio", "soft_impute"]
