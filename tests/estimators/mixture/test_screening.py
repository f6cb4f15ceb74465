"""Of many samples some judge starts and moves; the answer is one of all of them."""

import numpy as np
import pytest
import torch

from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.estimators.mixture import screening
from sklearn_gso.problems import MixtureFreeEnergy
from tests.estimators.mixture.mixtures import each_mixture, em, gso


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


@pytest.mark.parametrize("known", [True, False])
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
