"""Starts use the data they are given, and what is known beforehand."""

import pytest
import torch

from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.estimators.mixture.initialisation import (
    STARTS,
    kmeans_plusplus,
    matched,
    pooled_covariance,
    tempered,
)
from sklearn_gso.problems import MixtureFreeEnergy
from sklearn_gso.rules import ClosedForm
from sklearn_gso.solvers.alternating import alternate, rules_for

each_start = pytest.mark.parametrize("start", STARTS.values(), ids=STARTS.keys())


def in_engine_units(truth):
    return torch.from_numpy(truth.means), torch.from_numpy(truth.covariances)


def far_apart(n_tasks=4, **parameters):
    """Clusters that nobody can mistake, and what they were drawn from."""
    settings = {"n_features": 3, "n_components": 4, "n_samples": 200, "random_state": 0}
    X, truth = make_mixture_tasks(n_tasks, spread=40.0, **{**settings, **parameters})
    return torch.from_numpy(X), *in_engine_units(truth)


@each_start
@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_starts_are_finite_and_complete(start, kind, generator):
    X, _, _ = far_apart(n_samples=40)
    problem = MixtureFreeEnergy(X, 4, covariance_type=kind, reg_covar=1e-6)
    variables = start(problem, generator)
    like = problem.init(torch.Generator().manual_seed(1))
    assert {n: v.shape for n, v in variables.items()} == {n: v.shape for n, v in like.items()}
    assert problem.objective(variables).isfinite().all()
    again, _ = alternate(problem, rules_for(problem, ClosedForm()), variables, 3)
    assert problem.objective(again).isfinite().all()


@each_start
def test_starts_are_their_own_in_every_task_and_reproducible(start):
    X, _, _ = far_apart(1)
    problem = MixtureFreeEnergy(X, 4).repeat(6)
    first, again = (start(problem, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first["means"], again["means"])
    if start is not tempered:  # which forgets where it began
        assert len(first["means"].flatten(1).unique(dim=0)) > 1


@each_start
def test_known_means_are_the_start(start, generator):
    X, means, covariances = far_apart()
    fixed = MixtureFreeEnergy(X, 4, fixed={"means": means})
    assert "means" not in start(fixed, generator)
    free = MixtureFreeEnergy(X, 4, fixed={"covariances": covariances})
    found = start(free, generator, {"means": means})["means"]
    if start is tempered:
        assert (found - means).abs().max() < 1
    else:
        assert torch.equal(found, means)


@each_start
def test_samples_of_no_weight_are_never_drawn(start, generator):
    X, _, covariances = far_apart()
    X = torch.cat([X, torch.full((4, 50, 3), 500.0, dtype=X.dtype)], dim=1)
    weight = torch.ones(4, 250, dtype=X.dtype)
    weight[:, 200:] = 0
    problem = MixtureFreeEnergy(X, 4, fixed={"covariances": covariances}, sample_weight=weight)
    for _ in range(5):
        assert start(problem, generator)["means"].max() < 300


def test_kmeans_plusplus_finds_each_of_distant_clusters(generator):
    X, means, covariances = far_apart(20)
    problem = MixtureFreeEnergy(X, 4, fixed={"covariances": covariances})
    found = kmeans_plusplus(problem, generator)["means"]
    missed = torch.cdist(found, means).amin(1) > 6
    at_random = torch.cdist(problem.init(generator)["means"], means).amin(1) > 6
    assert missed.sum() <= 6 < at_random.sum()


def test_distance_is_in_the_pooled_metric(generator):
    """A feature of great variance and no clusters would attract every centre."""
    noise = torch.randn(200, 60, 1, generator=generator, dtype=torch.float64)
    sign = torch.tensor([-1.0, 1.0], dtype=torch.float64).repeat(30)[None, :, None]
    X = torch.cat([sign.expand(200, -1, -1), 1e3 * noise], dim=2)
    spread = torch.tensor([1e-4, 1e6], dtype=torch.float64).expand(200, 2, 2)
    known = MixtureFreeEnergy(X, 2, covariance_type="diag", fixed={"covariances": spread})
    first = kmeans_plusplus(known, generator)["means"][..., 0]
    assert (first.sum(1) == 0).double().mean() > 0.98
    blind = MixtureFreeEnergy(X, 2, covariance_type="diag")
    first = kmeans_plusplus(blind, generator)["means"][..., 0]
    assert 0.5 < (first.sum(1) == 0).double().mean() < 0.98


def test_kmeans_plusplus_survives_equal_samples(generator):
    problem = MixtureFreeEnergy(torch.ones(2, 5, 3, dtype=torch.float64), 3, reg_covar=1e-6)
    assert (kmeans_plusplus(problem, generator)["means"] == 1).all()


def test_matching_gives_each_covariance_its_cluster(generator):
    X, means, covariances = far_apart(20, eccentricity=200.0)
    problem = MixtureFreeEnergy(X, 4, fixed={"covariances": covariances})
    found = matched(problem, generator)["means"]
    right = (found - means).norm(dim=2) < 4
    assert right.all(1).double().mean() >= 0.8
    order = torch.tensor([2, 0, 3, 1])
    shuffled = MixtureFreeEnergy(X, 4, fixed={"covariances": covariances[:, order]})
    again = matched(shuffled, generator)["means"]
    assert ((again - means[:, order]).norm(dim=2) < 4).all(1).double().mean() >= 0.8


def test_matching_gives_each_weight_its_cluster(generator):
    """With nothing but weights known, the largest cluster goes to the largest weight."""
    share = torch.tensor([0.1, 0.6, 0.3], dtype=torch.float64)
    centres = torch.tensor([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]], dtype=torch.float64)
    X = centres.repeat_interleave((share * 100).long(), dim=0)
    X = X + torch.randn(100, 2, generator=generator, dtype=torch.float64)
    weights = share.log()[None, :, None]
    problem = MixtureFreeEnergy(X[None], 3, fixed={"weights": weights}, reg_covar=1e-6).repeat(10)
    found = matched(problem, generator)["means"]
    assert ((found - centres).norm(dim=2) < 2).all(1).double().mean() >= 0.7


def test_tempering_finds_better_basins(generator):
    """Where clusters overlap in eight dimensions a single run of EM mostly gets stuck."""
    X, truth = make_mixture_tasks(
        20, n_features=8, spread=1.5, eccentricity=25.0, n_samples=300, random_state=0
    )
    means, covariances = in_engine_units(truth)
    problem = MixtureFreeEnergy(torch.from_numpy(X), 4, fixed={"covariances": covariances})
    rules = rules_for(problem, ClosedForm())
    best = problem.objective(alternate(problem, rules, problem.start_from(means), 40)[0])
    plain = problem.objective(alternate(problem, rules, problem.init(generator), 40)[0])
    hot = problem.objective(tempered(problem, generator))
    assert (plain - best).mean() > 1 and (hot - best).mean() < 0.5 * (plain - best).mean()


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_tempered_components_part_again(kind, generator):
    X, _, _ = far_apart()
    problem = MixtureFreeEnergy(X, 4, covariance_type=kind, reg_covar=1e-6)
    found = tempered(problem, generator)["means"]
    apart = torch.cdist(found, found) + 1e9 * torch.eye(4)
    assert (apart.amin((1, 2)) > 1).double().mean() >= 0.5


def test_pooled_covariance():
    X, _, covariances = far_apart()
    known = pooled_covariance(MixtureFreeEnergy(X, 4, fixed={"covariances": covariances}))
    torch.testing.assert_close(known[:, 0], covariances.mean(1), rtol=1e-5, atol=1e-5)
    blind = pooled_covariance(MixtureFreeEnergy(X, 4))
    expected = torch.stack([torch.cov(x.T, correction=0) for x in X])
    torch.testing.assert_close(blind[:, 0], expected, rtol=1e-5, atol=1e-3)
    variances = torch.tensor([[1.0], [4.0]], dtype=X.dtype).expand(4, 2, 1)
    round_ones = MixtureFreeEnergy(
        X, 2, covariance_type="spherical", fixed={"covariances": variances}
    )
    expected = 2.5 * torch.eye(3, dtype=X.dtype).expand(4, 1, 3, 3)
    torch.testing.assert_close(pooled_covariance(round_ones), expected, rtol=1e-5, atol=1e-5)
