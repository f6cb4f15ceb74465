"""Inverses of many small definite matrices, entries first: (m, m, ...)."""

import numpy as np
import torch

# Missing entries of a row that are eliminated in all rows at once, at most: of more LAPACK is as
# fast (benchmarks/LOG.md).
_SWEPT = 12


def inverted(matrices) -> tuple[np.ndarray, np.ndarray]:
    """Inverses of definite matrices, (m, m, ...), and the logarithms of their determinants.

    Small ones all at once, by the sweep operator (Goodnight 1979), which eliminates one entry
    after the other and leaves minus the inverse: a call of LAPACK for each takes longer.
    """
    if len(matrices) > _SWEPT:
        return _by_lapack(matrices)
    result, log_det = matrices, np.zeros(matrices.shape[2:])
    for k in range(len(matrices)):
        pivot = result[k, k]
        if not (pivot > 0).all():  # up to rounding
            return _by_lapack(matrices)
        row = result[k] / pivot
        log_det += np.log(pivot)
        result = result - result[k][:, None] * row
        result[k] = result[:, k] = row
        result[k, k] = -1 / pivot
    return -result, log_det


def _by_lapack(matrices) -> tuple[np.ndarray, np.ndarray]:
    """The same, one by one."""
    m, shape = len(matrices), matrices.shape
    own = torch.from_numpy(matrices).reshape(m * m, -1).T.reshape(-1, m, m)
    lower, failed = torch.linalg.cholesky_ex(own)
    if failed.any():  # up to rounding
        inverse, log_det = torch.linalg.inv(own), torch.linalg.slogdet(own)[1]
    else:
        identity = torch.eye(m, dtype=own.dtype).expand_as(own)
        root = torch.linalg.solve_triangular(lower, identity, upper=False)
        inverse, log_det = root.mT @ root, 2 * lower.diagonal(dim1=1, dim2=2).log().sum(1)
    result = inverse.reshape(-1, m * m).T.reshape(shape)
    return result.numpy(), log_det.reshape(shape[2:]).numpy()
