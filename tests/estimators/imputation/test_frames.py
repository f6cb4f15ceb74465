"""Frames of all kinds of columns, as users bring them."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from tests.estimators.imputation.test_imputer import quick

Z = np.random.RandomState(0).normal(size=30)


def with_holes(values):
    """A frame of Z and a column without its rows 2 and 3."""
    column = pd.Series(values)
    column.iloc[[2, 3]] = pd.NA if str(column.dtype)[0] in "IUB" else None
    return pd.DataFrame({"a": Z, "c": column})


def test_categories_may_be_numbers():
    frame = with_holes(pd.Categorical(np.where(Z > 0, 1, 5)))
    filled = quick().fit_transform(frame)
    assert filled["c"].dtype == frame["c"].dtype
    assert filled["c"][[2, 3]].tolist() == np.where(Z > 0, 1, 5)[[2, 3]].tolist()


def test_new_rows_may_lack_a_category():
    train = pd.DataFrame({"a": [0.0, 0, 0, 5, 5, 5] * 4, "c": pd.Categorical(list("xxxyyy") * 4)})
    new = pd.DataFrame({"a": [0.0, 5.0], "c": pd.Categorical(["x", None])})
    assert quick().fit(train).transform(new)["c"].tolist() == ["x", "y"]
    nothing = pd.DataFrame({"a": [0.0, 5.0], "c": [np.nan, np.nan]})
    assert quick().fit(train).transform(nothing)["c"].tolist() == ["x", "y"]
    narrow = pl.DataFrame({"a": [0.0, 5.0], "c": pl.Series(["x", None], dtype=pl.Enum(["x"]))})
    assert quick().fit(train).transform(narrow)["c"].to_list() == ["x", "y"]


@pytest.mark.parametrize("kind", ["Int64", "UInt8"])
def test_integers_by_their_type(kind):
    frame = with_holes(pd.array(np.where(Z > 0, 255, 0), dtype=kind))
    frame.loc[5, "a"] = 20.0  # what it predicts is out of range
    frame.loc[5, "c"] = pd.NA
    filled = quick(integer_features="from_dtype").fit_transform(frame)
    assert filled["c"].dtype == kind
    assert filled["c"].between(0, 2**16).all()
    assert quick().fit_transform(frame)["c"].dtype == "float64"


def test_observed_integers_stay_to_the_last_digit():
    large = [2**53 + 1 + 2 * i for i in range(30)]
    frame = with_holes(pd.array(large, dtype="Int64"))
    filled = quick(integer_features=["c"]).fit_transform(frame)
    assert filled["c"].drop([2, 3]).tolist() == [v for i, v in enumerate(large) if i not in (2, 3)]


def test_unknown_categories_tell_nothing():
    rng = np.random.RandomState(0)
    kind = rng.choice(list("xyz"), 90)
    a = np.select([kind == "x", kind == "y"], [0.0, 5.0], 10.0) + 0.3 * rng.normal(size=90)
    fitted = quick().fit(pd.DataFrame({"a": a, "c": kind, "b": rng.normal(size=90)}))

    def told(value):
        row = pd.DataFrame({"a": [np.nan], "c": pd.Series([value], dtype=object), "b": [0.0]})
        return fitted.transform(row)["a"].item(), fitted.transform_std(row)[0, 0]

    assert told("new") == told(None)


def test_lists_with_strings():
    filled = quick().fit_transform([[1.0, "a"], [float("nan"), "b"], [2.0, None]] * 10)
    assert all(np.isfinite(value) for value in filled[:, 0].astype(float))
    assert set(filled[:, 1]) == {"a", "b"}


def test_a_number_that_marks_what_is_missing_is_no_flag():
    frame = pd.DataFrame({"flag": Z > 0, "a": np.where(Z > 1, 1.0, Z)})
    filled = quick(missing_values=1).fit_transform(frame)
    assert filled["flag"].tolist() == frame["flag"].tolist()
    assert not (filled["a"] == 1).any()
    marked = pl.DataFrame({"a": [1.0, -999.0] * 9, "b": [True, False] * 9, "c": ["x", "y"] * 9})
    assert quick(missing_values=-999).fit_transform(marked)["a"].to_list() == [1.0] * 18


def test_dates_are_refused_wherever_they_are():
    stamps = pd.date_range("2020-01-01", periods=30)
    for dates in (stamps, stamps.to_period(), stamps.astype(object), pd.Categorical(stamps)):
        with pytest.raises(ValueError, match="'d'.*dates"):
            quick().fit(pd.DataFrame({"a": Z, "d": dates}))


def test_empty_columns_of_categories():
    frame = pd.DataFrame({"s": pd.Series([None] * 30, dtype=object), "a": Z})
    for own in (frame, frame[["a", "s"]]):
        filled = quick(categorical_features=["s"]).fit_transform(own)
        assert list(filled) == ["a"]


def test_whole_numbers_stay_within_bounds():
    frame = pd.DataFrame({"a": np.where(np.arange(30) % 5, 3 * Z, np.nan), "b": Z})
    filled = quick(min_value=0.5, max_value=2.6, integer_features=["a"]).fit_transform(frame)
    assert set(filled["a"][frame["a"].isna()]) <= {1.0, 2.0}
    with pytest.raises(ValueError, match="No integer"):
        quick(min_value=0.5, max_value=0.9, integer_features=["a"]).fit(frame)


def test_names_are_those_of_the_last_good_fit():
    frame = pd.DataFrame(np.random.RandomState(0).normal(size=(30, 3)), columns=list("abc"))
    fitted = quick().fit(frame)
    with pytest.raises(ValueError, match="infinity"):
        fitted.fit(frame.assign(q=np.inf))
    assert fitted.transform(frame).shape == (30, 3)


def test_collections_with_set_output():
    frame = pd.DataFrame(np.random.RandomState(0).normal(size=(12, 3)), columns=list("abc"))
    imputer = quick(parts=["factors"], n_epochs=0).set_output(transform="pandas")
    fitted = imputer.fit([frame, frame])
    assert [list(filled) for filled in fitted.transform([frame, frame])] == [list("abc")] * 2


@pytest.mark.filterwarnings("error")
def test_no_warning_of_rows_that_were_emptied_to_judge():
    rng = np.random.RandomState(0)
    a = rng.normal(size=90)
    frame = pd.DataFrame({"a": a, "b": np.where(rng.uniform(size=90) < 0.4, np.nan, a)})
    filled = quick(parts=["factors", "pooled"], weights="heldout").fit_transform(frame)
    assert filled.notna().all().all()


def test_indicators_beside_names_that_are_no_strings():
    X = np.random.RandomState(0).normal(size=(30, 3))
    X[::5, 0] = np.nan
    pipeline = make_pipeline(quick(add_indicator=True), LinearRegression())
    pipeline.fit(pd.DataFrame(X), X[:, 1])
    named = pd.DataFrame(X, columns=["a", "b", "missingindicator_a"])
    assert quick(add_indicator=True).fit_transform(named).shape == (30, 4)


@pytest.mark.parametrize("scale", [1e-200, 1e160])
def test_huge_and_tiny_numbers(scale):
    X = np.repeat(Z[:, None], 3, axis=1) + 0.1 * np.random.RandomState(1).normal(size=(30, 3))
    X[0, 0] = np.nan
    filled = quick().fit_transform(X * scale) / scale
    assert filled[0, 0] == pytest.approx(quick().fit_transform(X)[0, 0], rel=1e-6)


def test_rows_beyond_all_that_was_seen():
    X = np.repeat(Z[:, None], 3, axis=1) + 0.1 * np.random.RandomState(1).normal(size=(30, 3))
    assert np.isfinite(quick().fit(X).transform([[1e160, np.nan, 0.0]])).all()


def test_texts_that_are_identifiers_or_have_units_are_warned_of():
    """More different ones than have indicators; fewer are categories, of which nothing is said."""
    rng = np.random.RandomState(0)
    frame = pd.DataFrame({"weight": [f"{i} kg" for i in range(60)], "x": rng.randn(60)})
    frame = frame.assign(city=rng.choice(["Rome", "Oslo"], 60)).mask(rng.rand(60, 3) < 0.05)
    n_values = frame["weight"].nunique()
    assert n_values > 50
    with pytest.warns(UserWarning, match=f"Column 'weight' of X has {n_values} different values"):
        quick().fit(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick().fit(frame.drop(columns="weight"))
