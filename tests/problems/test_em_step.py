"""A step of EM in one go is that of the blocks one after another."""

import pytest
import torch

from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.problems import MixtureFreeEnergy, _em_step, new_generator
from sklearn_gso.problems._gaussians import COVARIANCE_TYPES, CovariancePrior
from sklearn_gso.problems._mixture_moves import move_components


@pytest.fixture
def samples():
    X, _ = make_mixture_tasks(3, n_samples=80, n_features=3, spread=3.0, random_state=0)
    return torch.from_numpy(X - X.mean(1, keepdims=True))


def problem_of(samples, kind, k=3, weight=2.0, sample_weight=None):
    """A mixture with a prior about a covariance that is not diagonal where it may be."""
    n, d = len(samples), samples.shape[2]
    scale = 0.3 * torch.eye(d, dtype=torch.float64) + 0.1
    if kind in ("diag", "spherical"):
        scale = scale.diagonal()[: d if kind == "diag" else 1]
    prior = CovariancePrior.of(scale.expand(n, 1, *scale.shape), weight, d)
    options = {"covariance_type": kind, "sample_weight": sample_weight}
    return MixtureFreeEnergy(samples, k, **options).with_prior(prior)


def one_by_one(problem, variables):
    for name in problem.block_names:
        variables = {**variables, name: problem.minimize_block(variables, name)}
    return variables


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
@pytest.mark.parametrize("setting", ["tasks", "starts", "weights", "one component"])
@pytest.mark.filterwarnings("error")
def test_it_is_that_of_the_blocks_in_turn(samples, generator, kind, setting):
    weight = None
    if setting == "weights":
        weight = torch.rand(samples.shape[:2], generator=generator, dtype=torch.float64)
    k = 1 if setting == "one component" else 3
    problem = problem_of(samples, kind, k, sample_weight=weight)
    if setting == "starts":
        problem = problem.take(torch.tensor([1])).repeat(4)
    with torch.no_grad():
        variables = problem.init(generator)
        assert problem.has_short_steps
        assert _em_step.pays(problem)
        reached, expected = problem.minimize_blocks(variables), one_by_one(problem, variables)
        for name in expected:
            start = expected[name] if name != "weights" else expected[name].log_softmax(1)
            found = reached[name] if name != "weights" else reached[name].log_softmax(1)
            torch.testing.assert_close(found, start, rtol=1e-9, atol=1e-9)
        value, responsibilities = problem.objective(reached), problem.responsibilities(reached)
        afresh = problem.copied()
        torch.testing.assert_close(value, afresh.objective(reached))
        torch.testing.assert_close(responsibilities, afresh.responsibilities(reached))


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_several_at_once_are_one_after_another(samples, generator, kind):
    problem = problem_of(samples, kind)
    with torch.no_grad():
        start = step = problem.init(generator)
        for _ in range(3):
            step = problem.minimize_blocks(step)
        reached = problem.copied().minimize_blocks(start, 3)
    for name in step:
        torch.testing.assert_close(reached[name], step[name], rtol=1e-9, atol=1e-9)
    assert problem.minimize_blocks(start, 0) is start


@pytest.mark.parametrize("kind", ["full", "tied"])
def test_many_features_keep_to_the_blocks(generator, kind):
    X, _ = make_mixture_tasks(2, n_samples=150, n_features=30, random_state=0)
    problem = problem_of(torch.from_numpy(X - X.mean(1, keepdims=True)), kind)
    assert problem.has_short_steps
    with torch.no_grad():
        variables = problem.init(generator)
        reached = problem.minimize_blocks(variables)
        plain = MixtureFreeEnergy(problem.points.mT, 3, covariance_type=kind)
        expected = one_by_one(plain.with_prior(problem.prior), variables)
    for name in ("means", "covariances", "responsibilities"):
        torch.testing.assert_close(reached[name], expected[name], rtol=1e-8, atol=1e-8)


def test_many_samples_of_many_features_have_no_products():
    X, _ = make_mixture_tasks(1, n_samples=150, n_features=30, random_state=0)
    assert not problem_of(torch.from_numpy(X), "full", k=1000).has_short_steps


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_cut_is_that_of_the_blocks(samples, generator, kind, weighted):
    """Of the same sample, drawn by the same number: moves in NumPy and in torch."""
    weight = None
    if weighted:
        weight = torch.rand(samples.shape[:2], generator=generator, dtype=torch.float64)
    problem = problem_of(samples, kind, sample_weight=weight)
    with torch.no_grad():
        start = problem.minimize_blocks(problem.init(generator), 3)
        for move in range(problem.n_moves):
            moves = torch.full((3,), move)
            found = problem.moved(start, moves, new_generator(move))
            expected = move_components(problem, start, moves, new_generator(move))
            expected["weights"] = expected["weights"].log_softmax(1)
            expected["responsibilities"] = problem.log_joint(expected)
            found["weights"] = found["weights"].log_softmax(1)
            for name in expected:
                torch.testing.assert_close(found[name], expected[name], rtol=1e-8, atol=1e-8)
            values = problem.copied().responsibilities(found)
            torch.testing.assert_close(problem.responsibilities(found), values)


def test_a_prior_too_weak_for_the_digits_is_not_trusted(samples):
    problem = problem_of(1e6 + samples, "full", weight=1e-8)
    assert not problem.has_short_steps


@pytest.mark.parametrize("name", ["weights", "means", "covariances"])
def test_what_is_given_stands_still(samples, generator, name):
    problem = problem_of(samples, "full")
    start = problem.init(generator)
    given = problem.with_fixed({name: start[name]})
    assert not given.has_short_steps
    with torch.no_grad():
        assert name not in given.minimize_blocks({n: start[n] for n in given.block_names})
