"""Matrices with missing entries: what is hidden, how noisy, and that no test image was seen."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sklearn_gso.datasets import (
    hide_entries,
    make_digits_tasks,
    make_low_rank_tasks,
    make_table_tasks,
)


def test_hide_entries_hides_exactly_that_share_of_the_observed(rng):
    X = rng.standard_normal((20, 10))
    X[0, :5] = np.nan
    before = X.copy()
    hidden = hide_entries(X, 0.4, random_state=1)
    np.testing.assert_array_equal(X, before)
    assert np.isnan(hidden).sum() == 5 + round(0.4 * 195)
    kept = ~np.isnan(hidden)
    np.testing.assert_array_equal(hidden[kept], X[kept])
    with pytest.raises(ValueError, match="fraction"):
        hide_entries(X, 1.2)


@pytest.mark.parametrize("factors", ["gaussian", "uniform"])
def test_low_rank_tasks(factors):
    X, truth = make_low_rank_tasks(
        3, shape=(20, 15), rank=4, rate=0.3, factors=factors, random_state=0
    )
    assert X.shape == truth.shape == (3, 20, 15)
    assert (np.linalg.matrix_rank(truth) == 4).all()
    assert (np.isnan(X).sum((1, 2)) == 300 - 90).all()
    seen = ~np.isnan(X)
    np.testing.assert_array_equal(X[seen], truth[seen])
    if factors == "uniform":
        assert truth.min() >= 0 and truth.max() <= 4


def test_noise_is_relative_and_only_on_what_is_observed():
    X, truth = make_low_rank_tasks(5, shape=(60, 60), noise=0.3, rate=0.5, random_state=0)
    deviation = np.nanstd(X - truth, axis=(1, 2)) / truth.std(axis=(1, 2))
    np.testing.assert_allclose(deviation, 0.3, atol=0.03)


def test_same_seed_same_tasks():
    for make in (make_low_rank_tasks, make_table_tasks):
        a, b = (make(2, shape=(9, 8), rate=0.5, random_state=3)[0] for _ in range(2))
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="factors"):
        make_low_rank_tasks(1, factors="cauchy")


def test_no_image_is_in_both_halves():
    _, train = make_digits_tasks(40, half="train", random_state=0)
    _, test = make_digits_tasks(40, half="test", random_state=0)

    def images(tasks):
        return {row.tobytes() for task in tasks for row in task}

    assert not images(train) & images(test)
    assert images(train) <= {row.tobytes() for row in load_digits().data}
    with pytest.raises(ValueError, match="half"):
        make_digits_tasks(half="middle")
