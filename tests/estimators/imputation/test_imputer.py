"""GSOImputer: tables filled by several models, weighted by hidden entries."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_gso import GSOImputer, LearnedOptimizer, MetaTraining
from sklearn_gso.estimators.imputation.blend import MODELS, PARTS
from sklearn_gso.estimators.imputation.weighing import heldout_weights


def quick(**parameters):
    """For what does not depend on the models."""
    fast = {"parts": ["pooled"], "weights": "equal", "random_state": 0}
    return GSOImputer(**{**fast, **parameters})


def correlated(n=80, q=6, noise=0.3, seed=0):
    """Two factors, columns in units of their own."""
    rng = np.random.RandomState(seed)
    signal = rng.normal(size=(n, 2)) @ rng.normal(size=(2, q))
    return (signal + noise * rng.normal(size=(n, q))) * 10.0 ** np.arange(q) + 5


def holed(table, share=0.3, seed=1):
    rng = np.random.RandomState(seed)
    hidden = rng.uniform(size=table.shape) < share
    hidden[:3] = False
    return np.where(hidden, np.nan, table), hidden


def squared_error(filled, table, hidden):
    """Of hidden entries, in units of each column's variance."""
    return np.mean(np.square((filled - table) / table.std(0))[hidden])


@pytest.fixture(scope="module")
def problem():
    table = correlated()
    return table, *holed(table)


@pytest.fixture(scope="module")
def fitted(problem):
    return GSOImputer(random_state=0).fit(problem[1])


def penguins(n=60, seed=0):
    """Numbers, strings, pandas' categories, flags, whole numbers, each with holes."""
    rng = np.random.RandomState(seed)
    kind = rng.choice(["adelie", "gentoo", "chinstrap"], size=n)
    mass = rng.normal(size=n) + 5.0 * (kind == "gentoo")
    frame = pd.DataFrame(
        {
            "mass": mass,
            "kind": kind,
            "island": pd.Categorical(np.where(mass > 2.5, "west", "east")),
            "heavy": pd.array(mass > 2.5, dtype="boolean"),
            "year": pd.array(2007 + rng.randint(3, size=n), dtype="Int64"),
        }
    )
    for j, column in enumerate(frame):
        frame.loc[rng.permutation(n)[: 5 + j], column] = None
    return frame


# What is filled in ----------------------------------------------------------------------


def test_observed_entries_stay_and_all_others_are_filled(problem, fitted):
    table, X, hidden = problem
    filled = fitted.transform(X)
    np.testing.assert_array_equal(filled[~hidden], X[~hidden])
    assert np.isfinite(filled).all()


def test_far_below_column_means(problem, fitted):
    table, X, hidden = problem
    means = np.where(hidden, np.nanmean(X, 0), X)
    error, of_means = (squared_error(a, table, hidden) for a in (fitted.transform(X), means))
    assert error < 0.5 * of_means


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_noise_is_filled_with_column_means(seed):
    table = np.random.RandomState(seed).normal(size=(200, 5))
    X, hidden = holed(table, seed=seed)
    imputer = GSOImputer(random_state=0).fit(X)
    means = np.where(hidden, np.nanmean(X, 0), X)
    own = squared_error(imputer.transform(X), table, hidden)
    assert own <= 1.04 * squared_error(means, table, hidden)


@pytest.mark.slow
def test_units_and_offsets_do_not_matter(problem):
    """Of trees some splits are between equal numbers, up to rounding."""
    table, X, _ = problem
    unit, offset = 10.0 ** np.arange(-2, 4), np.arange(6.0)
    fitted = GSOImputer(parts=PARTS[:-1], random_state=0).fit(X)
    other = clone(fitted).fit_transform(X * unit + offset)
    np.testing.assert_allclose(
        other / table.std(0) / unit,
        (fitted.transform(X) * unit + offset) / table.std(0) / unit,
        rtol=1e-6,
        atol=1e-6,
    )


def test_rows_are_filled_by_themselves(problem, fitted):
    _, X, _ = problem
    alone = np.vstack([fitted.transform(X[i : i + 1]) for i in range(10)])
    np.testing.assert_allclose(alone, fitted.transform(X)[:10], rtol=1e-8)


def test_nothing_is_known_of_a_row(problem, fitted):
    _, X, _ = problem
    filled = fitted.transform(np.full((1, 6), np.nan))
    assert (np.abs(filled - np.nanmean(X, 0)) < np.nanstd(X, 0)).all()


def test_trees_tell_what_planes_do_not():
    """The product of two columns."""
    rng = np.random.RandomState(0)
    table = rng.normal(size=(300, 2))
    table = np.column_stack([table, table.prod(1)])
    X = table.copy()
    hidden = np.zeros(X.shape, bool)
    hidden[rng.permutation(300)[:90], 2] = True
    X[hidden] = np.nan
    errors = [
        squared_error(GSOImputer(parts=p, random_state=0).fit_transform(X), table, hidden)
        for p in (["factors"], ["factors", "trees"])
    ]
    assert errors[1] < 0.4 * errors[0]


# Weights ----------------------------------------------------------------------------------


def test_weights_sum_to_one(fitted):
    assert set(fitted.weights_) == {"means", "factors", "mixture", "pooled", "trees"}
    assert sum(fitted.weights_.values()) == pytest.approx(1)


@pytest.mark.slow
def test_equal_and_given_weights(problem):
    _, X, _ = problem
    equal = GSOImputer(weights="equal", random_state=0).fit(X)
    assert equal.weights_ == pytest.approx({"means": 0, **dict.fromkeys(MODELS, 1 / 4)})
    same = GSOImputer(weights=dict.fromkeys(MODELS, 2), random_state=0)
    np.testing.assert_allclose(same.fit_transform(X), equal.transform(X))


def test_means_alone(problem):
    _, X, hidden = problem
    filled = quick(weights={"means": 1.0}).fit_transform(X)
    np.testing.assert_allclose(filled, np.where(hidden, np.nanmean(X, 0), X))


@pytest.mark.parametrize("part", [[name] for name in MODELS])
def test_each_part_can_stand_alone(problem, part):
    _, X, _ = problem
    imputer = GSOImputer(parts=part, random_state=0).fit(X)
    assert set(imputer.weights_) == {"means", *part}
    assert np.isfinite(imputer.transform(X)).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("parts", "factors"),
        ("parts", ["neighbours"]),
        ("parts", ["forest"]),
        ("weights", "best"),
        ("weights", {"forest": 1}),
        ("weights", {"factors": 0}),
        ("weights", {"factors": -1}),
        ("handle_unknown", "ignore"),
        ("categorical_features", "kind"),
        ("categorical_features", ["nothing"]),
        ("integer_features", [7]),
    ],
)
def test_bad_parameters_are_named(problem, name, value):
    with pytest.raises(ValueError, match=name):
        GSOImputer(**{name: value}).fit(problem[1])


# How certain ------------------------------------------------------------------------------


@pytest.mark.slow
def test_intervals_cover_nine_tenths():
    """Of hidden entries of many tables; each has its own luck."""
    covered = []
    for seed in range(4):
        table = correlated(n=150, seed=seed)
        X, hidden = holed(table, seed=seed)
        imputer = GSOImputer(random_state=0).fit(X)
        deviations = imputer.transform_std(X)
        assert (deviations[hidden] > 0).all()
        np.testing.assert_array_equal(deviations[~hidden], 0)
        within = np.abs(imputer.transform(X) - table) <= 1.645 * deviations
        covered.append(within[hidden].mean())
    assert 0.84 < np.mean(covered) < 0.96


def test_draws_have_the_mean_and_deviation_that_are_told(problem, fitted):
    _, X, hidden = problem
    draws = np.array(fitted.sample_missing(X, 400, random_state=0))
    np.testing.assert_array_equal(draws[:, ~hidden], np.tile(X[~hidden], (400, 1)))
    deviations = fitted.transform_std(X)[hidden]
    away = (draws.mean(0) - fitted.transform(X))[hidden] / deviations
    assert np.abs(away).max() < 0.35
    assert np.median(draws.std(0)[hidden] / deviations) == pytest.approx(1, abs=0.1)


def test_missing_entries_of_a_row_are_drawn_together():
    rng = np.random.RandomState(0)
    X = np.repeat(rng.normal(size=(200, 1)), 3, axis=1) + 0.1 * rng.normal(size=(200, 3))
    X[0, :2] = np.nan
    X[0, 2] = 0.0
    imputer = GSOImputer(parts=["factors", "pooled"], random_state=0).fit(X)
    row = np.array(imputer.sample_missing(np.full((1, 3), np.nan), 300, random_state=1))[:, 0]
    assert np.corrcoef(row.T)[0, 1] > 0.9


@pytest.mark.parametrize("n_samples", [0, 1.5])
def test_bad_numbers_of_draws(fitted, problem, n_samples):
    with pytest.raises(ValueError, match="n_samples"):
        fitted.sample_missing(problem[1], n_samples)


@pytest.mark.parametrize(("share", "weight"), [(0.97, (0.5, 1.0)), (0.85, (0.0, 0.05))])
def test_means_keep_the_weight_unless_a_blend_is_clearly_better(share, weight):
    """By the ratio of mean squared errors of many hidden entries."""
    left = np.random.RandomState(0).normal(size=1000)
    weights = heldout_weights(np.array([left, np.sqrt(share) * left, np.sqrt(share) * left]))
    assert weight[0] < weights[0] < weight[1]
    assert weights.sum() == pytest.approx(1)


# Frames and categories --------------------------------------------------------------------


def test_a_frame_comes_back_with_its_own_values_and_types():
    frame = penguins()
    filled = quick(integer_features=["year"]).fit_transform(frame)
    assert list(filled.columns) == list(frame.columns)
    assert filled.index.equals(frame.index)
    assert not filled.isna().any().any()
    assert (filled.dtypes == frame.dtypes).all()
    known = frame.notna()
    assert (filled[known] == frame[known]).sum().sum() == known.sum().sum()
    for column in ("kind", "island", "heavy"):
        assert set(filled[column]) <= set(frame[column].dropna())


def test_categories_are_told_by_the_other_columns():
    frame = penguins(200)
    truth = frame["mass"] > 2.5
    filled = quick().fit_transform(frame)
    unknown = frame["island"].isna() & frame["mass"].notna()
    assert (filled["island"] == np.where(truth, "west", "east"))[unknown].mean() > 0.9


def test_polars_frames():
    frame = penguins()
    columns = {name: frame[name].astype(object) for name in frame}
    nulls = {n: [None if pd.isna(v) else v for v in values] for n, values in columns.items()}
    filled = quick(integer_features=["year"]).fit_transform(pl.DataFrame(nulls))
    assert isinstance(filled, pl.DataFrame)
    assert filled.null_count().sum_horizontal().item() == 0
    expected = quick(integer_features=["year"]).fit_transform(frame)
    assert filled["kind"].to_list() == expected["kind"].to_list()
    np.testing.assert_allclose(filled["mass"].to_numpy(), expected["mass"])


def test_arrays_of_objects():
    frame = penguins()
    filled = quick().fit_transform(frame.astype(object).to_numpy())
    assert filled.dtype == object
    assert set(filled[:, 1]) == set(frame["kind"].dropna())


def test_set_output_is_obeyed():
    frame = penguins()
    array = quick().set_output(transform="default").fit_transform(frame)
    assert isinstance(array, np.ndarray)
    numbers = frame[["mass", "year"]].to_numpy(float, na_value=np.nan)
    out = quick().set_output(transform="pandas").fit_transform(numbers)
    assert isinstance(out, pd.DataFrame)


def test_unknown_categories_of_new_rows():
    frame = penguins()
    new = frame.iloc[[0]].assign(kind="emperor", mass=np.nan)
    kept = quick().fit(frame).transform(new)
    assert kept["kind"].item() == "emperor"
    assert np.isfinite(kept["mass"].item())
    with pytest.raises(ValueError, match="'kind'.*emperor"):
        quick(handle_unknown="error").fit(frame).transform(new)


def test_columns_may_be_named_as_categories():
    X = np.array([[0.0, 7], [0, np.nan], [5, 3], [5, 3], [0, 7], [np.nan, 3]] * 5)
    filled = quick(categorical_features=[1]).fit_transform(X)
    assert set(np.unique(filled[:, 1].astype(float))) == {3.0, 7.0}


def test_integers_where_asked():
    table = np.rint(correlated() / 10.0 ** np.arange(6))
    X, _ = holed(table)
    filled = quick(integer_features=[0, 2]).fit_transform(X)
    np.testing.assert_array_equal(filled[:, [0, 2]], np.rint(filled[:, [0, 2]]))
    assert (filled[:, 1] != np.rint(filled[:, 1])).any()


def test_dates_are_named():
    frame = penguins().assign(date=pd.Timestamp("2020-01-01"))
    with pytest.raises(ValueError, match="'date'.*dates"):
        quick().fit(frame)


def test_bounds_by_name():
    frame = penguins()[["mass", "kind"]]
    filled = quick(min_value={"mass": 4.9}).fit_transform(frame)
    assert filled["mass"][frame["mass"].isna()].min() >= 4.9


# Columns and small tables ------------------------------------------------------------------


def test_empty_columns_are_dropped_or_kept(problem):
    X = np.column_stack([problem[1], np.full(80, np.nan)])
    assert quick().fit_transform(X).shape == (80, 6)
    whole = quick(keep_empty_features=True).fit_transform(X)
    np.testing.assert_array_equal(whole[:, 6], 0)


def test_indicators(problem):
    X = problem[1].copy()
    X[:, 0] = problem[0][:, 0]
    imputer = quick(add_indicator=True).fit(X)
    filled = imputer.transform(X)
    np.testing.assert_array_equal(filled[:, 6:], np.isnan(X[:, 1:]))
    assert imputer.get_feature_names_out()[6] == "missingindicator_x1"


@pytest.mark.parametrize("n", [1, 2, 3, 5, 9, 15])
@pytest.mark.parametrize("q", [1, 2, 7])
@pytest.mark.parametrize(
    "parts", [["pooled"], pytest.param(["factors", "pooled"], marks=pytest.mark.slow)], ids=len
)
def test_small_tables(n, q, parts):
    X = np.random.RandomState(n).normal(size=(n, q))
    if n > 1:
        X[0, 0] = np.nan
    assert np.isfinite(quick(parts=parts).fit_transform(X)).all()


def test_two_rows_are_enough_for_factors():
    assert np.isfinite(quick(parts=["factors"]).fit_transform([[1.0, 2], [np.nan, 3]])).all()


def test_wide_tables():
    X, _ = holed(correlated(n=20, q=6).repeat(50, axis=1))
    imputer = quick(parts=["factors", "pooled"]).fit(X)
    assert set(imputer.weights_) == {"means", "factors"}
    assert np.isfinite(imputer.transform(X)).all()


def test_constant_columns_stay_constant(problem):
    X = problem[1].copy()
    X[:, 2] = np.where(np.isnan(X[:, 2]), np.nan, 3.0)
    np.testing.assert_allclose(quick().fit_transform(X)[:, 2], 3.0)


def test_nothing_observed():
    with pytest.raises(ValueError, match="no observed entry"):
        quick().fit(np.full((4, 3), np.nan))


def test_missing_values_may_be_a_number(problem):
    _, X, _ = problem
    marked = np.where(np.isnan(X), -999.0, X)
    filled = quick(missing_values=-999.0).fit_transform(marked)
    np.testing.assert_array_equal(filled, quick().fit_transform(X))


# In scikit-learn's company -----------------------------------------------------------------


def test_in_a_pipeline_and_a_search(problem):
    table, X, _ = problem
    pipeline = make_pipeline(quick(), LinearRegression())
    grid = {"gsoimputer__weights": ["equal", "heldout"]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(X[:, :3], table[:, 5])
    assert np.isfinite(search.best_score_)


def test_pickles_fill_the_same(problem, fitted):
    _, X, _ = problem
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))


@pytest.mark.parametrize(
    "parts", [["pooled", "trees"], pytest.param(PARTS, marks=pytest.mark.slow)], ids=len
)
def test_clones_fill_the_same(problem, parts):
    _, X, _ = problem
    imputer = quick(parts=parts)
    expected = imputer.fit_transform(X)
    np.testing.assert_array_equal(clone(imputer).fit_transform(X), expected)


def test_a_failed_fit_leaves_the_earlier_one(problem):
    _, X, _ = problem
    imputer = quick(parts=["factors"]).fit(X)
    expected = imputer.transform(X)
    with pytest.raises(ValueError, match="no observed entry"):
        imputer.fit(np.full((5, 6), np.nan))
    np.testing.assert_array_equal(imputer.transform(X), expected)


@pytest.mark.slow
def test_collections_train_the_optimizer():
    tables = [holed(correlated(n=30, seed=s), seed=s)[0] for s in range(4)]
    imputer = quick(parts=["factors", "pooled"], n_epochs=1).fit(tables)
    assert isinstance(imputer.learned_optimizer_, LearnedOptimizer)
    assert imputer.n_tasks_in_ == 4
    filled = imputer.transform(tables[:2])
    alone = quick(parts=["factors", "pooled"], optimizer=imputer.learned_optimizer_)
    np.testing.assert_allclose(filled[0], alone.fit_transform(tables[0]))
    with pytest.raises(ValueError, match="collection"):
        imputer.transform(tables[0])


def test_one_table_and_collections_are_told_apart(problem, fitted):
    with pytest.raises(ValueError, match="one table"):
        fitted.transform([problem[1], problem[1]])
    imputer = quick(parts=["factors"], n_epochs=0).fit([problem[1]] * 2)
    assert not hasattr(imputer, "transform_std")


def test_all_parts_by_default():
    assert GSOImputer().parts == PARTS


@pytest.mark.parametrize("rows", [3, 30])
def test_a_constant_column_and_a_single_one_have_finite_deviations(rows):
    rng = np.random.RandomState(0)
    constant = np.c_[rng.randn(rows + 5, 2), np.full(rows + 5, 5.0)]
    imputer = GSOImputer(random_state=0).fit(constant)
    new = [[1.0, 2.0, np.nan]]
    np.testing.assert_allclose(imputer.transform_std(new), 0, atol=1e-9)
    np.testing.assert_allclose(imputer.sample_missing(new, 2), [[[1, 2, 5]]] * 2)
    alone = np.r_[rng.randn(rows), np.nan][:, None]
    imputer = GSOImputer(random_state=0).fit(alone)
    assert np.isfinite(imputer.sample_missing(alone, 2)).all()
    assert 0 < imputer.transform_std(alone)[-1, 0] < 4 * np.nanstd(alone)


@pytest.mark.slow
def test_tables_of_a_collection_are_filled_without_more_training(monkeypatch):
    tables = [holed(correlated(seed=seed))[0] for seed in range(2)]
    settings = {"parts": ["factors"], "weights": "equal", "random_state": 0, "n_epochs": 1}
    imputer = GSOImputer(training=MetaTraining(instance_epochs=1), **settings).fit(tables)
    monkeypatch.setattr("sklearn_gso.estimators.fitting.Learner", None)
    assert np.isfinite(imputer.transform(tables)[1]).all()
    training = MetaTraining(instance_epochs=1, checkpoint="training")
    with pytest.raises(ValueError, match="checkpoint is for a fit on a collection"):
        GSOImputer(training=training, **settings).fit(tables[0])
