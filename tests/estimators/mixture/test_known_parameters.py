"""What is known beforehand is held, is no free parameter, and guides the starts."""

import numpy as np
import pytest

from sklearn_gso.datasets import make_mixture_tasks
from tests.estimators.mixture.mixtures import (
    assert_same_fit,
    each_kind_and_start,
    each_mixture,
    em,
    of_kind,
)


@each_mixture
@each_kind_and_start
def test_what_is_fixed_stays_bit_equal(mixture, kind, start, tasks):
    X, truth = tasks
    known = {
        "weights": np.array([0.2, 0.3, 0.5]),
        "means": truth.means[0] + 100 / 3,
        "covariances": of_kind(truth.covariances[0], kind),
    }
    names = {"weights": "weights_init", "means": "means_init", "covariances": "covariances"}
    for held in [(n,) for n in known] + [("weights", "means"), ("covariances", "means"), (*known,)]:
        settings = {names[n]: known[n] for n in held}
        fit = mixture(fixed=held, covariance_type=kind, init_params=start, **settings)
        fit.fit(X[0] + 100 / 3)
        for name, value in known.items():
            equal = np.array_equal(getattr(fit, name + "_"), value)
            assert equal if name in held else not equal, name
        assert np.isfinite(fit.score(X[0]))


@each_mixture
def test_given_covariances_are_held_without_being_named(mixture, X, covariances):
    by_parameter = mixture(covariances=covariances[0]).fit(X)
    by_fit = mixture().fit(X, covariances=covariances[0])
    np.testing.assert_array_equal(by_parameter.covariances_, covariances[0])
    assert_same_fit(by_parameter, by_fit, 0, 0)
    precisions = np.linalg.inv(covariances[0])
    by_precision = mixture(precisions_init=precisions, fixed=("covariances",)).fit(X)
    assert_same_fit(by_parameter, by_precision)
    free = mixture(precisions_init=precisions).fit(X)
    assert not np.allclose(free.covariances_, covariances[0], atol=1e-3)
    other = mixture(covariances=covariances[0]).fit(X, covariances=covariances[1])
    np.testing.assert_array_equal(other.covariances_, covariances[1])


def test_fixed_parameters_are_not_counted(X, covariances):
    n, full = np.log(len(X)), em().fit(X)
    assert full.bic(X) == pytest.approx(-2 * full.score(X) * len(X) + 17 * n)
    given = em(covariances=covariances[0]).fit(X)
    assert given.bic(X) == pytest.approx(-2 * given.score(X) * len(X) + 8 * n)
    means = em(means_init=full.means_, fixed=("means",)).fit(X)
    assert means.aic(X) == pytest.approx(-2 * means.score(X) * len(X) + 2 * 11)


def test_matching_to_given_covariances_helps():
    """Where covariances differ much the clusters must go to the right ones."""
    X, truth = make_mixture_tasks(8, n_features=4, eccentricity=200.0, spread=4.0, random_state=0)
    bounds = {
        start: np.mean(
            [
                em(4, covariances=c, init_params=start).fit(data).lower_bound_
                for data, c in zip(X, truth.covariances, strict=True)
            ]
        )
        for start in ("random", "k-means++", "matched")
    }
    assert bounds["matched"] > max(bounds["random"], bounds["k-means++"]) + 0.1


@pytest.mark.parametrize("known", [[None, 1], [1, None]])
def test_covariances_of_some_tasks_only(known, X):
    given = [None if one is None else np.stack([np.eye(2)] * 3) for one in known]
    with pytest.raises(ValueError, match="covariances must be given for every task or for none"):
        em().fit([X, X], covariances=given)


def test_known_covariances_are_copied(X):
    known = np.stack([np.eye(2)] * 3)
    model = em().fit([X, X], covariances=known)
    before = model.score([X])
    known *= 100
    assert model.score([X]) == before
