"""K-means by random swaps."""

import numpy as np


def random_swap(X, n_clusters, *, n_swaps=500, n_sweeps=2, random_state=None):
    """Centres of clusters: one at a time is put on a random sample, and kept where that helps.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    n_clusters : int
    n_swaps : int, default=500
    n_sweeps : int, default=2
        Of k-means after each swap.
    random_state : int or RandomState, optional

    Returns
    -------
    centres : ndarray of shape (n_clusters, n_features)

    References
    ----------
    Fränti, Efficiency of random swap clustering, Journal of Big Data 5, 2018.
    """
    rng = np.random.RandomState(random_state)
    centres, lowest = _lloyd(X, X[rng.permutation(len(X))[:n_clusters]], n_sweeps)
    for _ in range(n_swaps):
        other = centres.copy()
        other[rng.randint(n_clusters)] = X[rng.randint(len(X))]
        other, error = _lloyd(X, other, n_sweeps)
        if error < lowest:
            centres, lowest = other, error
    return centres


def _lloyd(X, centres, n_sweeps):
    """Centres after some sweeps of k-means, and the sum of squares before the last."""
    for _ in range(n_sweeps):
        # What the distances of a sample share does not matter.
        distances = 0.5 * np.square(centres).sum(1) - X @ centres.T
        nearest = distances.argmin(1)
        counts = np.bincount(nearest, minlength=len(centres))
        sums = [np.bincount(nearest, x, len(centres)) for x in X.T]
        moved = np.stack(sums, 1) / np.maximum(counts, 1)[:, None]
        error, centres = distances.min(1).sum(), np.where(counts[:, None] > 0, moved, centres)
    return centres, error
