"""The covariance of single components is held while the others are estimated."""

import numpy as np
import pytest
import torch

from sklearn_gso.problems import MixtureFreeEnergy
from tests.estimators.mixture.mixtures import each_mixture, em, gso, of_kind

SEPARATE = ("full", "diag", "spherical")
each_separate = pytest.mark.parametrize("kind", SEPARATE)


def a_narrow_one_in_two_wide_ones(seed=0):
    rng = np.random.RandomState(seed)
    centres, sizes = [[0, 0], [12, 0], [0, 12]], [0.2, 2.0, 2.0]
    return np.concatenate(
        [rng.normal(c, s, size=(80, 2)) for c, s in zip(centres, sizes, strict=True)]
    )


def held(kind, k, variance=0.04):
    one = of_kind(variance * np.eye(2)[None], kind)[0]
    return one, [one, *[None] * (k - 1)]


@each_mixture
@each_separate
def test_what_is_given_stays_and_goes_where_it_fits(mixture, kind):
    one, covariances = held(kind, 3)
    found = mixture(3, covariance_type=kind, covariances=covariances)
    found.fit(a_narrow_one_in_two_wide_ones())
    np.testing.assert_array_equal(found.covariances_[0], one)
    np.testing.assert_allclose(found.means_[0], [0, 0], atol=0.2)
    sizes = of_kind(found.covariances_, kind) if kind == "full" else found.covariances_
    assert (np.ravel(sizes[1:]).max() > 2) and (found.weights_ > 0.3).all()


@each_separate
def test_the_others_are_where_em_stands_still(kind):
    """At the end one more M-step changes nothing: each covariance that is free is its moment."""
    X = a_narrow_one_in_two_wide_ones()
    _, covariances = held(kind, 3, 0.5)
    mixture = em(3, covariance_type=kind, covariances=covariances, tol=1e-12, reg_covar=0).fit(X)
    r = mixture.predict_proba(X)
    for j in (1, 2):
        deviation = X - mixture.means_[j]
        moment = (r[:, j] * deviation.T) @ deviation / r[:, j].sum()
        own = of_kind(moment[None], kind)[0]
        np.testing.assert_allclose(mixture.covariances_[j], own, rtol=1e-3)


def test_what_is_given_is_no_free_parameter():
    X = a_narrow_one_in_two_wide_ones()
    mixture = em(3, covariances=[np.eye(2), 4 * np.eye(2), None]).fit(X)
    n_free = 2 + 6 + 3  # weights, means, one covariance
    expected = -2 * len(X) * mixture.score(X) + n_free * np.log(len(X))
    assert mixture.bic(X) == pytest.approx(expected)


def test_the_objective_never_rises():
    X = torch.from_numpy(a_narrow_one_in_two_wide_ones())[None]
    pinned = torch.full((1, 3, 2, 2), torch.nan, dtype=X.dtype)
    pinned[0, 1] = torch.eye(2, dtype=X.dtype)
    problem = MixtureFreeEnergy(X, 3, pinned=pinned)
    variables = problem.init(torch.Generator().manual_seed(0))
    values = [float(problem.objective(variables))]
    for _ in range(20):
        for name in problem.block_names:
            variables[name] = problem.minimize_block(variables, name)
            values.append(float(problem.objective(variables)))
    assert (np.diff(values) < 1e-12).all()
    assert torch.equal(variables["covariances"][0, 1], torch.eye(2, dtype=X.dtype))


@each_mixture
def test_with_holes_in_collections_and_the_number_open(mixture):
    X = a_narrow_one_in_two_wide_ones()
    one, covariances = held("full", 3)
    holes = X.copy()
    holes[::7, 0] = np.nan
    found = mixture(3, covariances=covariances).fit(holes)
    np.testing.assert_array_equal(found.covariances_[0], one)
    many = mixture(3, **({} if mixture is em else {"n_epochs": 0, "n_init": 1}))
    many.fit([X, X], covariances=covariances)
    assert len(many.predict([X, X])) == 2
    _, five = held("full", 5)
    chosen = mixture("bic", covariances=five).fit(X)
    assert chosen.n_components_ == 3
    np.testing.assert_array_equal(chosen.covariances_[0], one)
    np.testing.assert_allclose(chosen.criterion_values_[3], chosen.bic(X))


@each_mixture
@pytest.mark.parametrize(
    ("covariances", "kind", "message"),
    [
        ([np.eye(2), None], "full", "for each of n_components=3, got 2"),
        ([np.eye(2), None, None], "tied", "must be one for all"),
        ([None, -np.eye(2), None], "full", "component 1 must be positive-definite"),
        ([None, 1.0, -1.0], "spherical", "component 2 must be positive"),
        ([np.eye(3), None, None], "full", "shape"),
    ],
)
def test_refused(mixture, covariances, kind, message):
    with pytest.raises(ValueError, match=message):
        mixture(3, covariance_type=kind, covariances=covariances).fit(np.eye(9)[:, :2])


def test_a_judge_may_move_the_one_that_is_held():
    """From a start in which a wide cluster has the narrow covariance."""
    X = a_narrow_one_in_two_wide_ones()
    one, covariances = held("full", 3)
    wrong = np.array([[12.0, 0], [0, 0], [0, 12]])
    stuck = em(3, covariances=covariances, means_init=wrong, max_iter=50).fit(X)
    free = gso(3, covariances=covariances, means_init=wrong, covariance_prior=0).fit(X)
    assert free.objective_ <= stuck.objective_ + 1e-9
    np.testing.assert_allclose(free.means_[0], [0, 0], atol=0.2)
