"""Bars on stderr, told of by the engine; silence by default."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone
from tqdm import notebook

from sklearn_gso import (
    ALSMatrixCompleter,
    EMGaussianMixture,
    GSOGaussianMixture,
    GSOMatrixCompleter,
    SGDMatrixCompleter,
)
from sklearn_gso.datasets import make_mixture_tasks

pytestmark = pytest.mark.filterwarnings("ignore:Training has not improved")

SMALL = {"random_state": 0, "max_iter": 4, "scaling": "matrix"}
ESTIMATORS = {
    "control": GSOMatrixCompleter(2, n_epochs=1, n_init=2, **SMALL),
    "step": GSOMatrixCompleter(2, rule="step", t_l=2, n_epochs=1, n_init=1, **SMALL),
    "als": ALSMatrixCompleter(2, **SMALL),
    "sgd": SGDMatrixCompleter(2, **SMALL),
    "em": EMGaussianMixture(3, random_state=0),
    "judge": GSOGaussianMixture(3, n_epochs=1, n_init=1, max_rounds=2, random_state=0),
}


@pytest.fixture(scope="module")
def points():
    return list(make_mixture_tasks(4, n_components=3, n_samples=60, random_state=0)[0])


def run(estimator, X):
    """What a fit on one task, one on the collection, and the answer for it come to."""
    one, many = clone(estimator).fit(X[0]), clone(estimator).fit(X)
    if hasattr(one, "transform"):
        return [one.transform(X[0]), *many.transform(X)]
    return [one.predict_proba(X[0]), *many.predict_proba(X)]


def bars(text):
    """Names of the bars that were shown, in order."""
    lines = [line for line in text.replace("\r", "\n").split("\n") if "|" in line]
    return list(dict.fromkeys(line.split(":")[0] for line in lines))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] if n in ("step", "sgd") else []) for n in ESTIMATORS],
)
def test_bars_are_shown_on_demand_and_change_nothing(name, easy_tasks, points, capfd):
    X = list(points if name in ("em", "judge") else easy_tasks[0])
    X[-1] = X[-1][:-4]  # two shapes, two batches
    expected = run(ESTIMATORS[name], X)
    assert capfd.readouterr() == ("", "")
    found = run(clone(ESTIMATORS[name]).set_params(verbose=1), X)
    out, err = capfd.readouterr()
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)
    trained = {
        "control": ["meta-training"],
        "step": ["meta-training"],
        "judge": ["gathering local optima", "training the judge"],
    }.get(name, [])
    assert set(bars(err)) == {"solving", *trained}
    assert f"{len(X)}/{len(X)} [" in err  # the tasks of the collection
    assert err.count("loss=") >= 2  # a fit, and the collection
    assert ("lower bound" in err) == (name in ("em", "judge"))  # a mixture's fit on one task
    assert not out


def test_time_left_is_told(easy_tasks, capfd):
    """tqdm's "elapsed<left" needs to know how many sweeps there can be."""
    GSOMatrixCompleter(2, max_iter=5, verbose=1, random_state=0).fit(easy_tasks[0][0])
    # The first start, the three others in one batch, four rounds more and the classical run.
    assert f"/{5 * (1 + 1 + 4 + 1)} [" in capfd.readouterr().err


def test_bars_do_not_jump(easy_tasks, capfd):
    """A run that ends early is done where it stands, of as many sweeps as there could be."""
    GSOMatrixCompleter(2, max_iter=30, verbose=1, random_state=0).fit(easy_tasks[0][0])
    steps = re.findall(r"(\d+)/(\d+) \[([^\]]*)\]", capfd.readouterr().err)
    assert len({total for _, total, _ in steps}) == 1
    n, total, told = steps[-1]
    assert int(n) < int(total) and told.endswith(", done")


@pytest.mark.parametrize(
    "estimator",
    [GSOMatrixCompleter(2, n_epochs=2, **SMALL), ESTIMATORS["judge"]],
    ids=lambda e: type(e).__name__,
)
def test_a_line_tells_what_a_training_has_brought(estimator, easy_tasks, points, capfd):
    X = list(points if hasattr(estimator, "max_rounds") else easy_tasks[0]) * 2
    learned = clone(estimator).set_params(verbose=1).fit(X)
    out, err = capfd.readouterr()
    history = learned.history_
    (told,) = re.findall(r"validation (\S+) before training, (\S+) after (\d+) steps\n", err)
    assert told == (f"{history.before:.4g}", f"{history.after:.4g}", str(history.n_steps))
    assert not out


def test_bars_of_notebooks_are_not_red_where_a_run_ends_early(easy_tasks, monkeypatch):
    """tqdm takes a bar short of its total for one that has failed."""

    class Widget(SimpleNamespace):
        bar_style = ""

    made = []

    def bar(**about):
        made.append(Widget(layout=Widget(), style=Widget(), **about))
        return made[-1]

    parts = {
        "IProgress": bar,
        "HTML": Widget,
        "TqdmHBox": Widget,
        "display": lambda container: None,
    }
    for name, part in parts.items():
        monkeypatch.setattr(notebook, name, part, raising=False)
    monkeypatch.setattr("sklearn_gso.estimators.reporting.tqdm", notebook.tqdm)
    GSOMatrixCompleter(2, max_iter=30, verbose=1, random_state=0).fit(easy_tasks[0][0])
    assert made and made[-1].value < made[-1].max
    assert [one.bar_style for one in made] == ["success"] * len(made)


def test_workers_are_silent(easy_tasks, capfd):
    X = [task[: 10 + i] for i, task in enumerate(easy_tasks[0])]
    completer = ALSMatrixCompleter(2, n_jobs=2, verbose=1, **SMALL).fit(X)
    with parallel_config(backend="threading"):
        completer.transform(X)
    err = capfd.readouterr().err
    assert bars(err) == ["solving"] and "6/6 [" in err and "sweep" not in err
