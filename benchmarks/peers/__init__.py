"""Peers: what a user would take instead, each with the same face.

``peer(X, rank, *, random_state=None)`` estimates all entries of X, NaN where missing.
"""

from .als import als, als_validated, continuation_als, rank_one
from .bpmf import bpmf
from .matrix_irls import matrix_irls
from .means import row_column_mean
from .mixture_search import portfolio, swap_em
from .packages import cmfrec_completion, iterative_imputer, knn_imputer, lr_geom_cg
from .r2rils import r2rils
from .random_swap import random_swap
from .scaled_gd import scaled_gd
from .sgd import sgd
from .soft_impute import soft_impute, soft_impute_validated

PEERS = {
    "row+column mean": row_column_mean,
    "rank-1 ALS": rank_one,
    "SGD, as in the paper": sgd,
    "ALS": als,
    "ALS, λ and k validated": als_validated,
    "continuation ALS": continuation_als,
    "SoftImpute, validated": soft_impute_validated,
    "BPMF 300+200": bpmf,
    "ScaledGD": scaled_gd,
    "R2RILS": r2rils,
    "MatrixIRLS": matrix_irls,
    "LRGeomCG": lr_geom_cg,
    "cmfrec, λ validated": cmfrec_completion,
    "IterativeImputer": iterative_imputer,
    "KNNImputer, validated": knn_imputer,
}

__all__ = ["PEERS", "portfolio", "random_swap", "soft_impute", "swap_em"]
