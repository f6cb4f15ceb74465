"""What does not matter: origin, order, container, global randomness, the process."""

import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from tests.estimators.mixture.mixtures import (
    assert_same_fit,
    each_kind_and_start,
    each_mixture,
    learned_nothing,
)


@each_mixture
@each_kind_and_start
def test_neither_origin_nor_order_matters(mixture, kind, start, X, rng):
    settings = {"covariance_type": kind, "init_params": start}
    here = mixture(**settings).fit(X)
    shift = np.array([3e5, -7e4])
    there = mixture(**settings).fit(X + shift)
    # Equal optima from several starts: rounding may choose another numbering.
    a, b = here.means_[:, 1].argsort(), there.means_[:, 1].argsort()
    np.testing.assert_allclose(there.means_[b] - shift, here.means_[a], atol=1e-6)
    np.testing.assert_allclose(there.weights_[b], here.weights_[a], atol=1e-6)
    np.testing.assert_allclose(there.score_samples(X + shift), here.score_samples(X), atol=1e-6)
    shuffled = mixture(**settings).fit(X[rng.permutation(len(X))])
    assert_same_fit(here, shuffled, 0, 0)


@each_mixture
def test_reproducible_and_its_own_randomness(mixture, X):
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    a, b = (mixture(random_state=4).fit(X) for _ in range(2))
    assert_same_fit(a, b, 0, 0)
    mixture(random_state=None).fit(X)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    once = {"max_iter": 1, "n_init": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ends = {mixture(random_state=s, **once).fit(X).means_[0, 0] for s in range(5)}
    assert len(ends) > 1


@each_mixture
def test_containers_of_one_data_set_agree(mixture, X):
    expected = mixture().fit(X)
    read_only = X.copy()
    read_only.flags.writeable = False
    for other in (read_only, X.tolist(), pd.DataFrame(X), np.asfortranarray(X), np.ma.array(X)):
        assert_same_fit(mixture().fit(other), expected, 0, 0)
    assert mixture().fit(X.astype(np.float32)).means_.dtype == np.float64
    np.testing.assert_array_equal(mixture().fit_predict(X), expected.predict(X))


@each_mixture
def test_clone_and_pickle(mixture, X, covariances):
    fit = mixture(covariances=covariances[0], fixed=("covariances",)).fit(X)
    twin = clone(fit)
    assert not hasattr(twin, "means_")
    assert_same_fit(twin.fit(X), fit, 0, 0)
    loaded = pickle.loads(pickle.dumps(fit))
    np.testing.assert_array_equal(loaded.predict_proba(X), fit.predict_proba(X))


@each_mixture
@pytest.mark.parametrize("collection", [False, True], ids=["one", "tasks"])
def test_memory_maps(mixture, collection, X, tmp_path):
    """Arrays mapped read-only from a file, as joblib hands them to workers."""
    data = [X, X[:60]] if collection else X
    model = learned_nothing(mixture).fit(data)
    joblib.dump(model, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    for found, expected in zip(mapped.predict_proba(data), model.predict_proba(data), strict=True):
        np.testing.assert_array_equal(found, expected)
    if not collection:
        assert isinstance(mapped.means_, np.memmap) and not mapped.means_.flags.writeable
