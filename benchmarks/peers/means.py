"""Row plus column means: the structure that any factor model has to beat."""

import numpy as np


def row_column_mean(X, rank=None, *, random_state=None, ridge=1.0):
    """``m + a_i + b_j`` by alternating shrunken means over the observed entries."""
    seen = ~np.isnan(X)
    filled = np.where(seen, X, 0.0)
    middle = filled.sum() / seen.sum()
    rows, columns = np.zeros((len(X), 1)), np.zeros((1, X.shape[1]))
    for _ in range(20):
        left = np.where(seen, filled - middle - columns, 0.0).sum(1, keepdims=True)
        rows = left / (seen.sum(1, keepdims=True) + ridge)
        left = np.where(seen, filled - middle - rows, 0.0).sum(0, keepdims=True)
        columns = left / (seen.sum(0, keepdims=True) + ridge)
    return middle + rows + columns
