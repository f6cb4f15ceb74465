"""Mixtures of noisy rows: densities are convolved, EM climbs to the top of their likelihood."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from sklearn_gso.problems import MixtureFreeEnergy, MixtureMissing, MixtureNoisy, _noise, point
from sklearn_gso.problems._gaussians import COVARIANCE_TYPES, CovariancePrior, as_matrices
from sklearn_gso.rules import ClosedForm
from sklearn_gso.solvers import minimize, rules_for

each_kind = pytest.mark.parametrize("kind", COVARIANCE_TYPES)
each_noise = pytest.mark.parametrize("noise", ["variances", "matrices", "one", "one matrix"])
N, D = 60, 3


def samples():
    rng = np.random.RandomState(0)
    X = rng.randn(N, D) @ rng.randn(D, D)
    X[N // 2 :] += 3
    return X


def covariances_of(noise):
    """Of the noise, as a problem takes them."""
    rng = np.random.RandomState(1)
    roots = 0.4 * rng.randn(N, D, D)
    matrices = roots @ roots.swapaxes(1, 2)
    kinds = {
        "variances": rng.uniform(0.05, 1, (N, D)),
        "matrices": matrices,
        "one": np.array([[0.1, 0.2, 0.3]]),
        "one matrix": matrices[:1],
        "none": np.zeros((1, D)),
        "small": 0.02 * matrices,
        "small one": np.full((1, D), 0.002),
    }
    return kinds[noise]


def noisy(kind, noise, missing=None, prior=False, n_components=2, **options):
    X, V = samples(), covariances_of(noise)
    if missing is not None:
        X = np.where(missing, np.nan, X)
    X, V = torch.from_numpy(X)[None], torch.from_numpy(V)[None]
    filled = X.nan_to_num()
    problem = MixtureNoisy(X, V, filled, n_components, covariance_type=kind, **options)
    if not prior:
        return problem
    scale = problem.pooled_covariance(kind)
    return problem.with_prior(CovariancePrior.of(scale, 5.0, D))


def holes():
    missing = np.random.RandomState(2).rand(N, D) < 0.3
    missing[0], missing[1] = True, False
    return missing


def start(problem):
    return problem.init(torch.Generator().manual_seed(0))


def run(problem, max_iter, **options):
    rules = rules_for(problem, ClosedForm())
    with torch.no_grad():
        return minimize(problem, rules, start(problem), max_iter, safeguard="none", **options)


def parameters(problem, variables):
    """Logarithms of the weights, centres and matrices of the components."""
    weights, means, covariances = problem.parameters(variables)
    full = as_matrices(covariances, D).expand(1, problem.n_components, D, D)[0].numpy()
    return torch.log_softmax(weights, 1)[0, :, 0].numpy(), means[0].numpy(), full


def assert_same_parameters(one, other, tolerance=1e-8):
    for name in ("weights", "means", "covariances"):
        a, b = point(one[name]), point(other[name])
        if name == "weights":
            a, b = torch.softmax(a, 1), torch.softmax(b, 1)
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@each_kind
@each_noise
@pytest.mark.parametrize("missing", [None, holes()], ids=["whole", "holes"])
def test_densities_are_convolved_with_the_noise(kind, noise, missing):
    problem, X = noisy(kind, noise, missing), samples()
    variables = run(problem, 3).variables
    logs, means, full = parameters(problem, variables)
    joint = problem.log_joint(variables)[0].numpy()
    V = np.broadcast_to(covariances_of(noise), (N, *covariances_of(noise).shape[1:]))
    for g in range(20):
        known = np.ones(D, bool) if missing is None else ~missing[g]
        own = V[g] if V[g].ndim == 2 else np.diag(V[g])
        for k in range(2):
            total = (full[k] + own)[np.ix_(known, known)]
            log = 0.0
            if known.any():
                log = multivariate_normal(means[k, known], total).logpdf(X[g, known])
            np.testing.assert_allclose(joint[k, g], logs[k] + log, rtol=1e-9)


def slow_step(X, V, shares, mean, covariance, kind):
    """Sums of the noise-free values' expected squares about a centre, by a loop over the rows."""
    total = np.zeros((D, D))
    for x, v, share in zip(X, V, shares, strict=True):
        seen = ~np.isnan(x)
        gain = covariance[:, seen] @ np.linalg.inv((covariance + v)[np.ix_(seen, seen)])
        apart = gain @ (x - mean)[seen]
        total += share * (np.outer(apart, apart) + covariance - gain @ covariance[seen])
    total = total / shares.sum()
    return {"full": total, "diag": np.diag(total), "spherical": np.trace(total) / D}[kind]


@pytest.mark.parametrize("kind", ["full", "diag", "spherical"])
@each_noise
def test_covariances_are_made_by_the_step_of_bovy_hogg_and_roweis(kind, noise):
    problem = noisy(kind, noise, holes())
    variables = run(problem, 2).variables
    _, means, full = parameters(problem, variables)
    shares = problem.responsibilities(variables)[0].numpy()
    made = problem.minimize_block(variables, "covariances")[0].numpy()
    X, V = np.where(holes(), np.nan, samples()), covariances_of(noise)
    V = np.broadcast_to(V if V.ndim == 3 else V[..., None] * np.eye(D), (N, D, D))
    for k in range(2):
        slow = slow_step(X, V, shares[k], means[k], full[k], kind)
        np.testing.assert_allclose(made[k].squeeze(), slow, rtol=1e-9, atol=1e-12)


@each_kind
@each_noise
@pytest.mark.parametrize("prior", [False, True])
def test_the_objective_never_rises(kind, noise, prior):
    problem = noisy(kind, noise, holes(), prior=prior)
    objective = run(problem, 20, trace=True).trace.objective
    assert (np.diff(np.ravel(objective)) <= 1e-12).all()


@each_kind
@each_noise
def test_centres_are_minimisers(kind, noise):
    problem = noisy(kind, noise, holes())
    variables = run(problem, 3).variables
    variables["means"] = problem.minimize_block(variables, "means")
    assert problem.gradient(variables, "means").abs().max() < 1e-9


@pytest.mark.parametrize(
    "kind", ["full", *(pytest.param(k, marks=pytest.mark.slow) for k in COVARIANCE_TYPES[1:])]
)
def test_where_em_ends_the_gradient_vanishes(kind):
    problem = noisy(kind, "small", prior=True)
    variables = run(problem, 400).variables
    for name in ("weights", "means", "covariances"):
        assert problem.gradient(variables, name).abs().max() < 1e-6


@each_kind
@pytest.mark.parametrize("prior", [False, True])
def test_without_noise_all_is_as_without_it(kind, prior):
    problem = noisy(kind, "none", prior=prior)
    plain = problem.completed()
    assert type(plain) is MixtureFreeEnergy
    one, other = run(problem, 20), run(plain, 20)
    assert_same_parameters(one.variables, other.variables)
    torch.testing.assert_close(one.objective, other.objective, rtol=1e-10, atol=1e-10)


@each_kind
def test_holes_without_noise_have_the_densities_of_holes(kind):
    problem = noisy(kind, "none", holes())
    X = torch.from_numpy(np.where(holes(), np.nan, samples()))[None]
    other = MixtureMissing(X, X.nan_to_num(), 2, covariance_type=kind)
    variables = run(problem, 5).variables
    logs = other.in_first_order(other.log_joint(variables))
    torch.testing.assert_close(problem.log_joint(variables), logs, rtol=1e-9, atol=1e-9)


@each_kind
def test_great_noise_is_a_hole_in_the_limit(kind):
    X, V, missing = samples(), np.full((N, D), 0.1), holes()
    missing[0, 0] = False
    X, V = torch.from_numpy(X)[None], torch.from_numpy(V)[None]
    great = V.masked_fill(torch.from_numpy(missing), 1e12)
    holed = X.masked_fill(torch.from_numpy(missing), torch.nan)
    one = MixtureNoisy(X, great, X, 2, covariance_type=kind)
    other = MixtureNoisy(holed, V, X, 2, covariance_type=kind)
    assert_same_parameters(run(one, 10).variables, run(other, 10).variables, 1e-7)


@pytest.mark.parametrize("kind", ["full", "tied"])
def test_one_noise_for_all_is_a_mixture_of_shifted_covariances(kind):
    problem = noisy(kind, "small one")
    plain = run(problem.completed(), 200).variables
    shift = torch.diag_embed(torch.from_numpy(covariances_of("small one")))
    moved = {**plain, "covariances": plain["covariances"] - shift}
    assert (torch.linalg.eigvalsh(moved["covariances"]) > 0).all()
    logs = problem.completed().log_joint(plain)
    torch.testing.assert_close(problem.log_joint(moved), logs, rtol=1e-9, atol=1e-9)
    # Where EM on the shifted model ends, deconvolution stays.
    stays = {name: problem.minimize_block(moved, name) for name in ("means", "covariances")}
    assert_same_parameters({**moved, **stays}, moved)


def test_neither_parts_nor_batches_matter(monkeypatch):
    before = run(noisy("full", "matrices", holes()), 5)
    monkeypatch.setattr(_noise, "_PART_SIZE", 100)
    problem = noisy("full", "matrices", holes())
    assert len(problem._parts()) > 5
    rules = rules_for(problem, ClosedForm())
    twice = {name: torch.cat([value] * 2) for name, value in start(problem).items()}
    after = minimize(problem.repeat(2), rules, twice, 5, safeguard="none")
    for name in ("weights", "means", "covariances"):
        for t in range(2):
            torch.testing.assert_close(after.variables[name][t : t + 1], before.variables[name])


@each_kind
def test_covariances_are_bounded_where_noise_explains_all(kind):
    X = torch.from_numpy(1e-3 * samples())[None]
    V = torch.ones(1, 1, D, dtype=torch.float64)
    problem = MixtureNoisy(X, V, X, 1, covariance_type=kind, reg_covar=1e-3)
    made = problem.minimize_block(start(problem), "covariances")
    lower = problem.start_from(start(problem)["means"], covariances=1e-3 * made)
    least = 1e-3 * torch.eye(D, dtype=torch.float64)
    bounded = as_matrices(problem.minimize_block(lower, "covariances"), D)[0, 0]
    torch.testing.assert_close(bounded, least, rtol=1e-12, atol=1e-15)


@each_kind
def test_the_posterior_of_one_component_is_the_gaussian_of_textbooks(kind):
    problem = noisy(kind, "matrices", n_components=1)
    variables = run(problem, 3).variables
    _, means, full = parameters(problem, variables)
    mean, covariance = problem.posterior(variables)
    precision = np.linalg.inv(full[0])
    for x, V, m, C in zip(
        samples(), covariances_of("matrices"), mean[0], covariance[0], strict=True
    ):
        known = np.linalg.inv(V)
        within = np.linalg.inv(precision + known)
        np.testing.assert_allclose(C, within, rtol=1e-6, atol=1e-9)
        expected = within @ (precision @ means[0] + known @ x)
        np.testing.assert_allclose(m, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", ["full", "diag", "spherical"])
@each_noise
@pytest.mark.parametrize("prior", [False, True])
def test_held_covariances_stay_and_the_objective_never_rises(kind, noise, prior):
    own = {"full": 0.5 * torch.eye(D), "diag": torch.full((D,), 0.5), "spherical": torch.ones(1)}
    one = own[kind].to(torch.float64)
    pinned = torch.full((1, 2, *one.shape), torch.nan, dtype=one.dtype)
    pinned[0, 1] = one
    problem = noisy(kind, noise, holes(), prior, pinned=pinned, reg_covar=1e-3)
    variables = start(problem)
    values = [float(problem.objective(variables))]
    for _ in range(10):
        for name in problem.block_names:
            variables[name] = problem.minimize_block(variables, name)
            values.append(float(problem.objective(variables)))
    assert (np.diff(values) < 1e-12).all()
    assert torch.equal(variables["covariances"][0, 1], one)
    assert not torch.equal(variables["covariances"][0, 0], one)
