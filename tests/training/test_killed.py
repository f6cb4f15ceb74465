"""Processes that train and are killed or interrupted: another one goes on from their file."""

import json
import multiprocessing
import os
import signal
import time

import numpy as np
import pytest
import torch

from sklearn_gso.learned_optimizers.files import read_arrays
from sklearn_gso.training import checkpoints
from sklearn_gso.training.trainer import Trainer

from .trainings import assert_same, control, data, judge, outcome, step, uninterrupted

# Trainings this short rarely bring anything.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Training has not improved on its start"),
]

PATIENCE = 120  # seconds, of which a few are needed

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.training.test_killed", "tests.training.warm_training"])


def train(make, folder, checkpoint):
    """What a child process does; it writes after each step."""
    torch.set_num_threads(1)
    checkpoints._SECONDS = 0.0
    (folder / "begun").touch()
    fitted = make(checkpoint).fit(data(make()))
    np.savez(folder / "unfinished.npz", **outcome(fitted))
    os.replace(folder / "unfinished.npz", folder / "outcome.npz")


def begin(make, folder, checkpoint):
    (folder / "begun").unlink(missing_ok=True)
    child = PROCESSES.Process(target=train, args=(make, folder, checkpoint))
    child.start()
    end = time.monotonic() + PATIENCE
    while not (folder / "begun").exists() and time.monotonic() < end:
        time.sleep(0.002)
    return child


def written(path):
    """When a file was written last; 0 where there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0


def await_news(child, path, before):
    """Until the child has written, or has ended."""
    end = time.monotonic() + PATIENCE
    while written(path) == before and child.is_alive() and time.monotonic() < end:
        time.sleep(0.002)


def finish(child, folder):
    child.join(PATIENCE)
    assert child.exitcode == 0
    with np.load(folder / "outcome.npz") as file:
        found = dict(file)
    (folder / "outcome.npz").unlink()
    return found


def test_killed_after_the_first_steps(tmp_path):
    """One SIGKILL; this process goes on."""
    path = tmp_path / "state"
    child = begin(control, tmp_path, path)
    end = time.monotonic() + PATIENCE
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.002)
    child.kill()
    child.join(PATIENCE)
    assert child.exitcode == -signal.SIGKILL and path.exists()
    assert_same(outcome(control(path).fit(data(control()))), uninterrupted(control))
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.slow
@pytest.mark.parametrize(("make", "n_kills"), [(control, 20), (step, 5), (judge, 5)])
def test_killed_at_random_moments(make, n_kills, tmp_path):
    """SIGKILL to processes that train, again and again until one comes to the end."""
    wanted = finish(begin(make, tmp_path, None), tmp_path)
    rng = np.random.RandomState(0)
    path = tmp_path / "state.safetensors"
    clock = time.monotonic()
    assert_same(finish(begin(make, tmp_path, tmp_path / "other"), tmp_path), wanted)
    duration = time.monotonic() - clock
    killed_with_state = killed = 0
    while killed < n_kills:
        before = written(path)
        child = begin(make, tmp_path, path)
        if killed % 2:  # every other one may not die before it has come further
            await_news(child, path, before)
        child.join(rng.uniform(0, duration / 3))
        child.kill()
        child.join(PATIENCE)
        if child.exitcode == -signal.SIGKILL:
            killed += 1
            killed_with_state += path.exists()
        else:  # it came to the end; the next one begins anew
            assert_same(finish(child, tmp_path), wanted)
            path.unlink()
    assert_same(finish(begin(make, tmp_path, path), tmp_path), wanted)
    assert killed_with_state >= n_kills // 2
    assert not list(tmp_path.glob("*.part"))


def interrupted(make, folder):
    """Train for ever, be interrupted, say what is left."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    checkpoints._SECONDS = 0.2
    estimator = make(folder / "state", n_epochs=10**6)
    estimator.fit(data(estimator))
    np.savez(folder / "outcome.npz", **outcome(estimator))


def has_trained(path):
    """Whether there is a checkpoint of more than what is learned from."""
    if not path.exists():
        return False
    return "training" in json.loads(read_arrays(path, "checkpoint", 1)[1])["states"]


@pytest.mark.parametrize(
    "make",
    [
        control,
        pytest.param(step, marks=pytest.mark.slow),
        pytest.param(judge, marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_returns_the_best_so_far_and_leaves_a_checkpoint(make, tmp_path, monkeypatch):
    """A real signal. Going on from the checkpoint to the same step gives the same weights."""
    child = PROCESSES.Process(target=interrupted, args=(make, tmp_path))
    child.start()
    end = time.monotonic() + PATIENCE
    while not has_trained(tmp_path / "state") and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.5)
    while child.is_alive() and time.monotonic() < end:
        os.kill(child.pid, signal.SIGINT)  # Python loses one that arrives in a finaliser
        child.join(2)
    found = finish(child, tmp_path)
    n_steps = int(found["step"][-1]) + 1
    assert 1 <= n_steps < 10**6

    original = Trainer.update

    def stopped(self, terms):
        if self.n_done == n_steps:
            raise KeyboardInterrupt
        return original(self, terms)

    monkeypatch.setattr(Trainer, "update", stopped)
    estimator = make(tmp_path / "state", n_epochs=10**6)
    assert_same(outcome(estimator.fit(data(estimator))), found)
