"""Batched algebra for very many very small positive definite systems.

LAPACK is called once a matrix, which costs more than the arithmetic when the
matrices are 5 x 5 and there are thousands of them. Here the batch lies in the
last, contiguous axis and every elimination step is one vectorised pass; of few
matrices the passes would cost more than LAPACK's calls.

Symmetric matrices are packed: (T, k, k, n) become their upper triangles,
(T, k (k + 1) / 2, n), half the memory and half the work of every sum over them.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

# Above this order, or for fewer matrices for each unit of it, LAPACK beats the vectorised
# elimination (benchmarks/LOG.md).
_MAX_VECTORISED, _MIN_VECTORISED = 12, 50
# Doubles that are eliminated at once: they stay in cache.
_PART = 1 << 16


class Pairs(NamedTuple):
    """Where the packed entries stand in a k x k matrix, and where its entries are packed."""

    first: Tensor
    second: Tensor
    number: Tensor  # (k, k)
    times: Tensor  # how often an entry counts in an inner product, (pairs, 1)


@lru_cache(maxsize=256)
def pairs_of(k: int) -> Pairs:
    first, second = torch.triu_indices(k, k)
    number = torch.empty(k, k, dtype=torch.long)
    number[second, first] = number[first, second] = torch.arange(len(first))
    times = 2 - (first == second).to(torch.float64)
    return Pairs(first, second, number, times[:, None])


def _order(packed: Tensor) -> int:
    """k of packed k x k matrices."""
    return int(((8 * packed.shape[1] + 1) ** 0.5 - 1) / 2 + 0.5)


def pack(matrices: Tensor) -> Tensor:
    """The upper triangles of symmetric (T, k, k, n)."""
    pairs = pairs_of(matrices.shape[1])
    return matrices[:, pairs.first, pairs.second]


def unpack(packed: Tensor) -> Tensor:
    """The symmetric matrices (T, k, k, n)."""
    return packed[:, pairs_of(_order(packed)).number]


def outer(rows: Tensor) -> Tensor:
    """Outer products of the rows of (T, n, k), packed."""
    columns, pairs = rows.mT, pairs_of(rows.shape[2])
    return columns[:, pairs.first] * columns[:, pairs.second]


def counted(packed: Tensor) -> Tensor:
    """Packed matrices whose sum of products with others is the inner product of the matrices."""
    return packed * pairs_of(_order(packed)).times


def apply(packed: Tensor, columns: Tensor) -> Tensor:
    """Products (..., k, n) of packed matrices (..., k (k + 1) / 2, n) and vectors (..., k, n)."""
    lines = pairs_of(columns.shape[-2]).number
    return torch.stack([(packed[..., line, :] * columns).sum(-2) for line in lines], dim=-2)


def inner(left: Tensor, right: Tensor) -> Tensor:
    """Inner products of matrices, (T, n)."""
    parts = [(counted(left[..., p]) * right[..., p]).sum(1) for p in _in_parts(left)]
    return torch.cat(parts, dim=1)


def _in_parts(packed: Tensor) -> list[slice]:
    """Slices of the last axis whose matrices stay in cache."""
    n, size = packed.shape[-1], max(1, packed[..., 0].numel())
    step = max(1, _PART // (2 * size))
    return [slice(i, i + step) for i in range(0, n, step)]


def _matmul(left: Tensor, right: Tensor) -> Tensor:
    """Product of ``(T, k, l, n)`` and ``(T, l, m, n)`` over the matrix axes."""
    product = left[:, :, 0, None] * right[:, None, 0]
    for j in range(1, left.shape[2]):
        product.addcmul_(left[:, :, j, None], right[:, None, j])
    return product


def _eliminate(matrix: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gauss-Jordan on the augmented ``[A | b]``, in order for definite A; the pivots make |A|."""
    k, log_det = matrix.shape[1], matrix.new_zeros(())
    work = torch.cat([matrix, right[:, :, None]], dim=2)
    for j in range(k):
        pivot = work[:, j, j].clone()
        log_det = log_det + pivot.log()
        row = work[:, j] / pivot[:, None]
        column = work[:, :, j].clone()
        column[:, j] = 0
        work.addcmul_(column[:, :, None], row[:, None], value=-1)
        work[:, :, j] = -column / pivot[:, None]
        work[:, j] = row
        work[:, j, j] = 1 / pivot
    half = work[:, :, :k] / 2
    # Rounding leaves it a little asymmetric: enough for a later elimination of a
    # nearly singular inverse to meet a negative pivot.
    return pack(half) + pack(half.transpose(1, 2)), work[:, :, k], log_det


def _lapack(matrix: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    factor, failed = torch.linalg.cholesky_ex(matrix.permute(0, 3, 1, 2))
    if failed.any():
        return _eliminate(matrix, right)  # which goes on where rounding has made it singular
    solution = torch.cholesky_solve(right.permute(0, 2, 1)[..., None], factor)
    inverse = torch.cholesky_inverse(factor)
    log_det = 2 * factor.diagonal(dim1=2, dim2=3).log().sum(2)
    return pack(inverse.permute(0, 2, 3, 1)), solution[..., 0].permute(0, 2, 1), log_det


def _are_many(k: int, n: int) -> bool:
    """Whether passes over n matrices at once pay, in place of a call for each."""
    return k <= _MAX_VECTORISED and n >= _MIN_VECTORISED * k


class _SolveAndInvert(torch.autograd.Function):
    """Implicit differentiation: the backward pass reuses the inverse."""

    @staticmethod
    def forward(ctx, matrix, right):
        n_tasks, k, n = right.shape
        method = _eliminate if _are_many(k, n_tasks * n) else _lapack
        inverse, solution = torch.empty_like(matrix), torch.empty_like(right)
        log_det = torch.empty_like(right[:, 0])
        for part in _in_parts(matrix):
            solved = method(unpack(matrix[..., part]), right[..., part])
            inverse[..., part], solution[..., part], log_det[..., part] = solved
        ctx.save_for_backward(inverse, solution)
        ctx.mark_non_differentiable(log_det)
        return inverse, solution, log_det

    @staticmethod
    def backward(ctx, grad_inverse, grad_solution, _):
        inverse, solution = ctx.saved_tensors
        inverse, pairs = unpack(inverse), pairs_of(solution.shape[1])
        grad_right = (inverse * grad_solution[:, None]).sum(2)
        grad_matrix = -grad_right[:, :, None] * solution[:, None]
        if grad_inverse is not None:
            # Each packed entry stands for two of the matrix.
            grad_inverse = unpack(grad_inverse / pairs.times)
            grad_matrix = grad_matrix - _matmul(_matmul(inverse, grad_inverse), inverse)
        both = (grad_matrix + grad_matrix.transpose(1, 2)) / 2
        return counted(pack(both)), grad_right


def solve_and_invert(matrix: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Invert positive definite matrices and solve one system with each.

    The solution comes from the elimination itself, not from inverse times
    right-hand side, which would not be backward stable.

    Parameters
    ----------
    matrix : Tensor of shape (T, k (k + 1) / 2, n)
        Symmetric positive definite matrices, packed.
    right : Tensor of shape (T, k, n)

    Returns
    -------
    inverse : Tensor of shape (T, k (k + 1) / 2, n)
    solution : Tensor of shape (T, k, n)
    log_determinant : Tensor of shape (T, n)
        Of the matrices, which the elimination finds by the way. Has no gradient:
        `log_determinant` has.
    """
    return _SolveAndInvert.apply(matrix, right)


def log_determinant(packed: Tensor) -> Tensor:
    """Log determinants of packed positive definite matrices: ``(T, n)``."""
    parts = [_log_determinant(unpack(packed[..., part])) for part in _in_parts(packed)]
    return torch.cat(parts, dim=1)


def _log_determinant(matrix: Tensor) -> Tensor:
    if not _are_many(matrix.shape[1], matrix.shape[0] * matrix.shape[3]):
        return torch.linalg.slogdet(matrix.permute(0, 3, 1, 2)).logabsdet
    total = matrix.new_zeros(())
    while matrix.shape[1]:
        pivot = matrix[:, 0, 0]
        total = total + pivot.log()
        column = matrix[:, 1:, 0]
        matrix = matrix[:, 1:, 1:] - column[:, :, None] * (column / pivot[:, None])[:, None]
    return total
