"""GSOBlindDeconvolution: sources and kernels, pictures, missing entries, collections, bad input."""

import pickle

import numpy as np
import pytest
import torch
from scipy import ndimage, signal
from sklearn.model_selection import GridSearchCV

from sklearn_gso import GSOBlindDeconvolution
from sklearn_gso.metrics import shifted_cosine, shifted_psnr
from sklearn_gso.problems import BlindDeconvolution
from sklearn_gso.rules import ClosedForm, GeometricContinuation, recipe

pytestmark = pytest.mark.filterwarnings("ignore:Training has not improved")
ALPHA, SIZE = 0.1, 6
CONTINUATION = ClosedForm(GeometricContinuation(3.0, 1.0, control="shrink"))


def draw(seed, n_channels=2, n=80, boundary="circular"):
    """Sparse sources, their signals, and the kernel."""
    rng = np.random.RandomState(seed)
    kernel = rng.standard_normal(SIZE)
    length = n if boundary == "circular" else n + SIZE - 1
    sources = rng.standard_normal((n_channels, length)) * (rng.rand(n_channels, length) < 0.1)
    if boundary == "circular":
        signals = [ndimage.convolve(x, kernel, mode="wrap") for x in sources]
    else:
        signals = [signal.convolve(x, kernel, "valid") for x in sources]
    return np.stack(signals) / np.linalg.norm(kernel), kernel, sources * np.linalg.norm(kernel)


def model(**options):
    options = {"alpha": ALPHA, "optimizer": None, "random_state": 0, "max_iter": 30, **options}
    return GSOBlindDeconvolution(options.pop("kernel_size", SIZE), **options)


@pytest.fixture(scope="module")
def X():
    return draw(0)[0]


@pytest.fixture(scope="module")
def fitted(X):
    """Tests must leave it as it is."""
    return model().fit(X)


@pytest.mark.slow
@pytest.mark.parametrize("boundary", ["circular", "valid"])
def test_kernels_and_sources_are_found(boundary):
    X, kernel, sources = draw(3, boundary=boundary)
    own = model(
        boundary=boundary, rule=CONTINUATION, n_init=6, alpha=0.05, optimizer="pretrained"
    ).fit(X)
    assert shifted_cosine(kernel, own.kernel_) > 0.99
    assert np.linalg.norm(own.kernel_) == pytest.approx(1)
    found = own.transform(X)
    assert found.shape == sources.shape
    assert min(map(shifted_cosine, sources, found)) > 0.97
    error = np.square(own.inverse_transform(found) - X).sum() / np.square(X).sum()
    assert error < 0.01


def test_the_objective_is_that_of_the_kernel_and_its_sources(X, fitted):
    found = fitted.transform(X)
    misfit = fitted.inverse_transform(found) - X
    objective = 0.5 * np.square(misfit).sum() + ALPHA * np.abs(found).sum()
    assert fitted.objective_ == pytest.approx(objective, rel=1e-6)
    assert fitted.score(X) == pytest.approx(-objective, rel=1e-6)
    errors = fitted.error_
    assert errors.shape == (fitted.n_iter_ + 1,) and fitted.objective_ <= errors[-1] * (1 + 1e-9)
    assert errors[-1] < errors[0]


def test_sources_of_new_signals_do_not_depend_on_each_other(fitted):
    new = draw(1, n_channels=4)[0]
    together = fitted.transform(new)
    alone = np.vstack([fitted.transform(row[None]) for row in new])
    np.testing.assert_allclose(together, alone, atol=1e-8)


def test_data_of_sources(fitted):
    sources = np.zeros((1, 80))
    sources[0, 40] = 1
    expected = ndimage.convolve(sources[0], fitted.kernel_, mode="wrap")
    np.testing.assert_allclose(fitted.inverse_transform(sources)[0], expected, atol=1e-12)
    assert len(fitted.get_feature_names_out()) == 80
    with pytest.raises(ValueError, match="Sources have 80 entries; got 79 columns"):
        fitted.inverse_transform(sources[:, 1:])


def test_missing_entries():
    X, kernel, _ = draw(3)
    holes = np.where(np.random.RandomState(0).rand(*X.shape) < 0.1, np.nan, X)
    own = model(rule=CONTINUATION, n_init=4, optimizer="pretrained", alpha=0.05).fit(holes)
    assert shifted_cosine(kernel, own.kernel_) > 0.98
    filled = own.inverse_transform(own.transform(holes))
    hidden = np.isnan(holes)
    assert np.square(filled - X)[hidden].sum() < 0.1 * np.square(X[hidden]).sum()
    empty = np.full((1, 80), np.nan)
    assert not own.transform(empty).any()


@pytest.mark.slow
@pytest.mark.parametrize("boundary", ["circular", "valid"])
def test_pictures(boundary):
    """Steps of brightness, blurred: the kernel, and a picture closer to the truth."""
    truth = np.kron(np.random.RandomState(1).rand(4, 4), np.ones((5, 5)))
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    circular = boundary == "circular"
    seen = (
        ndimage.convolve(truth, kernel, mode="wrap")
        if circular
        else signal.convolve(truth, kernel, "valid")
    )
    own = model(
        kernel_size=(3, 3),
        signal_shape=seen.shape,
        boundary=boundary,
        source="smooth",
        alpha=0.01,
        rule=CONTINUATION,
        max_iter=15,
        optimizer="pretrained",
    ).fit(seen.reshape(1, -1))
    assert own.kernel_.shape == (3, 3) and (own.kernel_ >= 0).all()
    assert own.kernel_.sum() == pytest.approx(1)
    assert shifted_cosine(kernel, own.kernel_) > 0.98
    found = own.transform(seen.reshape(1, -1)).reshape(truth.shape)
    inner = slice(3, -3)
    start = seen if circular else np.pad(seen, 1)
    before, after = (shifted_psnr(truth[inner, inner], x[inner, inner], 1) for x in (start, found))
    assert after > before + 2


@pytest.mark.parametrize(
    ("change", "error", "options"),
    [
        (
            lambda X: X[:, :5],
            r"kernel of size \(6,\) is larger than the signals of shape \(5,\)",
            {},
        ),
        (lambda X: X + 1j, "Complex data not supported", {}),
        (lambda X: np.where(X > 1, np.inf, X), "contains infinity", {}),
        (lambda X: X * np.nan, "X has no observed entry", {}),
        (lambda X: [X, X[:, :4]], "is larger than the signals of shape", {"n_epochs": 0}),
        (
            lambda X: X,
            r"signal_shape=\(8, 9\) has 72 entries; rows of X have 80",
            {"signal_shape": (8, 9)},
        ),
        (lambda X: X, "has two sides, signals are sequences", {"kernel_size": (3, 3)}),
        (lambda X: X, "alpha of GSOBlindDeconvolution must be", {"alpha": 0.0}),
        (lambda X: X, "kernel_size of .* must be", {"kernel_size": 0}),
        (lambda X: X, "kernel_size of .* must be", {"kernel_size": (3, 0)}),
        (lambda X: X, "boundary of .* must be", {"boundary": "same"}),
        (lambda X: X, "source of .* must be", {"source": "sparse"}),
    ],
)
def test_bad_input_is_named_and_nothing_is_fitted(change, error, options, X):
    own = model().set_params(**options)
    with pytest.raises(ValueError, match=error):
        own.fit(change(X)).transform(change(X))
    assert not hasattr(own, "kernel_")


def test_a_problem_refuses_other_borders_and_sources():
    with pytest.raises(ValueError, match="'same' and 'spikes'"):
        BlindDeconvolution(torch.zeros(1, 1, 4), (2,), boundary="same")


def test_a_collection_trains_a_rule_and_each_task_is_solved_anew():
    tasks = [draw(seed, n=40)[0] for seed in range(4)] + [draw(5, n=30)[0]]
    own = model(max_iter=4, n_epochs=1).fit(tasks)
    assert own.n_tasks_in_ == 5 and own.history_.n_steps > 0
    sources = own.transform(tasks)
    assert [s.shape for s in sources] == [(2, 40)] * 4 + [(2, 30)]
    assert not hasattr(own, "inverse_transform") and not hasattr(own, "kernel_")
    again = pickle.loads(pickle.dumps(own))
    np.testing.assert_array_equal(again.transform(tasks)[4], sources[4])
    one = model(optimizer=own.learned_optimizer_, max_iter=4).fit(tasks[0])
    assert one.kernel_.shape == (SIZE,) and len(one.error_) == one.n_iter_ + 1


def test_the_papers_rule_moves_kernels(X):
    own = model(rule=recipe("step", hidden_size=4), max_iter=3, t_l=2, n_epochs=1).fit(X)
    assert own.learned_optimizer_ is not None and np.isfinite(own.objective_)


@pytest.mark.slow
def test_searches(X):
    own = model(max_iter=3, rule=recipe("step", hidden_size=4), n_epochs=1)
    search = GridSearchCV(own, {"t_l": [1, 2], "t_u": [1, 3]}, cv=2).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(set(search.cv_results_["mean_test_score"])) > 1


@pytest.mark.slow
def test_the_shipped_rule_ends_lower_than_as_many_closed_steps():
    """Dense sources, equal starts; tasks of a size that nobody chose it on."""
    tasks = []
    for seed in range(12):
        rng = np.random.RandomState(1000 + seed)
        kernel = rng.standard_normal(14)
        source = rng.standard_normal(180) * (rng.rand(180) < 0.3)
        x = ndimage.convolve(source, kernel / np.linalg.norm(kernel), mode="wrap")
        tasks.append(x[None] + 0.01 * rng.standard_normal((1, 180)))
    reached = []
    for optimizer in ("pretrained", None):
        settings = {"optimizer": optimizer, "max_iter": 40, "n_init": 1, "n_epochs": 0}
        own = model(kernel_size=14, **settings).fit(tasks)
        reached.append(-own.score(tasks))
    assert reached[0] < 0.98 * reached[1]


@pytest.mark.parametrize("source", ["spikes", "smooth"])
def test_where_every_source_is_zero_the_kernel_does_nothing(source, rng):
    X = 3 * (source == "smooth") + 0.02 * rng.standard_normal((4, 40))
    with pytest.warns(UserWarning, match="every source is 0"):
        one = model(kernel_size=5, source=source, alpha=0.5).fit(X)
    np.testing.assert_array_equal(one.kernel_, [0, 0, 1, 0, 0])
    assert np.abs(one.transform(X)).max() <= np.abs(X).max() + 1e-6
