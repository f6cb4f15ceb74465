"""pandas and polars frames in and out: the numbers of plain arrays, under the columns' names."""

from datetime import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gso import (
    ALSMatrixCompleter,
    EMGaussianMixture,
    GSOBlindDeconvolution,
    GSODictionaryLearning,
    GSOGaussianMixture,
    GSOMatrixCompleter,
    GSOSourceSeparation,
    SGDMatrixCompleter,
)

pytestmark = pytest.mark.filterwarnings("ignore:Training has not improved")

NAMES = [f"c{i}" for i in range(18)]
COMPLETERS = [
    GSOMatrixCompleter(2, max_iter=5, n_init=1, n_epochs=0, scaling="matrix", random_state=0),
    GSOMatrixCompleter(
        2, rule="step", max_iter=1, t_l=2, n_init=1, n_epochs=1, scaling="matrix", random_state=0
    ),
    ALSMatrixCompleter(2, max_iter=5, random_state=0),
    SGDMatrixCompleter(2, max_iter=3, scaling="matrix", random_state=0),
]
MIXTURES = [EMGaussianMixture(2, random_state=0), GSOGaussianMixture(2, random_state=0)]
FRAMES = {
    "pandas": lambda X: pd.DataFrame(X, columns=NAMES[: X.shape[1]]),
    # Missing entries of polars are null.
    "polars": lambda X: pl.DataFrame(X, schema=NAMES[: X.shape[1]]).fill_nan(None),
}
KINDS = {"pandas": pd.DataFrame, "polars": pl.DataFrame}


@pytest.mark.parametrize("library", FRAMES)
@pytest.mark.parametrize("completer", COMPLETERS, ids=lambda c: f"{type(c).__name__}-{c.max_iter}")
def test_completers(completer, library, easy_tasks):
    X = easy_tasks[0][0]
    frame = FRAMES[library](X)
    expected = clone(completer).fit_transform(X)
    plain = clone(completer).fit(frame)
    np.testing.assert_array_equal(plain.transform(frame), expected)
    assert plain.feature_names_in_.tolist() == plain.get_feature_names_out().tolist() == NAMES
    named = clone(completer).set_output(transform=library)
    for out in (named.fit_transform(frame), named.transform(frame)):
        assert isinstance(out, KINDS[library]) and list(out.columns) == NAMES
        np.testing.assert_array_equal(out.to_numpy(), expected)
    # New rows, in another order of the columns, are refused as scikit-learn refuses them.
    with pytest.raises(ValueError, match="same order"):
        named.transform(frame[NAMES[::-1]])
    # Arrays get names too, with a warning that they had none.
    with pytest.warns(UserWarning, match="valid feature names"):
        assert list(named.transform(X).columns) == NAMES


def test_rows_keep_their_index(easy_tasks):
    frame = FRAMES["pandas"](easy_tasks[0][0])
    frame.index = [f"r{i}" for i in range(len(frame))][::-1]
    completer = clone(COMPLETERS[0]).set_output(transform="pandas").fit(frame)
    out = completer.transform(frame.iloc[3:7])
    assert out.index.tolist() == frame.index[3:7].tolist()
    pd.testing.assert_frame_equal(out, completer.transform(frame).iloc[3:7])


@pytest.mark.parametrize("library", FRAMES)
def test_collections_of_frames(library, easy_tasks):
    """Tasks have columns of their own, whose names come out where frames are asked for."""
    X = list(easy_tasks[0])
    expected = clone(COMPLETERS[0]).fit(X).transform(X)
    frames = [FRAMES[library](x) for x in X]
    completer = clone(COMPLETERS[0]).set_output(transform=library).fit(frames)
    if library == "pandas":
        frames[0].index = [f"r{i}" for i in range(len(frames[0]))]
    for tasks, names in ((frames, NAMES), (X, [f"x{j}" for j in range(len(NAMES))])):
        found = completer.transform(tasks)
        assert isinstance(found, list)
        for task, a, b in zip(tasks, expected, found, strict=True):
            assert isinstance(b, KINDS[library]) and list(b.columns) == names
            np.testing.assert_array_equal(a, b.to_numpy())
            if isinstance(task, pd.DataFrame):
                assert b.index.tolist() == task.index.tolist()


@pytest.mark.parametrize("library", FRAMES)
def test_pipelines_hand_frames_on(library, easy_tasks):
    X = easy_tasks[0][0]
    y = np.arange(len(X)) % 2
    pipeline = make_pipeline(StandardScaler(), clone(COMPLETERS[0]), LogisticRegression())
    expected = clone(pipeline).fit(X, y).predict_proba(X)
    with config_context(transform_output=library):
        fitted = pipeline.fit(FRAMES[library](X), y)
        np.testing.assert_allclose(fitted.predict_proba(FRAMES[library](X)), expected, rtol=1e-9)
        between = fitted[:2].transform(FRAMES[library](X))
    assert isinstance(between, KINDS[library]) and list(between.columns) == NAMES
    assert fitted[-1].feature_names_in_.tolist() == NAMES


@pytest.mark.parametrize("library", FRAMES)
@pytest.mark.parametrize("mixture", MIXTURES, ids=lambda m: type(m).__name__)
def test_mixtures(mixture, library, rng):
    """They take frames; what they give are arrays, as of scikit-learn's mixtures."""
    X = np.concatenate([rng.randn(30, 3), rng.randn(30, 3) + 6])
    frame = FRAMES[library](X)
    expected, found = clone(mixture).fit(X), clone(mixture).fit(frame)
    assert found.feature_names_in_.tolist() == NAMES[:3]
    assert not hasattr(expected, "feature_names_in_")
    for name in ("predict", "predict_proba", "score_samples"):
        np.testing.assert_array_equal(getattr(found, name)(frame), getattr(expected, name)(X))
    with pytest.raises(ValueError, match="same order"):
        found.predict(frame[NAMES[:3][::-1]])
    tasks = [frame, frame[10:]]
    learned = clone(mixture).set_params(**({"n_epochs": 0} if mixture is MIXTURES[1] else {}))
    first, second = learned.fit(tasks).predict_proba(tasks)
    assert first.shape == (60, 2) and second.shape == (50, 2)


SHORT = {"max_iter": 3, "n_epochs": 0, "random_state": 0}
PARTS = [GSODictionaryLearning(2, **SHORT), GSOSourceSeparation(2, **SHORT)]


@pytest.mark.parametrize("library", FRAMES)
@pytest.mark.parametrize("estimator", PARTS, ids=lambda e: type(e).__name__)
def test_what_belongs_to_parts_is_named_by_them(estimator, library, rng):
    """Codes and sources are no columns of X: names are those of a fit on one data set."""
    X = [rng.randn(20, 4), rng.randn(15, 4)]
    frames = [FRAMES[library](x) for x in X]
    one = clone(estimator).set_output(transform=library).fit(frames[0])
    wanted = clone(estimator).fit(X).transform(X)
    found = clone(estimator).set_output(transform=library).fit(frames).transform(frames)
    for a, b in zip(wanted, found, strict=True):
        assert isinstance(b, KINDS[library])
        assert list(b.columns) == list(one.get_feature_names_out())
        np.testing.assert_array_equal(a, b.to_numpy())


@pytest.mark.parametrize(
    "estimator",
    [*COMPLETERS[:1], *MIXTURES[1:], *PARTS, GSOBlindDeconvolution(2, **SHORT)],
    ids=lambda e: type(e).__name__,
)
def test_errors_name_the_column_that_has_no_numbers(estimator, rng):
    frame = pd.DataFrame(rng.randn(12, 3), columns=list("abc"))
    town = frame.assign(town=["here"] * 12)
    when = frame.assign(when=pd.date_range("2020-01-01", periods=12))
    for X, told in ((town, "'here', in column 'town'"), (when, "'when' of X holds dates")):
        with pytest.raises(ValueError, match=told):
            clone(estimator).fit(X)
        with pytest.raises(ValueError, match=f"Task 1 of the collection: .*{told}"):
            clone(estimator).fit([frame, X])


@pytest.mark.parametrize("library", FRAMES)
@pytest.mark.parametrize("estimator", [*COMPLETERS[:1], PARTS[0]], ids=lambda e: type(e).__name__)
def test_one_data_set_after_a_collection_comes_in_a_frame_too(estimator, library, rng):
    X = [rng.randn(12, 4), rng.randn(10, 4)]
    frame = FRAMES[library](X[0])
    wanted = clone(estimator).fit(X).transform(X[0])
    fitted = clone(estimator).set_output(transform=library).fit(X)
    found = fitted.transform(frame)
    assert isinstance(found, KINDS[library])
    assert list(found.columns) == list(fitted.transform([frame])[0].columns)
    np.testing.assert_array_equal(found.to_numpy(), wanted)


DATES = [datetime(2020, 1, i) for i in range(1, 13)]
TOLD = "'when' of X holds dates"


@pytest.mark.parametrize(
    "estimator", [*COMPLETERS[:1], MIXTURES[0]], ids=lambda e: type(e).__name__
)
@pytest.mark.parametrize(
    ("column", "told"),
    [
        (["here"] * 12, "'here', in column 'when'"),
        (DATES, TOLD),
        ([day.date() for day in DATES], TOLD),
        ([day - DATES[0] for day in DATES], TOLD),
    ],
    ids=["text", "times", "dates", "durations"],
)
def test_polars_errors_name_the_column_too(estimator, column, told, rng):
    frame = pl.DataFrame({"number": rng.randn(12), "other": rng.randn(12), "when": column})
    with pytest.raises(ValueError, match=told):
        clone(estimator).fit(frame)


@pytest.mark.parametrize("column", [["1", None] * 6, [True, None] * 6, [None] * 12])
@pytest.mark.filterwarnings("ignore:Columns .2. of X have no observed")
def test_polars_columns_that_can_be_read_as_numbers_are(column, rng):
    frame = pl.DataFrame({"number": rng.randn(12), "other": rng.randn(12), "kind": column})
    assert np.isfinite(clone(COMPLETERS[0]).fit_transform(frame)).all()
