"""Of many samples some judge starts and moves; the answer is one of all of them."""

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.estimators.mixture import screening
from sklearn_gso.problems import MixtureFreeEnergy, MixtureMissing, MixtureNoisy
from tests.estimators.mixture.mixtures import assert_same_fit, each_mixture, em, gso


@pytest.fixture
def few_are_enough(monkeypatch):
    monkeypatch.setattr(screening, "_MIN_SAMPLES", 150)
    monkeypatch.setattr(screening, "_SAMPLES_A_NUMBER", 1)


def overlapping(seed, n=600):
    X, truth = make_mixture_tasks(
        1, n_samples=n, n_components=5, n_features=2, spread=3, eccentricity=25, random_state=seed
    )
    return X[0], truth.covariances[0]


def test_as_many_as_the_weights_count_are_the_repeated_samples(generator):
    weights = torch.tensor([[3.0, 1.0, 2.0, 2.0]]).double()
    samples = torch.randn(1, 4, 2, generator=generator, dtype=torch.float64)
    problem = MixtureFreeEnergy(samples, 2, sample_weight=weights)
    drawn = problem.drawn(8, generator)
    repeated = samples[0].repeat_interleave(weights[0].long(), dim=0)
    torch.testing.assert_close(drawn.points[0].mT, repeated)
    assert (drawn.sample_weight == 1).all()


def test_few_samples_are_all_taken():
    problem = MixtureFreeEnergy(torch.randn(1, 39_999, 2, dtype=torch.float64), 3)
    assert screening.screened(problem) is problem
    problem = MixtureFreeEnergy(torch.randn(1, 40_000, 2, dtype=torch.float64), 3)
    assert screening.screened(problem).n_samples == 20_000


@each_mixture
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("kind", ["full", "diag"])
def test_the_answer_is_a_fixed_point_of_em_on_all_samples(few_are_enough, mixture, known, kind):
    X, covariances = overlapping(0)
    given = covariances if kind == "full" else np.einsum("kdd->kd", covariances)
    options = {"covariance_type": kind, "covariances": given if known else None}
    options |= {"tol": 1e-7, "max_iter": 2000}
    one = mixture(5, **options).fit(X)
    assert one.converged_
    again = em(5, **options, covariance_prior=one.covariance_prior, weights_init=one.weights_)
    again.set_params(means_init=one.means_)
    again.set_params(precisions_init=None if known else one.precisions_).fit(X)
    assert again.objective_ == pytest.approx(one.objective_, abs=1e-5)
    np.testing.assert_allclose(again.means_, one.means_, atol=0.05)


@pytest.mark.parametrize("known", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_moves_never_end_higher_than_em_on_all_samples(few_are_enough, known):
    for seed in range(4):
        X, covariances = overlapping(seed)
        options = {"covariances": covariances if known else None, "random_state": seed}
        options |= {"n_init": 1, "tol": 1e-4, "max_iter": 100, "covariance_prior": 1.0}
        alone, moved = em(5, **options).fit(X), gso(5, **options).fit(X)
        assert moved.objective_ <= alone.objective_ + 1e-12


@each_mixture
def test_more_starts_never_end_higher(few_are_enough, mixture):
    X, _ = overlapping(1)
    ends = [mixture(5, n_init=n, covariance_prior=1.0).fit(X).objective_ for n in (1, 2, 4, 8)]
    assert (np.diff(ends) <= 1e-12).all()


def test_neither_order_nor_repetition_of_samples_matters(few_are_enough):
    X, _ = overlapping(2)
    weights = np.random.RandomState(0).randint(1, 3, size=len(X))
    weighted = em(5).fit(X, sample_weight=weights)
    repeated = em(5).fit(np.random.RandomState(1).permutation(X.repeat(weights, axis=0)))
    np.testing.assert_allclose(repeated.means_, weighted.means_, atol=1e-6)


def test_samples_with_holes_or_noise_are_all_taken(few_are_enough):
    samples = torch.randn(1, 400, 2, dtype=torch.float64)
    noisy = MixtureNoisy(samples, torch.ones(1, 1, 2, dtype=torch.float64), samples, 2)
    holes = MixtureMissing(samples.where(samples < 2, torch.nan), samples, 2)
    for problem in (noisy, holes):
        assert screening.screened(problem) is problem


@pytest.mark.parametrize("by", ["means", "responsibilities"])
def test_from_a_given_start_all_samples_go_on(few_are_enough, by):
    """Sweep for sweep as in scikit-learn, which knows no screening."""
    X, _ = overlapping(3)
    options = {"max_iter": 3, "tol": 0, "reg_covar": 0}
    first = GaussianMixture(5, random_state=0, **{**options, "max_iter": 1}).fit(X)
    start = {"weights_init": first.weights_, "means_init": first.means_}
    start["precisions_init"] = first.precisions_
    theirs = GaussianMixture(5, **options, **start).fit(X)
    if by == "responsibilities":
        # The M-step after the E-step at the start is already made.
        start, options["max_iter"] = {"init_params": first.predict_proba(X)}, 2
    assert_same_fit(em(5, **options, **start).fit(X), theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("known", [True, False])
def test_moves_from_a_given_start_never_end_higher(few_are_enough, known):
    X, covariances = overlapping(4)
    labels = np.arange(len(X)) % 5
    options = {"covariances": covariances if known else None, "init_params": labels}
    options |= {"covariance_prior": 1.0, "tol": 1e-4}
    alone, moved = em(5, **options).fit(X), gso(5, **options).fit(X)
    assert moved.objective_ <= alone.objective_ + 1e-12
    assert moved.n_gains_ > 0


@each_mixture
def test_held_covariances_stay_held(few_are_enough, mixture):
    X, covariances = overlapping(5)
    given = [covariances[0], None, covariances[2], None, None]
    one = mixture(5, covariances=given, tol=1e-7, max_iter=2000, covariance_prior=1.0).fit(X)
    np.testing.assert_array_equal(one.covariances_[[0, 2]], covariances[[0, 2]])
    again = em(5, covariances=given, covariance_prior=1.0, weights_init=one.weights_)
    again.set_params(means_init=one.means_).fit(X)
    assert one.objective_ <= again.objective_ + 1e-5


@each_mixture
@pytest.mark.parametrize("given", ["nothing", pytest.param("one", marks=pytest.mark.slow), "all"])
def test_the_number_of_components_is_chosen_by_all_samples(few_are_enough, mixture, given):
    rng = np.random.RandomState(0)
    centres = np.array([[0, 0], [9, 0], [0, 9]])
    X = np.concatenate([rng.normal(centre, size=(200, 2)) for centre in centres])
    covariances = {
        "nothing": None,
        "one": [np.eye(2), *[None] * 4],
        "all": np.stack([np.eye(2)] * 5),
    }[given]
    found = mixture(range(2, 6), covariances=covariances).fit(X)
    assert found.n_components_ == 3
    if given == "nothing":
        assert found.criterion_values_[3] == pytest.approx(found.bic(X))
    share = found.predict_proba(X)
    np.testing.assert_allclose(found.means_, (share.T @ X) / share.sum(0)[:, None], atol=0.02)
