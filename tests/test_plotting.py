"""What is drawn is what was computed, in the axes that were given."""

import matplotlib
import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_gso import (
    ALSMatrixCompleter,
    EMGaussianMixture,
    GSOGaussianMixture,
    GSOMatrixCompleter,
    SGDMatrixCompleter,
)
from sklearn_gso.solvers.alternating import alternate, rules_for
from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.metrics import relative_error
from sklearn_gso.plotting import (
    CompletionDisplay,
    ControlsDisplay,
    ConvergenceDisplay,
    MixtureDisplay,
    SearchGridDisplay,
    TrainingHistoryDisplay,
)
from sklearn_gso.plotting._watch import watch
from sklearn_gso.plotting.mixture import way_of_em
from sklearn_gso.problems.base import point
from sklearn_gso.rules import ClosedForm
from sklearn_gso.rules.base import Progress

matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def flower():
    X, truth = make_mixture_tasks(1, n_samples=300, n_components=4, layout="flower", random_state=3)
    return X[0], truth.covariances[0]


def completers():
    """Every rule and safeguard, one start and several."""
    common = {"random_state": 0, "max_iter": 6}
    return {
        "als": ALSMatrixCompleter(2, **common),
        "als, three starts": ALSMatrixCompleter(2, n_init=3, alpha_start=10.0, **common),
        "sgd": SGDMatrixCompleter(2, n_init=2, learning_rate=0.01, **common),
        "mini-batches": SGDMatrixCompleter(2, batch_fraction=0.5, learning_rate=0.01, **common),
        "pretrained": GSOMatrixCompleter(**common),
        "pretrained, run": GSOMatrixCompleter(safeguard="run", **common),
        "untrained": GSOMatrixCompleter(optimizer=None, **common),
        "no guard, two steps": GSOMatrixCompleter(safeguard="none", t_l=2, **common),
        "the paper's": GSOMatrixCompleter(2, rule="step", t_l=3, n_epochs=1, **common),
    }


@pytest.mark.parametrize("name", completers())
def test_a_watched_run_is_the_fit_itself(name, easy_tasks):
    """Equal objective, bit-equal components at the end; nothing is written on the completer."""
    X = easy_tasks[0][0]
    completer = completers()[name].fit(X)
    before = {key: value for key, value in vars(completer).items() if key.endswith("_")}
    seen = watch(completer, X)
    objective = seen.objective()
    assert len(objective) == 7
    assert objective[-1] == pytest.approx(completer.objective_, rel=1e-12)
    right = point(seen.sweeps[seen.best][-1]["V"])[0] * seen.found.problem.scale[0]
    assert (completer.components_ == right.numpy().T).all()
    assert all(vars(completer)[key] is value for key, value in before.items())


def test_shorter_runs_are_the_beginning_of_longer_ones(easy_tasks):
    """ALS does not know how many sweeps are to come, so each prefix is a run of its own."""
    X = easy_tasks[0][0]
    objective = watch(ALSMatrixCompleter(2, max_iter=5, random_state=0).fit(X), X).objective()
    for n in (1, 3):
        short = ALSMatrixCompleter(2, max_iter=n, random_state=0).fit(X)
        assert objective[n] == short.objective_


def test_refused_sweeps_are_not_drawn(easy_tasks):
    """Weights that are NaN: the safeguard's classical steps are all that happens."""
    X = easy_tasks[0][0]
    pretrained = GSOMatrixCompleter(random_state=0).fit(X).learned_optimizer_
    weights = {name: np.full_like(array, np.nan) for name, array in pretrained.weights.items()}
    broken = type(pretrained)(weights, pretrained.description)
    settings = {"max_iter": 5, "n_init": 1, "random_state": 0}
    bad = GSOMatrixCompleter(optimizer=broken, **settings).fit(X)
    plain = GSOMatrixCompleter(optimizer=None, **settings).fit(X)
    assert bad.n_guarded_ == 5
    np.testing.assert_allclose(watch(bad, X).objective(), watch(plain, X).objective(), rtol=1e-9)


def test_convergence_draws_errors_on_both_kinds_of_entries(easy_tasks):
    X, truth = easy_tasks[0][0], easy_tasks[1][0]
    gso = GSOMatrixCompleter(max_iter=8, n_init=1, random_state=0).fit(X)
    als = ALSMatrixCompleter(2, max_iter=5, random_state=0).fit(X)
    ax = plt.subplots()[1]
    display = ConvergenceDisplay.from_estimator(gso, X, truth, peers={"ALS": als}, ax=ax)
    assert display.ax_ is ax and display.figure_ is ax.figure
    error, loss = (line.get_ydata() for line in display.lines_[:2])
    assert len(error) == len(loss) == 9 and len(display.lines_[2].get_ydata()) == 6
    (end,) = list(watch(gso, X).estimates())[-1:]
    assert error[-1] == relative_error(truth, end, where=np.isnan(X))
    assert loss[-1] == relative_error(X, end)
    assert error[-1] < 0.1 < error[0]
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == [
        "GSOMatrixCompleter: error",
        "GSOMatrixCompleter: loss",
        "ALS: error",
        "ALS: loss",
    ]


def test_the_classical_companion_is_watched_too(noisy_values):
    X = noisy_values[0].numpy()
    gso = GSOMatrixCompleter(2, max_iter=6, n_init=3, random_state=0).fit(X)
    seen = watch(gso, X)
    assert len(seen.sweeps) == 4 and {len(run) for run in seen.sweeps} == {7}
    problem, companion = seen.found.problem, seen.sweeps[3]
    torch.testing.assert_close(companion[0], seen.sweeps[0][0])  # from the first start
    descent = np.diff([float(problem.objective(v)[0]) for v in companion])
    assert (descent < 0).all()
    # What was noted and where the run ended are one way.
    last, _ = alternate(problem, rules_for(problem, ClosedForm()), companion[-2], 1)
    torch.testing.assert_close(last, companion[-1])
    assert ControlsDisplay.from_estimator(gso, X).lines_


def test_convergence_without_truth_and_of_sparse_input(easy_tasks):
    X = easy_tasks[0][0]
    rows, columns = np.nonzero(~np.isnan(X))
    stored = sparse.csr_array((X[rows, columns], (rows, columns)), shape=X.shape)
    als = ALSMatrixCompleter(2, max_iter=5, random_state=0).fit(X)
    dense, scattered = (ConvergenceDisplay.from_estimator(als, x) for x in (X, stored))
    assert len(dense.lines_) == 1
    assert (dense.lines_[0].get_ydata() == scattered.lines_[0].get_ydata()).all()


def test_convergence_after_a_fit_to_a_collection(easy_tasks):
    X, truth = easy_tasks
    trained = GSOMatrixCompleter(2, n_epochs=0, max_iter=4, random_state=0).fit(X[:3])
    display = ConvergenceDisplay.from_estimator(trained, X[4], truth[4])
    assert len(display.lines_[0].get_ydata()) == 5


def test_training_history():
    history = [
        {"step": 0, "loss": 3.0},
        {"step": 1, "loss": 2.0, "validation": 2.5},
        {"step": 2, "loss": 1.0, "validation": 1.5},
    ]
    ax = plt.subplots()[1]
    display = TrainingHistoryDisplay(history).plot(ax)
    assert display.ax_ is ax
    assert display.loss_.get_ydata().tolist() == [3, 2, 1]
    assert display.validation_.get_xydata().tolist() == [[1, 2.5], [2, 1.5]]
    assert TrainingHistoryDisplay(history[:1]).plot().validation_ is None


@pytest.mark.parametrize("kind", ["completer", "mixture"])
def test_training_history_of_estimators(kind, easy_tasks):
    if kind == "completer":
        estimator = GSOMatrixCompleter(2, max_iter=3, n_epochs=2, batch_size=2, random_state=0)
        X = easy_tasks[0]
    else:
        estimator = GSOGaussianMixture(3, n_epochs=1, random_state=0)
        X = make_mixture_tasks(3, n_samples=60, n_components=3, random_state=0)[0]
    estimator.fit(X)
    display = TrainingHistoryDisplay.from_estimator(estimator)
    assert display.loss_.get_ydata().tolist() == [h["loss"] for h in estimator.history_]


def test_search_grid_shows_the_scores_of_a_search(easy_tasks):
    X, truth = map(list, easy_tasks)
    completer = GSOMatrixCompleter(2, optimizer=None, max_iter=4, n_epochs=1, random_state=0)
    grid = {"t_u": [2, 4], "t_l": [1, 2, 3]}
    search = GridSearchCV(completer, grid, cv=2, error_score="raise").fit(X, truth)
    ax = plt.subplots()[1]
    display = SearchGridDisplay.from_estimator(search, ax=ax)
    assert display.ax_ is ax and display.image_.get_array().shape == (3, 2)
    for params, score in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        i, j = grid["t_l"].index(params["t_l"]), grid["t_u"].index(params["t_u"])
        assert display.image_.get_array()[i, j] == score
        assert display.texts_[2 * i + j].get_text() == f"{score:.3g}"
    assert display.image_.get_array().max() == search.best_score_


def test_search_grid_inside_a_pipeline_keeps_the_best_of_other_parameters(easy_tasks):
    X = easy_tasks[0][0]
    pipeline = make_pipeline(FunctionTransformer(), ALSMatrixCompleter(random_state=0))
    name = "alsmatrixcompleter__"
    space = {name + "max_iter": [1, 5], name + "n_components": [1, 2], name + "alpha": [1e-3, 1.0]}
    search = RandomizedSearchCV(pipeline, space, n_iter=7, cv=2, random_state=0).fit(X)
    display = SearchGridDisplay.from_estimator(search, "max_iter", "n_components")
    assert display.values.max() == search.best_score_
    with pytest.raises(ValueError, match="one 't_u'"):
        SearchGridDisplay.from_estimator(search)
    with pytest.raises(ValueError, match="no 'mean_fit'"):
        SearchGridDisplay.from_estimator(search, "alpha", "max_iter", score="mean_fit")


def test_search_grid_of_what_was_not_tried_and_of_none():
    search = GridSearchCV(
        ALSMatrixCompleter(random_state=0),
        [{"n_init": [2], "n_components": [None, 1]}, {"n_init": [1], "n_components": [1]}],
        cv=2,
    ).fit(np.random.RandomState(0).randn(8, 5))
    display = SearchGridDisplay.from_estimator(search, "n_init", "n_components")
    assert display.y_values == [None, 1] and display.x_values == [1, 2]
    assert np.isnan(display.values).tolist() == [[True, False], [False, False]]
    assert len(display.texts_) == 3


def test_completion_draws_the_matrices_themselves(easy_tasks):
    X, truth = easy_tasks[0][0], easy_tasks[1][0]
    completer = GSOMatrixCompleter(max_iter=5, random_state=0).fit(X)
    ax = plt.subplots()[1]
    display = CompletionDisplay.from_estimator(completer, X, truth, ax=ax, cmap="RdBu_r")
    drawn = {name: image.get_array() for name, image in display.images_.items()}
    assert (drawn["observed"].filled(np.nan)[~np.isnan(X)] == X[~np.isnan(X)]).all()
    assert (np.ma.getmaskarray(drawn["observed"]) == np.isnan(X)).all()
    assert (drawn["completed"] == completer.transform(X)).all()
    assert (drawn["truth"] == truth).all()
    assert display.ax_ is ax and all(a.figure is ax.figure for a in display.axes_.values())
    assert display.images_["observed"].get_clim() == display.images_["truth"].get_clim()
    assert display.images_["truth"].get_cmap().name == "RdBu_r"


def test_completion_draws_the_uncertainty_of_those_who_know_it(easy_tasks):
    class Sure(SimpleImputer):
        def transform_std(self, X):
            return np.where(np.isnan(X), 2.0, 0.0)

    X = easy_tasks[0][0]
    display = CompletionDisplay.from_estimator(Sure().fit(X), X)
    assert list(display.axes_) == ["observed", "completed", "standard deviation"]
    assert (display.images_["standard deviation"].get_array() == 2.0 * np.isnan(X)).all()
    assert (
        "standard deviation"
        not in CompletionDisplay.from_estimator(SimpleImputer().fit(X), X).axes_
    )
    with pytest.raises(ValueError, match="one shape"):
        CompletionDisplay.from_predictions(X, X[1:])


def test_mixture_contours_are_its_log_likelihood(flower):
    X, covariances = flower
    mixture = GSOGaussianMixture(4, covariances=covariances, random_state=0).fit(X)
    ax = plt.subplots()[1]
    display = MixtureDisplay.from_estimator(mixture, X, ax=ax)
    assert display.ax_ is ax and display.trajectories_ == []
    assert (display.means_.get_xydata() == mixture.means_).all()
    place = np.array([[axis[7, 11] for axis in display.grid]])
    assert display.log_likelihood[7, 11] == pytest.approx(mixture.score_samples(place)[0], 1e-12)
    assert (display.samples_.get_xydata() == X).all()


@pytest.mark.parametrize("given", [True, False])
def test_the_way_of_em_ends_where_em_ends(given, flower):
    X, covariances = flower
    settings = {"means_init": X[:4], "tol": 1e-8, "max_iter": 500}
    em = EMGaussianMixture(4, covariances=covariances if given else None, **settings).fit(X)
    way = way_of_em(em, X, X[:4])
    np.testing.assert_allclose(way[-1], em.means_, atol=1e-8)
    np.testing.assert_array_equal(way[0], X[:4])
    assert len(way) == em.n_iter_ + 1
    once = clone(em).set_params(max_iter=2)
    with pytest.warns(UserWarning, match="did not converge"):
        once.fit(X)
    np.testing.assert_allclose(way[2], once.means_, atol=1e-8)


def test_jumps_lead_from_the_end_of_em_to_the_fit(flower):
    X, covariances = flower
    start = np.tile(X[:1], (4, 1)) + 0.1 * np.arange(4)[:, None]
    gso = GSOGaussianMixture(4, means_init=start, random_state=0).fit(X, covariances=covariances)
    display = MixtureDisplay.from_estimator(gso, X)
    assert len(display.trajectories_) == 4 and gso.n_gains_ > 0
    ends = [line.get_xydata()[-1] for line in display.trajectories_]
    assert sorted((t.xyann, t.xy) for t in display.ax_.texts) == sorted(
        (tuple(end), tuple(mean)) for end, mean in zip(ends, gso.means_, strict=True)
    )
    assert not MixtureDisplay.from_estimator(gso, X, start=X[:4]).jumps


@pytest.mark.parametrize("n_init", [1, 3])
def test_controls_are_those_of_the_rule(easy_tasks, n_init):
    X = easy_tasks[0][0]
    completer = GSOMatrixCompleter(2, max_iter=5, t_l=2, n_init=n_init, random_state=0).fit(X)
    ax = plt.subplots()[1]
    display = ControlsDisplay.from_estimator(completer, X, ax=ax)
    assert display.ax_ is ax and list(display.axes_) == ["data", "prior", "relaxation", "momentum"]
    line = display.lines_["relaxation"]["U"]
    np.testing.assert_allclose(line.get_xdata(), np.arange(1, 11) / 2)
    seen = watch(completer, X)
    rule = completer.learned_optimizer_.rules()["U"]
    problem, start = seen.found.problem, seen.sweeps[seen.best][0]
    first, _ = rule.decide(problem, start, "U", rule.init_state(start["U"]), Progress(0, 5))
    for name, panel in display.lines_.items():
        median = np.median(first[name][0, :, 0].numpy())
        assert panel["U"].get_ydata()[0] == pytest.approx(median, 1e-12)


def test_controls_need_a_rule_that_has_them(easy_tasks):
    X = easy_tasks[0][0]
    for completer in (GSOMatrixCompleter(optimizer=None, max_iter=2), ALSMatrixCompleter()):
        with pytest.raises(ValueError, match="chooses no controls"):
            ControlsDisplay.from_estimator(completer.fit(X), X)


@pytest.mark.parametrize(
    "draw",
    [
        lambda X: ConvergenceDisplay.from_estimator(GSOMatrixCompleter(), X),
        lambda X: ControlsDisplay.from_estimator(GSOMatrixCompleter(), X),
        lambda X: TrainingHistoryDisplay.from_estimator(GSOMatrixCompleter()),
        lambda X: CompletionDisplay.from_estimator(GSOMatrixCompleter(), X),
        lambda X: SearchGridDisplay.from_estimator(GridSearchCV(GSOMatrixCompleter(), {}), X),
        lambda X: MixtureDisplay.from_estimator(EMGaussianMixture(), X),
    ],
)
def test_what_is_not_fitted_is_not_drawn(draw, easy_tasks):
    with pytest.raises(NotFittedError):
        draw(easy_tasks[0][0])


def test_what_cannot_be_drawn_is_said(easy_tasks, flower):
    X = easy_tasks[0]
    with pytest.raises(TypeError, match="SimpleImputer is no completer"):
        ConvergenceDisplay.from_estimator(SimpleImputer().fit(X[0]), X[0])
    als = ALSMatrixCompleter(2, max_iter=2).fit(X)
    with pytest.raises(ValueError, match="One matrix"):
        ConvergenceDisplay.from_estimator(als, X)
    with pytest.raises(ValueError, match="trained nothing"):
        TrainingHistoryDisplay.from_estimator(als)
    samples = np.random.RandomState(0).randn(50, 3)
    with pytest.raises(ValueError, match="2 features"):
        MixtureDisplay.from_estimator(EMGaussianMixture(2).fit(samples), samples)
