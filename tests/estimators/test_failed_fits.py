"""Fits that are interrupted go on from their checkpoint; fits that fail change nothing.

By the example of an estimator that a user would derive from the public base.
"""

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_gso import MetaTraining
from sklearn_gso.rules import GradientDescent

from ..problems.sparse_coding import SparseCoding
from .sparse_coding import SparseCoder, draw_tasks

pytestmark = pytest.mark.filterwarnings("ignore:Training has not improved")

SETTINGS = {"n_atoms": 3, "max_iter": 4, "n_epochs": 1, "random_state": 0}


@pytest.fixture(scope="module")
def tasks():
    return draw_tasks(4, seed=0)


class Interrupted(SparseCoding):
    """As the problem above, but its n-th objective is interrupted, by whatever is raised."""

    countdown, raised = None, None

    def objective(self, variables):
        cls = Interrupted
        if cls.countdown is not None:
            cls.countdown -= 1
            if cls.countdown == 0:
                raise cls.raised
        return super().objective(variables)


class InterruptedCoder(SparseCoder):
    problem_class = Interrupted


@pytest.fixture
def interrupt(monkeypatch):
    def after(n, raised):
        monkeypatch.setattr(Interrupted, "countdown", n)
        monkeypatch.setattr(Interrupted, "raised", raised)

    return after


def test_an_interrupted_fit_goes_on_from_its_checkpoint(tasks, tmp_path, monkeypatch, interrupt):
    """Ctrl-C keeps what was learned so far; the same fit again ends as if nothing had been."""
    monkeypatch.setattr("sklearn_gso.training.checkpoints._SECONDS", 0.0)
    settings = {**SETTINGS, "n_epochs": 6}
    whole = InterruptedCoder(**settings).fit(tasks)
    n_steps = whole.history_.n_steps
    path = tmp_path / "training"
    coder = InterruptedCoder(training=MetaTraining(checkpoint=path), **settings)
    interrupt(20, KeyboardInterrupt)
    coder.fit(tasks)
    assert 0 < coder.history_.n_steps < n_steps
    assert np.isfinite(coder.transform(tasks)).all()
    interrupt(None, None)
    resumed = clone(coder).fit(tasks)
    assert resumed.history_ == whole.history_
    assert resumed.learned_optimizer_ == whole.learned_optimizer_
    np.testing.assert_array_equal(resumed.transform(tasks), whole.transform(tasks))


def test_a_fit_that_a_callback_ended_goes_on_from_its_checkpoint(tasks, tmp_path):
    pytest.importorskip("sklearn.callback", reason="came with scikit-learn 1.9")

    class Stop:
        """Ends the training after two steps."""

        n = 0

        def setup(self, estimator, context): ...

        def teardown(self, estimator, context): ...

        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context, *, metadata=None, fitted_estimator=None):
            self.n += metadata is not None
            return self.n == 2

    settings = {**SETTINGS, "n_epochs": 6}
    whole = SparseCoder(**settings).fit(tasks)
    coder = SparseCoder(training=MetaTraining(checkpoint=tmp_path / "training"), **settings)
    stopped = clone(coder).set_callbacks(Stop()).fit(tasks)
    assert stopped.history_.n_steps == 2 and whole.history_.n_steps > 2
    resumed = clone(coder).fit(tasks)
    assert resumed.learned_optimizer_ == whole.learned_optimizer_


@pytest.mark.parametrize("fitted_to", ["one", "collection"])
@pytest.mark.parametrize(
    "failure",
    ["parameter", "data", "task", "checkpoint", "solving", "training", "Ctrl-C", "not finite"],
)
def test_a_fit_that_fails_leaves_the_earlier_one_whole(
    failure, fitted_to, tasks, interrupt, tmp_path
):
    X = tasks[0] if fitted_to == "one" else tasks
    coder = InterruptedCoder(**SETTINGS).fit(X)
    before, codes = dict(vars(coder)), coder.transform(X)
    new, error, message = tasks[1], ValueError, None
    if failure == "parameter":
        coder.max_iter, message = 0, "max_iter"
    elif failure == "data":
        new, message = np.full((4, 4), np.nan), "NaN"
    elif failure == "task":
        new, message = [tasks[1], tasks[2][0]], "element 1|Task 1"
    elif failure == "checkpoint":
        new, coder.training = tasks, MetaTraining(checkpoint=tmp_path / "no" / "folder")
        message = "existing folder"
    elif failure in ("solving", "training"):
        new = tasks[1] if failure == "solving" else tasks
        interrupt(6 if failure == "training" else 3, RuntimeError("in the problem"))
        error, message = RuntimeError, "in the problem"
    elif failure == "Ctrl-C":
        interrupt(3, KeyboardInterrupt())
        error = KeyboardInterrupt
    else:
        coder.set_params(rule=GradientDescent(1e100), safeguard="none")
        message = "overflowed"
    with pytest.raises(error, match=message):
        coder.fit(new)
    interrupt(None, None)
    changed = ("max_iter", "training", "rule", "safeguard")
    coder.set_params(**{name: before[name] for name in changed})
    assert vars(coder).keys() == before.keys()
    assert all(vars(coder)[name] is before[name] for name in before)
    np.testing.assert_array_equal(coder.transform(X), codes)
