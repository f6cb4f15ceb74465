"""Batched algebra for very many very small positive definite systems.

LAPACK is called once a matrix, which costs more than the arithmetic when the
matrices are 5 x 5 and there are thousands of them. Here the batch lies in the
last, contiguous axis and every elimination step is one vectorised pass.
"""

import torch
from torch import Tensor

# Above this order one LAPACK call a matrix beats the vectorised elimination
# (python -m benchmarks.small_systems prints both).
_LARGEST_VECTORISED = 12


def _matmul(left: Tensor, right: Tensor) -> Tensor:
    """Product of ``(T, k, l, n)`` and ``(T, l, m, n)`` over the matrix axes."""
    product = left[:, :, 0, None] * right[:, None, 0]
    for j in range(1, left.shape[2]):
        product.addcmul_(left[:, :, j, None], right[:, None, j])
    return product


def _eliminate(matrix: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Gauss-Jordan on the augmented ``[A | b]``; no pivots for definite A."""
    k = matrix.shape[1]
    work = torch.cat([matrix, right[:, :, None]], dim=2)
    for j in range(k):
        pivot = work[:, j, j].clone()
        row = work[:, j] / pivot[:, None]
        column = work[:, :, j].clone()
        column[:, j] = 0
        work.addcmul_(column[:, :, None], row[:, None], value=-1)
        work[:, :, j] = -column / pivot[:, None]
        work[:, j] = row
        work[:, j, j] = 1 / pivot
    inverse = work[:, :, :k]
    # Rounding leaves it a little asymmetric: enough for a later elimination of a
    # nearly singular inverse to meet a negative pivot.
    return (inverse + inverse.transpose(1, 2)) / 2, work[:, :, k]


def _lapack(matrix: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    factor, _ = torch.linalg.cholesky_ex(matrix.permute(0, 3, 1, 2))
    solution = torch.cholesky_solve(right.permute(0, 2, 1)[..., None], factor)
    inverse = torch.cholesky_inverse(factor)
    return inverse.permute(0, 2, 3, 1), solution[..., 0].permute(0, 2, 1)


class _SolveAndInvert(torch.autograd.Function):
    """Implicit differentiation: the backward pass reuses the inverse."""

    @staticmethod
    def forward(ctx, matrix, right):
        method = _eliminate if matrix.shape[1] <= _LARGEST_VECTORISED else _lapack
        inverse, solution = method(matrix, right)
        ctx.save_for_backward(inverse, solution)
        return inverse, solution

    @staticmethod
    def backward(ctx, grad_inverse, grad_solution):
        inverse, solution = ctx.saved_tensors
        grad_right = (inverse * grad_solution[:, None]).sum(2)
        grad_matrix = -grad_right[:, :, None] * solution[:, None]
        if grad_inverse is not None:
            grad_matrix = grad_matrix - _matmul(_matmul(inverse, grad_inverse), inverse)
        return grad_matrix, grad_right


def solve_and_invert(matrix: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Invert positive definite matrices and solve one system with each.

    The solution comes from the elimination itself, not from inverse times
    right-hand side, which would not be backward stable.

    Parameters
    ----------
    matrix : Tensor of shape (T, k, k, n)
        Symmetric positive definite in the two middle axes.
    right : Tensor of shape (T, k, n)

    Returns
    -------
    inverse : Tensor of shape (T, k, k, n)
    solution : Tensor of shape (T, k, n)
    """
    return _SolveAndInvert.apply(matrix, right)


def log_determinant(matrix: Tensor) -> Tensor:
    """Log determinants of ``(T, k, k, n)`` positive definite matrices: ``(T, n)``."""
    if matrix.shape[1] > _LARGEST_VECTORISED:
        return torch.linalg.slogdet(matrix.permute(0, 3, 1, 2)).logabsdet
    total = matrix.new_zeros(())
    while matrix.shape[1]:
        pivot = matrix[:, 0, 0]
        total = total + pivot.log()
        column = matrix[:, 1:, 0]
        matrix = matrix[:, 1:, 1:] - column[:, :, None] * (column / pivot[:, None])[:, None]
    return total
