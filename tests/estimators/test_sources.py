"""GSOSourceSeparation: what it finds, scikit-learn's interface, missing entries, collections."""

import pickle

import numpy as np
import pytest
from sklearn.decomposition import NMF, FastICA
from sklearn.model_selection import GridSearchCV

from sklearn_gso import GSOSourceSeparation
from sklearn_gso.metrics import amari_distance, signal_to_distortion

pytestmark = pytest.mark.filterwarnings("ignore:Training has not improved")
KINDS = ("sparse", "nonnegative")


def draw(kind, seed, n=200, k=3, d=6, noise=0.1):
    """Sources that are 0 as often as not, their mixing, and the noisy mixtures."""
    rng = np.random.RandomState(seed)
    sources = rng.standard_normal((n, k)) * (rng.rand(n, k) < 0.3)
    mixing = rng.standard_normal((d, k))
    if kind == "nonnegative":
        sources, mixing = np.abs(sources), np.abs(mixing)
    X = sources @ mixing.T
    X += noise * X.std() * rng.standard_normal(X.shape)
    return np.maximum(X, 0) if kind == "nonnegative" else X, mixing, sources


def separation(kind="sparse", **options):
    options = {"optimizer": None, "random_state": 0, **options}
    return GSOSourceSeparation(3, sources=kind, **options)


@pytest.fixture(scope="module", params=KINDS)
def case(request):
    """A kind of sources, data and a fit, which tests must leave as they are."""
    X, mixing, sources = draw(request.param, 0)
    return request.param, X, mixing, sources, separation(request.param).fit(X)


def test_the_mixing_is_closer_than_that_of_scikit_learn(case):
    kind, X, mixing, sources, fitted = case
    theirs = FastICA(3, random_state=0).fit(X).mixing_
    distances = [amari_distance(mixing, m) for m in (fitted.mixing_, theirs)]
    assert distances[0] < 0.7 * distances[1]
    if kind == "nonnegative":
        assert distances[0] < 0.3 * amari_distance(
            mixing, NMF(3, max_iter=500).fit(X).components_.T
        )
    assert signal_to_distortion(sources, fitted.transform(X)) > 15


def test_data_are_what_the_mixing_makes_of_the_sources(case):
    kind, X, _, _, fitted = case
    sources = fitted.transform(X)
    back = fitted.inverse_transform(sources)
    np.testing.assert_allclose(back, sources @ fitted.mixing_.T + fitted.mean_)
    variance = np.square(X - back).mean()
    assert variance == pytest.approx(fitted.noise_variance_, rel=0.6)
    names = fitted.get_feature_names_out()
    assert names.tolist() == [f"gsosourceseparation{i}" for i in range(3)]
    with pytest.raises(ValueError, match="3 sources, one a column; got 2"):
        fitted.inverse_transform(sources[:, 1:])


def test_errors_fall_sweep_by_sweep(case):
    _, _, _, _, fitted = case
    errors = fitted.error_
    assert errors.shape == (fitted.n_iter_ + 1,)
    assert (np.diff(errors) <= 1e-9 * np.abs(errors).max()).all() and errors[-1] < errors[0]


def test_what_must_not_be_negative_is_not():
    X = draw("nonnegative", 1)[0]
    fitted = separation("nonnegative", max_iter=20).fit(X)
    assert (fitted.mixing_ >= 0).all() and (fitted.transform(X) >= 0).all()
    assert 0.2 <= fitted.alpha_ / np.sqrt(fitted.noise_variance_) <= 2
    rotated = X @ np.linalg.qr(np.random.RandomState(0).standard_normal((6, 6)))[0]
    free = separation("nonnegative", nonnegative_mixing=False, max_iter=20).fit(rotated)
    assert (free.transform(rotated) >= 0).all() and (free.mixing_ < 0).any()
    assert separation("nonnegative", alpha=0.3, max_iter=2).fit(X).alpha_ == 0.3


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_missing_entries(kind):
    X, mixing, _ = draw(kind, 2, n=400, d=8)
    truth = X.copy()
    X[np.random.RandomState(0).rand(*X.shape) < 0.2] = np.nan
    X[5] = np.nan
    fitted = separation(kind).fit(X)
    assert amari_distance(mixing, fitted.mixing_) < 0.05
    sources = fitted.transform(X)
    np.testing.assert_allclose(sources[5], 0, atol=1e-12)
    hidden = np.isnan(X)
    hidden[5] = False
    filled = fitted.inverse_transform(sources)
    deviation = (truth - np.nanmean(X, axis=0))[hidden]
    assert np.square((filled - truth)[hidden]).mean() < 0.2 * np.square(deviation).mean()


def test_rows_are_separated_one_by_one(case):
    _, X, _, _, fitted = case
    whole = fitted.transform(X)
    np.testing.assert_allclose(fitted.transform(X[3:5]), whole[3:5], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("unit", [1e-200, 1e150])
def test_units_scale_the_mixing_alone(unit):
    X = draw("sparse", 3)[0]
    one, other = (separation(max_iter=5).fit(x) for x in (X, unit * X))
    np.testing.assert_allclose(other.mixing_, unit * one.mixing_, rtol=1e-6)
    np.testing.assert_allclose(other.transform(unit * X), one.transform(X), rtol=1e-6, atol=1e-9)


def test_more_starts_are_no_worse(case):
    kind, X, _, _, _ = case
    one, three = (separation(kind, n_init=n, max_iter=6, tol=None).fit(X) for n in (1, 3))
    assert three.objective_ <= one.objective_


@pytest.mark.parametrize(
    ("change", "error", "options"),
    [
        (lambda X: X + 1j, "Complex data not supported", {}),
        (lambda X: np.where(X > 1, np.inf, X), "contains infinity", {}),
        (lambda X: X * np.nan, "X has no observed entry", {}),
        (lambda X: X[:, :2], "n_components=3 sparse sources are more than n_features=2", {}),
        (lambda X: X[:1], "n_samples=1", {}),
        (lambda X: X[:2], "3 nonnegative .* n_samples=2", {"sources": "nonnegative"}),
        (lambda X: 1e200 * X, "entries are too large", {"sources": "nonnegative"}),
        (lambda X: X - 1, "Negative values in data.*down to -1", {"sources": "nonnegative"}),
        (
            lambda X: [X, X - 1],
            "Negative values in data.*in task 1",
            {"sources": "nonnegative", "n_epochs": 0},
        ),
        (lambda X: X, "alpha=0.1 is the penalty of sources='nonnegative' alone", {"alpha": 0.1}),
        (lambda X: X, "sources of GSOSourceSeparation must be one of", {"sources": "positive"}),
        (lambda X: X, "n_components of .* must be", {"n_components": 0}),
    ],
)
def test_bad_input_is_named_and_nothing_is_fitted(change, error, options):
    own = separation().set_params(**options)
    with pytest.raises(ValueError, match=error):
        own.fit(change(draw("nonnegative", 0)[0]))
    assert not hasattr(own, "mixing_")


def test_rows_with_negative_entries_are_refused():
    X = draw("nonnegative", 0)[0]
    fitted = separation("nonnegative", max_iter=2).fit(X)
    with pytest.raises(ValueError, match="Negative values"):
        fitted.transform(X - 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_collection_trains_a_rule_and_each_task_is_solved_anew(kind):
    tasks = [draw(kind, seed, n=60)[0] for seed in range(4)] + [draw(kind, 5, n=50, d=5)[0]]
    own = separation(kind, max_iter=4, n_epochs=1).fit(tasks)
    assert own.n_tasks_in_ == 5 and own.history_.n_steps > 0
    sources = own.transform(tasks)
    assert [s.shape for s in sources] == [(60, 3)] * 4 + [(50, 3)]
    assert not hasattr(own, "inverse_transform") and not hasattr(own, "mixing_")
    again = pickle.loads(pickle.dumps(own))
    np.testing.assert_array_equal(again.transform(tasks)[4], sources[4])
    one = separation(kind, optimizer=own.learned_optimizer_, max_iter=4).fit(tasks[0])
    assert one.mixing_.shape == (6, 3) and len(one.error_) == one.n_iter_ + 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_shipped_rule_ends_lower_than_as_many_closed_steps(kind):
    """Equal starts; a size and a sparsity that nobody chose it on."""
    tasks = [draw(kind, 100 + seed, n=300, d=9)[0] for seed in range(3)]
    options = {"max_iter": 15, "tol": None, "n_epochs": 0}
    shipped, closed = (
        separation(kind, optimizer=optimizer, **options).fit(tasks)
        for optimizer in ("pretrained", None)
    )
    assert shipped.learned_optimizer_.is_general
    assert shipped.score(tasks) > closed.score(tasks)


def test_the_papers_rule_moves_the_demixing():
    tasks = [draw("sparse", seed, n=60)[0] for seed in range(2)]
    own = separation(rule="step", max_iter=2, t_l=2, n_epochs=1).fit(tasks)
    assert own.transform(tasks[0]).shape == (60, 3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_searches(kind):
    grid = {"t_l": [1, 2], "n_components": [2, 3]}
    search = GridSearchCV(separation(kind, max_iter=5), grid, cv=2).fit(draw(kind, 0)[0])
    assert len(set(search.cv_results_["mean_test_score"])) == 4
