"""The public checker: no alarm about what keeps its promises, and what does not is named."""

import pytest
import torch

from sklearn_gso.datasets import make_low_rank_tasks, make_mixture_tasks
from sklearn_gso.problems import (
    EmpiricalBayesCompletion,
    MatrixCompletion,
    MixtureFreeEnergy,
    Problem,
    check_problem,
)
from sklearn_gso.problems.testing import closed_blocks
from tests.problems.known_densities import KnownDensities
from tests.problems.nonnegative import NonnegativeFactorisation
from tests.problems.sparse_coding import SparseCoding
from tests.problems.three_blocks import TensorFactorisation
from tests.problems.wrong import WRONG

KINDS = ("full", "tied", "diag", "spherical")


def matrices(seed, shape=(8, 6)):
    X, _ = make_low_rank_tasks(2, shape=shape, rank=2, rate=0.7, noise=0.2, random_state=seed)
    return torch.from_numpy(X)


def mixture(seed):
    """Three components for 40 samples: some fits all but collapse, and covariances are thin."""
    X, _ = make_mixture_tasks(2, n_samples=40, eccentricity=9.0, random_state=seed)
    return MixtureFreeEnergy(torch.from_numpy(X), 3, covariance_type=KINDS[seed % 4])


CORRECT = {
    "completion": lambda seed: MatrixCompletion(matrices(seed), 2 + seed % 2, alpha=0.1),
    "completion in units": lambda seed: MatrixCompletion(matrices(seed), 3, 1e-3, scale="rms"),
    "empirical Bayes": lambda seed: EmpiricalBayesCompletion(matrices(seed), 2),
    "mixture": mixture,
    "tensor": TensorFactorisation.random,
    "sparse coding": SparseCoding.random,
    "non-negative": NonnegativeFactorisation.random,
    "simplex": KnownDensities.random,
}


def alarms(problem, seeds):
    """What the checker says against a correct problem, by seed."""
    found = {}
    for seed in seeds:
        try:
            check_problem(problem(seed), generator=torch.Generator().manual_seed(seed))
        except AssertionError as error:
            found[seed] = str(error)
    return found


@pytest.mark.parametrize("name", CORRECT)
def test_no_alarm_about_a_correct_problem(name):
    assert alarms(CORRECT[name], range(4)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", CORRECT)
def test_no_alarm_in_a_thousand_runs(name):
    assert alarms(CORRECT[name], range(4, 4 + 1000 // len(CORRECT))) == {}


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_no_alarm_in_any_units(unit):
    problem = MatrixCompletion(unit * matrices(0), 2, alpha=0.1 * unit, init_scale=unit**0.5)
    check_problem(problem)


def test_no_alarm_where_the_minimiser_is_zero_everywhere():
    problem = NonnegativeFactorisation(-torch.ones(2, 5, 4, dtype=torch.float64))
    start = problem.init(torch.Generator().manual_seed(0))
    assert not any(problem.minimize_block(start, name).any() for name in problem.block_names)
    check_problem(problem, start)


def assert_caught(name, seeds):
    problem, message = WRONG[name]
    for seed in seeds:
        wrong = problem(seed)
        with pytest.raises(AssertionError, match=message) as caught:
            check_problem(wrong, generator=torch.Generator().manual_seed(seed))
        assert str(caught.value).startswith(type(wrong).__name__ + ": ")


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_caught_and_named(name):
    assert_caught(name, range(3))


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_always_caught(name):
    assert_caught(name, range(3, 40))


@pytest.mark.parametrize("off", [3e-4, 1e-5])
def test_a_minimiser_that_is_slightly_off_is_caught(off, noisy_values):
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


class HalfClosed(TensorFactorisation):
    """A closed form for A only."""

    def minimize_block(self, variables, name, controls=None):
        if name != "A":
            return Problem.minimize_block(self, variables, name, controls)
        return super().minimize_block(variables, name, controls)


def test_closed_forms_of_some_blocks():
    class Off(HalfClosed):
        def minimize_block(self, variables, name, controls=None):
            return (1 + 3e-4) * super().minimize_block(variables, name, controls)

    problem = HalfClosed.random(seed=0)
    assert closed_blocks(problem, problem.init(torch.Generator().manual_seed(0))) == ["A"]
    check_problem(problem)
    with pytest.raises(AssertionError, match="block 'A' does not vanish"):
        check_problem(Off.random(seed=0))


def test_no_closed_form_at_all():
    class Bare(TensorFactorisation):
        minimize_block = Problem.minimize_block

    check_problem(Bare.random(seed=0))
