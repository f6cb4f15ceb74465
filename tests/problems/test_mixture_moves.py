"""Non-local moves of mixtures: what they change, and what they leave as it is."""

import pytest
import torch

from sklearn_gso.problems import MixtureFreeEnergy
from sklearn_gso.problems.trees import map_tensors
from sklearn_gso.solvers import alternate

from .planted import converge, mixture


@pytest.mark.parametrize("given", [True, False])
def test_moves_keep_the_variables_whole(generator, given):
    problem, rules, _ = mixture(3, given)
    variables, _ = alternate(problem, rules, problem.init(generator), 10)
    for move in range(problem.n_moves):
        moved = problem.moved(variables, torch.full((3,), move), generator)
        assert set(moved) == set(problem.block_names)
        shapes = [map_tensors(lambda t: t.shape, tree) for tree in (moved, variables)]
        assert shapes[0] == shapes[1]
        assert problem.objective(moved).isfinite().all()
        first, second, exchange = (int(x[move]) for x in problem.moves)
        still = [k for k in range(4) if k not in (first, second)]
        torch.testing.assert_close(moved["means"][:, still], variables["means"][:, still])
        if exchange:
            torch.testing.assert_close(moved["means"][:, first], variables["means"][:, second])
            torch.testing.assert_close(moved["means"][:, second], variables["means"][:, first])
        else:
            samples, place = problem.points.mT, moved["means"][:, first]
            if "covariances" in variables:
                place = 2 * place - variables["means"][:, second]
            distance = (samples - place[:, None]).abs().sum(2).amin(1)
            assert (distance < 1e-12).all(), "a component goes to a sample, or half of the way"
        weights = torch.softmax(moved["weights"], 1)
        torch.testing.assert_close(weights.sum((1, 2)), torch.ones(3).double())


def test_two_exchanges_undo_each_other(generator):
    problem, rules, _ = mixture(2)
    variables, _ = alternate(problem, rules, problem.init(generator), 10)
    move = torch.full((2,), problem.n_moves - 1)
    assert problem.moves.exchange[-1]
    once = problem.moved(variables, move, generator)
    twice = problem.moved(once, move, generator)
    assert not torch.allclose(once["means"], variables["means"])
    torch.testing.assert_close(twice["means"], variables["means"])
    torch.testing.assert_close(problem.objective(twice), problem.objective(variables))


def test_estimated_covariances_offer_no_exchange():
    given, estimated = mixture()[0], mixture(given=False)[0]
    assert given.n_moves == 4 * 3 + 6 and estimated.n_moves == 4 * 3


@pytest.mark.parametrize("options", [{"eccentricity": 1.0}, {"given": False}])
def test_components_that_are_alike_are_not_rearranged(generator, options):
    problem, rules, _ = mixture(3, **options)
    start = converge(problem, rules, problem.init(generator), 100, 1e-6)
    assert not problem.rearranged(start.variables)[1].any()


def test_features_are_scale_free(generator):
    """Data, centres and covariances in other units: the same numbers."""
    problem, _, _ = mixture(3, n_features=3, n_samples=150)
    variables = problem.init(generator)
    larger = MixtureFreeEnergy(
        100 * problem.points.mT, 4, fixed={"covariances": 1e4 * problem.fixed["covariances"]}
    )
    scaled = larger.start_from(100 * variables["means"])
    torch.testing.assert_close(
        problem.move_features(variables), larger.move_features(scaled), rtol=1e-6, atol=1e-6
    )
