"""Imputation of tables by several models."""

from .comparing import compare_imputers
from .imputer import GSOImputer

__all__ = ["GSOImputer", "compare_imputers"]
