"""What counts as one matrix, what as a collection, and what becomes of containers."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sklearn_gso import ALSMatrixCompleter
from sklearn_gso.estimators.matrices import densify
from sklearn_gso.estimators.tasks import (
    as_tasks,
    batches,
    check_collection,
    check_truths,
    same_container,
    unmask,
)

MATRIX = np.arange(6.0).reshape(3, 2)


@pytest.mark.parametrize(
    "one",
    [
        MATRIX,
        MATRIX.tolist(),
        sparse.csr_array(MATRIX),
        sparse.coo_matrix(MATRIX),
        pd.DataFrame(MATRIX),
        np.ma.masked_equal(MATRIX, 3),
        np.arange(3.0),
        [],
        [1.0, 2.0],
        np.array(["a", None], dtype=object),
    ],
    ids=lambda x: type(x).__name__,
)
def test_one_matrix(one):
    assert as_tasks(one) is None


@pytest.mark.parametrize("many", [{0: MATRIX}, iter([MATRIX])], ids=["dict", "iterator"])
def test_what_is_no_sequence_is_named(many):
    with pytest.raises(TypeError, match="iterator: a coll|dict: a collection is a sequence"):
        as_tasks(many)


def object_array(*matrices):
    array = np.empty(len(matrices), dtype=object)
    array[:] = matrices
    return array


@pytest.mark.parametrize(
    "collection",
    [
        [MATRIX, MATRIX.T],
        (MATRIX, MATRIX),
        [sparse.csr_array(MATRIX), MATRIX],
        [pd.DataFrame(MATRIX), MATRIX],
        np.stack([MATRIX, MATRIX]),
        object_array(MATRIX, MATRIX.T),
    ],
    ids=["list", "tuple", "sparse", "frame", "3-D", "object"],
)
def test_collections(collection):
    tasks = as_tasks(collection)
    assert len(tasks) == 2 and tasks[0].shape == (3, 2)


@pytest.mark.parametrize(
    "mixed",
    [[MATRIX, [1.0, 2.0]], (MATRIX, None), object_array(MATRIX, "text"), object_array(MATRIX, 1)],
    ids=["list", "tuple", "object text", "object number"],
)
def test_mixed_collections_name_the_culprit(mixed):
    with pytest.raises(ValueError, match="X mixes .* element 1 of the collection is no matrix"):
        as_tasks(mixed)


def test_containers_come_back():
    tasks = [MATRIX, 2 * MATRIX]
    assert isinstance(same_container(tasks, np.stack(tasks)), np.ndarray)
    objects = same_container([MATRIX, MATRIX.T], object_array(MATRIX, MATRIX.T))
    assert objects.dtype == object and objects[1].shape == (2, 3)
    same_shapes = same_container(tasks, object_array(MATRIX, MATRIX))
    assert same_shapes.shape == (2,) and same_shapes[1] is tasks[1]
    assert isinstance(same_container(tasks, tuple(tasks)), list)


def test_stored_entries_are_observed():
    stored = sparse.coo_array(([0.0, 2.0], ([0, 1], [1, 0])), shape=(2, 2))
    expected = np.array([[np.nan, 0.0], [2.0, np.nan]])
    np.testing.assert_array_equal(densify(stored), expected)
    np.testing.assert_array_equal(densify(stored.tocsc()), expected)


def test_masks_become_nan():
    np.testing.assert_array_equal(
        unmask(np.ma.masked_equal(np.array([[1, 2], [3, 4]]), 3)), [[1, 2], [np.nan, 4]]
    )


def test_rows_with_masks_are_one_matrix_that_keeps_them():
    matrix = np.ma.masked_array(np.arange(12.0).reshape(4, 3), mask=np.eye(4, 3, k=1))
    rows = [matrix[0], matrix[1], matrix[2].tolist(), matrix[3]]
    assert as_tasks(rows) is None
    rows[2] = matrix.data[2]  # plain rows may stand among them
    np.testing.assert_array_equal(np.array(unmask(rows)), unmask(matrix))
    als = ALSMatrixCompleter(1, max_iter=3, random_state=0)
    np.testing.assert_array_equal(als.fit_transform(rows), als.fit_transform(matrix))
    with pytest.raises(ValueError, match="inhomogeneous"):
        als.fit([matrix[0], matrix[1, :2]])


TRUTH_CHECKS = {"dtype": [np.float64], "ensure_all_finite": "allow-nan", "accept_sparse": True}


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([MATRIX, np.full((3, 2), np.inf)], "Member 1 of y: .*infinity"),
        ([MATRIX, 1j * MATRIX], "Member 1 of y: .*[Cc]omplex"),
        ([MATRIX, None], "Member 1 of y: "),
        ([0, 1], "Member 0 of y: "),
        ([MATRIX, MATRIX.T], r"equal shape .*y\[1\] has shape \(2, 3\)"),
        ([MATRIX], "equal shape .* got 1 for 2 tasks"),
        (np.arange(2), "equal shape .* no collection but ndarray"),
        (MATRIX, "no collection but ndarray"),
        (pd.DataFrame(MATRIX), "no collection but DataFrame"),
        (3, "no collection but int"),
        ("truth", "no collection but str"),
        (object_array(MATRIX, None), "y mixes .* element 1"),
    ],
)
def test_broken_truths_are_named(y, message):
    with pytest.raises((ValueError, TypeError), match=message):
        check_truths(y, [MATRIX, MATRIX], None, **TRUTH_CHECKS)
    als = ALSMatrixCompleter(1, max_iter=3, random_state=0)
    with pytest.raises((ValueError, TypeError), match=message):
        als.fit([MATRIX, MATRIX], y)
    with pytest.raises((ValueError, TypeError), match=message):
        als.fit([MATRIX, MATRIX]).score([MATRIX, MATRIX], y)


def test_truths_come_in_any_container():
    holes = np.where(MATRIX == 3, np.nan, MATRIX)
    for y in ([MATRIX, MATRIX.tolist()], np.stack([MATRIX] * 2), object_array(MATRIX, MATRIX)):
        found = check_truths(y, [holes, holes], None, **TRUTH_CHECKS)
        np.testing.assert_array_equal(found, [MATRIX, MATRIX])


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (np.array([[np.inf, 1.0]]), "Task 1 .*infinity"),
        (np.array([[1j, 1.0]]), "Task 1 .*Complex"),
        (np.array([["a", "b"]]), "Task 1 "),
        (np.full((2, 2), np.nan), "Task 1 .*no observed entry"),
        (np.ones((3, 1)), "Task 1 .*minimum of 2"),
    ],
)
def test_broken_member_is_named(broken, message):
    with pytest.raises((ValueError, TypeError), match=message):
        check_collection(
            [MATRIX, broken],
            None,
            dtype=[np.float64],
            ensure_all_finite="allow-nan",
            ensure_min_features=2,
        )


def test_batches_group_shapes_and_bound_memory(monkeypatch):
    monkeypatch.setattr("sklearn_gso.estimators.tasks.MEMORY_BOUND", 13)
    tasks = [MATRIX, MATRIX.T, MATRIX, MATRIX]
    chunks = batches(tasks, np.shape, np.size)
    assert sorted(i for chunk in chunks for i in chunk) == [0, 1, 2, 3]
    assert [0, 2] in chunks and [3] in chunks and [1] in chunks
    monkeypatch.setattr("sklearn_gso.estimators.tasks.MEMORY_BOUND", 1)
    assert len(batches(tasks, np.shape, np.size)) == 4
