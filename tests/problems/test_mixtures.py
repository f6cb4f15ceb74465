"""Mixtures: EM and the likelihood are the textbook's, scikit-learn's and scipy's."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.problems import MixtureFreeEnergy, MixtureLikelihood, check_problem, take_tasks
from sklearn_gso.problems._gaussians import COVARIANCE_TYPES
from sklearn_gso.rules import ClosedForm
from sklearn_gso.solvers import alternate, rules_for


def mixture_samples(n_features=3):
    X, truth = make_mixture_tasks(
        3, n_samples=60, n_features=n_features, spread=2.0, eccentricity=9.0, random_state=0
    )
    return torch.from_numpy(X), truth


def known_covariances(kind):
    """Of the shape that the engine gives to each type, different in every task."""
    _, truth = mixture_samples()
    full = torch.from_numpy(truth.covariances)
    return {
        "full": full,
        "tied": full[:, :1],
        "diag": full.diagonal(dim1=2, dim2=3).clone(),
        "spherical": full.diagonal(dim1=2, dim2=3).mean(2, keepdim=True),
    }[kind]


def mixture(kind, known=False, problem_class=MixtureFreeEnergy, **parameters):
    X, _ = mixture_samples()
    fixed = {"covariances": known_covariances(kind)} if known else {}
    return problem_class(X, 4, covariance_type=kind, fixed=fixed, **parameters)


def swept(problem, n_sweeps, seed=0):
    start = problem.init(torch.Generator().manual_seed(seed))
    return alternate(problem, rules_for(problem, ClosedForm()), start, n_sweeps)[0]


each_kind = pytest.mark.parametrize("kind", COVARIANCE_TYPES)
known_or_not = pytest.mark.parametrize("known", [False, True], ids=["estimated", "given"])


@each_kind
@known_or_not
def test_check_problem_of_mixtures(kind, known):
    weight = torch.rand(3, 60, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    check_problem(mixture(kind, known))
    check_problem(mixture(kind, known, sample_weight=weight))


@each_kind
def test_one_sweep_is_one_iteration_of_scikit_learn(kind):
    problem = mixture(kind, reg_covar=1e-6)
    before, after = swept(problem, 3), swept(problem, 4)
    for t, X in enumerate(problem.points.mT.numpy()):
        covariances = before["covariances"][t].numpy()
        covariances = {"tied": covariances[0], "spherical": covariances[..., 0]}.get(
            kind, covariances
        )
        inverse = np.linalg.inv if kind in ("full", "tied") else np.reciprocal
        peer = GaussianMixture(
            4,
            covariance_type=kind,
            weights_init=torch.softmax(before["weights"][t, :, 0], 0).numpy(),
            means_init=before["means"][t].numpy(),
            precisions_init=inverse(covariances),
            max_iter=1,
        )
        with pytest.warns(ConvergenceWarning):
            peer.fit(X)
        close = {"rtol": 1e-12, "atol": 1e-12}
        np.testing.assert_allclose(after["means"][t], peer.means_, **close)
        np.testing.assert_allclose(
            torch.softmax(after["weights"][t, :, 0], 0), peer.weights_, **close
        )
        found = after["covariances"][t].numpy().reshape(peer.covariances_.shape)
        np.testing.assert_allclose(found, peer.covariances_, **close)
        np.testing.assert_allclose(-problem.objective(after)[t], peer.score(X), **close)


@each_kind
@known_or_not
def test_fishers_identity(kind, known):
    """After an E-step the free energy and the likelihood have the same value and slope."""
    variables = swept(mixture(kind, known), 2)
    variables["weights"] = variables["weights"] + 0.3 * torch.arange(4.0)[:, None]
    free_energy = mixture(kind, known)
    variables["responsibilities"] = free_energy.minimize_block(variables, "responsibilities")
    likelihood = mixture(kind, known, MixtureLikelihood)
    torch.testing.assert_close(free_energy.objective(variables), likelihood.objective(variables))
    for name in likelihood.block_names:
        slope = likelihood.gradient(variables, name)
        assert slope.abs().max() > 1e-4
        torch.testing.assert_close(free_energy.gradient(variables, name), slope)


@each_kind
def test_likelihood_is_scipys(kind):
    problem = mixture(kind, known=True, problem_class=MixtureLikelihood)
    variables = problem.init(torch.Generator().manual_seed(2))
    variables["weights"] = torch.randn(3, 4, 1, dtype=torch.float64)
    weights = torch.softmax(variables["weights"], 1).numpy()
    full = known_covariances(kind)
    if full.ndim == 3:
        full = torch.diag_embed(full.expand(-1, -1, 3))
    full = full.expand(-1, 4, -1, -1).numpy()
    for t, X in enumerate(problem.points.mT.numpy()):
        density = sum(
            weights[t, k] * multivariate_normal.pdf(X, variables["means"][t, k], full[t, k])
            for k in range(4)
        )
        np.testing.assert_allclose(-problem.objective(variables)[t], np.log(density).mean())


@each_kind
def test_expanded_squares_equal_direct_ones(kind):
    problem, direct = mixture(kind, known=True), mixture(kind, known=True)
    assert problem._expansion is not None
    direct._expansion = None
    variables = swept(problem, 3)
    torch.testing.assert_close(
        problem.log_joint(variables), direct.log_joint(variables), rtol=1e-11, atol=1e-11
    )
    far = problem.with_fixed({"covariances": 1e-12 * known_covariances(kind)})
    assert far._expansion is None


@each_kind
@known_or_not
def test_tasks_are_taken_with_all_that_is_theirs(kind, known):
    weight = torch.rand(3, 60, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    problem = mixture(kind, known, sample_weight=weight)
    variables = swept(problem, 2)
    index = torch.tensor([2, 0, 2])
    some, its = problem.take(index), take_tasks(variables, index)
    torch.testing.assert_close(some.objective(its), problem.objective(variables)[index])
    for name in problem.block_names:
        expected = problem.minimize_block(variables, name)[index]
        torch.testing.assert_close(some.minimize_block(its, name), expected)
    twice = problem.repeat(2).objective(take_tasks(variables, torch.arange(3).repeat(2)))
    torch.testing.assert_close(twice, problem.objective(variables).repeat(2))


@each_kind
@known_or_not
def test_temperature_only_bends(kind, known):
    """An infinitely hot step sees all samples in every component."""
    problem = mixture(kind, known)
    variables = swept(problem, 2)
    hot = problem.minimize_block(variables, "means", {"temperature": 50.0})
    mean = problem.points.mean(2)[:, None].expand(-1, 4, -1)
    torch.testing.assert_close(hot, mean, rtol=1e-9, atol=1e-9)
    warm = problem.minimize_block(variables, "means", {"temperature": 0.0})
    torch.testing.assert_close(warm, problem.minimize_block(variables, "means"))


def test_an_empty_component_stays():
    X, _ = mixture_samples()
    problem = MixtureFreeEnergy(X, 2, reg_covar=1e-6)
    means = torch.zeros(3, 2, 3, dtype=X.dtype)
    means[:, 1] = 1e6
    variables = problem.start_from(means)
    new, _ = alternate(problem, rules_for(problem, ClosedForm()), variables, 3)
    torch.testing.assert_close(new["means"][:, 1], means[:, 1])
    assert problem.objective(new).isfinite().all()


def test_unknown_covariance_type():
    with pytest.raises(ValueError, match="covariance_type must be one of"):
        MixtureFreeEnergy(mixture_samples()[0], 2, covariance_type="round")
