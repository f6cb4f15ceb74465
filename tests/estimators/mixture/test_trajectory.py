"""The way of EM: where it begins, that it climbs, and that looking changes nothing."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from tests.estimators.mixture.mixtures import each_kind, each_mixture, em, gso


@pytest.fixture(params=[True, False], ids=["given", "estimated"])
def mixture(request, X, covariances):
    known = {"covariances": covariances[0]} if request.param else {}
    return em(means_init=X[:3], tol=1e-8, **known).fit(X)


def test_it_ends_where_the_fit_ends(mixture, X):
    way = mixture.trajectory(X, X[:3])
    np.testing.assert_allclose(way[-1], mixture.means_, rtol=0, atol=1e-12)
    np.testing.assert_allclose(way[0], X[:3], rtol=0, atol=1e-12)
    assert len(way) == mixture.n_iter_ + 1
    # Its own centres are where it begins if no others are given.
    np.testing.assert_array_equal(mixture.trajectory(X), way)


@each_kind
def test_it_ends_where_the_fit_ends_for_each_kind_and_start(kind, X):
    for start in ("random", "k-means++", "matched", "tempered"):
        fit = em(covariance_type=kind, init_params=start).fit(X)
        np.testing.assert_allclose(fit.trajectory(X)[-1], fit.means_, rtol=0, atol=1e-12)
        assert float(fit.trace(X).best.objective[0]) == pytest.approx(-fit.lower_bound_, 1e-12)


def test_shorter_runs_are_the_beginning_of_longer_ones(mixture, X):
    way = mixture.trajectory(X, X[:3])
    short = clone(mixture).set_params(max_iter=2)
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        short.fit(X)
    np.testing.assert_allclose(way[2], short.means_, rtol=0, atol=1e-12)


def test_the_likelihood_climbs(mixture, X):
    answer = mixture.trace(X, X[[5, 60, 100]])
    (run,) = answer.runs
    objective = np.array([float(value[0]) for value in run.trace.objective])
    assert len(objective) == int(run.n_iter[0]) + 1
    assert (np.diff(objective) <= 1e-12).all() and objective[-1] < objective[0]
    # What is traced is what it seems: the objective of the variables beside it.
    again = [float(answer.problem.objective(v)[0]) for v in run.trace.variables]
    np.testing.assert_allclose(objective, again, rtol=1e-12)


def test_moves_take_no_part(X, covariances):
    """GSO's way is that of EM from the same centres, whatever the moves did later."""
    same = {"means_init": np.tile(X[:1], (3, 1)) + 0.1 * np.arange(3)[:, None]}
    same |= {"covariances": covariances[0], "tol": 1e-6, "max_iter": 200}
    plain, moved = em(**same).fit(X), gso(**same).fit(X)
    assert moved.n_gains_ > 0
    np.testing.assert_array_equal(moved.trajectory(X), plain.trajectory(X))
    assert np.abs(moved.trajectory(X)[-1] - moved.means_).max() > 0.1


@pytest.mark.parametrize(
    "container", [np.ndarray.tolist, pd.DataFrame, np.float32, np.asfortranarray]
)
def test_containers(mixture, container, X):
    """As they come to a fit; numbers of single precision are what they are."""
    given = container(X)
    fit = clone(mixture).fit(given)
    np.testing.assert_allclose(fit.trajectory(given)[-1], fit.means_, rtol=0, atol=1e-12)


@each_mixture
def test_tracing_changes_nothing(mixture, X, covariances):
    fit = mixture(covariances=covariances[0]).fit(X)
    before, told = dict(vars(fit)), (fit.means_.copy(), fit.predict_proba(X))
    data = X.copy()
    first, again = fit.trajectory(X), fit.trajectory(X)
    np.testing.assert_array_equal(first, again)
    fit.trajectory(X, X[:3])
    assert vars(fit).keys() == before.keys()
    assert all(vars(fit)[name] is value for name, value in before.items())
    np.testing.assert_array_equal(fit.means_, told[0])
    np.testing.assert_array_equal(fit.predict_proba(X), told[1])
    np.testing.assert_array_equal(X, data)


@each_mixture
def test_what_has_no_way_is_said(mixture, X):
    with pytest.raises(NotFittedError):
        mixture().trajectory(X)
    fit = mixture().fit(X)
    with pytest.raises(ValueError, match=r"means_init must have shape \(n_components, n_f"):
        fit.trajectory(X, X[:2])
    collection = mixture(n_epochs=0) if mixture is gso else mixture()
    with pytest.raises(NotFittedError):
        collection.fit([X, X]).trajectory(X)


def three_places(n=40):
    """Unit Gaussians at corners of a triangle, and a place where nothing is."""
    places, rng = np.array([[0.0, 0], [9, 0], [0, 9]]), np.random.RandomState(0)
    return np.concatenate([rng.normal(c, size=(n, 2)) for c in places]), np.r_[places, [[1e4, 1e4]]]


@each_mixture
@pytest.mark.parametrize("kind", ["full", "tied", "spherical"])
def test_what_was_given_of_fewer_components_is_where_it_begins(mixture, kind):
    X, places = three_places()
    weights = np.array([0.1, 0.2, 0.3, 0.4])
    given = {"means_init": places, "weights_init": weights, "covariance_type": kind}
    known = np.ones(4) if kind == "spherical" else np.eye(2)
    known = np.tile(np.eye(2), (4, 1, 1)) if kind == "full" else known
    dropped = mixture(4, covariances=known, fixed=("means",), drop_empty=True, **given).fit(X)
    fewer = mixture("bic", **given).fit(X)
    for fit in (dropped, fewer):
        assert fit.n_components_ == 3
        begun = fit.trajectory(X)[0]
        which = np.square(begun[:, None] - places).sum(2).argmin(1)
        assert len(set(which)) == 3
        np.testing.assert_allclose(begun, places[which], atol=1e-9)
        start = fit.trace(X).runs[0].trace.variables[0]["weights"][0, :, 0]
        shares = np.exp(start.numpy()) / np.exp(start.numpy()).sum()
        np.testing.assert_allclose(shares, weights[which] / weights[which].sum())
        assert fit.trajectory(X, X[:3]).shape[1:] == (3, 2)
    np.testing.assert_array_equal(dropped.means_, places[:3])


def test_responsibilities_of_fewer_components_are_where_it_begins():
    X, _ = three_places()
    shares = np.eye(4)[np.repeat([0, 2, 3], 40)]
    known = np.tile(np.eye(2), (4, 1, 1))
    fit = em(4, init_params=shares, covariances=known, drop_empty=True).fit(X)
    assert fit.n_components_ == 3
    np.testing.assert_allclose(fit.trajectory(X)[0], X.reshape(3, 40, 2).mean(1), atol=1e-9)
