"""Sparse matrices whose stored entries are the observed ones."""

import numpy as np
from scipy import sparse


def stored(seed, shape=(14, 9), density=0.5):
    """Low rank and noise, an empty row, an empty column, an explicit zero."""
    rng = np.random.RandomState(seed)
    full = rng.randn(shape[0], 2) @ rng.randn(2, shape[1]) + 0.1 * rng.randn(*shape)
    seen = rng.rand(*shape) < density
    seen[3], seen[:, 4], seen[0, 0], full[0, 0] = False, False, True, 0.0
    rows, columns = np.nonzero(seen)
    return sparse.coo_array((full[seen], (rows, columns)), shape=shape).tocsr()


def densified(matrix):
    """The same matrix with NaN for what is not stored; what is stored twice adds up."""
    coo = sparse.coo_array(matrix)
    dense = np.full(coo.shape, np.nan)
    for i, j, value in zip(*coo.coords, coo.data, strict=True):
        dense[i, j] = value if np.isnan(dense[i, j]) else dense[i, j] + value
    return dense
