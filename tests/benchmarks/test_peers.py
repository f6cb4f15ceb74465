"""Peers of the benchmarks are what their papers say, not merely named so."""

from importlib.util import find_spec

import numpy as np
import pytest

from benchmarks.peers import PEERS
from benchmarks.peers.als import als, continuation_als
from benchmarks.peers.bpmf import bpmf
from benchmarks.peers.means import row_column_mean
from benchmarks.peers.soft_impute import path, soft_impute_validated
from benchmarks.peers.validation import choose, hidden_loss, hide_some
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.metrics import relative_error

NEEDS = {"LRGeomCG": "pymanopt", "cmfrec, λ validated": "cmfrec"}
INSTALLED = [name for name in PEERS if name not in NEEDS or find_spec(NEEDS[name])]
# Largest relative error on an easy, noiseless matrix of rank 2; the others do not recover.
RECOVER = {
    "ALS": 1e-3,
    "ALS, λ and k validated": 1e-3,
    "continuation ALS": 1e-3,
    "BPMF 300+200": 1e-4,
    "ScaledGD": 1e-6,
    "R2RILS": 1e-8,
    "MatrixIRLS": 1e-6,
    "LRGeomCG": 1e-6,
}


@pytest.fixture(scope="module")
def easy():
    X, truth = make_low_rank_tasks(1, shape=(40, 30), rank=2, rate=0.6, random_state=0)
    return X[0], truth[0]


@pytest.mark.parametrize("name", [name for name in INSTALLED if name in RECOVER])
def test_recovers_an_easy_matrix(name, easy):
    X, truth = easy
    assert relative_error(truth, PEERS[name](X, 2, random_state=0)) < RECOVER[name]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n in NEEDS else []) for n in INSTALLED]
)
def test_full_estimate_and_the_same_again(name, easy):
    X = easy[0][:20, :12].copy()
    few = {"ridges": (0.3, 3.0)} if name.startswith("cmfrec") else {}
    first, second = (PEERS[name](X, 2, random_state=3, **few) for _ in range(2))
    assert first.shape == X.shape
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(X, easy[0][:20, :12])  # the input is left alone


@pytest.mark.parametrize("name", [name for name in INSTALLED if name in RECOVER])
def test_units_do_not_matter(name, easy):
    X, truth = easy
    found = PEERS[name](1e3 * X, 2, random_state=0) / 1e3
    assert relative_error(truth, found) < RECOVER[name]


def test_als_ends_where_the_gradient_vanishes(easy):
    """Singular vectors of a stationary point: R v = -λ u and Rᵀ u = -λ v, ``R = P(UVᵀ - X)``."""
    X = easy[0] + 0.3 * np.random.RandomState(1).standard_normal(easy[0].shape)
    ridge = 0.5
    estimate = als(X, 2, random_state=0, ridge=ridge, max_iter=2000)
    seen = ~np.isnan(X)
    scale = np.sqrt(np.mean(X[seen] ** 2))
    residual = np.where(seen, estimate - X, 0.0) / scale
    u, _, vt = np.linalg.svd(estimate)
    np.testing.assert_allclose(residual @ vt[:2].T, -ridge * u[:, :2], atol=1e-6)
    np.testing.assert_allclose(residual.T @ u[:, :2], -ridge * vt[:2].T, atol=1e-6)


def test_als_is_row_by_row_ridge_regression(easy):
    """One sweep beside an ordinary least-squares solve of each row, rows of ridge appended."""
    X, ridge, k = easy[0], 0.3, 3
    seen = ~np.isnan(X)
    scale = np.sqrt(np.mean(X[seen] ** 2))

    def regress(values, mask, other):
        return np.stack(
            [
                np.linalg.lstsq(
                    np.vstack([other[m], np.sqrt(ridge) * np.eye(k)]),
                    np.concatenate([row[m], np.zeros(k)]),
                    rcond=None,
                )[0]
                for row, m in zip(values, mask, strict=True)
            ]
        )

    right = np.random.RandomState(5).randn(X.shape[1], k)
    left = regress(X / scale, seen, right)
    right = regress(X.T / scale, seen.T, left)
    found = als(X, k, random_state=5, ridge=ridge, max_iter=1)
    np.testing.assert_allclose(found, scale * left @ right.T, atol=1e-10)


def test_row_column_mean_is_the_least_squares_fit_of_means():
    rng = np.random.RandomState(0)
    X = rng.standard_normal((12, 1)) + rng.standard_normal((1, 9)) + 4.0
    holed = np.where(rng.random_sample(X.shape) < 0.3, np.nan, X)
    np.testing.assert_allclose(row_column_mean(holed, ridge=0.0), X, atol=1e-3)


def test_bpmf_shrinks_pure_noise_to_its_mean():
    """Without structure the posterior mean explains next to nothing; ALS overfits."""
    X, _ = hide_some(np.random.RandomState(0).standard_normal((40, 30)), 1, share=0.5)
    sizes = [np.sqrt(np.mean(f(X, 3, random_state=0) ** 2)) for f in (bpmf, als)]
    assert sizes[0] < 0.5 < sizes[1]


def test_the_path_of_ridges_helps_where_plain_als_is_trapped():
    X, truth = make_low_rank_tasks(3, shape=(60, 60), rank=4, rate=0.3, random_state=2)
    pairs = list(zip(X, truth, strict=True))
    plain, path = (
        np.mean([relative_error(t, f(x, 4, random_state=0)) for x, t in pairs])
        for f in (als, continuation_als)
    )
    assert path < 0.5 * plain


def test_validated_soft_impute_is_near_the_best_of_its_path(easy):
    """λ chosen on hidden entries against every λ of the path, judged on the truth."""
    X, truth = easy
    noisy = X + 0.5 * np.random.RandomState(0).standard_normal(X.shape)
    found = relative_error(truth, soft_impute_validated(noisy, random_state=0))
    errors = [relative_error(truth, e) for e in path(noisy, np.geomspace(0.5, 1e-3, 12))]
    assert found < 1.1 * min(errors)
    assert found < 0.8 * min(errors[0], errors[-1])


def test_hidden_entries_decide(easy):
    X, truth = easy
    kept, hidden = hide_some(X, 0, share=0.2)
    assert np.isnan(kept[hidden]).all()
    assert not np.isnan(X[hidden]).any()
    np.testing.assert_array_equal(kept[~hidden], X[~hidden])
    loss = hidden_loss(X, lambda values, c: c * truth, 0)
    assert choose([0.0, 1.0, 2.0], loss) == 1.0


def test_the_setting_of_the_lowest_mean_loss_is_chosen():
    losses = {"a": [0.0, 4.0], "b": [1.0, 1.0], "c": [np.nan]}
    assert choose(losses, losses.get) == "b"
    assert choose(["only"], None) == "only"  # nothing is solved to choose it
