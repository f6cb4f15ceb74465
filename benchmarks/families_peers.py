"""Peers on real collections: what each may be set to, and how it completes one table."""

import warnings

import numpy as np
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer

from .peers import soft_impute
from .peers.als import als, continuation_als
from .peers.bpmf import bpmf
from .peers.means import row_column_mean


def column_means(X, _=None):
    middle = np.nanmean(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # columns without any entry
        means = np.nanmean(X, axis=0)
    return np.broadcast_to(np.where(np.isnan(means), middle, means), X.shape)


def centred(solve):
    """``solve(X, setting)`` as it is, or of what row and column means leave."""

    def run(X, setting):
        centre, setting = setting
        means = row_column_mean(X) if centre else 0.0
        return means + solve(X - means, setting)

    return run


def _settings(*grids):
    """Candidates of a `centred` peer: with and without means, all settings."""
    found = [()]
    for grid in grids:
        found = [(*one, value) for one in found for value in grid]
    return [(centre, one) for centre in (False, True) for one in found]


def _als(X, setting):
    k, ridge = setting
    return als(X, k, ridge=ridge, max_iter=50, random_state=0)


def _continuation(X, setting):
    k, ridge = setting
    return continuation_als(X, k, last=ridge, random_state=0)


def _cmfrec(X, setting):
    from cmfrec import CMF

    k, ridge = setting
    model = CMF(
        k=k, lambda_=ridge, method="als", use_cg=False, niter=30, nthreads=1, random_state=1,
        verbose=False,
    )  # fmt: skip
    rows, columns = np.indices(X.shape).reshape(2, -1)
    return model.fit(np.ascontiguousarray(X)).predict(rows, columns).reshape(X.shape)


def _imputed(make):
    """Rows or columns as samples: ``setting`` is (turned, …)."""

    def run(X, setting):
        turned, *rest = setting
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            filled = make(*rest).fit_transform(X.T if turned else X)
        return filled.T if turned else filled

    return run


def _knn(n, weights="distance"):
    return KNNImputer(n_neighbors=n, weights=weights, keep_empty_features=True)


def _iterative(nearest):
    return IterativeImputer(
        max_iter=10, n_nearest_features=nearest, keep_empty_features=True, random_state=0
    )


_RIDGES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_SHARES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)


def _run_soft_impute(X, setting):
    return soft_impute(X, setting[0])


def _run_bpmf(X, setting):
    return bpmf(X, setting[0], random_state=0)


def _means(X, ridge):
    return row_column_mean(X, ridge=ridge)


# Name: candidates, and ``run(X, setting)``.
PEERS = {
    "column means": ([None], column_means),
    "row+column mean": ([0.1, 0.3, 1.0, 3.0, 10.0], _means),
    "rank-1 ALS": (_settings((1,), _RIDGES), centred(_als)),
    "ALS": (_settings((1, 2, 3, 5, 8, 12), _RIDGES), centred(_als)),
    "continuation ALS": (_settings((1, 2, 3, 5, 8, 12), _RIDGES), centred(_continuation)),
    "SoftImpute": (_settings(_SHARES), centred(_run_soft_impute)),
    "BPMF 300+200": (_settings((2, 5, 10)), centred(_run_bpmf)),
    "cmfrec": ([(k, r) for k in (1, 4, 8) for r in (0.03, 0.3, 3.0, 10.0, 30.0)], _cmfrec),
    "KNNImputer": (
        [(turned, n) for turned in (False, True) for n in (2, 3, 5, 8, 12, 20)],
        _imputed(_knn),
    ),
    "IterativeImputer": (
        [(turned, n) for turned in (False, True) for n in (5, 10, 20)],
        _imputed(_iterative),
    ),
}
STACKED = {
    "column means": ([None], column_means),
    "row+column mean": ([0.1, 1.0, 10.0], _means),
    "ALS": (_settings((2, 5, 8, 12), (0.1, 1.0, 10.0)), centred(_als)),
    "SoftImpute": (_settings((0.01, 0.05, 0.2)), centred(_run_soft_impute)),
    "KNNImputer": ([(False, n) for n in (3, 5, 10, 20, 40)], _imputed(_knn)),
    "IterativeImputer": ([(False, n) for n in (10, 20)], _imputed(_iterative)),
}
