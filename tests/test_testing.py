"""The public checker: it passes what keeps its promises and finds what does not."""

import pytest
import torch

from sklearn_gso.problems import EmpiricalBayesCompletion, MatrixCompletion
from sklearn_gso.problems.base import Problem
from sklearn_gso.problems.testing import check_problem, closed_blocks
from tests.three_blocks import TensorFactorisation


@pytest.mark.parametrize("off", [3e-4, 1e-5])
def test_a_minimiser_that_is_slightly_off_is_found(off, noisy_values):
    """Too little for the objective to tell: the gradient tells."""

    class Off(MatrixCompletion):
        def minimize_block(self, variables, name, controls=None):
            return (1 + off) * super().minimize_block(variables, name, controls)

    with pytest.raises(AssertionError, match="block 'U' does not vanish"):
        check_problem(Off(noisy_values, 2, alpha=0.1))


@pytest.mark.parametrize("name", ["U", "V", "prior_U", "prior_V", "noise"])
def test_every_block_of_the_free_energy_is_looked_at(name, noisy_values):
    class Off(EmpiricalBayesCompletion):
        def minimize_block(self, variables, block, controls=None):
            new = super().minimize_block(variables, block, controls)
            if block != name:
                return new
            if not isinstance(new, tuple):
                return (1 + 3e-4) * new
            return type(new)(new[0], (1 + 3e-4) * new[1])  # covariances, precisions

    with pytest.raises(AssertionError, match=f"block '{name}'"):
        check_problem(Off(noisy_values, 2))


def test_mixed_objectives_are_found_without_minimisers():
    class Mixed(TensorFactorisation):
        minimize_block = Problem.minimize_block

        def objective(self, variables):
            own = super().objective(variables)
            return own + 1e-3 * own.sum()

    with pytest.raises(AssertionError, match="objective of one task depends on another"):
        check_problem(Mixed.random(seed=0))


class HalfClosed(TensorFactorisation):
    """A closed form for A only, which may be spoiled."""

    factor = 1.0

    def minimize_block(self, variables, name, controls=None):
        if name != "A":
            return Problem.minimize_block(self, variables, name, controls)
        return self.factor * super().minimize_block(variables, name, controls)


def test_closed_forms_of_some_blocks():
    problem = HalfClosed.random(seed=0)
    assert closed_blocks(problem, problem.init(torch.Generator().manual_seed(0))) == ["A"]
    check_problem(problem)
    problem.factor = 1 + 3e-4
    with pytest.raises(AssertionError, match="block 'A' does not vanish"):
        check_problem(problem)


def test_no_closed_form_at_all():
    class Bare(TensorFactorisation):
        minimize_block = Problem.minimize_block

    check_problem(Bare.random(seed=0))
