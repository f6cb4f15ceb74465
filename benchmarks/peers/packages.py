"""Peers from PyPI (the extra ``bench``) and from scikit-learn."""

import warnings

import numpy as np
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer as _IterativeImputer
from sklearn.impute import KNNImputer as _KNNImputer

from .validation import choose, hidden_loss


def lr_geom_cg(X, rank, *, random_state=None, max_iter=500):
    """Riemannian conjugate gradients on matrices of fixed rank (Vandereycken 2013), pymanopt."""
    import pymanopt
    from pymanopt.manifolds import FixedRankEmbedded
    from pymanopt.optimizers import ConjugateGradient

    seen = ~np.isnan(X)
    filled = np.where(seen, X, 0.0)
    scale = np.sqrt(np.square(filled).sum() / seen.sum()) or 1.0
    filled = filled / scale
    manifold = FixedRankEmbedded(*X.shape, min(rank, *X.shape))

    def residual(u, s, vt):
        return np.where(seen, (u * s) @ vt - filled, 0.0)

    @pymanopt.function.numpy(manifold)
    def cost(u, s, vt):
        return 0.5 * np.square(residual(u, s, vt)).sum()

    @pymanopt.function.numpy(manifold)
    def euclidean_gradient(u, s, vt):
        r = residual(u, s, vt)
        return r @ vt.T * s, np.einsum("ik,ij,kj->k", u, r, vt), (u * s).T @ r

    problem = pymanopt.Problem(manifold, cost, euclidean_gradient=euclidean_gradient)
    optimizer = ConjugateGradient(
        max_iterations=max_iter, min_gradient_norm=1e-9, min_step_size=1e-14, verbosity=0
    )
    u, s, vt = np.linalg.svd(filled / seen.mean(), full_matrices=False)
    k = min(rank, *X.shape)
    start = (u[:, :k], s[:k], vt[:k])
    u, s, vt = optimizer.run(problem, initial_point=start).point
    return scale * (u * s) @ vt


def cmfrec_completion(X, rank, *, random_state=None, ridges=(0.03, 0.3, 3.0, 30.0)):
    """Collective matrix factorisation (Cortes, cmfrec), its ridge by validation."""
    from cmfrec import CMF

    def fit(values, ridge):
        model = CMF(
            k=min(rank, 10, *X.shape),
            lambda_=ridge,
            method="als",
            use_cg=False,
            niter=30,
            nthreads=1,
            random_state=random_state or 1,
            verbose=False,
        )
        rows, columns = np.nonzero(~np.isnan(values))
        model.fit(np.ascontiguousarray(values))
        rows, columns = np.indices(X.shape).reshape(2, -1)
        return model.predict(rows, columns).reshape(X.shape)

    return fit(X, choose(ridges, hidden_loss(X, fit, random_state)))


def iterative_imputer(X, rank=None, *, random_state=None, max_iter=10):
    """Chained Bayesian ridge regressions of each column on the ten nearest ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        imputer = _IterativeImputer(
            max_iter=max_iter,
            n_nearest_features=min(10, X.shape[1]),
            keep_empty_features=True,
            random_state=random_state,
        )
        return imputer.fit_transform(X)


def knn_imputer(X, rank=None, *, random_state=None, neighbors=(2, 5, 10, 20)):
    """Nearest rows, their number by validation."""

    def fit(values, n):
        return _KNNImputer(n_neighbors=n, keep_empty_features=True).fit_transform(values)

    return fit(X, choose(neighbors, hidden_loss(X, fit, random_state)))
