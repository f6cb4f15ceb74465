"""What is expected of an imputer: markers, bounds, empty columns, indicators, frames."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.impute import SimpleImputer

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter, SGDMatrixCompleter

COMPLETERS = {
    "gso": GSOMatrixCompleter(
        2, max_iter=3, n_init=1, n_epochs=0, scaling="matrix", random_state=0
    ),
    "als": ALSMatrixCompleter(2, max_iter=5, random_state=0),
    "sgd": SGDMatrixCompleter(2, max_iter=5, scaling="matrix", random_state=0),
}
each_completer = pytest.mark.parametrize("name", COMPLETERS)


def completer(name="gso", **parameters):
    return clone(COMPLETERS[name]).set_params(**parameters)


@pytest.fixture
def X(easy_tasks):
    return easy_tasks[0][0]


@pytest.fixture
def holes(X):
    """Columns 2 and 5 have no entry, column 7 has all; the others some."""
    X = X.copy()
    X[:, [2, 5]] = np.nan
    X[:, 7] = np.arange(len(X))
    return X


# Markers ---------------------------------------------------------------------------


@each_completer
@pytest.mark.parametrize("marker", [-1, -1.0, 0])
def test_a_number_marks_what_is_missing(name, marker, X):
    marked = np.where(np.isnan(X), marker, X)
    expected = completer(name).fit_transform(X)
    found = completer(name, missing_values=marker).fit_transform(marked)
    np.testing.assert_array_equal(found, expected)


def test_with_a_number_as_marker_nan_is_refused(X):
    with pytest.raises(ValueError, match="Input X contains NaN"):
        completer(missing_values=-1).fit(X)


@pytest.mark.parametrize("null", [None, np.nan, pd.NA])
@pytest.mark.parametrize("marker", [None, np.nan, pd.NA])
def test_every_null_stands_for_all_of_them(null, marker, X):
    objects = X.astype(object)
    objects[np.isnan(X)] = null
    fitted = completer(missing_values=marker).fit(X)
    expected = fitted.transform(X)
    np.testing.assert_array_equal(fitted.transform(objects), expected)
    # Frames lie column after column: equal up to rounding.
    found = fitted.transform(pd.DataFrame(objects))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_marker_in_a_collection_and_in_the_truth(easy_tasks):
    X, truth = easy_tasks[0][:2], easy_tasks[1][:2]
    marked = np.where(np.isnan(X), -7.0, X)
    known = truth.copy()
    known[:, :3] = np.nan
    plain, other = completer().fit(X), completer(missing_values=-7).fit(marked)
    np.testing.assert_array_equal(other.transform(marked), plain.transform(X))
    marked_truth = np.where(np.isnan(known), -7.0, known)
    assert other.score(marked, marked_truth) == plain.score(X, known)


def test_a_stored_marker_is_missing(X):
    rows, columns = np.nonzero(~np.isnan(X))
    values = X[rows, columns]
    marked = values.copy()
    marked[::3] = -9.0
    fewer = np.arange(len(values)) % 3 > 0
    stored = sparse.csr_array((marked, (rows, columns)), shape=X.shape)
    left = sparse.csr_array((values[fewer], (rows[fewer], columns[fewer])), shape=X.shape)
    found = completer(missing_values=-9).fit_transform(stored)
    np.testing.assert_array_equal(found, completer().fit_transform(left))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"missing_values": "?"}, "missing_values of GSOMatrixCompleter must be NaN.* got '\\?'"),
        ({"missing_values": np.inf}, "missing_values of .* must be"),
        ({"missing_values": True}, "missing_values of .* must be"),
        ({"add_indicator": 1}, "add_indicator of .* must be True or False"),
        ({"keep_empty_features": None}, "keep_empty_features of .* must be"),
        ({"copy": "yes"}, "copy of .* must be"),
        ({"min_value": [0.0, 1.0]}, "min_value must be None, a number, one for each of 18 columns"),
        ({"max_value": np.nan}, "max_value must be"),
        ({"max_value": "high"}, "max_value must be"),
        ({"min_value": 2.0, "max_value": [3.0] * 17 + [1.0]}, r"not in columns \[17\]"),
    ],
)
def test_bad_parameters(parameters, message, X):
    with pytest.raises(ValueError, match=message):
        completer(**parameters).fit(X)
    if "add_indicator" not in parameters and "keep_empty_features" not in parameters:
        with pytest.raises(ValueError, match=message):
            completer(**parameters).fit([X, X])


# Bounds ----------------------------------------------------------------------------


@each_completer
@pytest.mark.parametrize("per_column", [False, True])
def test_what_is_filled_in_lies_within_bounds(name, per_column, X):
    low, high = (np.linspace(-1, 0, 18), np.linspace(0, 1, 18)) if per_column else (-0.1, 0.2)
    plain = completer(name).fit(X)
    bounded = completer(name, min_value=low, max_value=high).fit(X)
    missing = np.isnan(X)
    free = plain.transform(X)
    assert (free < low)[missing].any() and (free > high)[missing].any()
    expected = np.where(missing, np.clip(free, low, high), X)
    assert bounded.transform(X).tobytes() == expected.tobytes()  # observed ones bit-equal
    estimated = np.clip(plain.reconstruct(X), low, high)
    np.testing.assert_array_equal(bounded.reconstruct(X), estimated)
    rows, columns = np.nonzero(missing)
    # One by one and by a matrix product: equal up to rounding.
    entries = bounded.predict_entries(rows, columns)
    np.testing.assert_allclose(entries, estimated[missing], rtol=1e-9, atol=1e-12)


def test_bounds_in_collections_and_scores(easy_tasks):
    X, truth = easy_tasks[0][:2], easy_tasks[1][:2]
    plain, bounded = completer().fit(X), completer(max_value=0.0).fit(X)
    expected = np.where(np.isnan(X), np.minimum(plain.transform(X), 0), X)
    np.testing.assert_array_equal(bounded.transform(X), expected)
    assert bounded.score(X, truth) < plain.score(X, truth)
    assert bounded.score(X, np.minimum(truth, 0)) > plain.score(X, np.minimum(truth, 0))
    with pytest.raises(ValueError, match="one for each of 12 columns"):
        completer(min_value=np.zeros(18)).fit([X[0], X[1][:, :12]])


# Columns and indicators --------------------------------------------------------------


@each_completer
@pytest.mark.filterwarnings("ignore:.*have no observed entry")
def test_dropped_columns_are_as_if_never_there(name, holes):
    kept = [i for i in range(18) if i not in (2, 5)]
    low = np.linspace(-1.0, 0.0, 18)
    dropping = completer(name, keep_empty_features=False, min_value=low).fit(holes)
    without = completer(name, min_value=low[kept]).fit(holes[:, kept])
    expected = without.transform(holes[:, kept])
    # The columns left may lie differently in memory: equal up to rounding.
    np.testing.assert_allclose(dropping.transform(holes), expected, rtol=1e-9)
    estimated = without.reconstruct(holes[:, kept])
    np.testing.assert_allclose(dropping.reconstruct(holes), estimated, rtol=1e-9)
    full = np.nan_to_num(holes)  # what is known later of a dropped column does not matter
    again = np.where(np.isnan(holes) & (np.arange(18) != 2), np.nan, full)
    np.testing.assert_allclose(dropping.transform(again), expected, rtol=1e-9)
    assert dropping.score(holes) == pytest.approx(without.score(holes[:, kept]), rel=1e-9)
    assert list(dropping.get_feature_names_out()) == [f"x{i}" for i in kept]
    entries = dropping.predict_entries([0, 3], [6, 17])
    np.testing.assert_allclose(entries, without.predict_entries([0, 3], [4, 15]), rtol=1e-9)
    with pytest.raises(ValueError, match=r"columns \[5\] had no entry and were dropped"):
        dropping.predict_entries(0, 5)


def test_dropping_and_keeping_are_announced(holes):
    with pytest.warns(UserWarning, match=r"Columns \[2, 5\] of X have .* are dropped"):
        completer(keep_empty_features=False).fit(holes)
    with pytest.warns(UserWarning, match=r"Columns \[2, 5\] of X .* filled from the prior"):
        assert completer().fit_transform(holes).shape == holes.shape


def test_one_column_left(X):
    X = np.where(np.arange(18) == 4, X, np.nan)[~np.isnan(X[:, 4])]
    X[0, 4] = np.nan
    with pytest.warns(UserWarning):
        fitted = completer(n_components=1, keep_empty_features=False).fit(X)
        assert fitted.transform(X).shape == (len(X), 1)
    with pytest.warns(UserWarning, match="n_components=2 is more than"):
        filled = completer(keep_empty_features=False, scaling="auto").fit(X).transform(X)
    np.testing.assert_allclose(filled[0, 0], np.nanmean(X[:, 4]))


@pytest.mark.filterwarnings("ignore:.*have no observed entry")
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("make", [np.asarray, "sparse"], ids=["dense", "sparse"])
def test_indicators_are_those_of_scikit_learn(make, keep, holes):
    known = SimpleImputer(add_indicator=True, keep_empty_features=keep).fit(holes)
    expected = known.transform(holes)
    given = holes
    if make == "sparse":
        rows, columns = np.nonzero(~np.isnan(holes))
        given = sparse.coo_array((holes[rows, columns], (rows, columns)), shape=holes.shape)
    ours = completer(add_indicator=True, keep_empty_features=keep).fit(given)
    found = ours.transform(given)
    n = 18 if keep else 16
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found[:, n:], expected[:, n:])
    assert list(ours.get_feature_names_out()) == list(known.get_feature_names_out())
    np.testing.assert_array_equal(ours.transform(given)[:, :n], found[:, :n])
    # Columns that were complete in the fit have none, even where they are not later.
    later = np.where(np.arange(18) == 7, np.nan, holes)
    assert ours.transform(later).shape == found.shape


@pytest.mark.parametrize("parameters", [{"add_indicator": True}, {"keep_empty_features": False}])
def test_tasks_of_a_collection_keep_their_shapes(parameters, easy_tasks):
    with pytest.raises(ValueError, match="is for a fit on one matrix"):
        completer(**parameters).fit(easy_tasks[0])


# Copies and frames -----------------------------------------------------------------


@each_completer
def test_only_without_copy_is_the_matrix_filled(name, X):
    before = X.copy()
    fitted = completer(name).fit(X)
    filled = fitted.transform(X)
    np.testing.assert_array_equal(X, before)
    fitted.set_params(copy=False)
    read_only = X.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(fitted.transform(read_only), filled)
    assert fitted.transform(X) is X
    np.testing.assert_array_equal(X, filled)


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_nullable_integers_in_frames(container, X):
    integers = np.round(5 * X)
    names = [f"c{i}" for i in range(18)]
    if container == "pandas":
        frame = pd.DataFrame(integers, columns=names).astype("Int64")
        assert frame.isna().to_numpy().any()
    else:
        columns = [[None if np.isnan(v) else int(v) for v in column] for column in integers.T]
        frame = pl.DataFrame(dict(zip(names, columns, strict=True)))
        assert frame.null_count().to_numpy().any()
    ours = completer(add_indicator=True).set_output(transform=container)
    out = ours.fit_transform(frame)
    assert type(out) is type(frame)
    marked = [f"missingindicator_{n}" for n, c in zip(names, integers.T, strict=True)
              if np.isnan(c).any()]  # fmt: skip
    assert list(out.columns) == names + marked == list(ours.get_feature_names_out())
    expected = completer(add_indicator=True).fit_transform(integers)
    np.testing.assert_allclose(out.to_numpy(), expected, rtol=1e-9)
    seen = ~np.isnan(integers)
    np.testing.assert_array_equal(out.to_numpy()[:, :18][seen], integers[seen])


def test_single_entries_are_those_of_the_reconstruction(X):
    fitted = completer().fit(X)
    estimated = fitted.reconstruct(X)
    rows = np.arange(len(X))
    np.testing.assert_allclose(
        fitted.predict_entries(rows[:, None], np.arange(18)), estimated, rtol=1e-9, atol=1e-12
    )
    assert fitted.predict_entries(3, 4) == pytest.approx(estimated[3, 4], rel=1e-9)
    assert fitted.predict_entries([], []).shape == (0,)
    for bad, message in (
        (([24], [0]), r"rows must lie in \[0, 24\), got 24"),
        (([0], [-1]), r"columns must lie in \[0, 18\), got -1"),
        (([0.5], [1]), "rows must be integers, got float64"),
    ):
        with pytest.raises(ValueError, match=message):
            fitted.predict_entries(*bad)
    with pytest.raises(AttributeError):
        _ = completer().fit([X, X]).predict_entries
