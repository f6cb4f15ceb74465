"""Completers of stored entries: the same answers as from dense matrices, nothing made dense."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter, SGDMatrixCompleter
from sklearn_gso.datasets import make_low_rank_tasks
from tests.problems.stored import densified, stored

# Units are chosen by one only, which does little else.
UNITS = {"scaling": "matrix", "random_state": 0}
COMPLETERS = {
    "gso": GSOMatrixCompleter(2, max_iter=4, n_init=2, n_epochs=1, **UNITS),
    "untrained": GSOMatrixCompleter(2, optimizer=None, max_iter=4, n_init=2, n_epochs=0, **UNITS),
    "ridge": GSOMatrixCompleter(2, alpha=1e-3, max_iter=4, n_init=2, n_epochs=0, **UNITS),
    "als": ALSMatrixCompleter(2, alpha=0.1, max_iter=6, random_state=0),
    "sgd": SGDMatrixCompleter(2, max_iter=4, **UNITS),
}
each_completer = pytest.mark.parametrize("name", COMPLETERS)
ignore_empty = pytest.mark.filterwarnings("ignore:.*have no observed entry")


@ignore_empty
@each_completer
@pytest.mark.parametrize(
    "form", ["csr", *(pytest.param(f, marks=pytest.mark.slow) for f in ("csc", "coo"))]
)
def test_completers_answer_as_on_dense_matrices(name, form):
    thin = stored(0, (24, 15), 0.7).asformat(form)
    dense = densified(thin)
    completer = COMPLETERS[name]
    found, expected = (
        (
            fitted.transform(X),
            fitted.reconstruct(X),
            fitted.score(X),
            fitted.predict_entries([0, 3, 23], [1, 4, 2]),
        )
        for X in (thin, dense)
        for fitted in [completer.fit(X)]
    )
    for left, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-6)
    seen = ~np.isnan(dense)
    np.testing.assert_array_equal(found[0][seen], dense[seen])


@ignore_empty
@pytest.mark.filterwarnings("ignore:Training has not improved")
@pytest.mark.parametrize(
    "y", ["sparse", *(pytest.param(y, marks=pytest.mark.slow) for y in (None, "dense"))]
)
def test_collections_of_sparse_matrices(y):
    """Trained and scored as dense ones; what is hidden from training is drawn differently."""
    thin = [stored(seed, (24, 15), 0.6) for seed in range(4)]
    truths = [stored(seed, (24, 15), 0.9) for seed in range(4)]
    dense = [densified(X) for X in thin]
    known = None if y is None else truths if y == "sparse" else [densified(t) for t in truths]
    untrained, trained = (clone(COMPLETERS[n]).set_params(n_init=1) for n in ("untrained", "gso"))
    # One task each: those of a dense batch share the draws of their starts.
    own = known and known[:1]
    scores = [untrained.fit(X[:1], own).score(X[:1], own) for X in (thin, dense)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-6) and scores[0] < 0
    trained.fit(thin, known)
    scores = [trained.score(X[:1], own) for X in (thin, dense)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-4) and scores[0] < 0
    mixed = trained.fit([thin[0], dense[1]]).transform([thin[0], dense[1]])
    assert [filled.shape for filled in mixed] == [(24, 15)] * 2
    assert all(np.isfinite(filled).all() for filled in mixed)


def test_what_is_stored_as_nan():
    rows, columns = np.array([0, 0, 1, 2, 3, 1]), np.array([1, 2, 0, 2, 0, 2])
    data = np.array([5.0, 2, 3, 4, np.nan, 5])
    X = sparse.coo_array((data, (rows, columns)), shape=(4, 3))
    with pytest.warns(UserWarning, match=r"Rows \[3\]"):
        fitted = ALSMatrixCompleter(1, max_iter=3, random_state=0).fit(X)
        filled = fitted.transform(X)
    assert filled[0, 1] == 5 and np.isfinite(filled).all()
    assert X.nnz == 6


def test_nothing_stored_is_refused():
    with pytest.raises(ValueError, match="no observed entry: all 12 entries"):
        GSOMatrixCompleter().fit(sparse.csr_array((4, 3)))


@ignore_empty
@pytest.mark.slow
def test_no_dense_matrix_is_made():
    """A fit, a score and single entries in far less memory than the matrix has entries."""
    rng = np.random.default_rng(0)
    shape, n = (40_000, 30_000), 4_000  # 9.6 GB if it were dense
    cells = (rng.integers(0, shape[0], n), rng.integers(0, shape[1], n))
    X = sparse.coo_array((rng.standard_normal(n), cells), shape=shape)
    tracemalloc.start()  # numpy tells it what it allocates, and what is made dense is numpy's
    for completer in (
        GSOMatrixCompleter(1, max_iter=1, n_init=1, random_state=0),
        ALSMatrixCompleter(1, max_iter=1, random_state=0),
    ):
        assert np.isfinite(completer.fit(X).score(X))
        assert completer.predict_entries(*cells).shape == (n,)
        twice = completer.set_params(**({"n_epochs": 0} if "n_epochs" in vars(completer) else {}))
        assert np.isfinite(twice.fit([X, X]).score([X, X]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e8


def test_large_matrices_of_which_little_is_seen_are_solved_from_their_entries(monkeypatch):
    """The same answer as from the whole array, and from the sparse matrix to the last bit."""
    X, _ = make_low_rank_tasks(1, shape=(520, 500), rank=2, rate=0.04, random_state=0)
    completer = GSOMatrixCompleter(2, max_iter=4, n_init=1, random_state=0)
    thin = completer.fit(X[0]).components_
    rows, columns = np.nonzero(~np.isnan(X[0]))
    csr = sparse.csr_array((X[0][rows, columns], (rows, columns)), shape=X[0].shape)
    assert (completer.fit(csr).components_ == thin).all()
    monkeypatch.setattr("sklearn_gso.estimators.matrices._LARGE", np.inf)
    np.testing.assert_allclose(completer.fit(X[0]).components_, thin, rtol=1e-7, atol=1e-9)
