"""Same seed, same result: twice, in another process, in several; and no memory is kept."""

import gc
import json
import subprocess
import sys

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone

from sklearn_gso import (
    ALSMatrixCompleter,
    EMGaussianMixture,
    GSOGaussianMixture,
    GSOMatrixCompleter,
    SGDMatrixCompleter,
)
from sklearn_gso.datasets import make_low_rank_tasks, make_mixture_tasks
from sklearn_gso.problems import Problem
from sklearn_gso.rules import recipe

PATIENCE = 120  # seconds, of which a few are needed

# Trainings this short rarely bring anything.
pytestmark = pytest.mark.filterwarnings("ignore:Training has not improved on its start")

SHORT = {"max_iter": 3, "scaling": "matrix", "random_state": 0}
COMPLETERS = {
    "control": GSOMatrixCompleter(max_iter=3, n_epochs=1, n_init=2, random_state=0),
    "untrained": GSOMatrixCompleter(2, optimizer=None, n_epochs=0, n_init=2, **SHORT),
    "ridge": GSOMatrixCompleter(2, alpha=1e-3, n_epochs=1, n_init=2, **SHORT),
    "step": GSOMatrixCompleter(2, rule="step", t_l=4, t_u=2, n_epochs=1, n_init=2, **SHORT),
    "restarts": GSOMatrixCompleter(
        2,
        rule=recipe("step", restart_iterate=True),
        t_l=4,
        n_epochs=1,
        n_init=2,
        safeguard="none",
        **SHORT,
    ),
    "als": ALSMatrixCompleter(2, max_iter=5, n_init=2, random_state=0),
    "sgd": SGDMatrixCompleter(2, max_iter=5, batch_fraction=0.5, random_state=0),
}
MIXTURES = {
    "em": EMGaussianMixture(3, n_init=2, init_params="k-means++", random_state=0),
    "tempered": EMGaussianMixture(3, init_params="tempered", random_state=0),
    "judge": GSOGaussianMixture(3, n_epochs=1, n_init=2, max_rounds=2, random_state=0),
    "new judge": GSOGaussianMixture(
        3,
        optimizer=None,
        rule=recipe("moves", hidden_size=4),
        n_epochs=1,
        n_init=2,
        max_rounds=2,
        covariance_type="diag",
        random_state=0,
    ),
}
ESTIMATORS = {**COMPLETERS, **MIXTURES}
QUICK = ("control", "step", "als", "em", "judge")  # trained on collections, or solving these


def data(name):
    """A few tasks of two shapes."""
    if name in MIXTURES:
        X = make_mixture_tasks(4, n_components=3, n_samples=50, random_state=0)[0]
        return [*X[:2], X[2][:40]]
    X = make_low_rank_tasks(5, shape=(14, 10), rank=2, rate=0.6, random_state=0)[0]
    return [*X[:3], X[3][:12], X[4][:12]]


def answers(name, fitted, X):
    """All that a fit tells, as a flat list of arrays."""
    predict = fitted.predict_proba if name in MIXTURES else fitted.transform
    found = predict(X)
    arrays = list(found) if isinstance(found, list) else [found]
    arrays += [np.asarray(fitted.score(X))]
    for attribute in ("components_", "means_", "covariances_", "lower_bound_", "objective_"):
        if hasattr(fitted, attribute):
            arrays.append(np.asarray(getattr(fitted, attribute)))
    optimizer = getattr(fitted, "learned_optimizer_", None)
    arrays += list(optimizer.weights.values()) if optimizer else []
    arrays += [np.array(list(record.values())) for record in getattr(fitted, "history_", [])]
    return arrays


def fit(name, single, **parameters):
    X = data(name)
    X = X[0] if single else X
    return answers(name, clone(ESTIMATORS[name]).set_params(**parameters).fit(X), X)


def digests():
    """What is told by each estimator, in a few letters."""
    torch.set_num_threads(1)
    return {
        f"{name}, {'one' if single else 'many'}": joblib.hash(
            [a.tobytes() for a in fit(name, single)]
        )
        for name in ESTIMATORS
        for single in (True, False)
    }


@pytest.mark.parametrize(
    ("name", "single"),
    [
        pytest.param(n, one, marks=[] if one or n in QUICK else [pytest.mark.slow])
        for n in ESTIMATORS
        for one in (True, False)
    ],
)
def test_bit_equal_whatever_global_generators_say(name, single):
    found = []
    for seed in (1, 2):
        np.random.seed(seed), torch.manual_seed(seed)
        before = np.random.get_state()[1].copy(), torch.get_rng_state()
        found.append(fit(name, single))
        assert (np.random.get_state()[1] == before[0]).all()
        assert torch.equal(torch.get_rng_state(), before[1])
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_bit_equal_in_other_processes_whatever_global_generators_say():
    script = """
import json, sys, numpy, torch
numpy.random.seed(int(sys.argv[1])), torch.manual_seed(int(sys.argv[1]))
before = numpy.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes()
from tests.estimators.test_reproducible import digests
found = digests()
after = numpy.random.get_state()[1].tobytes(), torch.get_rng_state().numpy().tobytes()
assert before == after, "a global generator was used"
print(json.dumps(found))
"""
    children = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", script, seed], stdout=subprocess.PIPE, text=True
        )
        for seed in ("1", "2")
    ]
    first, second = (json.loads(child.communicate(timeout=PATIENCE)[0]) for child in children)
    assert len(first) == 2 * len(ESTIMATORS) and first == second
    assert len(set(first.values())) == len(first)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_other_seeds_other_starts(name):
    # Several starts of a mixture may well end in the same optimum.
    start = {"n_init": 1} if name in MIXTURES else {}
    one, other = (fit(name, True, random_state=seed, **start) for seed in (0, 1))
    assert any(not np.array_equal(a, b) for a, b in zip(one, other, strict=False))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "backend"),
    [("control", "threading"), ("judge", "threading"), *((name, "loky") for name in ESTIMATORS)],
)
def test_one_job_or_two(name, backend, monkeypatch):
    monkeypatch.setattr("sklearn_gso.estimators.tasks.MEMORY_BOUND", 2000)  # several batches
    # What is trained is trained by one; of the slow ones whatever follows from it is compared.
    parameters = {"n_epochs": 0} if backend == "threading" else {}
    with joblib.parallel_config(backend=backend):
        one, two = (fit(name, False, n_jobs=n, **parameters) for n in (1, 2))
    assert len(one) == len(two)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def n_kept() -> int:
    """Tensors, problems and modules that somebody still holds."""
    gc.collect()
    kinds = (torch.Tensor, Problem, torch.nn.Module)
    return sum(issubclass(type(one), kinds) for one in gc.get_objects())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["control", "step", "em", "judge"])
def test_fits_keep_no_tensor(name):
    fit(name, True), fit(name, False)  # what is read once stays
    before = n_kept()
    fit(name, True), fit(name, False)
    assert n_kept() == before


MANY_FITS = """
import gc, json, resource, warnings
import numpy as np, torch
torch.set_num_threads(1)
warnings.simplefilter("ignore")
from sklearn_gso import (
    ALSMatrixCompleter, EMGaussianMixture, GSOGaussianMixture, GSOMatrixCompleter
)
rng = np.random.RandomState(0)
kinds = 6 * [
    lambda: GSOMatrixCompleter(2, max_iter=1, n_init=2),
    lambda: ALSMatrixCompleter(2, max_iter=2),
    lambda: EMGaussianMixture(2, max_iter=3, init_params="random"),
] + [
    lambda: GSOMatrixCompleter(2, optimizer=None, rule="step", max_iter=2, t_l=1, n_epochs=1),
    lambda: GSOGaussianMixture(2, max_iter=3, n_init=1, init_params="random"),
]
def state():
    gc.collect()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, len(gc.get_objects())
for i in range(1001):
    if i in (100, 1000):
        print(json.dumps(state()))
    X = rng.standard_normal((8 + i % 3, 4))
    estimator = kinds[i % len(kinds)]().fit(X)
    estimator.score(X)
"""


@pytest.mark.slow
def test_a_thousand_fits_keep_no_memory():
    """The peak of memory grows by less than 5 %, the number of objects not at all."""
    out = subprocess.run(
        [sys.executable, "-c", MANY_FITS], check=True, capture_output=True, text=True, timeout=600
    ).stdout
    early, late = map(json.loads, out.splitlines())
    assert late[0] < 1.05 * early[0] and late[1] < 1.01 * early[1]
