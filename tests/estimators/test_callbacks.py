"""scikit-learn's callbacks: the tree of a fit's tasks, and ending a phase early."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_gso import (
    ALSMatrixCompleter,
    EMGaussianMixture,
    GSOGaussianMixture,
    GSOMatrixCompleter,
    MetaTraining,
    SGDMatrixCompleter,
)
from sklearn_gso.rules import recipe

callback = pytest.importorskip("sklearn.callback", reason="came with scikit-learn 1.9")

pytestmark = pytest.mark.filterwarnings("ignore:Training has not improved")


class Recorder:
    """Notes what it is told, and ends a phase after some steps."""

    def __init__(self, phase="", after=np.inf):
        self.phase, self.after = phase, after
        self.begun, self.ended, self.losses = [], [], {}
        self.n_open = 0

    def setup(self, estimator, context):
        self.n_open += 1

    def teardown(self, estimator, context):
        self.n_open -= 1

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(context.task_name)

    def on_fit_task_end(self, estimator, context, *, metadata=None, fitted_estimator=None):
        self.ended.append(context.task_name)
        if context.parent is None:
            self.fitted = fitted_estimator
        if metadata is None:
            return False
        losses = self.losses.setdefault(context.parent.task_name, [])
        losses.append(metadata["loss"])
        return context.parent.task_name == self.phase and len(losses) >= self.after


def watched(estimator, X, *args, **stop):
    recorder = Recorder(*args, **stop)
    estimator = clone(estimator).set_callbacks(recorder).fit(X)
    assert recorder.n_open == 0 and sorted(recorder.begun) == sorted(recorder.ended)
    assert recorder.begun[0] == recorder.ended[-1] == "fit"
    return estimator, recorder


BATCHES = MetaTraining(batch_size=3)
SHORT = {"n_epochs": 2, "scaling": "matrix", "random_state": 0}
CONTROL = GSOMatrixCompleter(2, max_iter=5, training=BATCHES, n_init=3, **SHORT)
STEP = GSOMatrixCompleter(2, rule="step", max_iter=4, t_l=2, n_init=1, **SHORT)
SMALL = recipe("moves", hidden_size=4)
JUDGE = GSOGaussianMixture(3, optimizer=None, rule=SMALL, n_epochs=4, random_state=0)


def losses(history):
    return [record["loss"] for record in history if record["step"] >= 0]


def test_tree_of_a_solve(easy_tasks):
    # With noise, or the first run would end in a fit up to rounding, and be the only one.
    X = easy_tasks[0][0]
    X = X + 0.3 * np.random.RandomState(0).standard_normal(X.shape)
    for estimator, n_sweeps in (
        (CONTROL, 15),  # one start, then two in one batch, then the classical run
        (ALSMatrixCompleter(2, max_iter=7), 7),
        (SGDMatrixCompleter(2, max_iter=7, n_init=2), 14),
    ):
        _, seen = watched(estimator, X)
        assert seen.begun == ["fit", "solving", *["sweep"] * n_sweeps]
        assert len(seen.losses["solving"]) == n_sweeps and np.isfinite(seen.losses["solving"]).all()


def test_losses_are_those_of_the_history(easy_tasks):
    fitted, seen = watched(CONTROL, list(easy_tasks[0]))
    assert seen.losses == {"meta-training": losses(fitted.history_)}
    fitted, seen = watched(STEP, easy_tasks[0][0])
    assert seen.losses["meta-training"] == losses(fitted.history_)
    assert len(seen.losses["solving"]) == 4


def test_callbacks_change_nothing(easy_tasks):
    X = easy_tasks[0]
    for data in (X[0], X):
        fitted, seen = watched(CONTROL, data)
        expected = clone(CONTROL).fit(data).transform(data)
        np.testing.assert_array_equal(fitted.transform(data), expected)
        # What callbacks are given at the end works like the estimator.
        np.testing.assert_array_equal(seen.fitted.transform(data), expected)


def test_early_stop_of_a_solve(easy_tasks):
    X = easy_tasks[0][0]
    fitted, seen = watched(CONTROL, X, "solving", after=3)
    assert fitted.n_iter_ == 3 and seen.begun.count("sweep") == 3
    assert np.isfinite(fitted.transform(X)).all()


def test_early_stop_of_training(easy_tasks):
    X = list(easy_tasks[0])
    fitted, _ = watched(CONTROL, X, "meta-training", after=2)
    assert fitted.history_.n_steps == 2
    full = clone(CONTROL).fit(X)
    assert full.history_.n_steps > 2 and fitted.history_[:2] == full.history_[:2]
    # Only the phase ends: the matrix is solved with what was learned.
    fitted, seen = watched(STEP, X[0], "meta-training", after=1)
    assert fitted.history_.n_steps == 1 and len(seen.losses["solving"]) == 4


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_mixtures(rng):
    X = [rng.randn(40, 2) + 4 * rng.randint(3, size=(40, 1)) for _ in range(3)]
    em = EMGaussianMixture(3, n_init=2, init_params="random", random_state=0)
    # Starts of clusters have nearly converged when their runs begin.
    for mixture in (em, clone(JUDGE).set_params(init_params="random")):
        fitted, seen = watched(mixture, X[0])
        assert set(seen.begun) == {"fit", "solving", "step"}
        assert seen.losses["solving"][-1] < seen.losses["solving"][0]
        stopped, seen = watched(mixture, X[0], "solving", after=2)
        assert stopped.n_iter_ == 2 and not stopped.converged_
        assert stopped.lower_bound_ <= fitted.lower_bound_ + 1e-9
    fitted, seen = watched(JUDGE, X)
    assert seen.losses["training the judge"] == losses(fitted.history_)
    fitted, seen = watched(JUDGE, X, "training the judge", after=4)
    assert fitted.history_.n_steps == 4


def test_a_failed_fit_lets_go_of_its_callbacks():
    recorder = Recorder()
    completer = ALSMatrixCompleter(1, random_state=0).set_callbacks(recorder)
    with pytest.raises(ValueError, match="too large"), np.errstate(all="ignore"):
        completer.fit(np.full((4, 4), 1e200))
    assert recorder.n_open == 0 and not hasattr(completer, "components_")


@pytest.mark.slow
def test_within_a_search_and_a_pipeline(easy_tasks):
    """Callbacks stay on the clones; those of a search reach its fits."""
    X, recorder = easy_tasks[0], Recorder()
    search = GridSearchCV(clone(CONTROL).set_params(n_epochs=1), {"n_components": [1, 2]}, cv=2)
    search.estimator = clone(search.estimator).set_callbacks(recorder)
    search.fit(list(X))
    assert recorder.begun.count("meta-training") == 5 and recorder.n_open == 0
    recorder = Recorder()
    completer = ALSMatrixCompleter(2, max_iter=3, random_state=0).set_callbacks(recorder)
    make_pipeline(completer, LinearRegression()).fit(X[0], X[0][:, 0] == 0)
    assert recorder.begun.count("sweep") == 3


def test_progress_bar(easy_tasks, capsys):
    """scikit-learn's own bar, which needs rich, with the phases of the fit."""
    X = list(easy_tasks[0])
    clone(STEP).set_callbacks(callback.ProgressBar()).fit(X[0])
    out = capsys.readouterr().out
    for name in ("fit", "meta-training", "solving"):
        assert f"GSOMatrixCompleter - {name}" in out
    assert "100%" in out
