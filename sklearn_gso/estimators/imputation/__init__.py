"""Imputation of tables by several models."""

from .imputer import GSOImputer

__all__ = ["GSOImputer"]
