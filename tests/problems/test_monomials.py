"""Densities and moments by products of features, beside the direct computation."""

import pytest
import torch

from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.problems import MixtureFreeEnergy, _gaussians, _monomials
from sklearn_gso.problems._gaussians import (
    COVARIANCE_TYPES,
    CovariancePrior,
    fit_covariances,
    whiteners,
)
from sklearn_gso.problems._monomials import Monomials
from sklearn_gso.rules import ClosedForm
from sklearn_gso.solvers import alternate, rules_for


@pytest.fixture
def samples():
    X, _ = make_mixture_tasks(3, n_samples=80, n_features=3, spread=3.0, random_state=0)
    return torch.from_numpy(X - X.mean(1, keepdims=True))


def without_monomials(problem):
    problem = problem.take(torch.arange(problem.n_tasks))
    problem._monomials = None
    return problem


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_a_sweep_is_the_same_either_way(samples, kind, generator):
    fast = MixtureFreeEnergy(samples, 4, covariance_type=kind, reg_covar=1e-3)
    direct = without_monomials(fast)
    assert fast._monomials is not None
    variables = {p: p.init(torch.Generator().manual_seed(0)) for p in (fast, direct)}
    for _ in range(5):
        for problem, values in variables.items():
            for name in problem.block_names:
                values[name] = problem.minimize_block(values, name)
    torch.testing.assert_close(variables[fast], variables[direct], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(
        fast.objective(variables[fast]), direct.objective(variables[direct]), rtol=1e-12, atol=0
    )


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_covariances_about_any_centre(samples, kind, generator):
    """Held or tempered centres are not the weighted means."""
    points = samples.mT.contiguous()
    weights = torch.rand(3, 4, 80, generator=generator).double()
    means = torch.randn(3, 4, 3, generator=generator).double()
    monomials = Monomials(points, kind in ("full", "tied"))
    moments = monomials.moments(weights)
    found = monomials.covariances(kind, means, moments, 0.01, moments[0])
    expected = fit_covariances(kind, points, means, weights, 0.01, weights.sum(2))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_a_speck_far_away_is_left_to_the_direct_way(samples):
    """A difference of large sums has no digits left for it."""
    speck = 1e4 + 1e-3 * samples[:, :40] / samples.std()
    points = torch.cat([samples[:, 40:], speck], dim=1).mT.contiguous()
    weights = torch.zeros(3, 2, 80, dtype=points.dtype)
    weights[:, 0, :40] = weights[:, 1, 40:] = 1.0
    monomials = Monomials(points, True)
    total, sums, products = monomials.moments(weights)
    means = sums / total[..., None]
    assert monomials.covariances("full", means, (total, sums, products), 0.0, total) is None
    covariances = fit_covariances("full", points, means, weights, 0.0, total)
    whitener, _ = whiteners(covariances, 3)
    assert monomials.rounding(whitener.mT @ whitener) > 1e12
    near = fit_covariances("full", points, means, weights, 1.0, total)
    whitener, _ = whiteners(near, 3)
    assert monomials.rounding(whitener.mT @ whitener) < 1e9


def test_a_speck_far_away_is_fitted_as_well(samples):
    speck = 1e4 + 1e-3 * samples[:, :40] / samples.std()
    data = torch.cat([samples[:, 40:], speck], dim=1)
    fast = MixtureFreeEnergy(data, 2)
    direct = without_monomials(fast)
    means = torch.stack([data[:, :40].mean(1), speck.mean(1)], dim=1)
    ends = []
    for problem in (fast, direct):
        values = problem.start_from(means)
        for name in problem.block_names * 3:
            values[name] = problem.minimize_block(values, name)
        ends.append(values)
    torch.testing.assert_close(ends[0]["covariances"], ends[1]["covariances"], rtol=1e-6, atol=0)
    torch.testing.assert_close(fast.objective(ends[0]), direct.objective(ends[1]))


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_sums_over_parts_of_the_samples_are_those_over_all(samples, generator, kind, monkeypatch):
    """No more of the samples than stay in cache are taken at once."""
    for direct in (False, True):
        whole = MixtureFreeEnergy(samples, 3, covariance_type=kind)
        variables = converge_a_little(whole, generator.manual_seed(0))
        with monkeypatch.context() as changed:
            changed.setattr(_gaussians, "_PART", 100)
            changed.setattr(_monomials, "_MAX_KEPT", 0)
            parts = MixtureFreeEnergy(samples, 3, covariance_type=kind)
            if direct:
                whole, parts = without_monomials(whole), without_monomials(parts)
            features = [problem.move_features(variables) for problem in (whole, parts)]
            other = converge_a_little(parts, generator.manual_seed(0))
        torch.testing.assert_close(*features)
        for name in variables:
            torch.testing.assert_close(other[name], variables[name])


def converge_a_little(problem, generator):
    return alternate(problem, rules_for(problem, ClosedForm()), problem.init(generator), 5)[0]


def test_coinciding_samples_lose_no_digits_that_a_prior_adds(samples):
    """A component on one sample has no variance but that of its prior."""
    problem = MixtureFreeEnergy(samples, 2, covariance_type="diag")
    scale = torch.full((3, 1, 3), 0.5, dtype=torch.float64)
    problem = problem.with_prior(CovariancePrior.of(scale, 2.0, 3))
    means = torch.stack([samples[:, 0], samples.mean(1)], dim=1)
    shares = torch.zeros(3, 2, 80, dtype=torch.float64)
    shares[:, 0, 0] = shares[:, 1, 1:] = 1
    moments, counts = problem._monomials.moments(shares), shares.sum(2)
    found = problem._monomials.covariances("diag", means, moments, 0.0, counts, problem.prior)
    torch.testing.assert_close(found[:, :1], scale * 2 / 3)
