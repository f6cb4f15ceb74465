"""Responsibilities or labels to start at, and parameters set by hand."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.mixture import GaussianMixture

from sklearn_gso import EMGaussianMixture, GSOGaussianMixture
from tests.estimators.mixture.mixtures import (
    assert_same_fit,
    each_kind,
    each_mixture,
    em,
    gso,
    learned_nothing,
)


def labels_of(X):
    return (X[:, 0] > np.median(X[:, 0])).astype(int) + (X[:, 1] > np.median(X[:, 1]))


class FromLabels(GaussianMixture):
    """scikit-learn's mixture, from labels."""

    def _initialize_parameters(self, X, random_state, **_):
        self._initialize(X, np.eye(self.n_components)[labels_of(X)])


@each_kind
def test_it_is_scikit_learn_s_from_the_same_labels(X, kind):
    ours = em(3, covariance_type=kind, init_params=labels_of(X), max_iter=5, tol=0, reg_covar=0)
    ours.fit(X)
    theirs = FromLabels(3, covariance_type=kind, max_iter=5, tol=0, reg_covar=0).fit(X)
    assert_same_fit(ours, theirs, rtol=1e-6, atol=1e-6)


@each_mixture
def test_function_labels_and_responsibilities_are_one(mixture, X):
    labels = labels_of(X)
    fits = [
        mixture(3, init_params=start).fit(X)
        for start in (labels, np.eye(3)[labels], lambda X, k, random_state: labels)
    ]
    for other in fits[1:]:
        assert_same_fit(fits[0], other)


def test_a_function_is_told_the_data_and_the_number(X):
    def start(data, n_components, random_state):
        np.testing.assert_array_equal(data, X)
        assert (n_components, random_state.randint(100)) == (
            3,
            np.random.RandomState(7).randint(100),
        )
        return labels_of(data)

    em(3, init_params=start, random_state=7).fit(X)


@each_mixture
def test_order_and_repeats_do_not_matter(mixture, X):
    order = np.random.RandomState(0).permutation(2 * len(X))
    twice = np.r_[X, X][order]
    once = mixture(3, init_params=labels_of(X), tol=1e-9).fit(X)
    again = mixture(3, init_params=np.r_[labels_of(X), labels_of(X)][order], tol=1e-9).fit(twice)
    assert_same_fit(once, again, rtol=1e-5, atol=1e-5)


def test_rows_with_holes_keep_their_responsibilities(X):
    holes = X.copy()
    holes[::5, 0] = np.nan
    shares = np.eye(3)[em(3).fit_predict(X)]
    first = em(3, init_params=shares, max_iter=1).fit(holes)
    for j in range(3):
        assert np.linalg.norm(first.means_[j] - shares[:, j] @ X / shares[:, j].sum()) < 0.5


@each_mixture
def test_collections_take_a_function(mixture, tasks):
    found = learned_nothing(mixture, n_components=3, init_params=lambda X, k, r: labels_of(X))
    assert len(found.fit(tasks[0]).predict(tasks[0])) == len(tasks[0])
    with pytest.raises(ValueError, match="name or a function"):
        clone(found).set_params(init_params=labels_of(tasks[0][0])).fit(tasks[0])


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (lambda X, k, r: np.arange(len(X)), "integers from 0 to 2"),
        (lambda X, k, r: np.zeros(3), "labels of shape"),
        (lambda X, k, r: np.ones((len(X), 3)), "sum to 1"),
        (lambda X, k, r: np.full(len(X), np.nan), "NaN"),
        (3, "init_params"),
    ],
)
def test_refused(X, start, message):
    with pytest.raises(ValueError, match=message):
        em(3, init_params=start).fit(X)


# Parameters set by hand -----------------------------------------------------------------------


@pytest.mark.parametrize("cls", [EMGaussianMixture, GSOGaussianMixture])
@each_kind
def test_a_mixture_of_given_parameters_is_the_one_that_had_them(cls, kind, X):
    fit = em(3, covariance_type=kind).fit(X)
    parameters = (fit.weights_, fit.means_, fit.covariances_)
    made = cls.from_parameters(*parameters, covariance_type=kind, random_state=0)
    assert_same_fit(made, fit)
    np.testing.assert_array_equal(made.predict(X), fit.predict(X))
    assert made.score(X) == pytest.approx(fit.score(X))
    assert made.bic(X) == pytest.approx(fit.bic(X))
    np.testing.assert_array_equal(made.sample(9)[0], fit.sample(9)[0])
    assert (made.n_components_, made.n_features_in_) == (3, 2)
    assert clone(made).get_params() == made.get_params()
    assert_same_fit(pickle.loads(pickle.dumps(made)), fit)


def test_a_fit_goes_on_from_given_parameters(X):
    fit = em(3, max_iter=2, tol=0).fit(X)
    parameters = (fit.weights_, fit.means_, fit.covariances_)
    options = {"warm_start": True, "max_iter": 500, "tol": 1e-9}
    went_on = EMGaussianMixture.from_parameters(*parameters, **options).fit(X)
    assert went_on.lower_bound_ >= fit.lower_bound_


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({"weights": [0.5, 0.6]}, "weights must be non-negative and sum to 1"),
        ({"means": [[0.0, 0]]}, "means must have shape"),
        ({"means": [0.0, 0]}, "means must have shape"),
        ({"covariances": [np.eye(2), -np.eye(2)]}, "component 1 must be positive-definite"),
    ],
)
def test_parameters_that_are_none(spoil, message):
    fine = {"weights": [0.5, 0.5], "means": np.zeros((2, 2)), "covariances": [np.eye(2)] * 2}
    with pytest.raises(ValueError, match=message):
        GSOGaussianMixture.from_parameters(**{**fine, **spoil})


@each_mixture
def test_a_fitted_mixture_keeps_neither_rows_nor_its_networks_twice(mixture):
    def size(n, **more):
        X = np.random.RandomState(0).normal(size=(n, 3))
        return len(pickle.dumps(mixture(2, max_iter=5, **more).fit(X)))

    assert abs(size(2000) - size(200)) < 100
    if mixture is gso:
        found = gso(2, optimizer="pretrained").fit(np.random.RandomState(0).normal(size=(50, 3)))
        judge = len(pickle.dumps(found.learned_optimizer_))
        assert len(pickle.dumps(found)) < judge + 5000
