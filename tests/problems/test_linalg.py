"""Small systems packed along the last axis, beside torch's own solvers."""

import pytest
import torch

from sklearn_gso.problems import _linalg
from sklearn_gso.problems._linalg import (
    counted,
    inner,
    log_determinant,
    outer,
    pack,
    solve_and_invert,
    unpack,
)

SIZES = [1, 3, _linalg._MAX_VECTORISED + 1]


def definite(k, generator, shift=0.1, n=4):
    """Symmetric positive definite matrices, (T, k, k, n)."""
    root = torch.randn(2, n, k, k, generator=generator, dtype=torch.float64)
    return (root @ root.mT + shift * torch.eye(k, dtype=torch.float64)).permute(0, 2, 3, 1)


@pytest.mark.parametrize("n", [4, 20], ids=["by LAPACK", "vectorised"])
@pytest.mark.parametrize("k", SIZES)
def test_solve_and_invert(k, n, generator):
    matrix = definite(k, generator, n=n)
    right = torch.randn(2, k, n, generator=generator, dtype=torch.float64)
    inverse, solution, log_det = solve_and_invert(pack(matrix), right)
    torch.testing.assert_close(log_det, log_determinant(pack(matrix)))
    as_batch = matrix.permute(0, 3, 1, 2)
    torch.testing.assert_close(unpack(inverse).permute(0, 3, 1, 2), torch.linalg.inv(as_batch))
    expected = torch.linalg.solve(as_batch, right.permute(0, 2, 1)[..., None])[..., 0]
    torch.testing.assert_close(solution.permute(0, 2, 1), expected)
    torch.testing.assert_close(log_determinant(pack(matrix)), torch.logdet(as_batch))


@pytest.mark.parametrize("k", SIZES)
def test_half_a_symmetric_matrix_is_the_whole(k, generator):
    left, right = definite(k, generator), definite(k, generator)
    torch.testing.assert_close(unpack(pack(left)), left)
    expected = (left * right).sum((1, 2, 3))
    torch.testing.assert_close(inner(pack(left), pack(right)).sum(1), expected)
    torch.testing.assert_close((counted(pack(left)) * pack(right)).sum((1, 2)), expected)
    rows = torch.randn(2, 4, k, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(unpack(outer(rows)), torch.einsum("tna,tnb->tabn", rows, rows))


def test_what_is_solved_in_parts_is_the_same(generator, monkeypatch):
    matrix, right = definite(3, generator, n=20), torch.ones(2, 3, 20, dtype=torch.float64)
    whole = (*solve_and_invert(pack(matrix), right), log_determinant(pack(matrix)))
    monkeypatch.setattr(_linalg, "_PART", 1)
    parts = (*solve_and_invert(pack(matrix), right), log_determinant(pack(matrix)))
    torch.testing.assert_close(whole, parts)


@pytest.mark.parametrize("k", [2, 3])
def test_gradient_through_the_solve(k, generator):
    root = torch.randn(1, 2, k, k, generator=generator, dtype=torch.float64)
    matrix = (root @ root.mT + torch.eye(k, dtype=torch.float64)).permute(0, 2, 3, 1)
    right = torch.randn(1, k, 2, generator=generator, dtype=torch.float64)
    inputs = (pack(matrix).requires_grad_(), right.clone().requires_grad_())
    assert torch.autograd.gradcheck(solve_and_invert, inputs)


@pytest.mark.parametrize("k", SIZES)
def test_singular_matrices_raise_nothing(k):
    """What comes is not finite, or finite: the loop tells."""
    matrix = torch.ones(1, k, k, 1, dtype=torch.float64)
    inverse, solution, _ = solve_and_invert(pack(matrix), torch.ones(1, k, 1, dtype=torch.float64))
    assert inverse.shape == (1, k * (k + 1) // 2, 1) and solution.shape == (1, k, 1)
