"""What only a process of its own can show: imports, interrupts, files read elsewhere."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

from sklearn_gso import (
    ALSMatrixCompleter,
    EMGaussianMixture,
    GSOGaussianMixture,
    GSOMatrixCompleter,
    SGDMatrixCompleter,
)
from sklearn_gso.datasets import make_mixture_tasks

PATIENCE = 120  # seconds, of which a few are needed

# Trainings this short rarely bring anything.
pytestmark = pytest.mark.filterwarnings("ignore:Training has not improved on its start")

FEW = {"n_init": 2, "random_state": 0}
ESTIMATORS = {
    "als": ALSMatrixCompleter(2, max_iter=5, alpha_start=1.0, random_state=0),
    "sgd": SGDMatrixCompleter(2, max_iter=5, random_state=0),
    "step": GSOMatrixCompleter(2, rule="step", max_iter=3, t_l=2, n_epochs=1, **FEW),
    "control": GSOMatrixCompleter(2, max_iter=4, n_epochs=1, **FEW),
}
MIXTURES = {
    "em": EMGaussianMixture(3, n_init=2, random_state=0),
    "judge": GSOGaussianMixture(3, n_epochs=1, random_state=0),
    "diag": GSOGaussianMixture(3, covariance_type="diag", n_epochs=1, random_state=0),
}


def run(script, *arguments):
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    ).stdout


ROUND_TRIP = """
import sys, joblib, torch
torch.set_num_threads(1)
folder = sys.argv[1]
answers = {}
for key, (fitted, X) in joblib.load(folder + "/fitted.joblib").items():
    answers[key] = [getattr(fitted, name)(X) for name in key[2]]
joblib.dump(answers, folder + "/answers.joblib")
"""


def fitted_estimators(X):
    found = {}
    for name, estimator in ESTIMATORS.items():
        found[name + " one"] = clone(estimator).fit(X[0])
        found[name + " many"] = clone(estimator).fit(X)
    return found


def stored(matrix, kind):
    """The observed entries as scipy keeps them."""
    return kind(sparse.csr_array(np.nan_to_num(matrix)))


@pytest.mark.slow
def test_round_trips_are_bit_equal_in_a_new_process(easy_tasks, tmp_path):
    """Completers, dense and sparse, and mixtures; one matrix, and a collection."""
    X = list(easy_tasks[0])
    points = list(make_mixture_tasks(3, n_components=3, n_samples=50, random_state=0)[0])
    wanted = {}
    for name, estimator in {**ESTIMATORS, **MIXTURES}.items():
        data = points if name in MIXTURES else X
        ask = ("predict_proba", "score_samples") if name in MIXTURES else ("transform", "score")
        wanted[name, "one", ask] = clone(estimator).fit(data[0]), data[0]
        wanted[name, "many", ask] = clone(estimator).fit(data), data
    for kind in (sparse.csr_array, sparse.csc_array, sparse.coo_array):
        matrices = [stored(x, kind) for x in X]
        control = ESTIMATORS["control"]
        ask = ("transform", "reconstruct")
        wanted[kind.__name__, "one", ask] = clone(control).fit(matrices[0]), matrices[0]
        wanted[kind.__name__, "many", ask] = clone(control).fit(matrices), matrices
    joblib.dump(wanted, tmp_path / "fitted.joblib")
    run(ROUND_TRIP, tmp_path)
    answers = joblib.load(tmp_path / "answers.joblib")
    assert set(answers) == set(wanted)
    for key, (fitted, data) in wanted.items():
        for ask, found in zip(key[2], answers[key], strict=True):
            expected = getattr(fitted, ask)(data)
            for a, b in zip(np.atleast_1d(expected), np.atleast_1d(found), strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_memory_mapped_estimators_give_the_same(easy_tasks, tmp_path):
    """Arrays mapped read-only from the file, as joblib hands them to workers."""
    X, _ = easy_tasks
    fitted = fitted_estimators(X)
    joblib.dump(fitted, tmp_path / "estimators.joblib")
    mapped = joblib.load(tmp_path / "estimators.joblib", mmap_mode="r")
    for name in fitted:
        data = X if name.endswith("many") else X[0]
        np.testing.assert_array_equal(mapped[name].transform(data), fitted[name].transform(data))
    components = mapped["control one"].components_
    assert isinstance(components, np.memmap) and not components.flags.writeable


INTERRUPTED = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the parent ignores
import numpy as np, torch
torch.set_num_threads(1)
from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.datasets import make_low_rank_tasks
X, truth = make_low_rank_tasks(8, shape=(20, 15), rank=2, rate=0.6, random_state=0)
completer = GSOMatrixCompleter(2, max_iter=8, n_epochs=10**6, verbose=1, random_state=0)
completer.fit(X)
print("fitted", flush=True)
filled = completer.transform(X)
print(json.dumps({
    "steps": completer.history_.n_steps,
    "finite": bool(np.isfinite(filled).all()),
    "score": completer.score(X, truth),
}))
"""


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


class Child:
    """A process whose output is read as it comes."""

    def __init__(self, script):
        self.process = subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.text = {"stdout": "", "stderr": ""}
        self.readers = [threading.Thread(target=self._read, args=(n,)) for n in self.text]
        for reader in self.readers:
            reader.start()

    def _read(self, name):
        while data := os.read(getattr(self.process, name).fileno(), 4096):
            self.text[name] += data.decode(errors="replace")


@pytest.mark.slow
def test_ctrl_c_leaves_a_usable_estimator():
    """A real signal to a process that trains; it catches nothing itself."""
    child = Child(INTERRUPTED)
    try:
        trains = re.compile(r"[1-9]\d*/\d+ \[")
        assert wait_until(lambda: trains.search(child.text["stderr"]), PATIENCE)
        for _ in range(3):  # Python loses one that arrives in a finaliser
            child.process.send_signal(signal.SIGINT)
            if wait_until(lambda: "fitted" in child.text["stdout"], PATIENCE / 4):
                break
        assert child.process.wait(PATIENCE) == 0, child.text["stderr"][-2000:]
    finally:
        child.process.kill()
        for reader in child.readers:
            reader.join()
    assert "interrupted; keeping the best weights so far" in child.text["stderr"]
    found = json.loads(child.text["stdout"].splitlines()[-1])
    assert 1 <= found["steps"] < 10**6 and found["finite"] and found["score"] > -0.1
