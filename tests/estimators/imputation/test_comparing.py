"""Imputers beside each other on a table of one's own."""

import numpy as np
import polars as pl
import pytest
from sklearn.impute import SimpleImputer

from sklearn_gso import compare_imputers
from tests.estimators.imputation.test_imputer import correlated, penguins


@pytest.mark.slow
def test_ours_is_first_where_columns_tell_of_each_other():
    comparison = compare_imputers(correlated(), n_repeats=2)
    assert comparison.index[0] in ("GSOImputer", "IterativeImputer")
    assert comparison.index[-1] == "SimpleImputer"
    assert comparison.loc["SimpleImputer", "error"] == pytest.approx(1, abs=0.2)
    assert list(comparison) == ["error", "seconds"]


@pytest.mark.slow
def test_categories_have_an_accuracy():
    comparison = compare_imputers(penguins(100), n_repeats=1)
    ours, most_frequent = comparison.loc[["GSOImputer", "SimpleImputer"], "accuracy"]
    assert ours > most_frequent > 0


def test_more_imputers_and_other_containers():
    frame = pl.DataFrame(
        {"a": [1.0, 2, 3, 4, None, 6, 7, 8], "b": [2.0, 4, 6, 8, 10, 12, 14, None]}
    )
    median = {"median": SimpleImputer(strategy="median")}
    comparison = compare_imputers(frame, imputers=median, n_repeats=1)
    assert "median" in comparison.index
    assert np.isfinite(comparison["error"]).all()


@pytest.mark.parametrize("hidden", [0, 1, True, "some"])
def test_bad_shares(hidden):
    with pytest.raises(ValueError, match="hidden"):
        compare_imputers(correlated(), hidden=hidden)


def test_columns_with_nothing_to_hide_are_named():
    X = correlated()
    X[1:, 2] = np.nan
    with pytest.raises(ValueError, match="Columns \\[2\\]"):
        compare_imputers(X)
