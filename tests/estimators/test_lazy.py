"""Collections that are read when they are solved: memory maps, files, data sets of torch."""

import subprocess
import sys
import weakref

import numpy as np
import pytest
import torch
from scipy import sparse

from sklearn_gso import (
    ALSMatrixCompleter,
    GSODictionaryLearning,
    GSOImputer,
    GSOMatrixCompleter,
    MetaTraining,
)
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.estimators import tasks as estimator_tasks

SETTINGS = {"n_components": 2, "max_iter": 3, "n_init": 1, "scaling": "matrix", "random_state": 0}


class Reader(torch.utils.data.Dataset):
    """Gives copies of matrices, and knows how many of them are alive."""

    def __init__(self, matrices):
        self.matrices, self.alive, self.most = matrices, 0, 0

    def __len__(self):
        return len(self.matrices)

    def __getitem__(self, i):
        if not 0 <= i < len(self):
            raise IndexError(i)
        copy = np.array(self.matrices[i])
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(copy, self._gone)
        return copy

    def _gone(self):
        self.alive -= 1


@pytest.fixture
def matrices():
    return make_low_rank_tasks(9, shape=(12, 8), rank=2, rate=0.6, random_state=0)


@pytest.mark.parametrize(
    "learner",
    [
        GSOMatrixCompleter(n_epochs=1, **SETTINGS),
        ALSMatrixCompleter(**SETTINGS),
        GSODictionaryLearning(3, max_iter=3, n_epochs=1, random_state=0),
    ],
    ids=lambda learner: type(learner).__name__,
)
@pytest.mark.filterwarnings("ignore:Orthogonal matching pursuit")
def test_what_is_read_lazily_is_learned_and_solved_as_a_list(learner, matrices, tmp_path):
    X, truth = (list(part) for part in matrices)
    wanted = learner.fit(X, truth).transform(X)
    np.save(tmp_path / "X.npy", np.stack(X))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    for collection, y in ((Reader(X), Reader(truth)), (mapped, truth), (list(mapped), truth)):
        found = learner.fit(collection, y)
        assert found.n_tasks_in_ == 9
        np.testing.assert_array_equal(np.stack(found.transform(collection)), np.stack(wanted))
        out = found.transform_into(collection, {})
        assert sorted(out) == list(range(9))
        np.testing.assert_array_equal(np.stack([out[i] for i in range(9)]), np.stack(wanted))


@pytest.mark.parametrize("n_jobs", [None, pytest.param(2, marks=pytest.mark.slow)])
def test_a_batch_is_in_memory_at_a_time(matrices, monkeypatch, n_jobs):
    X = list(matrices[0]) * 10
    completer = ALSMatrixCompleter(n_jobs=n_jobs, **SETTINGS).fit(X)
    item = completer._cost(type("Item", (), {"array": X[0], "options": {"n_components": 2}}))
    monkeypatch.setattr(estimator_tasks, "MEMORY_BOUND", 3 * item)
    reader, out = Reader(X), {}
    completer.transform_into(reader, out)
    np.testing.assert_array_equal(np.stack(completer.transform(X)), [out[i] for i in range(90)])
    assert 3 <= reader.most <= 3 * (2 if n_jobs is None else 8)


def test_training_reads_a_batch_at_a_time(matrices):
    reader = Reader(list(matrices[0]) * 10)
    GSOMatrixCompleter(n_epochs=1, **SETTINGS).fit(reader)
    assert reader.most <= 20


def test_errors_name_the_task_and_leave_nothing_behind(matrices):
    X = list(matrices[0])
    broken = Reader([*X[:4], np.full((3, 2), np.nan), *X[4:]])
    completer = ALSMatrixCompleter(**SETTINGS)
    with pytest.raises(ValueError, match="Task 4 of the collection: X.* no observed entry"):
        completer.fit(broken)
    assert not hasattr(completer, "_fitted")
    with pytest.raises(ValueError, match="Member 2 of y"):
        completer.fit(Reader(X), Reader([*X[:2], np.array([["a"]]), *X[3:]]))
    completer.fit(X)
    with pytest.raises(ValueError, match="Task 4 of the collection"):
        completer.transform_into(broken, {})
    with pytest.raises(ValueError, match="takes a collection"):
        completer.transform_into(X[0], {})
    with pytest.raises(ValueError, match="after a fit on a collection"):
        ALSMatrixCompleter(**SETTINGS).fit(X[0]).transform_into(X, {})


class Broken(Reader):
    """One of whose files is no file."""

    def __getitem__(self, i):
        if i == 3:
            raise IndexError("a broken file")
        return super().__getitem__(i)


def test_a_member_that_cannot_be_read_does_not_end_the_collection(matrices):
    X = list(matrices[0])
    completer = ALSMatrixCompleter(**SETTINGS).fit(X)
    for use in (completer.fit, completer.transform, completer.score):
        with pytest.raises(RuntimeError, match="Member 3 of the collection"):
            use(Broken(X))


def test_tensors_of_a_torch_dataset(matrices):
    class Tensors(Reader):
        def __getitem__(self, i):
            return torch.from_numpy(super().__getitem__(i))

    X = list(matrices[0])
    completer = GSOMatrixCompleter(n_epochs=1, **SETTINGS)
    wanted, found = completer.fit(X).transform(X), completer.fit(Tensors(X)).transform(Tensors(X))
    np.testing.assert_array_equal(np.stack(found), np.stack(wanted))


def test_options_that_do_not_fit_name_the_task(matrices):
    tall, flat = np.ones((9, 3)) * np.arange(1, 10)[:, None], np.ones((2, 3))
    with pytest.raises(ValueError, match="Task 1 of the collection: n_components=3 atoms"):
        GSODictionaryLearning(3, n_epochs=1).fit([tall, flat])
    with pytest.raises(ValueError, match="loss='heldout' needs data that can be split"):
        GSODictionaryLearning(2, training=MetaTraining("heldout")).fit([tall, tall])


def test_out_must_be_there(matrices):
    completer = ALSMatrixCompleter(**SETTINGS).fit(list(matrices[0]))
    with pytest.raises(ValueError, match="out must take"):
        completer.transform_into(list(matrices[0]), None)
    with pytest.raises(ValueError, match="a task or more"):
        completer.transform_into(Reader([]), {})


def test_sequences_of_other_things_are_no_collections():
    for nothing in (range(3), "abc", [], torch.eye(3)):
        assert estimator_tasks.as_tasks(nothing) is None
    assert len(estimator_tasks.as_tasks(Reader([np.eye(2)] * 3))) == 3
    assert list(estimator_tasks.as_tasks([sparse.eye_array(2)]))[0].shape == (2, 2)


@pytest.mark.slow
def test_tables_are_read_lazily_too(matrices):
    X = list(matrices[0])
    settings = {"parts": ["factors"], "n_epochs": 1, "random_state": 0}
    found = GSOImputer(**settings).fit(Reader(X)).learned_optimizer_
    assert found == GSOImputer(**settings).fit(X).learned_optimizer_


FIVE_THOUSAND = """
import sys
import numpy as np
from sklearn_gso import GSOMatrixCompleter

def private():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024

path, n = sys.argv[1], 5000
shape = (n, 100, 80)
X = np.lib.format.open_memmap(path + "/X.npy", "w+", shape=shape)
for i in range(n):
    rng = np.random.RandomState(i)
    X[i] = rng.randn(100, 2) @ rng.randn(2, 80)
    X[i][rng.rand(100, 80) < 0.5] = np.nan
X = np.load(path + "/X.npy", mmap_mode="r")
filled = np.lib.format.open_memmap(path + "/filled.npy", "w+", shape=shape)

class Out:
    most = 0
    def __setitem__(self, i, result):
        filled[i] = result
        self.most = max(self.most, private())

settings = {"n_components": 2, "max_iter": 2, "n_init": 1, "scaling": "matrix", "random_state": 0}
completer = GSOMatrixCompleter(n_epochs=0, **settings).fit(X[:8]).fit(X)
completer.transform_into(X[:64], Out())
before, out = private(), Out()
completer.fit(X).transform_into(X, out)
assert np.isfinite(filled[-1]).all()
print(out.most - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_five_thousand_tasks_on_disk(tmp_path):
    """320 MB in and 320 MB out: what is in use grows by less than 200 MB."""
    command = [sys.executable, "-c", FIVE_THOUSAND, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 200
