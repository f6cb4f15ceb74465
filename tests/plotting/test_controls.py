"""The controls that are drawn are those that the rule decided."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from sklearn_gso import ALSMatrixCompleter, EMGaussianMixture, GSOMatrixCompleter
from sklearn_gso.plotting import ControlsDisplay
from sklearn_gso.rules import Clock


@pytest.mark.parametrize("n_init", [1, 3])
def test_controls_are_those_of_the_rule(n_init, easy_tasks, plt):
    X = easy_tasks[0][0]
    completer = GSOMatrixCompleter(2, max_iter=5, t_l=2, n_init=n_init, random_state=0).fit(X)
    ax = plt.subplots()[1]
    display = ControlsDisplay.from_estimator(completer, X, ax=ax)
    assert display.ax_ is ax and list(display.axes_) == ["data", "prior", "relaxation", "momentum"]
    line = display.lines_["relaxation"]["U"]
    np.testing.assert_allclose(line.get_xdata(), np.arange(1, 11) / 2)
    answer = completer.trace(X)
    learned = [i for i, run in enumerate(answer.runs) if run.trace.decided]
    run = answer.runs[max(learned, key=lambda i: float(answer.weights[i, 0]))]
    # The rule itself, asked where that run began.
    rule = completer.learned_optimizer_.rules()["U"]
    start = run.trace.variables[0]
    first, _ = rule.decide(answer.problem, start, "U", rule.init_state(start["U"]), Clock(0, 5))
    for name, panel in display.lines_.items():
        assert set(panel) == {"U", "V"}
        median = np.median(first[name][0, :, 0].numpy())
        assert panel["U"].get_ydata()[0] == pytest.approx(median, 1e-12)
        # Each later step as it was decided in the run.
        steps = [d["V"][name][0, :, 0].numpy() for d in run.trace.decided if "V" in d]
        np.testing.assert_array_equal(panel["V"].get_ydata(), np.median(steps, axis=1))


@pytest.mark.slow
def test_no_controls_are_drawn_of_what_comes_after_the_end(noisy_values):
    """Runs of several starts are made together, and end at different times."""
    X = noisy_values[0].numpy()
    settings = {"n_init": 4, "tol": 1e-4, "max_iter": 60, "t_l": 2, "random_state": 0}
    completer = GSOMatrixCompleter(2, **settings).fit(X)
    answer, n = completer.trace(X), completer.n_iter_
    # The best of the learned ones, neither the first start nor the longest of its batch.
    best, lengths = int(answer.weights[:, 0].argmax()), [int(r.n_iter[0]) for r in answer.runs]
    assert 0 < best < 4 and n == lengths[best] < max(lengths[:4])
    display = ControlsDisplay.from_estimator(completer, X)
    sweeps = display.lines_["momentum"]["U"].get_xdata()
    np.testing.assert_allclose(sweeps, np.arange(1, 2 * n + 1) / 2)


def test_controls_are_drawn_within_their_reach(easy_tasks):
    X = easy_tasks[0][0]
    completer = GSOMatrixCompleter(2, max_iter=8, n_init=1, random_state=0).fit(X)
    display = ControlsDisplay.from_estimator(completer, X)
    bounds = {"data": (-3, 3), "prior": (-3, 3), "relaxation": (0, 2), "momentum": (-1, 1)}
    for name, (low, high) in bounds.items():
        chosen = np.concatenate(list(display.controls[name].values()), axis=1)
        assert low <= chosen.min() < chosen.max() <= high


def test_a_line_for_what_changes_nothing():
    """The closed form: a relaxation of 1, and 0 for all the others."""
    controls = {name: {"U": np.zeros((2, 3))} for name in ("data", "relaxation", "momentum")}
    display = ControlsDisplay(controls).plot()
    neutral = {name: panel.lines[0].get_ydata()[0] for name, panel in display.axes_.items()}
    assert neutral == {"data": 0, "relaxation": 1, "momentum": 0}


def test_controls_need_a_rule_that_has_them(easy_tasks):
    X = easy_tasks[0][0]
    untrained = GSOMatrixCompleter(2, optimizer=None, max_iter=2, n_init=1)
    for estimator in (untrained, ALSMatrixCompleter(2, max_iter=2)):
        with pytest.raises(ValueError, match="chooses no controls"):
            ControlsDisplay.from_estimator(estimator.fit(X), X)
    samples = np.random.RandomState(0).randn(30, 2)
    with pytest.raises(ValueError, match="chooses no controls"):
        ControlsDisplay.from_estimator(EMGaussianMixture(2).fit(samples), samples)
    with pytest.raises(NotFittedError):
        ControlsDisplay.from_estimator(GSOMatrixCompleter(), X)
