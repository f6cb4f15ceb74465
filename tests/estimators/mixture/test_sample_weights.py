"""A weight of 2 is a sample that is there twice, 0 one that is not."""

import numpy as np
import pytest

from tests.estimators.mixture.mixtures import (
    assert_same_fit,
    each_kind_and_start,
    each_mixture,
    learned_nothing,
)


@each_mixture
@each_kind_and_start
def test_weights_are_repetitions_and_zeros_are_absences(mixture, kind, start, X, rng):
    weight = rng.randint(0, 4, size=len(X))
    order = rng.permutation(weight.sum())
    settings = {"covariance_type": kind, "init_params": start}
    weighted = mixture(**settings).fit(X, sample_weight=weight)
    repeated = mixture(**settings).fit(X.repeat(weight, axis=0)[order])
    assert_same_fit(weighted, repeated, 1e-9, 1e-9)
    absent = mixture(**settings).fit(X[weight > 0])
    present = mixture(**settings).fit(X, sample_weight=(weight > 0).astype(float))
    assert_same_fit(absent, present, 1e-9, 1e-9)
    assert not np.allclose(weighted.weights_, absent.weights_, atol=1e-4)
    scaled = mixture(**settings).fit(X, sample_weight=1e6 * weight)
    assert_same_fit(weighted, scaled, 1e-7, 1e-7)


@each_mixture
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.full(120, -1.0), "Negative values"),
        (np.zeros(120), "at least one non-zero|all.*zero"),
        (np.ones(119), r"sample_weight.shape == \(119,\)"),
        (np.r_[np.nan, np.ones(119)], "sample_weight contains NaN"),
        (np.r_[1.0, 1.0, np.zeros(118)], "n_components = 3, n_samples = 2 of positive weight"),
        (np.r_[1.0, np.zeros(119)], "1 sample.* of positive weight"),
    ],
    ids=["negative", "zero", "short", "nan", "two samples", "one sample"],
)
def test_bad_sample_weights(mixture, weight, message, X):
    with pytest.raises(ValueError, match=message):
        mixture().fit(X, sample_weight=weight)


@each_mixture
def test_one_weight_for_all_is_none(mixture, X):
    plain, weighted = mixture().fit(X), mixture().fit(X, sample_weight=3)
    np.testing.assert_array_equal(plain.means_, weighted.means_)


@each_mixture
def test_sample_weights_of_collections(mixture, tasks, rng):
    X = tasks[0][:3]
    weight = rng.randint(0, 3, size=(3, 120))
    model = learned_nothing(mixture)
    assert model.fit_predict(X, sample_weight=weight).shape == (3, 120)
    for data, own in zip(X, weight, strict=True):
        weighted = model.fit_predict([data], sample_weight=[own])[0]
        repeated = model.fit_predict([data.repeat(own, axis=0)])[0]
        np.testing.assert_array_equal(weighted.repeat(own), repeated)
    with pytest.raises(ValueError, match="one array for each task"):
        model.fit(X, sample_weight=np.ones(120))
    with pytest.raises(ValueError, match="Task 1 of the collection: Negative"):
        model.fit(X, sample_weight=[np.ones(120), -np.ones(120), np.ones(120)])
