"""The course of a training, as its history tells it."""

import pytest
from sklearn.exceptions import NotFittedError

from sklearn_gso import ALSMatrixCompleter, GSOGaussianMixture, GSOMatrixCompleter, MetaTraining
from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.plotting import TrainingHistoryDisplay
from sklearn_gso.rules import recipe

HISTORY = [
    {"step": 0, "loss": 3.0},
    {"step": 1, "loss": 2.0, "validation": 2.5},
    {"step": 2, "loss": 1.0, "validation": 1.5},
]


def test_what_is_drawn_is_the_history(plt):
    ax = plt.subplots()[1]
    display = TrainingHistoryDisplay(HISTORY).plot(ax)
    assert display.ax_ is ax and display.figure_ is ax.figure
    assert display.loss_.get_ydata().tolist() == [3, 2, 1]
    assert display.validation_.get_xydata().tolist() == [[1, 2.5], [2, 1.5]]
    assert TrainingHistoryDisplay(HISTORY[:1]).plot().validation_ is None


def test_the_start_has_a_validation_and_no_loss():
    """It stands before the first step."""
    display = TrainingHistoryDisplay([{"step": -1, "validation": 4.0}, *HISTORY]).plot()
    assert display.loss_.get_xydata().tolist() == [[0, 3], [1, 2], [2, 1]]
    assert display.validation_.get_xydata().tolist() == [[-1, 4], [1, 2.5], [2, 1.5]]
    only = TrainingHistoryDisplay([{"step": -1, "validation": 4.0}]).plot()  # then interrupted
    assert only.loss_.get_xydata().size == 0
    assert only.validation_.get_xydata().tolist() == [[-1, 4]]


def completer():
    training = MetaTraining(batch_size=2, validation_fraction=0.2)
    settings = {"max_iter": 3, "n_epochs": 2, "random_state": 0, "optimizer": None}
    return GSOMatrixCompleter(2, rule=recipe("control", hidden_size=4), training=training,
                              **settings)  # fmt: skip


def mixture():
    settings = {"rule": recipe("moves", hidden_size=4), "optimizer": None, "random_state": 0}
    return GSOGaussianMixture(3, n_epochs=2, **settings)


@pytest.mark.filterwarnings("ignore:Training has not improved")
@pytest.mark.parametrize("make", [completer, mixture])
def test_training_of_estimators(make, easy_tasks):
    if make is completer:
        X = easy_tasks[0][:5, :12]
    else:
        X = make_mixture_tasks(6, n_samples=60, n_components=3, random_state=0)[0]
    estimator = make().fit(X)
    history = estimator.history_
    display = TrainingHistoryDisplay.from_estimator(estimator)
    steps = [record for record in history if record["step"] >= 0]
    assert len(steps) == history.n_steps > 1
    assert display.loss_.get_ydata().tolist() == [record["loss"] for record in steps]
    first = display.validation_.get_xydata()[0].tolist()
    assert first == [-1, history.before]
    assert display.validation_.get_ydata().min() == history.after


def test_what_has_no_history_is_said(easy_tasks):
    X = easy_tasks[0]
    with pytest.raises(NotFittedError):
        TrainingHistoryDisplay.from_estimator(GSOMatrixCompleter())
    for estimator in (ALSMatrixCompleter(2, max_iter=2), GSOMatrixCompleter(2, n_epochs=0)):
        with pytest.raises(ValueError, match="trained nothing"):
            TrainingHistoryDisplay.from_estimator(estimator.fit(X))
