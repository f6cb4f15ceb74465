"""The prior of covariances: EM ascends with it, collapses cost, and units do not matter."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score

from sklearn_gso import EMGaussianMixture, GSOGaussianMixture
from sklearn_gso.problems import MixtureFreeEnergy, check_problem
from sklearn_gso.problems._gaussians import COVARIANCE_TYPES, CovariancePrior
from tests.estimators.mixture.mixtures import assert_same_fit, each_kind, each_mixture, em, gso

SETTINGS = {"covariance_prior": 1.0, "random_state": 0}


def with_prior(kind, count=3.0, n_samples=60):
    points = torch.randn(2, n_samples, 3, generator=torch.Generator().manual_seed(0)).double()
    problem = MixtureFreeEnergy(points, 4, covariance_type=kind)
    return problem.with_prior(CovariancePrior.of(0.5 * problem.pooled_covariance(kind), count, 3))


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_check_problem_with_a_prior(kind):
    """Closed forms are minimisers of the penalised function, gradients its slopes."""
    check_problem(with_prior(kind))


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
@pytest.mark.parametrize("n_samples", [8, 60])
def test_em_ascends_the_penalised_objective(kind, n_samples, rng):
    X = rng.standard_t(2, size=(n_samples, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = EMGaussianMixture(4, covariance_type=kind, tol=0, init_params="random", **SETTINGS)
        trace = model.fit(X).trace(X).runs[0].trace
    values = torch.stack(trace.objective)
    assert len(values) > 20 and (values.diff(dim=0) <= 1e-10).all()


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_the_penalty_is_a_divergence(kind):
    """Zero where a component is the prior's Gaussian, and above it elsewhere."""
    problem = with_prior(kind)
    n_copies = 1 if kind == "tied" else 4
    scale = problem.prior.scale
    copies = scale.repeat(1, n_copies, *[1] * (scale.ndim - 2))
    at = {"covariances": copies}
    torch.testing.assert_close(problem.penalty(at), torch.zeros(2).double())
    for factor in (0.1, 0.9, 1.1, 10.0):
        assert (problem.penalty({"covariances": factor * copies}) > 0).all()


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_an_empty_component_takes_the_priors_covariance(kind):
    problem = with_prior(kind)
    means = torch.zeros(2, 4, 3).double()
    means[:, 1] = 1e6
    variables = problem.start_from(means)
    found = problem.minimize_block(variables, "covariances")
    index = 0 if kind == "tied" else 1
    if kind != "tied":
        torch.testing.assert_close(found[:, index], problem.prior.scale[:, 0])


@each_kind
def test_no_prior_is_maximum_likelihood(kind, X):
    """And its strength moves the estimate from there continuously."""
    ml = em(covariance_type=kind, means_init=X[:3], covariance_prior=0.0, reg_covar=0.0).fit(X)
    assert ml.objective_ == pytest.approx(-ml.lower_bound_)
    distance = []
    for strength in (1e-6, 1e-1, 10.0):
        fit = em(covariance_type=kind, means_init=X[:3], covariance_prior=strength).fit(X)
        distance.append(np.abs(fit.covariances_ - ml.covariances_).max())
        assert fit.objective_ > -fit.lower_bound_
    assert distance[0] < 1e-5 < distance[1] < distance[2]


@each_mixture
def test_known_covariances_have_no_prior(mixture, X, covariances):
    fits = [mixture(covariances=covariances[0], covariance_prior=s).fit(X) for s in (0.0, 5.0)]
    assert_same_fit(*fits, 0, 0)
    assert fits[1].objective_ == pytest.approx(-fits[1].lower_bound_)


@each_mixture
@each_kind
@pytest.mark.parametrize("strength", [0.0, 1.0])
@pytest.mark.parametrize("unit", [2.0**-20, pytest.param(2.0**30, marks=pytest.mark.slow)])
def test_units_do_not_matter(mixture, kind, strength, unit, X):
    """Neither for starts nor for moves, regularisation or the prior."""
    settings = {"covariance_type": kind, "covariance_prior": strength}
    one, other = mixture(**settings).fit(X), mixture(**settings).fit(unit * X)
    # Equal optima from several starts: rounding may choose another numbering.
    a, b = one.means_[:, 1].argsort(), other.means_[:, 1].argsort()
    np.testing.assert_allclose(other.means_[b], unit * one.means_[a], rtol=1e-5)
    np.testing.assert_allclose(other.weights_[b], one.weights_[a], rtol=1e-5)
    if kind != "tied":
        np.testing.assert_allclose(other.covariances_[b], unit**2 * one.covariances_[a], rtol=1e-4)
    assert other.score(unit * X) == pytest.approx(one.score(X) - 2 * np.log(unit), abs=1e-6)


def counts(rng):
    return rng.poisson(2, size=(300, 2)).astype(float), 3


def ratings(rng):
    return rng.randint(1, 6, size=(300, 3)).astype(float), 5


def duplicates(rng):
    X = rng.standard_normal((100, 3))
    return np.r_[X, np.repeat(X[:2], 30, axis=0)], 4


@pytest.mark.parametrize("seed", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in (1, 2, 3))])
@pytest.mark.parametrize(
    "draw", [ratings, *(pytest.param(d, marks=pytest.mark.slow) for d in (counts, duplicates))]
)
def test_no_component_is_thin_by_default(draw, seed):
    """Samples that coincide have no bounded likelihood; the prior bounds what they bring."""
    X, k = draw(np.random.RandomState(seed))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "The covariance of components", ConvergenceWarning)
        fit = GSOGaussianMixture(k, random_state=seed).fit(X)
    least = np.linalg.eigvalsh(fit.covariances_)[:, 0]
    assert (least > 1e-3 * np.linalg.eigvalsh(np.cov(X.T))[0]).all()


@pytest.mark.parametrize("load, least", [(load_iris, 0.83), (load_wine, 0.88)])
def test_classes_are_found_where_collapsed_components_were(load, least):
    """Not by the likelihood that a component on few samples brings: of no seed is one thin."""
    X, y = load(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    thinnest = 1e-3 * np.linalg.eigvalsh(np.cov(X.T))[0]
    for seed in range(20):
        fit = GSOGaussianMixture(3, random_state=seed).fit(X)
        assert adjusted_rand_score(y, fit.predict(X)) >= least
        assert np.linalg.eigvalsh(fit.covariances_).min() > thinnest


@each_mixture
def test_thin_components_are_named(mixture):
    rng = np.random.RandomState(0)
    X = rng.standard_normal((200, 2))
    X[:60, 1] = 3.0
    start = {"means_init": [[0.0, 0.0], [0.0, 3.0]], "covariance_prior": 0.0}
    with pytest.warns(ConvergenceWarning, match=r"components \[1\] is thinner") as told:
        mixture(2, **start).fit(X)
    assert any(record.filename == __file__ for record in told)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        mixture(2, means_init=start["means_init"], covariance_prior=5.0).fit(X)


def test_thin_components_of_a_collection_name_the_task():
    rng = np.random.RandomState(0)
    X = rng.standard_normal((2, 200, 2))
    X[1, :60, 1] = 3.0
    model = em(2, means_init=[[0.0, 0.0], [0.0, 3.0]]).fit(X)
    with pytest.warns(ConvergenceWarning, match=r"Task 1 of the collection: The covariance of"):
        model.predict(X)


def test_the_prior_depends_on_the_data_alone(X):
    """Not on the seed: objectives of different seeds can be compared."""
    start = {"means_init": X[:3], "covariance_prior": 1.0}
    one, other = (em(random_state=seed, **start).fit(X) for seed in (1, 2))
    assert_same_fit(one, other, 0, 0)


@pytest.mark.parametrize("strength", [-1.0, np.nan, np.inf, "weak", None])
def test_bad_strengths(strength, X):
    with pytest.raises(ValueError, match="covariance_prior of .* must be a number >= 0"):
        gso(covariance_prior=strength).fit(X)
