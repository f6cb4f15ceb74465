"""The answer that hangs on no start: what it minimises."""

import math

import numpy as np
import pytest
import torch

from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.problems import EmpiricalBayesCompletion, StudentCompletion
from sklearn_gso.problems._convex import _STRENGTH
from sklearn_gso.problems.base import new_generator


@pytest.fixture(scope="module")
def values():
    X, _ = make_low_rank_tasks(2, shape=(20, 14), rank=4, rate=0.5, random_state=0)
    return torch.from_numpy(X)


def prox_of_nuclear_norm(values, penalty, n_steps=5000):
    """Proximal gradient steps of size 1 on the convex problem itself."""
    seen, estimate = ~values.isnan(), torch.zeros_like(values)
    for _ in range(n_steps):
        filled = torch.where(seen, values, estimate)
        u, s, v = torch.linalg.svd(filled, full_matrices=False)
        estimate = (u * (s - penalty).clamp(min=0)[:, None]) @ v
    return estimate


@pytest.mark.parametrize("noise", ["matrix", "columns"])
def test_with_enough_components_it_is_the_minimiser_under_the_nuclear_norm(values, noise):
    problem = EmpiricalBayesCompletion(values, 14, noise=noise)
    answer = problem.convex(problem.init(new_generator(0)))
    for i, own in enumerate(values):
        rms = own[~own.isnan()].square().mean().sqrt()
        rate = (~own.isnan()).double().mean().sqrt()
        penalty = rms * _STRENGTH * rate * (math.sqrt(20) + math.sqrt(14))
        expected = prox_of_nuclear_norm(own[None], penalty)[0]
        distance = torch.linalg.norm(problem.reconstruct(answer)[i] - expected)
        assert distance < 1e-3 * torch.linalg.norm(expected)


def test_it_hangs_on_no_start(values):
    problem = EmpiricalBayesCompletion(values, 14)
    one, other = (problem.convex(problem.init(new_generator(seed))) for seed in (1, 2))
    torch.testing.assert_close(
        problem.reconstruct(one), problem.reconstruct(other), rtol=2e-3, atol=2e-3
    )


def test_it_scales_with_the_data(values):
    start = EmpiricalBayesCompletion(values, 3).init(new_generator(0))
    one, other = (EmpiricalBayesCompletion(c * values, 3) for c in (1.0, 1e6))
    torch.testing.assert_close(
        1e6 * one.reconstruct(one.convex(start)), other.reconstruct(other.convex(start))
    )


def test_new_rows_get_what_the_rows_of_the_fit_have(values):
    problem = EmpiricalBayesCompletion(values, 3)
    answer = problem.convex(problem.init(new_generator(0)))
    again = {**answer, "U": problem.minimize_block(answer, "U")}
    torch.testing.assert_close(
        problem.reconstruct(again), problem.reconstruct(answer), rtol=0, atol=1e-2
    )


def test_without_outliers_all_entries_count_alike(values):
    plain = EmpiricalBayesCompletion(values, 3)
    robust = StudentCompletion(values, 3, degrees_of_freedom=math.inf)
    start = robust.init(new_generator(0))
    torch.testing.assert_close(
        plain.reconstruct(plain.convex(start)), robust.reconstruct(robust.convex(start))
    )


def test_of_no_entries_it_says_nothing():
    values = torch.full((1, 5, 4), np.nan, dtype=torch.float64)
    problem = EmpiricalBayesCompletion(values, 2)
    answer = problem.reconstruct(problem.convex(problem.init(new_generator(0))))
    torch.testing.assert_close(answer, torch.zeros_like(answer), rtol=0, atol=1e-6)
