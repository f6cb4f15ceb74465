"""Workers of loky, of dask and in threads: the same answers, on no more threads than cores."""

import threading

import joblib
import numpy as np
import pytest
import torch
from joblib import parallel_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_gso import EMGaussianMixture, GSOGaussianMixture, GSOMatrixCompleter
from sklearn_gso.datasets import make_low_rank_tasks, make_mixture_tasks
from sklearn_gso.estimators import parallel
from sklearn_gso.estimators.parallel import in_chunks, share_of_threads
from sklearn_gso.problems import EmpiricalBayesCompletion, MatrixCompletion

N_CORES = joblib.cpu_count()
COMPLETER = GSOMatrixCompleter(
    2, max_iter=3, n_epochs=0, n_init=1, n_jobs=2, scaling="matrix", random_state=0
)
# Processes of loky take seconds to begin; dask's workers get pickles, too.
BACKENDS = [pytest.param("loky", marks=pytest.mark.slow), "threading", "dask"]


@pytest.fixture(scope="module")
def cluster():
    """A local cluster of two workers, in threads: starting processes would take a minute."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=False,
            protocol="tcp://",
            host="127.0.0.1",
            dashboard_address=None,
        ) as local,
        distributed.Client(local) as client,
    ):
        yield client


@pytest.fixture(params=BACKENDS)
def backend(request):
    if request.param == "dask":
        request.getfixturevalue("cluster")
    with parallel_config(backend=request.param):
        yield request.param


@pytest.fixture
def many_threads():
    """torch as it comes, with a thread for each core."""
    before = torch.get_num_threads()
    torch.set_num_threads(N_CORES)
    yield
    torch.set_num_threads(before)


def collection():
    X, _ = make_low_rank_tasks(4, shape=(14, 10), rank=2, rate=0.7, random_state=0)
    return [task[: 10 + i] for i, task in enumerate(X)]


def test_completers_of_collections(backend):
    X = collection()
    expected = clone(COMPLETER).set_params(n_jobs=None).fit(X).transform(X)
    for a, b in zip(expected, clone(COMPLETER).fit(X).transform(X), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)


@pytest.mark.parametrize(
    "mixture", [EMGaussianMixture(2), GSOGaussianMixture(2, n_epochs=0)], ids=["em", "judge"]
)
def test_mixtures_of_collections(mixture, backend):
    X = list(make_mixture_tasks(4, n_components=2, n_samples=40, random_state=0)[0])
    X = [task[: 30 + i] for i, task in enumerate(X)]
    mixture = mixture.set_params(n_init=1, random_state=0)
    expected = clone(mixture).fit(X).predict_proba(X)
    for a, b in zip(expected, mixture.set_params(n_jobs=2).fit(X).predict_proba(X), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)


@pytest.mark.slow
def test_searches(backend):
    """Over tasks and over the rows of one matrix."""
    X = collection()
    completer = clone(COMPLETER).set_params(n_jobs=None)
    for data in (X, X[-1]):
        scores = [
            GridSearchCV(
                completer, {"n_components": [1, 2]}, cv=2, n_jobs=n_jobs, error_score="raise"
            )
            .fit(data)
            .cv_results_["mean_test_score"]
            for n_jobs in (None, 2)
        ]
        np.testing.assert_allclose(*scores, rtol=1e-10)


def test_workers_share_the_cores(backend, many_threads):
    """Threads of all workers together are no more than the cores, and the caller keeps its own."""

    def solve(items, seed, progress):
        return [torch.get_num_threads()] * len(items), 0.0

    chunks = [[i] for i in range(6)]
    found = dict(in_chunks(solve, list(range(6)), chunks, range(6), n_jobs=2)).values()
    n_workers = joblib.effective_n_jobs(2)
    assert len(found) == 6 and min(found) >= 1
    assert n_workers * max(found) <= max(N_CORES, n_workers)
    assert torch.get_num_threads() == N_CORES


class CountingProblem(MatrixCompletion):
    """Notes torch's threads where it is made, by the thread that makes it."""

    seen: dict = {}

    def init(self, generator):
        self.seen[threading.get_ident()] = torch.get_num_threads()
        return super().init(generator)


class Counting(GSOMatrixCompleter):
    """Its score is the number of torch's threads where it solves."""

    problem_class = CountingProblem

    def score(self, X, y=None):
        self.transform(X)
        return CountingProblem.seen[threading.get_ident()]


@pytest.mark.parametrize("backend", ["threading", "dask"], indirect=True)
def test_searches_in_threads_share_the_cores(backend, many_threads):
    estimator = Counting(2, max_iter=2, n_epochs=0, random_state=0)
    search = GridSearchCV(estimator, {"n_init": [1, 2]}, cv=2, n_jobs=2, refit=False)
    search.fit([task[:10] for task in collection()])  # of one shape: solved where they are scored
    assert (search.cv_results_["mean_test_score"] == 1).all()
    assert torch.get_num_threads() == N_CORES


@pytest.mark.parametrize("large", [False, True])
def test_small_data_take_one_thread(many_threads, monkeypatch, large):
    if large:
        monkeypatch.setattr(parallel, "_LARGE", 100)
    seen, objective = set(), EmpiricalBayesCompletion.objective

    def watched(self, variables):
        seen.add(torch.get_num_threads())
        return objective(self, variables)

    monkeypatch.setattr(EmpiricalBayesCompletion, "objective", watched)
    GSOMatrixCompleter(2, max_iter=2, random_state=0).fit(collection()[0])
    assert seen == {N_CORES if large else 1} and torch.get_num_threads() == N_CORES


def test_shares(many_threads):
    def threads(*arguments):
        with share_of_threads(*arguments):
            return torch.get_num_threads()

    assert threads() == N_CORES and threads(1) == N_CORES and threads(N_CORES) == 1
    assert threads(3 * N_CORES) == 1  # one is the least
    assert threads(None, 1000) == 1  # small data need no more
    assert torch.get_num_threads() == N_CORES
    torch.set_num_threads(1)
    assert threads(1) == 1  # who has less keeps less
    torch.set_num_threads(N_CORES)
    inside: list = []
    thread = threading.Thread(target=lambda: inside.append(threads()))
    thread.start()
    thread.join()
    assert inside == [1] and torch.get_num_threads() == N_CORES
