"""A warm start goes on from the fit before."""

import warnings

import pytest
from sklearn.exceptions import ConvergenceWarning

from tests.estimators.mixture.mixtures import assert_same_fit, each_kind, each_mixture, em


@each_mixture
def test_warm_start_goes_on(mixture, X):
    with pytest.warns(ConvergenceWarning):
        short = em(max_iter=2, warm_start=True, tol=1e-9, init_params="random").fit(X)
    first = short.lower_bound_
    with pytest.warns(ConvergenceWarning):
        short.fit(X)
    with pytest.warns(ConvergenceWarning):
        once = em(max_iter=4, tol=1e-9, init_params="random").fit(X)
    assert_same_fit(short, once)
    assert short.lower_bound_ > first
    warm = mixture(warm_start=True).fit(X)
    reached = warm.lower_bound_
    assert warm.fit(X).lower_bound_ >= reached - 1e-9 and warm.n_iter_ <= 3
    with pytest.raises(ValueError, match="warm_start goes on from means of shape"):
        warm.set_params(n_components=2).fit(X)
    with pytest.raises(ValueError, match="warm_start needs the covariance_type"):
        warm.set_params(n_components=3, covariance_type="diag").fit(X)


@each_kind
def test_warm_start_goes_on_whatever_the_inits(kind, blurred):
    settings = {
        "covariance_type": kind,
        "means_init": blurred[:3],
        "weights_init": [0.2, 0.3, 0.5],
        "tol": 0,
    }
    warm = em(warm_start=True, max_iter=3, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(4):
            warm.fit(blurred)
        once = em(max_iter=12, **settings).fit(blurred)
    assert_same_fit(warm, once, 1e-9, 1e-9)


def test_warm_start_never_ends_lower(blurred):
    for seed in range(5):
        model = em(4, random_state=seed).fit(blurred)
        before = model.lower_bound_
        model.set_params(init_params="tempered", warm_start=True).fit(blurred)
        assert model.lower_bound_ >= before - 1e-9


@pytest.mark.parametrize("types", [("tied", "diag"), ("diag", "tied")])
def test_warm_start_of_another_type_is_refused(types, X):
    model = em(2, covariance_type=types[0], warm_start=True).fit(X)
    with pytest.raises(ValueError, match="warm_start needs the covariance_type"):
        model.set_params(covariance_type=types[1]).fit(X)
