"""RobustMatrixCompleter: outliers neither matter nor pass unseen."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

from sklearn_gso import GSOMatrixCompleter, RobustMatrixCompleter
from sklearn_gso.rules import ClosedForm

N, RANK = 40, 2


def planted(noise=0.1, seed=0, share=0.5, outliers=0.05):
    rng = np.random.RandomState(seed)
    truth = rng.randn(N, RANK) @ rng.randn(RANK, N)
    X = np.where(rng.rand(N, N) < share, truth + noise * rng.randn(N, N), np.nan)
    out = (rng.rand(N, N) < outliers) & ~np.isnan(X)
    return X, np.where(out, X + rng.uniform(-20, 20, X.shape), X), truth, out


def error(found, truth):
    return np.linalg.norm(found - truth) / np.linalg.norm(truth)


def test_within_twice_the_error_of_the_same_matrix_without_outliers():
    clean, dirty, truth, out = planted()
    alone = GSOMatrixCompleter(random_state=0).fit(clean).reconstruct(clean)
    robust = RobustMatrixCompleter(random_state=0).fit(dirty)
    found = robust.reconstruct(dirty)
    plain = GSOMatrixCompleter(random_state=0).fit(dirty).reconstruct(dirty)
    assert error(found, truth) < 2 * error(alone, truth) < error(plain, truth)
    weights = robust.entry_weights(dirty)
    assert (np.isnan(weights) == np.isnan(dirty)).all()
    far = out & (np.abs(dirty - truth) > 1)
    assert weights[far].max() < 0.2 < np.nanmedian(weights)


def test_without_noise_outliers_are_told_up_to_rounding():
    _, dirty, truth, out = planted(noise=0.0)
    robust = RobustMatrixCompleter(random_state=0).fit(dirty)
    assert error(robust.reconstruct(dirty), truth) < 1e-10
    weights = robust.entry_weights(dirty)
    assert weights[out].max() < 0.1 < np.nanmin(np.where(out, np.nan, weights))


def test_transform_keeps_what_was_observed_outliers_too():
    _, dirty, truth, _ = planted()
    filled = RobustMatrixCompleter(random_state=0).fit_transform(dirty)
    seen = ~np.isnan(dirty)
    np.testing.assert_array_equal(filled[seen], dirty[seen])
    assert error(filled[~seen], truth[~seen]) < 0.2


def test_new_rows_with_outliers():
    clean, dirty, truth, _ = planted()
    robust = RobustMatrixCompleter(random_state=0).fit(clean[:-10])
    assert error(robust.reconstruct(dirty[-10:]), truth[-10:]) < 0.2
    one = robust.reconstruct(dirty[-3:-2])
    np.testing.assert_allclose(one, robust.reconstruct(dirty[-10:])[-3:-2], rtol=1e-9, atol=1e-9)


def test_single_entries_and_weights_where_columns_were_dropped():
    _, dirty, *_ = planted()
    wide = np.insert(dirty, 3, np.nan, axis=1)
    robust = RobustMatrixCompleter(random_state=0, keep_empty_features=False).fit(wide)
    weights = robust.entry_weights(wide)
    np.testing.assert_array_equal(np.isnan(weights), np.isnan(dirty))
    rebuilt, columns = robust.reconstruct(wide), np.delete(np.arange(N + 1), 3)
    alone = robust.predict_entries(np.arange(N)[:, None], columns)
    np.testing.assert_allclose(alone, rebuilt, rtol=1e-9, atol=1e-9)


def test_collections_are_learned_from_and_solved():
    tasks = [planted(seed=seed)[1][:20] for seed in range(4)]
    robust = RobustMatrixCompleter(3, n_epochs=1, max_iter=8, n_init=1, random_state=0).fit(tasks)
    assert robust.learned_optimizer_.description["problem"] == "StudentCompletion"
    filled = robust.transform(tasks)
    assert all(np.isfinite(f).all() for f in filled)
    assert [w.shape for w in robust.entry_weights(tasks)] == [t.shape for t in tasks]


def test_gaussian_noise_is_a_limit():
    clean, *_ = planted()
    options = {"random_state": 0, "rule": ClosedForm(), "optimizer": None, "n_init": 1}
    options |= {"tol": None, "max_iter": 15}
    limit = RobustMatrixCompleter(degrees_of_freedom=np.inf, **options).fit(clean)
    gauss = GSOMatrixCompleter(scaling="matrix", **options).fit(clean)
    np.testing.assert_allclose(
        limit.reconstruct(clean), gauss.reconstruct(clean), rtol=1e-6, atol=1e-8
    )
    np.testing.assert_allclose(limit.transform_std(clean), gauss.transform_std(clean), rtol=1e-5)


def test_clones_pickles_and_refusals():
    _, dirty, *_ = planted()
    robust = RobustMatrixCompleter(3, degrees_of_freedom=2.0, n_init=1, random_state=0)
    assert clone(robust).degrees_of_freedom == 2.0 and "alpha" not in robust.get_params()
    fitted = robust.fit(dirty)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.reconstruct(dirty), fitted.reconstruct(dirty))
    for wrong in (0, -1.0, np.nan, "4"):
        with pytest.raises(ValueError, match="degrees_of_freedom"):
            RobustMatrixCompleter(degrees_of_freedom=wrong).fit(dirty)
    with pytest.raises(ValueError, match="rule of RobustMatrixCompleter"):
        RobustMatrixCompleter(rule="step").fit(dirty)
    with pytest.raises(TypeError, match="[Ss]parse"):
        RobustMatrixCompleter().fit(sparse.eye_array(5, format="csr"))
