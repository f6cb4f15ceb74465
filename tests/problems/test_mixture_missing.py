"""Mixtures of rows with holes: the likelihood is that of the marginals, EM climbs to its top."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from sklearn_gso.problems import (
    MixtureFreeEnergy,
    MixtureMissing,
    _holes,
    map_tensors,
    mixture_incomplete,
)
from sklearn_gso.problems._gaussians import COVARIANCE_TYPES, CovariancePrior, as_matrices
from sklearn_gso.rules import ClosedForm
from sklearn_gso.solvers import minimize, rules_for

each_kind = pytest.mark.parametrize("kind", COVARIANCE_TYPES)
each_kind_slowly = pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=[] if k == "full" else [pytest.mark.slow]) for k in COVARIANCE_TYPES],
)


def samples(share=0.3, n=60, d=4):
    """Two clusters, and which entries are missing: all of the first row, none of the second."""
    rng = np.random.RandomState(0)
    X = rng.randn(n, d) @ rng.randn(d, d)
    X[n // 2 :] += 3
    missing = rng.rand(n, d) < share
    missing[0], missing[1] = True, False
    return X, missing if share else np.zeros_like(missing)


def with_holes(kind, share=0.3, prior=False):
    X, missing = samples(share)
    holed = torch.from_numpy(np.where(missing, np.nan, X))[None]
    weight = torch.from_numpy(np.random.RandomState(1).uniform(0.5, 2, (1, len(X))))
    settings = {"covariance_type": kind, "sample_weight": weight}
    problem = MixtureMissing(holed, holed.nan_to_num(), 2, **settings)
    return problem.with_prior(some_prior(problem)) if prior else problem


def some_prior(problem):
    scale = problem.pooled_covariance(problem.covariance_type)
    return CovariancePrior.of(scale, 5.0, problem.n_features)


def start(problem, seed=0):
    return problem.init(torch.Generator().manual_seed(seed))


def run(problem, max_iter, variables=None, **options):
    rules = rules_for(problem, ClosedForm())
    variables = variables or start(problem)
    with torch.no_grad():
        return minimize(problem, rules, variables, max_iter, safeguard="none", **options)


def assert_same(one, other, tolerance=1e-9):
    def compare(a, b):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)

    map_tensors(compare, one, other)


@each_kind
def test_densities_are_those_of_the_marginals(kind):
    problem, (X, missing) = with_holes(kind), samples()
    variables = run(problem, 4).variables
    weights, means, covariances = problem.parameters(variables)
    full = as_matrices(covariances, 4).expand(1, 2, 4, 4)[0].numpy()
    joint = problem.in_first_order(problem.log_joint(variables))[0].numpy()
    logs = torch.log_softmax(weights, 1)[0, :, 0].numpy()
    np.testing.assert_allclose(joint[:, 0], logs)
    for k in range(2):
        for g in range(1, len(X)):
            known = ~missing[g]
            covariance = full[k][np.ix_(known, known)]
            if known.any():
                mean = means[0, k, known].numpy()
                log = multivariate_normal(mean, covariance).logpdf(X[g, known])
                np.testing.assert_allclose(joint[k, g], logs[k] + log, rtol=1e-9)


@each_kind
@pytest.mark.parametrize("prior", [False, True])
def test_the_objective_never_rises(kind, prior):
    objective = run(with_holes(kind, prior=prior), 30, trace=True).trace.objective
    assert (np.diff(np.ravel(objective)) <= 1e-12).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_where_em_ends_the_gradient_vanishes(kind):
    problem = with_holes(kind, prior=True)
    variables = run(problem, 200).variables
    for name in ("weights", "means", "covariances"):
        assert problem.gradient(variables, name).abs().max() < 1e-6


@each_kind
@pytest.mark.parametrize("prior", [False, True])
def test_without_holes_all_is_as_without_them(kind, prior):
    problem = with_holes(kind, share=0, prior=prior)
    plain = problem.completed()
    assert type(plain) is MixtureFreeEnergy
    one, other = (run(p, 10, start(problem)) for p in (problem, plain))
    assert_same(one.variables, other.variables)
    assert_same(one.objective, other.objective)


@each_kind
def test_neither_batches_nor_what_is_kept_matter(kind, monkeypatch):
    before = run(with_holes(kind), 5)
    monkeypatch.setattr(_holes, "_GROUP_SIZE", 12)
    monkeypatch.setattr(mixture_incomplete, "_MAX_KEPT", 0)
    problem = with_holes(kind)
    assert len(problem.holes.groups) > 20
    after = run(problem, 5, start(with_holes(kind)))
    assert_same(before.objective, after.objective)
    for name in ("weights", "means", "covariances"):
        assert_same(before.variables[name], after.variables[name])


@each_kind_slowly
def test_several_starts_side_by_side_are_as_one_by_one(kind):
    problem = with_holes(kind, prior=True)
    starts = [start(problem, seed) for seed in range(3)]
    together = map_tensors(lambda *blocks: torch.cat(blocks), *starts)
    many = run(problem.repeat(3), 6, together)
    for i, one in enumerate(starts):
        assert_same(run(problem, 6, one).objective[0], many.objective[i])
