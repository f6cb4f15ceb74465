"""Checkpoints of training: what goes on from them, and what is refused."""

import copy
import functools
import json

import numpy as np
import pytest
import torch
from scipy import sparse

from sklearn_gso import LearnedOptimizer
from sklearn_gso.learned_optimizers.files import read_arrays, write_arrays
from sklearn_gso.rules import recipe
from sklearn_gso.training import Checkpoint, Draws, checkpoints
from sklearn_gso.training import judges as judge_training
from sklearn_gso.training.checkpoints import data_digest
from sklearn_gso.training.trainer import Trainer

from .trainings import Killed, assert_same, control, data, judge, outcome, step, uninterrupted

# Trainings this short rarely bring anything.
pytestmark = pytest.mark.filterwarnings("ignore:Training has not improved on its start")


@pytest.mark.slow
@pytest.mark.parametrize("make", [control, step, judge])
@pytest.mark.parametrize("n_updates", [1, 11])
def test_only_what_was_not_done_is_done(make, n_updates, tmp_path, monkeypatch):
    """Stopped in an update: at most the step it belongs to is repeated."""
    monkeypatch.setattr(checkpoints, "_SECONDS", 0.0)
    X, wanted, updates = data(make()), uninterrupted(make), []
    original = Trainer.update

    def counted(self, terms):
        updates.append(1)
        if len(updates) == n_updates + 1:
            raise Killed
        return original(self, terms)

    monkeypatch.setattr(Trainer, "update", counted)
    with pytest.raises(Killed):
        make(tmp_path / "state").fit(X)
    assert_same(outcome(make(tmp_path / "state").fit(X)), wanted)
    window = 2 if make is step else 1  # updates of one step
    n_whole = window * (int(wanted["step"][-1]) + 1)
    assert n_whole + 1 <= len(updates) <= n_whole + window


@pytest.mark.slow
@pytest.mark.parametrize("make", [control, judge])
def test_a_finished_training_comes_back_at_once(make, tmp_path, monkeypatch):
    X, path = data(make()), tmp_path / "state"
    first = make(path).fit(X)
    before = path.read_bytes()

    def no_work(*args, **options):
        raise AssertionError("nothing is left to be done")

    monkeypatch.setattr(Trainer, "update", no_work)
    monkeypatch.setattr(judge_training, "gather", no_work)
    again = make(path).fit(X)
    assert_same(outcome(again), outcome(first))
    assert again.learned_optimizer_ == first.learned_optimizer_
    assert path.read_bytes() == before


@pytest.mark.slow
def test_gathering_goes_on_too(tmp_path, monkeypatch):
    """Half of a judge's training is to gather what it learns from."""
    monkeypatch.setattr(checkpoints, "_SECONDS", 0.0)
    X, wanted = data(judge()), uninterrupted(judge)
    original, calls = judge_training.gather, []

    def counted(*args, **more):
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        return original(*args, **more)

    monkeypatch.setattr(judge_training, "gather", counted)
    with pytest.raises(Killed):
        judge(tmp_path / "state").fit(X)
    assert_same(outcome(judge(tmp_path / "state").fit(X)), wanted)
    assert len(calls) == 6 + 1  # two passes over three batches, and the one that was killed


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [None, "pretrained"])
def test_ctrl_c_before_the_training_keeps_the_judge(optimizer, tmp_path, monkeypatch):
    """And what was gathered, for the next time."""
    monkeypatch.setattr(checkpoints, "_SECONDS", 0.0)
    make = functools.partial(judge, optimizer=optimizer)
    if optimizer:
        make = functools.partial(make, rule="moves")
    original, calls, X = judge_training.gather, [], data(judge())

    def stopped(*args, **more):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(*args, **more)

    monkeypatch.setattr(judge_training, "gather", stopped)
    left = make(tmp_path / "state").fit(X)
    assert left.history_ == [] and left.history_.n_skipped == 0
    assert np.isfinite(left.score(X))
    if optimizer:
        given, kept = LearnedOptimizer.load_pretrained("mixture"), left.learned_optimizer_
        assert kept.has_weights_of(given)
    found = outcome(make(tmp_path / "state").fit(X))
    assert len(calls) == 3 + 4  # interrupted, and the rest of six
    assert_same(found, outcome(make().fit(X)))


OTHERS = [
    (control, {"max_iter": 7}, "max_iter"),
    (control, {"training": {"learning_rate": 0.5}, "t_u": 2}, "learning_rate, t_u"),
    (control, {"random_state": 1}, "random_state"),
    (control, {"optimizer": "pretrained", "rule": "control"}, "optimizer, rule"),
    (control, {"training": {"loss_weights": np.ones(4)}}, "loss_weights"),
    (control, {"training": {"loss": "global"}}, "loss"),
    (control, {"alpha": 0.1}, "alpha"),
    (step, {"rule": recipe("step", hidden_size=4, restart_iterate=False)}, "rule"),
    (judge, {"rule": recipe("moves", hidden_size=5)}, "rule"),
    (judge, {"covariance_type": "diag"}, "covariance_type"),
    (judge, {"training": {"batch_size": 3}}, "batch_size"),
]


@pytest.mark.parametrize(
    ("make", "change", "named"),
    [
        pytest.param(*other, marks=[] if i % 3 == 1 else [pytest.mark.slow])
        for i, other in enumerate(OTHERS)
    ],
    ids=[f"{make.__name__} {named}" for make, _, named in OTHERS],
)
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
    control(path, {"loss_weights": range(1, 5)}, n_epochs=1).fit(X)
    before = path.read_bytes()
    for same in (np.arange(1, 5), [np.int64(i) for i in range(1, 5)], (1, 2, 3, 4)):
        control(path, {"loss_weights": same}, n_epochs=1).fit(X)
    assert path.read_bytes() == before


def test_what_solving_needs_may_change(tmp_path):
    path, X = tmp_path / "state", data(control())
    first = control(path, n_epochs=1).fit(X)
    solving = {"n_init": 1, "safeguard": "run", "tol": 1e-3, "n_jobs": 1, "verbose": False}
    presenting = {"min_value": 0.0, "copy": False, "missing_values": -1e9}
    again = control(path, n_epochs=1, **solving, **presenting).fit(np.nan_to_num(X, nan=-1e9))
    assert again.learned_optimizer_ == first.learned_optimizer_


def test_settings_that_are_no_numbers_equal_themselves(tmp_path):
    """NaN says what marks a missing entry, infinity that there is no bound."""
    settings = {"missing": np.nan, "bounds": [-np.inf, np.inf], "n": 1}
    Checkpoint(tmp_path / "a", settings).write()
    Checkpoint(tmp_path / "a", settings)
    with pytest.raises(ValueError, match="it differs in n\\."):
        Checkpoint(tmp_path / "a", {**settings, "n": 2})
    with pytest.raises(ValueError, match="it differs in missing, none\\."):
        Checkpoint(tmp_path / "a", {**settings, "missing": 0.0, "none": None})


def test_damaged_checkpoints_are_refused(tmp_path):
    path = tmp_path / "state"
    control(path, n_epochs=1).fit(data(control()))
    arrays, description = read_arrays(path, "checkpoint", checkpoints.FORMAT_VERSION)
    settings = json.loads(description)["settings"]
    whole, rng = path.read_bytes(), np.random.RandomState(0)
    damaged = [b"", b"PK\x03\x04", whole[: len(whole) // 2], whole[:-1], whole + b"x"]
    for _ in range(60):
        i = rng.randint(len(whole))
        damaged.append(whole[:i] + bytes([whole[i] ^ (1 << rng.randint(8))]) + whole[i + 1 :])
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(ValueError, match="state is no readable checkpoint: "):
            Checkpoint(path, settings)
    with pytest.raises(ValueError, match="state is no readable checkpoint: "):
        control(path, n_epochs=1).fit(data(control()))
    path.write_bytes(whole)
    Checkpoint(path, settings)


PARTS = ("n_done", "modules", "adam", "history", "n_skipped")


@pytest.mark.parametrize(
    "part", ["best", *(pytest.param(p, marks=pytest.mark.slow) for p in PARTS)]
)
def test_forged_states_are_refused(part, tmp_path):
    path, X = tmp_path / "state", data(control())
    control(path, n_epochs=1).fit(X)
    arrays, description = read_arrays(path, "checkpoint", checkpoints.FORMAT_VERSION)
    forged = [json.loads(description) for _ in range(2)]
    del forged[0]["states"]["training"][part]
    forged[1]["states"]["training"][part] = {"else": 1}
    for said in forged:
        write_arrays(path, arrays, json.dumps(said), checkpoints.FORMAT_VERSION)
        with pytest.raises(ValueError, match="state is no readable checkpoint: "):
            control(path, n_epochs=1).fit(X)


@pytest.mark.parametrize("text", ["[]", "{}", '{"settings": 1, "states": {"a": []}}', "", "NaN"])
def test_foreign_descriptions_are_refused(text, tmp_path):
    path = tmp_path / "state"
    write_arrays(path, {}, text, checkpoints.FORMAT_VERSION)
    with pytest.raises(ValueError, match="state is no readable checkpoint: "):
        Checkpoint(path, {})


def test_what_a_killed_writer_left_is_swept(tmp_path):
    for name in ("state[1].123.part", "other.123.part"):
        (tmp_path / name).touch()
    control(tmp_path / "state[1]", n_epochs=1).fit(data(control()))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other.123.part", "state[1]"]


def test_no_checkpoint_without_a_place_or_a_seed(tmp_path):
    X = data(control())
    for make in (control, judge):
        with pytest.raises(ValueError, match="checkpoint of MetaTraining must be None or a path"):
            make(3).fit(data(make()))
        with pytest.raises(ValueError, match="checkpoint needs a random_state"):
            make(tmp_path / "state", random_state=None).fit(X)
    for place in (tmp_path, tmp_path / "absent" / "state"):
        with pytest.raises(ValueError, match="must be a file in an existing folder"):
            control(place).fit(X)
    assert not list(tmp_path.iterdir())


def test_digests_tell_data_apart_and_know_copies():
    dense = np.array([[0.0, 1.0, 0.0], [2.0, 0.0, 0.0]])
    several = [dense, dense.T, dense.astype(np.float32), dense + 1, None, np.array(())]
    for other in (dense, dense[::-1], dense + (dense > 0), dense[:, [1, 0, 2]], dense[:, :2]):
        several.append(sparse.csr_array(other))
    digests = [data_digest([one]) for one in several]
    assert len(set(digests)) == len(digests)
    assert digests == [data_digest([copy.deepcopy(one)]) for one in several]
    assert data_digest([dense, dense + 1]) != data_digest([dense + 1, dense])
    assert data_digest([torch.from_numpy(dense)]) == digests[0]


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
