"""Inputs on which completers once failed, each one of a kind, with the right values."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter, SGDMatrixCompleter
from sklearn_gso.datasets import make_digits_tasks, make_low_rank_tasks

gso = GSOMatrixCompleter(random_state=0)


def with_holes(X, rate, seed=0):
    hidden = np.random.RandomState(seed).rand(*X.shape) < rate
    return np.where(hidden, np.nan, X), hidden


def sparse_of_observed(X):
    rows, columns = np.nonzero(~np.isnan(X))
    return sparse.csr_array((X[rows, columns], (rows, columns)), shape=X.shape)


@pytest.mark.filterwarnings("ignore:Columns .* have no observed entry")
@pytest.mark.parametrize("scaling", ["auto", "columns", "matrix"])
def test_entries_of_a_column_never_seen_say_nothing(scaling):
    a = np.arange(1.0, 31)
    fitted = GSOMatrixCompleter(scaling=scaling, random_state=0).fit(
        np.c_[a, 2 * a, 3 * a, np.full(30, np.nan)]
    )
    # Of as many rows: products of more differ in their last digit.
    expected = fitted.transform([[np.nan, 10, 15, np.nan], [np.nan, 4, 6, np.nan]])[0]
    assert expected[0] == pytest.approx(5, abs=1e-4)
    for value in (0, 7, 100, 1000):
        filled = fitted.transform([[np.nan, 10, 15, value], [np.nan, 4, 6, np.nan]])
        assert filled[0, 0] == expected[0] and filled[1, 3] == expected[3]


def test_units_of_columns_do_not_matter(rng):
    X, hidden = with_holes(rng.randn(80, 3) @ rng.randn(3, 6) + 0.3 * rng.randn(80, 6), 0.2)
    scale, shift = 10.0 ** np.arange(-3, 3), 100 * rng.randn(6)
    plain = GSOMatrixCompleter(scaling="columns", random_state=0)
    filled = clone_fit(plain, X)
    other = clone_fit(plain, X * scale + shift)
    np.testing.assert_allclose((other - shift)[hidden], (filled * scale)[hidden], rtol=1e-3, atol=1)
    assert gso.fit(X * scale + shift).scaling_ == "columns"


def clone_fit(completer, X):
    return completer.fit(X).transform(X)


@pytest.mark.slow
def test_columns_have_means(rng):
    """Years beside incomes; noise around far means is filled with these."""
    X, hidden = with_holes(np.c_[4000 + 800 * rng.randn(100), 2008 + rng.randint(-1, 2, 100)], 0.1)
    years = gso.fit_transform(X)[hidden[:, 1], 1]
    assert ((years > 2007) & (years < 2009)).all()
    truth = rng.randn(100, 6) + [0, 5, 10, 20, 50, 100]
    X, hidden = with_holes(truth, 0.2)
    far = (gso.fit_transform(X) - truth)[hidden]
    means = (np.broadcast_to(np.nanmean(X, 0), X.shape) - truth)[hidden]
    assert np.square(far).mean() < 1.1 * np.square(means).mean()


@pytest.mark.parametrize("completer", [gso, ALSMatrixCompleter(random_state=0)])
def test_constant_columns_are_exact(completer, rng):
    X, _ = with_holes(np.c_[rng.randn(100, 3), np.full(100, 365.0)], 0.2)
    assert (completer.fit_transform(X)[:, 3] == 365).all()


@pytest.mark.parametrize("completer", [gso, ALSMatrixCompleter(), SGDMatrixCompleter()])
def test_one_column_is_filled_with_its_mean(completer):
    frame = pd.DataFrame({"a": [1.0, np.nan, 3.0, 8.0], "b": [1.0, 2, 3, 4]})
    filled = ColumnTransformer([("i", completer, ["a"])]).fit_transform(frame)
    np.testing.assert_allclose(filled[:, 0], [1, 4, 3, 8])


def test_runs_end_when_nothing_changes(rng):
    X, hidden = with_holes(rng.randn(150, 4) @ rng.randn(4, 12) + rng.randn(150, 12), 0.2)
    short, whole = (GSOMatrixCompleter(n_init=1, tol=t, random_state=0) for t in (1e-3, None))
    estimates = [one.fit_transform(X)[hidden] for one in (short, whole)]
    assert short.n_iter_ < 25 and whole.n_iter_ == 40
    np.testing.assert_allclose(*estimates, atol=0.3)


@pytest.mark.parametrize("completer", [ALSMatrixCompleter(random_state=0), SGDMatrixCompleter()])
def test_baselines_know_units(completer, rng):
    truth = (rng.randn(200, 2) @ rng.randn(2, 6) + rng.randn(200, 6)) * [1, 10, 100, 1, 9, 70]
    truth += [0, 50, 2000, 3, 0, 1000]
    X, hidden = with_holes(truth, 0.2)
    error, mean = (
        np.square(((filled - truth) / truth.std(0))[hidden]).mean()
        for filled in (completer.fit_transform(X), np.broadcast_to(np.nanmean(X, 0), X.shape))
    )
    assert error < mean


def test_a_table_is_solved_alike_before_and_after_a_scaler(rng):
    X, _ = with_holes(rng.randn(160, 2) @ rng.randn(2, 6) + 2 * rng.randn(160, 6), 0.3)
    raw = X * [1, 10, 100, 1, 9, 70]
    found = [GSOMatrixCompleter(random_state=0) for _ in range(2)]
    scaler = StandardScaler()
    scaled = scaler.inverse_transform(found[0].fit_transform(scaler.fit_transform(raw)))
    np.testing.assert_allclose(scaled, found[1].fit_transform(raw), rtol=1e-6)
    assert [completer.scaling_ for completer in found] == ["matrix", "columns"]


def test_pipelines_have_a_way_back(rng):
    X, hidden = with_holes(5 + 3 * rng.randn(50, 4), 0.2)
    completer = GSOMatrixCompleter(add_indicator=True, scaling="matrix", max_iter=5, n_init=1)
    pipeline = make_pipeline(StandardScaler(), completer)
    back = pipeline.inverse_transform(pipeline.fit_transform(X))
    np.testing.assert_allclose(back[~hidden], X[~hidden])
    with pytest.raises(ValueError, match="X has 3 columns, but transform gives 8"):
        pipeline.inverse_transform(np.ones((2, 3)))


@pytest.mark.filterwarnings("ignore:Columns .* have no observed entry")
def test_columns_that_were_dropped_come_back_empty():
    X = np.c_[np.arange(6.0), np.full(6, np.nan), np.arange(6.0) ** 2]
    fitted = GSOMatrixCompleter(keep_empty_features=False, random_state=0).fit(X)
    np.testing.assert_array_equal(fitted.inverse_transform(fitted.transform(X)), X)


SETTINGS = {
    "device": lambda: torch.device("meta"),
    "no grad": torch.no_grad,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
}


@pytest.mark.filterwarnings("ignore:Training has not improved")
@pytest.mark.parametrize("setting", SETTINGS)
def test_what_the_caller_has_set_in_torch_does_not_matter(setting, easy_tasks):
    X = easy_tasks[0][:2]
    short = {"scaling": "matrix", "n_init": 1, "random_state": 0}
    one = GSOMatrixCompleter(2, max_iter=3, **short)
    many = GSOMatrixCompleter(2, max_iter=2, n_epochs=1, **short)
    expected = one.fit_transform(X[0]), many.fit(X).transform(X)
    with SETTINGS[setting]():
        found = one.fit_transform(X[0]), many.fit(X).transform(X)
    for left, right in zip(found, expected, strict=True):
        np.testing.assert_array_equal(left, right)


def test_cells_of_several_entries_are_named():
    X = sparse.coo_array(([3.0, 5, 4, 1, 2], ([0, 0, 0, 1, 2], [1, 1, 1, 0, 2])), shape=(3, 3))
    with pytest.raises(ValueError, match=r"several entries in cell \(0, 1\)"):
        gso.fit(X)


def test_components_are_an_upper_bound(easy_tasks):
    X = easy_tasks[0][0]
    with pytest.warns(UserWarning, match="n_components=40 is more than .*=18: as many are used"):
        many = GSOMatrixCompleter(40, random_state=0).fit(X)
    np.testing.assert_array_equal(
        many.transform(X), GSOMatrixCompleter(18, random_state=0).fit_transform(X)
    )


def test_bounds_by_name_and_none(rng):
    X, hidden = with_holes(rng.randn(60, 3), 0.3)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    bounds = {"min_value": {"b": 0.2}, "max_value": None}
    settings = dict(max_iter=3, n_init=1, scaling="matrix", random_state=0)
    bounded = GSOMatrixCompleter(2, **settings, **bounds)
    filled = bounded.fit_transform(frame)
    assert (filled[hidden[:, 1], 1] >= 0.2).all() and (filled[hidden[:, 0], 0] < 0.2).any()
    with pytest.raises(ValueError, match=r"min_value names columns .* not have: \['d'\]"):
        GSOMatrixCompleter(min_value={"d": 0}).fit(frame)


def test_large_tables_are_fitted_on_as_many_rows_as_tell(monkeypatch, rng):
    monkeypatch.setattr("sklearn_gso.estimators.matrices._ENOUGH", 200)
    truth = rng.randn(2000, 2) @ rng.randn(2, 6) + 0.1 * rng.randn(2000, 6)
    X, hidden = with_holes(truth, 0.2)
    fitted = GSOMatrixCompleter(random_state=0).fit(X)
    assert np.square((fitted.transform(X) - truth)[hidden]).mean() < 0.1
    with pytest.raises(ValueError, match="rows of large tables are not kept"):
        fitted.predict_entries([0], [0])


def test_blocks_of_rows_are_the_rows(monkeypatch):
    X, _ = make_low_rank_tasks(1, shape=(50, 12), rank=2, rate=0.6, noise=0.1, random_state=0)
    fitted = GSOMatrixCompleter(random_state=0).fit(X[0])
    whole = fitted.transform(X[0]), fitted.transform_std(X[0]), fitted.score(X[0])
    monkeypatch.setattr("sklearn_gso.estimators.completion.predictions._BLOCK", 500)
    parts = fitted.transform(X[0]), fitted.transform_std(X[0]), fitted.score(X[0])
    for left, right in zip(parts, whole, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-9)


def test_default_fits_warn_of_nothing(rng):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gso.fit(with_holes(rng.randn(40, 4), 0.2)[0])


@pytest.mark.filterwarnings("ignore:.*have no observed entry")
def test_where_nothing_is_known_fills_are_the_mean(rng):
    """Fewer entries than rows and columns, around 3.5."""
    shape, n = (600, 60), 100
    cells = rng.choice(shape[0] * shape[1], n, replace=False)
    values = 3.5 + 0.5 * rng.randn(n)
    X = sparse.csr_array((values, (cells // shape[1], cells % shape[1])), shape=shape)
    filled = gso.fit(X).predict_entries(rng.randint(0, shape[0], 300), rng.randint(0, 60, 300))
    assert abs(filled.mean() - values.mean()) < 0.1


def test_where_something_can_be_told_the_means_have_no_part():
    X, truth = make_low_rank_tasks(1, shape=(60, 40), rank=3, rate=0.4, mean=1.0, random_state=0)
    fitted = gso.fit(X[0])
    assert np.linalg.norm(fitted.reconstruct(X[0]) - truth[0]) < 1e-5 * np.linalg.norm(truth[0])


NUMBERS = pd.DataFrame(np.random.RandomState(0).randn(12, 2), columns=["a", "b"])
DAYS = pd.date_range("2020", periods=12)


@pytest.mark.parametrize("completer", [gso, ALSMatrixCompleter()])
def test_new_columns_without_numbers_are_named(completer):
    fitted = completer.fit(NUMBERS.assign(s=1.0))
    for column in (["x", "y"] * 6, DAYS):
        with pytest.raises(ValueError, match="olumn 's'"):
            fitted.transform(NUMBERS.assign(s=column))


@pytest.mark.parametrize("completer", [gso, ALSMatrixCompleter()])
@pytest.mark.parametrize(
    "column, message",
    [
        (["x", "y"] * 6, "could not convert string to float: 'x', in column 's'"),
        (pd.Categorical(["x", "y"] * 6), "could not convert string to float: 'x', in column 's'"),
        (DAYS, "Column 's' of X holds dates"),
        (DAYS - DAYS[3], "Column 's' of X holds dates"),
        ([pd.NaT, *DAYS[1:]], "Column 's' of X holds dates"),
    ],
)
def test_a_column_without_numbers_is_named(completer, column, message):
    with pytest.raises(ValueError, match=message):
        completer.fit(NUMBERS.assign(s=column))


def test_dates_in_arrays_are_no_numbers():
    with pytest.raises(ValueError, match="Column 0 of X holds dates"):
        gso.fit(np.array([["2020-01-01", "NaT"]] * 5, dtype="datetime64[D]"))


def test_one_column_of_a_frame_is_no_frame():
    with pytest.raises(ValueError, match="Expected a 2-dimensional container.*to_frame"):
        gso.fit(NUMBERS["a"])


def test_sparse_ones_are_rather_beside_zeros(rng):
    hot = sparse.csr_array(np.c_[np.eye(4)[np.arange(32) % 4], np.ones(32)])
    short = GSOMatrixCompleter(2, max_iter=2, n_init=1, random_state=0)
    with pytest.warns(UserWarning, match="Most stored entries of X are 1.*toarray"):
        short.fit(hot)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        short.fit(sparse.csr_array(rng.rand(30, 4) * (rng.rand(30, 4) < 0.7)))


def test_a_column_without_numbers_of_a_collection_is_named_with_its_task():
    tasks = [np.ones((4, 3)), pd.DataFrame({"a": [1, 2], "c": ["x", "y"]})]
    with pytest.raises(ValueError, match="Task 1 of the collection: .*'x', in column 'c'"):
        GSOMatrixCompleter(2, n_epochs=0).fit(tasks)


def test_wide_tables_have_units_and_wide_images_have_one(rng):
    """Twenty rows of two hundred columns: in units of six decades, and pixels."""
    truth = rng.randn(20, 3) @ rng.randn(3, 200) + 0.3 * rng.randn(20, 200)
    units = 10.0 ** (np.arange(200) % 7)
    X, hidden = with_holes(truth * units, 0.3)
    fitted = gso.fit(X)
    assert fitted.scaling_ == "columns"
    assert np.square((fitted.transform(X) / units - truth)[hidden]).mean() < 0.5
    images, _ = make_digits_tasks(1, fraction_hidden=0.6, random_state=0)
    assert gso.fit(images[0]).scaling_ == "matrix"


def test_a_row_of_which_nothing_is_known():
    """By itself, as beside others."""
    X = np.random.RandomState(0).normal(size=(30, 4)) + 3
    X[3] = np.nan
    completer = GSOMatrixCompleter(random_state=0).fit(X)
    np.testing.assert_allclose(completer.transform(X[3:4])[0], completer.transform(X)[3])


def halves(n_rows=60, n_columns=8, seed=0):
    """Two halves of columns, each observed in other rows; rank 2 in either."""
    rng = np.random.RandomState(seed)
    truth = rng.randn(n_rows, 2) @ rng.randn(2, n_columns) + 0.1 * rng.randn(n_rows, n_columns)
    truth += 5 * rng.randn(n_columns)
    X, _ = with_holes(truth, 0.1, seed)
    X[: n_rows // 2, n_columns // 2 :] = np.nan
    X[n_rows // 2 :, : n_columns // 2] = np.nan
    return X, truth


@pytest.mark.parametrize("container", [np.asarray, sparse_of_observed])
def test_nothing_is_known_of_columns_that_no_row_joins(container):
    """Filled with the column's mean; the other half is as without the first."""
    X, _ = halves()
    completer = GSOMatrixCompleter(2, scaling="columns", random_state=0)
    fitted = completer.fit(container(X))
    filled = fitted.transform(container(X))
    np.testing.assert_allclose(filled[30:, 0], np.nanmean(X[:, 0]), atol=0.05 * np.nanstd(X[:, 0]))
    alone = clone(completer).fit_transform(container(X[:30, :4]))
    np.testing.assert_allclose(filled[:30, :4], alone, rtol=1e-9)
    # A new row that is observed in both: each half from its own entries.
    row = X[:1].copy()
    expected = fitted.transform(container(row))[0, :4]
    row[0, 4:] = 7
    np.testing.assert_array_equal(fitted.transform(container(row))[0, :4], expected)


def test_what_is_read_of_columns_that_no_row_joins():
    X, truth = halves()
    fitted = GSOMatrixCompleter(random_state=0).fit(X)
    estimates = fitted.reconstruct(X)
    rows, columns = np.indices(X.shape)
    np.testing.assert_allclose(fitted.predict_entries(rows, columns), estimates, atol=1e-8)
    assert fitted.components_.shape == (fitted.n_components_, 8)
    assert fitted.score(X, truth) < 0
    across = np.isnan(X[:, :1]).ravel() & (np.arange(60) >= 30)
    np.testing.assert_allclose(
        fitted.transform_std(X)[across, 0] / np.nanstd(X[:, 0]), 1, atol=0.35
    )


@pytest.mark.filterwarnings("ignore:Columns .* have no observed entry")
def test_of_a_column_never_seen_nothing_is_certain(rng):
    X, _ = with_holes(np.c_[rng.randn(30, 3), np.full((30, 1), np.nan)], 0.1)
    deviations = gso.fit(X).transform_std(X)
    assert np.isinf(deviations[:, 3]).all() and np.isfinite(deviations[:, :3]).all()
    X[0, 3] = 1.0
    assert gso.transform_std(X)[0, 3] == 0


def test_spreads_of_columns_that_factors_tell_nothing_of(rng):
    """Constant ones have none; what stands alone, as a table or beside others, has its own."""
    X = np.c_[rng.randn(60, 2), np.full(60, 5.0)]
    X[:5, 0] = X[7:10, 2] = np.nan
    np.testing.assert_allclose(gso.fit(X).transform_std(X)[7:10, 2], 0, atol=1e-12)
    alone = 7 * rng.randn(60, 1) + 3
    alone[:8] = np.nan
    spread = gso.fit(alone).transform_std(alone)
    np.testing.assert_allclose(spread[:8, 0], np.nanstd(alone))
    beside = np.full((110, 9), np.nan)
    beside[:60, :8] = rng.randn(60, 2) @ rng.randn(2, 8) + 0.3 * rng.randn(60, 8)
    beside[60:, 8] = rng.randn(50)
    for scaling in ("matrix", "columns"):
        fitted = GSOMatrixCompleter(scaling=scaling, random_state=0).fit(beside)
        np.testing.assert_allclose(fitted.transform_std(beside)[:60, 8], np.nanstd(beside[:, 8]))
        np.testing.assert_allclose(fitted.transform(beside)[:60, 8], np.nanmean(beside[:, 8]))
