"""Non-local moves: never worse than EM alone, and better where EM fails."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

from sklearn_gso import EMGaussianMixture, GSOGaussianMixture
from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.estimators.mixture import searching
from sklearn_gso.problems import MixtureFreeEnergy
from tests.estimators.mixture.mixtures import (
    assert_same_fit,
    each_judge,
    each_kind_and_start,
    em,
    gso,
    of_kind,
)


@each_kind_and_start
@pytest.mark.parametrize("known", [False, True], ids=["estimated", "given"])
@each_judge
def test_gso_is_never_worse_than_em_from_the_same_start(kind, start, known, optimizer, overlapping):
    X, truth = overlapping
    gained = 0
    for i, data in enumerate(X[:2]):
        same = {
            "covariance_type": kind,
            "init_params": start,
            "random_state": i,
            "n_init": 1,
            "tol": 1e-5,
            "max_iter": 100,
            "covariance_prior": i % 2,  # without and with a prior
        }
        if known:
            same["covariances"] = of_kind(truth.covariances[i], kind)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            alone = EMGaussianMixture(4, **same).fit(data)
            judged = GSOGaussianMixture(4, optimizer=optimizer, **same).fit(data)
        # Sums of several runs side by side may differ in their last digit.
        assert judged.objective_ <= alone.objective_ + 1e-12 * abs(alone.objective_)
        if judged.n_gains_ == 0:  # the very same run
            assert judged.n_iter_ == alone.n_iter_
            assert_same_fit(judged, alone, 1e-12, 1e-12)
        gained += judged.n_gains_
        assert judged.n_rounds_ >= (optimizer is None)  # a trained judge may see no hope
    # The set is hard enough that there is something to gain; a tied covariance adapts.
    if start == "random" and (known or (optimizer is None and kind != "tied")):
        assert gained > 0


@pytest.fixture(scope="module")
def planted():
    """Data sets, and for each what is known, the best likelihood, and what EM alone reaches."""
    X, truth = make_mixture_tasks(
        6, n_features=16, spread=2.1, concentration=2.0, n_samples=300, random_state=0
    )
    cases = []
    for data, weights, means, covariances in zip(X, *truth[:3], strict=True):
        known = {"covariances": covariances, "tol": 1e-6, "max_iter": 500}
        best = em(4, means_init=means, weights_init=weights, **known).fit(data).lower_bound_
        cases.append((data, covariances, best, em(4, **known).fit(data).lower_bound_))
    return cases


@each_judge
def test_gso_finds_the_planted_optimum_where_em_fails(optimizer, planted):
    for data, covariances, best, _ in planted:
        found = gso(4, optimizer=optimizer, covariances=covariances).fit(data)
        assert found.lower_bound_ >= best - 1e-4
    assert sum(alone < best - 0.01 for _, _, best, alone in planted) >= 2


def test_gso_fills_an_empty_component_again(X):
    start = np.r_[X[:2], [[1e4, 1e4]]]
    with pytest.warns(ConvergenceWarning, match="ended without samples"):
        em(means_init=start).fit(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        assert gso(means_init=start).fit(X).weights_.min() > 0.05


def test_held_weights_go_with_all_that_is_a_component(generator):
    """Where only weights tell components apart, a move carries means and covariances."""
    X, truth = make_mixture_tasks(
        2, n_samples=300, n_components=3, spread=6, concentration=1.0, random_state=2
    )
    weights = torch.log(torch.from_numpy(truth.weights))[..., None]
    centre = X.mean(1, keepdims=True)
    problem = MixtureFreeEnergy(torch.from_numpy(X - centre), 3, fixed={"weights": weights})
    planted = problem.start_from(
        torch.from_numpy(truth.means - centre), None, torch.from_numpy(truth.covariances)
    )
    assert problem.moves.exchange.any()
    rolled = problem.start_from(
        planted["means"].roll(1, 1), None, planted["covariances"].roll(1, 1)
    )
    again, changed = problem.rearranged(rolled)
    assert changed.all()
    torch.testing.assert_close(problem.objective(again), problem.objective(planted))
    exchange = int(problem.moves.exchange.nonzero()[0, 0])
    moved = problem.moved(planted, torch.full((2,), exchange), generator)
    first, second = (int(x[exchange]) for x in problem.moves[:2])
    for name in ("means", "covariances"):
        torch.testing.assert_close(moved[name][:, first], planted[name][:, second])
        torch.testing.assert_close(moved[name][:, second], planted[name][:, first])


@pytest.mark.slow
def test_more_attempts_are_never_worse_and_counted(monkeypatch, overlapping):
    X, truth = overlapping
    bounds, rounds = [], []
    for chances in ((), (-1.0, -1.0)):  # none, and every optimum is mistrusted twice
        monkeypatch.setattr(searching, "_UNSURE", chances)
        fits = [
            GSOGaussianMixture(4, covariances=c, random_state=0).fit(data)
            for data, c in zip(X, truth.covariances, strict=True)
        ]
        bounds.append([fit.lower_bound_ for fit in fits])
        rounds.append([fit.n_rounds_ for fit in fits])
    assert (np.array(bounds[1]) >= bounds[0]).all()
    assert (np.array(rounds[1]) > rounds[0]).any()


def test_rounds_and_time_are_limited(overlapping):
    X = overlapping[0][0]
    none = gso(4, max_rounds=0, n_init=1, init_params="random").fit(X)
    alone = em(4, init_params="random", tol=1e-6, max_iter=200, covariance_prior=1.0).fit(X)
    assert none.n_rounds_ == 0 and none.objective_ == alone.objective_
    one = gso(4, max_rounds=1, n_init=1, init_params="random").fit(X)
    assert one.n_rounds_ == 1 and one.objective_ <= none.objective_
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        hurried = gso(4, time_limit=1e-9, init_params="random").fit(X)
    assert hurried.n_iter_ == 1 and hurried.n_rounds_ == 0
    assert np.isfinite(hurried.score(X))


@pytest.mark.parametrize(
    "wrong", [{"max_rounds": -1}, {"max_rounds": 1.5}, {"time_limit": 0}, {"time_limit": "1 s"}]
)
def test_bad_limits(wrong, overlapping):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} of GSOGaussianMixture must be"):
        gso(4, **wrong).fit(overlapping[0][0])
