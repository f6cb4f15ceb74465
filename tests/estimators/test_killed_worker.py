"""A cluster of processes, one of which is killed while it solves: its tasks are redone."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from joblib import parallel_config

from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.datasets import make_low_rank_tasks

pytestmark = pytest.mark.slow


def own_pid():
    return os.getpid()


@pytest.fixture
def cluster():
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(processes=True, host="127.0.0.1", **options) as local,
        distributed.Client(local) as client,
    ):
        yield client


@pytest.mark.filterwarnings("ignore")
def test_tasks_of_a_worker_that_is_killed_are_redone(cluster):
    X, _ = make_low_rank_tasks(12, shape=(14, 10), rank=2, rate=0.7, random_state=0)
    # Each of a shape of its own: a batch of its own.
    tasks = [np.tile(task[: 3 + i], (4, 1)) for i, task in enumerate(X)]
    settings = {"max_iter": 60, "n_init": 2, "n_epochs": 0, "tol": None, "scaling": "matrix"}
    completer = GSOMatrixCompleter(2, random_state=0, **settings).fit(tasks[:1])
    wanted = completer.transform(tasks)
    before = cluster.run(own_pid)
    first, killed = sorted(before.values())[0], []
    results: dict[int, np.ndarray] = {}

    class Out:
        def __setitem__(self, i, result):
            results[i] = result
            if not killed:  # the first results are there: others are being solved
                os.kill(first, signal.SIGKILL)
                killed.append(first)

    with parallel_config(backend="dask"):
        completer.set_params(n_jobs=2).transform_into(tasks, Out())
    assert killed and sorted(results) == list(range(12))
    for i, task in enumerate(wanted):
        np.testing.assert_allclose(results[i], task, rtol=1e-8, atol=1e-10)
    end = time.monotonic() + 60
    while first in cluster.run(own_pid).values() and time.monotonic() < end:
        threading.Event().wait(0.1)
    assert first not in cluster.run(own_pid).values()
