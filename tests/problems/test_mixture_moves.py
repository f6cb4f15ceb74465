"""Non-local moves of mixtures: what they change, and what they leave as it is."""

import pytest
import torch

from sklearn_gso.problems import MixtureFreeEnergy, new_generator
from sklearn_gso.problems._gaussians import CovariancePrior
from sklearn_gso.problems._mixture_cuts import cut
from sklearn_gso.problems.trees import map_tensors
from sklearn_gso.solvers import alternate

from .planted import converge, mixture


def assert_halves(problem, variables, moved, first, second):
    """Together two components weigh what the second did, and have its samples' centre."""
    pair = [first, second]
    others = [k for k in range(problem.n_components) if k not in pair]
    logits = moved["weights"] - torch.logsumexp(moved["weights"][:, others], 1, keepdim=True)
    before = variables["weights"]
    before = before - torch.logsumexp(before[:, others], 1, keepdim=True)
    together = torch.logsumexp(logits[:, pair], 1)
    torch.testing.assert_close(together, before[:, second])
    parts = (logits[:, pair] - together[:, None]).exp()
    shares = problem.responsibilities(variables)[:, second]
    centre = (problem.points @ shares[..., None])[..., 0] / shares.sum(1, keepdim=True)
    torch.testing.assert_close((parts * moved["means"][:, pair]).sum(1), centre)


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
        elif given:
            samples, place = problem.points.mT, moved["means"][:, first]
            distance = (samples - place[:, None]).abs().sum(2).amin(1)
            assert (distance < 1e-12).all(), "a component goes to a sample"
        else:
            assert_halves(problem, variables, moved, first, second)
        weights = torch.softmax(moved["weights"], 1)
        torch.testing.assert_close(weights.sum((1, 2)), torch.ones(3).double())


def two_in_one(n_features, seed=0):
    """Two clusters far apart in one component, another for a third cluster, an idle one."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(300) % 3
    points = torch.randn(1, 300, n_features, generator=random).double()
    centres = 40 * torch.eye(3, n_features).double()
    points = points + centres[labels]
    problem = MixtureFreeEnergy(points, 3)
    scale = torch.eye(n_features).double()[None, None]
    problem = problem.with_prior(CovariancePrior.of(scale, 2.0, n_features))
    means = torch.stack([centres[:2].mean(0), centres[2], centres[2] + 1])[None]
    covariances = problem.pooled_covariance("full").repeat(1, 3, 1, 1) / 3
    variables = problem.start_from(means, covariances=covariances)
    return problem, problem.minimize_blocks(variables), labels


@pytest.mark.parametrize("n_features", [3, 30])
def test_a_move_parts_two_clusters_that_share_a_component(n_features):
    problem, variables, labels = two_in_one(n_features)
    move = int(((problem.moves.first == 2) & (problem.moves.second == 0)).nonzero())
    for seed in range(5):
        moved = problem.moved(variables, torch.tensor([move]), new_generator(seed))
        found = problem.responsibilities(moved)[0].argmax(0)
        for label, other in ((0, 1), (1, 0)):
            mine, theirs = found[labels == label], found[labels == other]
            assert len(mine.unique()) == 1 and mine[0] in (0, 2)
            assert (theirs != mine[0]).all()


def test_halves_are_the_samples_of_the_component(generator):
    problem, rules, _ = mixture(3, given=False)
    variables, _ = alternate(problem, rules, problem.init(generator), 10)
    component, samples = torch.tensor([0, 1, 3]), problem.points[..., 7]
    shares = cut(problem, variables, component, samples)
    whole = problem.responsibilities(variables)[torch.arange(3), component]
    torch.testing.assert_close(shares.sum(1), whole)
    assert ((shares == 0) | (shares == whole[:, None])).all(), "each sample is in one half"
    # Stretched features, and a prior stretched with them, are cut at the same samples.
    stretch = torch.tensor([[3.0, 1.0], [0.5, 4.0]]).double()
    scale = torch.eye(2).double().expand(3, 1, 2, 2)
    priors = [CovariancePrior.of(m @ scale @ m.mT, 2.0, 2) for m in (scale[0, 0], stretch)]
    plain = problem.with_prior(priors[0])
    wide = MixtureFreeEnergy(problem.points.mT @ stretch.mT, 4).with_prior(priors[1])
    shared = {"responsibilities": variables["responsibilities"]}
    there = {**variables, **shared, "means": variables["means"] @ stretch.mT}
    one = cut(plain, variables, component, samples)
    other = cut(wide, there, component, samples @ stretch.mT)
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_fitted_is_the_m_step(generator, kind):
    points = mixture(2)[0].points
    problem = MixtureFreeEnergy(points.mT, 4, covariance_type=kind, reg_covar=1e-3)
    variables = problem.init(generator)
    shares = problem.sample_weight * problem.responsibilities(variables)
    counts, means, covariances = problem.fitted(shares)
    for name, value in (("means", means), ("covariances", covariances)):
        variables[name] = problem.minimize_block(variables, name)
        torch.testing.assert_close(value, variables[name])
    torch.testing.assert_close(
        counts.log()[..., None], problem.minimize_block(variables, "weights")
    )


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
