"""Training that is killed goes on: the result is that of the uninterrupted one."""

import functools
import json
import multiprocessing
import os
import signal
import time

import numpy as np
import pytest
import torch

from sklearn_gso import GSOGaussianMixture, GSOMatrixCompleter, LearnedOptimizer, checkpoints
from sklearn_gso.learned_optimizers.files import read_arrays, write_arrays
from sklearn_gso.training.checkpoints import Checkpoint, Draws
from sklearn_gso.datasets import make_low_rank_tasks, make_mixture_tasks
from sklearn_gso.training.trainer import Trainer

PATIENCE = 120  # seconds, of which a few are needed

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.test_checkpoints", "tests.warm_training"])


def control(checkpoint=None, **parameters):
    settings = {"max_iter": 4, "n_epochs": 6, "batch_size": 2, "hidden_size": 4}
    settings |= {"optimizer": None, "random_state": 0, **parameters}
    return GSOMatrixCompleter(2, checkpoint=checkpoint, **settings)


def step(checkpoint=None, **parameters):
    """The paper's rule, which draws random numbers as it runs."""
    options = {"restart_iterate": True}
    settings = {"rule": "step", "t_l": 2, "t_u": 2, "rule_options": options, "n_epochs": 4}
    return control(checkpoint, **{**settings, **parameters})


def judge(checkpoint=None, **parameters):
    settings = {"n_epochs": 1, "hidden_size": 4, "optimizer": None, "random_state": 0}
    return GSOGaussianMixture(3, checkpoint=checkpoint, **{**settings, **parameters})


def data(estimator):
    if isinstance(estimator, GSOGaussianMixture):
        return make_mixture_tasks(9, n_components=3, n_samples=60, random_state=0)[0]
    return make_low_rank_tasks(8, shape=(12, 10), rank=2, rate=0.6, random_state=0)[0]


def outcome(fitted) -> dict:
    """All that training leaves, as arrays."""
    history = {
        key: np.array([record.get(key, -1.0) for record in fitted.history_])
        for key in ("step", "loss", "validation")
    }
    return {**fitted.learned_optimizer_.weights, **history}


def assert_same(found, wanted):
    assert set(found) == set(wanted)
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=0, atol=1e-12)


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


def finish(child, folder):
    child.join(PATIENCE)
    assert child.exitcode == 0
    with np.load(folder / "outcome.npz") as file:
        found = dict(file)
    (folder / "outcome.npz").unlink()
    return found


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
        child = begin(make, tmp_path, path)
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
    assert killed_with_state >= n_kills / 2
    assert not list(tmp_path.glob("*.part"))


class Killed(BaseException):
    """What no handler in the package knows."""


@pytest.mark.parametrize("make", [control, step, judge])
@pytest.mark.parametrize("n_updates", [1, 11])
def test_only_what_was_not_done_is_done(make, n_updates, tmp_path, monkeypatch):
    """Stopped in an update: at most the step it belongs to is repeated."""
    monkeypatch.setattr(checkpoints, "_SECONDS", 0.0)
    X, wanted = data(make()), make()
    updates = []
    original = Trainer.update

    def counted(self, terms):
        updates.append(1)
        if len(updates) == stop:
            raise Killed
        return original(self, terms)

    monkeypatch.setattr(Trainer, "update", counted)
    stop = None
    wanted.fit(X)
    n_whole = len(updates)
    updates.clear()
    stop = n_updates + 1
    with pytest.raises(Killed):
        make(tmp_path / "state").fit(X)
    stop = None
    assert_same(outcome(make(tmp_path / "state").fit(X)), outcome(wanted))
    window = 2 if make is step else 1  # updates of one step
    assert n_whole + 1 <= len(updates) <= n_whole + window


@pytest.mark.parametrize("make", [control, judge])
def test_a_finished_training_comes_back_at_once(make, tmp_path, monkeypatch):
    X, path = data(make()), tmp_path / "state"
    first = make(path).fit(X)
    before = path.read_bytes()

    def no_work(*args, **options):
        raise AssertionError("nothing is left to be done")

    monkeypatch.setattr(Trainer, "update", no_work)
    monkeypatch.setattr("sklearn_gso._mixture_meta_fit.gather", no_work)
    again = make(path).fit(X)
    assert_same(outcome(again), outcome(first))
    assert again.learned_optimizer_ == first.learned_optimizer_
    assert path.read_bytes() == before


def test_gathering_goes_on_too(tmp_path, monkeypatch):
    """Half of a judge's training is to gather what it learns from."""
    from sklearn_gso import _mixture_meta_fit

    monkeypatch.setattr(checkpoints, "_SECONDS", 0.0)
    X, wanted = data(judge()), outcome(judge().fit(data(judge())))
    original, calls = _mixture_meta_fit.gather, []

    def counted(*args):
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        return original(*args)

    monkeypatch.setattr(_mixture_meta_fit, "gather", counted)
    with pytest.raises(Killed):
        judge(tmp_path / "state").fit(X)
    assert_same(outcome(judge(tmp_path / "state").fit(X)), wanted)
    assert len(calls) == 6 + 1  # two passes over three batches, and the one that was killed


OTHERS = [
    (control, {"max_iter": 7}, "max_iter"),
    (control, {"learning_rate": 0.5, "t_u": 2}, "learning_rate, t_u"),
    (control, {"random_state": 1}, "random_state"),
    (control, {"optimizer": "pretrained"}, "optimizer"),
    (control, {"loss_weights": np.ones(4)}, "loss_weights"),
    (step, {"rule_options": {"restart_iterate": False}}, "rule_options"),
    (judge, {"hidden_size": 5}, "hidden_size"),
    (judge, {"covariance_type": "diag"}, "covariance_type"),
]


@pytest.mark.parametrize(("make", "change", "named"), OTHERS, ids=lambda value: str(value)[:40])
def test_checkpoints_of_other_trainings_are_refused(make, change, named, tmp_path):
    path, X = tmp_path / "state", data(make())
    make(path, n_epochs=1).fit(X)
    before = path.read_bytes()
    other = make(path, n_epochs=1, **change)
    with pytest.raises(ValueError, match=f"state is the checkpoint of .* it differs in {named}\\."):
        other.fit(X)
    other = make(path, n_epochs=1)
    with pytest.raises(ValueError, match="it differs in data"):
        other.fit(X[:-1])
    assert not [name for name in vars(other) if name.endswith("_")]
    assert path.read_bytes() == before


def test_numbers_in_any_container(tmp_path):
    path, X = tmp_path / "state", data(control())
    control(path, n_epochs=1, loss_weights=range(1, 5)).fit(X)
    control(path, n_epochs=1, loss_weights=np.arange(1, 5)).fit(X)  # the same training


def test_what_solving_needs_may_change(tmp_path):
    path, X = tmp_path / "state", data(control())
    first = control(path, n_epochs=1).fit(X)
    again = control(path, n_epochs=1, n_init=1, safeguard="run", verbose=0).fit(X)
    assert again.learned_optimizer_ == first.learned_optimizer_


def test_damaged_checkpoints_are_refused(tmp_path):
    path, X = tmp_path / "state", data(control())
    control(path, n_epochs=1).fit(X)
    whole, rng = path.read_bytes(), np.random.RandomState(0)
    damaged = [b"", b"PK\x03\x04", whole[: len(whole) // 2], whole[:-1], whole + b"x"]
    for _ in range(60):
        i = rng.randint(len(whole))
        damaged.append(whole[:i] + bytes([whole[i] ^ (1 << rng.randint(8))]) + whole[i + 1 :])
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(ValueError, match="state is no readable checkpoint: "):
            control(path, n_epochs=1).fit(X)


@pytest.mark.parametrize("change", ["n_done", "modules", "adam", "best", "history"])
def test_forged_states_are_refused(change, tmp_path):
    path, X = tmp_path / "state", data(control())
    control(path, n_epochs=1).fit(X)
    arrays, description = read_arrays(path, "checkpoint", checkpoints.FORMAT_VERSION)
    said = json.loads(description)
    said["states"]["training"][change] = {"n_done": 3}.get(change)
    del said["states"]["training"]["n_skipped"]
    for text in (json.dumps(said), "[]", "{}", '{"settings": 1, "states": {"a": []}}'):
        write_arrays(path, arrays, text, checkpoints.FORMAT_VERSION)
        with pytest.raises(ValueError, match="no readable checkpoint|checkpoint of another"):
            control(path, n_epochs=1).fit(X)


def test_what_a_killed_writer_left_is_swept(tmp_path):
    for name in ("state[1].123.part", "other.123.part"):
        (tmp_path / name).touch()
    control(tmp_path / "state[1]", n_epochs=1).fit(data(control()))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other.123.part", "state[1]"]


def test_no_checkpoint_without_a_place_or_a_seed(tmp_path):
    X = data(control())
    for make in (control, judge):
        with pytest.raises(ValueError, match="checkpoint must be a path or None, got 3"):
            make(3).fit(X)
        with pytest.raises(ValueError, match="checkpoint needs a random_state"):
            make(tmp_path / "state", random_state=None).fit(X)
    for place in (tmp_path, tmp_path / "absent" / "state"):
        with pytest.raises(ValueError, match="must be a file in an existing folder"):
            control(place).fit(X)
    assert not list(tmp_path.iterdir())


def test_generators_go_on(tmp_path):
    """The next numbers after a round trip through a file."""
    torchs, numpys = torch.Generator().manual_seed(3), np.random.RandomState(3)
    torch.rand(5, generator=torchs), numpys.normal(size=5)  # half a pair of normals is kept
    kept = Checkpoint(tmp_path / "a", {}, {"torch": Draws(torchs), "numpy": Draws(numpys)})
    kept.write()
    wanted = torch.rand(9, generator=torchs), numpys.normal(size=9)
    parts = {"torch": Draws(torch.Generator()), "numpy": Draws(np.random.RandomState())}
    Checkpoint(tmp_path / "a", {}, parts).restore_all()
    assert torch.equal(torch.rand(9, generator=parts["torch"].generator), wanted[0])
    np.testing.assert_array_equal(parts["numpy"].generator.normal(size=9), wanted[1])


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


@pytest.mark.parametrize("make", [control, step, judge])
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
    n_steps = len(found["step"])
    assert 1 <= n_steps < 10**6

    original = Trainer.update

    def stopped(self, terms):
        if self.n_done == n_steps:
            raise KeyboardInterrupt
        return original(self, terms)

    monkeypatch.setattr(Trainer, "update", stopped)
    estimator = make(tmp_path / "state", n_epochs=10**6)
    assert_same(outcome(estimator.fit(data(estimator))), found)


@pytest.mark.parametrize("optimizer", [None, "pretrained"])
def test_ctrl_c_before_the_training_keeps_the_judge(optimizer, tmp_path, monkeypatch):
    """And what was gathered, for the next time."""
    from sklearn_gso import _mixture_meta_fit

    monkeypatch.setattr(checkpoints, "_SECONDS", 0.0)
    make = functools.partial(judge, optimizer=optimizer)
    original, calls, X = _mixture_meta_fit.gather, [], data(judge())

    def stopped(*args):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(_mixture_meta_fit, "gather", stopped)
    left = make(tmp_path / "state").fit(X)
    assert left.history_ == [] and left.history_.n_skipped == 0
    assert np.isfinite(left.score(X))
    if optimizer:
        given, kept = LearnedOptimizer.load_pretrained("mixture"), left.learned_optimizer_
        assert all(np.array_equal(kept.weights[name], given.weights[name]) for name in kept.weights)
    assert_same(outcome(make(tmp_path / "state").fit(X)), outcome(make().fit(X)))
    assert len(calls) == 3 + 4 + 6  # interrupted, the rest of six, all of them
