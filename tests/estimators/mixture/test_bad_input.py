"""Data and covariances that cannot be meant are refused, and by name."""

import numpy as np
import pytest
from scipy import sparse

from tests.estimators.mixture.mixtures import (
    each_kind,
    each_mixture,
    identity,
    learned_nothing,
    of_kind,
)


def broken(values, change):
    values = np.array(values, dtype=float)
    change(values)
    return values


def put(index, value):
    def change(array):
        array[index] = value

    return change


@each_mixture
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda X: np.where([True, False], X, np.nan), r"Features \[1\] of X have no observed"),
        (lambda X: np.where(X > 0, np.inf, X), "Input X contains infinity"),
        (lambda X: X * 1j, "[Cc]omplex"),
        (
            lambda X: X[:1],
            r"Found array with 1 sample\(s\) \(shape=\(1, 2\)\) while a minimum of 2",
        ),
        (lambda X: X[:, :0], "0 feature"),
        (lambda X: X[0], "Expected 2D array, got 1D array"),
        (lambda X: X[:2], "n_samples >= n_components but got n_components = 3, n_samples = 2"),
        (lambda X: np.ma.array(X, mask=[[True, False]] * len(X)), r"Features \[0\] of X"),
        (lambda X: np.full(X.shape, "a"), "could not convert"),
        (lambda X: X * 1e300, "scale the input data"),
        (lambda X: [X, X[:1]], "Task 1 of the collection: Found array with 1 sample"),
        (lambda X: [X, X[:2]], "Task 1 of the collection: Expected n_samples >= n_components"),
        (lambda X: [X, X * [np.nan, 1]], r"Task 1 of the collection: Features \[0\]"),
        (lambda X: [X, [1.0]], "element 1 of the collection"),
        (lambda X: np.empty((0, 5, 2)), "0 tasks"),
    ],
)
def test_bad_data_changes_nothing(mixture, spoil, message, X):
    fit = mixture().fit(X)
    before = dict(vars(fit))
    with pytest.raises((ValueError, TypeError), match=message):
        fit.fit(spoil(X))
    assert vars(fit).keys() == before.keys()
    assert all(vars(fit)[k] is before[k] for k in before)


@each_mixture
def test_sparse_data_are_refused(mixture, X):
    with pytest.raises(TypeError, match="[Ss]parse"):
        mixture().fit(sparse.csr_array(X))
    with pytest.raises(TypeError, match="Task 0 of the collection: .*[Ss]parse"):
        mixture().fit([sparse.csr_array(X)])


@each_mixture
@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("full", put((1, 0, 0), -1.0), "of component 1 must be positive-definite"),
        ("full", put(2, 0.0), "of component 2 must be positive-definite"),
        ("full", put((2, 0, 1), 9.0), "of component 2 must be symmetric"),
        ("tied", put((0, 0), -1.0), "covariances must be positive-definite"),
        ("tied", put((0, 1), 9.0), "covariances must be symmetric"),
        ("diag", put((1, 1), 0.0), "of component 1 must be positive"),
        ("spherical", put(2, -3.0), "of component 2 must be positive"),
        ("full", put((0, 0, 0), np.nan), "covariances contains NaN"),
        ("diag", put((0, 0), np.inf), "covariances contains infinity"),
    ],
)
def test_bad_covariances_name_the_component(mixture, kind, change, message, tasks):
    X, truth = tasks
    known = of_kind(truth.covariances[0], kind)
    bad = broken(known, change)
    for parameters in ({"covariances": bad}, {"precisions_init": bad}):
        name = next(iter(parameters))
        with pytest.raises(ValueError, match=message.replace("covariances", name)):
            mixture(covariance_type=kind, **parameters).fit(X[0])
    collection = learned_nothing(mixture).set_params(covariance_type=kind)
    with pytest.raises(ValueError, match="Task 1 of the collection: .*" + message):
        collection.fit(X[:2], covariances=[known, bad])


@each_mixture
@each_kind
def test_wrong_shapes_are_named(mixture, kind, X):
    for k, d in ((2, 2), (3, 3)):
        wrong = identity(kind, k, d)
        if wrong.shape == identity(kind, 3, 2).shape:
            continue  # one number for each component fits any width
        with pytest.raises(ValueError, match=r"covariances must have shape \(n_"):
            mixture(covariance_type=kind, covariances=wrong).fit(X)
    with pytest.raises(ValueError, match=r"covariances must have shape"):
        mixture(covariance_type=kind, covariances=np.ones((1, 3, 3, 2, 2))).fit(X)
    with pytest.raises(ValueError, match=r"covariances must have shape .* got \(\)"):
        mixture(covariance_type=kind, covariances=3.0).fit(X)
    with pytest.raises(ValueError, match="[Cc]omplex"):
        mixture(covariance_type=kind, covariances=identity(kind, 3, 2) * 1j).fit(X)
