"""One matrix or a collection of them, in any container."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter
from sklearn_gso.metrics import relative_error

from .completers import each_completer

pytestmark = pytest.mark.filterwarnings("ignore:Training has not improved")


@pytest.fixture
def X(easy_tasks):
    return easy_tasks[0][0]


@each_completer
def test_one_matrix_after_a_collection_and_back(completer, easy_tasks):
    X = easy_tasks[0][:3]
    fitted = clone(completer).fit(X[0])
    with pytest.raises(ValueError, match="was fitted on one data set"):
        fitted.transform(X)
    fitted.fit(list(X))
    assert fitted.n_tasks_in_ == 3
    assert not hasattr(fitted, "n_features_in_") and not hasattr(fitted, "components_")
    single = fitted.transform(X[0])
    assert single.shape == X[0].shape and np.isfinite(single).all()
    other_width = fitted.transform(X[0][:, :9])
    assert other_width.shape == (24, 9)
    fitted.fit(X[0])
    assert not hasattr(fitted, "n_tasks_in_") and fitted.components_.shape == (2, 18)


def test_arrays_lists_and_tuples(easy_tasks):
    X, _ = easy_tasks
    als = ALSMatrixCompleter(2, max_iter=5, random_state=0).fit(X)
    as_array, as_list = als.transform(X), als.transform(list(X))
    assert isinstance(as_array, np.ndarray) and as_array.shape == X.shape
    assert isinstance(as_list, list) and isinstance(als.transform(tuple(X)), list)
    np.testing.assert_array_equal(as_array, np.stack(as_list))


def test_unequal_shapes(easy_tasks):
    X, truth = easy_tasks
    tasks = [X[0], X[1][:20], X[2], X[3][:, :12]]
    completer = GSOMatrixCompleter(2, n_epochs=0, scaling="matrix", random_state=0).fit(tasks)
    filled = completer.transform(tasks)
    assert [f.shape for f in filled] == [t.shape for t in tasks]
    assert relative_error(truth[0], filled[0]) < 1e-2


def test_sparse_frame_and_masked_inputs_agree(X):
    stored = sparse.coo_array((X[~np.isnan(X)], np.nonzero(~np.isnan(X))), shape=X.shape)
    completer = GSOMatrixCompleter(2, max_iter=5, n_init=1, random_state=0)
    expected = completer.fit_transform(X)
    for other in (
        stored.tocsr(),
        stored.tocsc(),
        pd.DataFrame(X),
        np.ma.masked_array(np.nan_to_num(X), np.isnan(X)),
        X.tolist(),
    ):
        np.testing.assert_allclose(np.asarray(completer.fit_transform(other)), expected, rtol=1e-9)


def test_pandas_output_after_one_matrix_and_after_a_collection(X, easy_tasks):
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(18)])
    completer = GSOMatrixCompleter(2, max_iter=5, n_init=1, n_epochs=0, random_state=0)
    out = completer.set_output(transform="pandas").fit_transform(frame)
    assert list(out.columns) == list(frame.columns)
    completer.fit(easy_tasks[0])
    assert not hasattr(completer, "get_feature_names_out")
    later = completer.transform(easy_tasks[0][0])
    assert isinstance(later, pd.DataFrame) and list(later) == [f"x{i}" for i in range(18)]


def test_transform_writes_nothing(easy_tasks):
    X, _ = easy_tasks
    for data in (X, X[0]):
        fitted = GSOMatrixCompleter(2, n_epochs=0, max_iter=5, random_state=0).fit(data)
        before = dict(vars(fitted))
        fitted.transform(data)
        assert vars(fitted).keys() == before.keys()
        assert all(vars(fitted)[name] is before[name] for name in before)
