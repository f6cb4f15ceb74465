"""What is kept of training: immutable, copied for free, safe to read."""

import copy
import json
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
import torch
from safetensors.numpy import load, save
from sklearn.base import clone
from sklearn.model_selection import RandomizedSearchCV

from sklearn_gso import GSOMatrixCompleter, LearnedOptimizer
from sklearn_gso.problems import EmpiricalBayesCompletion, MatrixCompletion
from sklearn_gso.rules import LSTMControl, LSTMStep, recipe


@pytest.fixture
def optimizer(generator, noisy_values):
    problem = EmpiricalBayesCompletion(noisy_values, 2)
    rule = LSTMControl.for_problem(problem, hidden_size=4, generator=generator)
    return LearnedOptimizer.from_rules({"U": rule, "V": rule}, problem, trained_on="nothing")


def test_rules_come_back(optimizer, generator, noisy_values):
    rules = optimizer.rules()
    assert rules["U"] is rules["V"]
    again = LearnedOptimizer.from_rules(
        rules, EmpiricalBayesCompletion(noisy_values, 2), trained_on="nothing"
    )
    assert again == optimizer and hash(again) == hash(optimizer)
    problem = MatrixCompletion(noisy_values, 2)
    separate = {n: LSTMStep(hidden_size=3, scale=0.2, generator=generator) for n in ("U", "V")}
    frozen = LearnedOptimizer.from_rules(separate, problem)
    back = frozen.rules()
    assert back["U"] is not back["V"] and back["U"].scale == 0.2
    for name in separate:
        for key, value in separate[name].state_dict().items():
            assert torch.equal(value, back[name].state_dict()[key])


def test_immutable(optimizer):
    with pytest.raises(AttributeError, match="immutable"):
        optimizer.weights = {}
    with pytest.raises(TypeError):
        optimizer.weights["shared.output.bias"] = 0
    with pytest.raises(ValueError, match="read-only"):
        optimizer.weights["shared.output.bias"][0] = 1
    optimizer.description["rule"] = "other"
    assert optimizer.description["rule"] == "LSTMControl"


def test_copies_and_clones_are_the_same_object(optimizer):
    assert copy.copy(optimizer) is optimizer and copy.deepcopy(optimizer) is optimizer
    assert clone(GSOMatrixCompleter(optimizer=optimizer)).optimizer is optimizer


def test_round_trips(optimizer, tmp_path):
    assert pickle.loads(pickle.dumps(optimizer)) == optimizer
    joblib.dump(optimizer, tmp_path / "o.joblib")
    back = joblib.load(tmp_path / "o.joblib")
    assert back == optimizer and joblib.hash(back) == joblib.hash(optimizer)
    optimizer.save(tmp_path / "o.safetensors")
    loaded = LearnedOptimizer.load(tmp_path / "o.safetensors")
    assert loaded == optimizer and loaded.description == optimizer.description
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.joblib", "o.safetensors"]
    modes = {p.stat().st_mode for p in tmp_path.iterdir()}
    assert len(modes) == 1  # readable by whoever may read other files written here


def test_a_failed_save_leaves_the_old_file(optimizer, tmp_path, monkeypatch):
    path = tmp_path / "o.safetensors"
    optimizer.save(path)
    before = path.read_bytes()

    def full_disk(*args):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="no space left"):
        optimizer.save(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_damaged_files_give_one_clear_error(optimizer, tmp_path):
    path = tmp_path / "o.safetensors"
    optimizer.save(path)
    whole = path.read_bytes()
    rng = np.random.RandomState(0)
    damaged = [b"", b"PK\x03\x04", whole[: len(whole) // 2], whole[:-1], whole + b"x"]
    for _ in range(60):
        i = rng.randint(len(whole))
        damaged.append(whole[:i] + bytes([whole[i] ^ (1 << rng.randint(8))]) + whole[i + 1 :])
    for data in damaged:
        path.write_bytes(data)
        with pytest.raises(ValueError, match="no readable learned optimizer"):
            LearnedOptimizer.load(path)


def test_foreign_and_newer_files(optimizer, tmp_path):
    path = tmp_path / "o.safetensors"
    path.write_bytes(save({"a": np.zeros(2)}))
    with pytest.raises(ValueError, match="no readable learned optimizer"):
        LearnedOptimizer.load(path)
    optimizer.save(path)
    header = {
        "format_version": "99",
        "description": json.dumps(optimizer.description),
        "sha256": optimizer.digest(),
    }
    path.write_bytes(save(load(path.read_bytes()), metadata=header))
    with pytest.raises(ValueError, match="format version 99 is newer"):
        LearnedOptimizer.load(path)
    with pytest.raises(FileNotFoundError, match="no learned optimizer at"):
        LearnedOptimizer.load(tmp_path / "absent")


def test_what_does_not_fit_is_refused(optimizer):
    description = optimizer.description
    with pytest.raises(ValueError, match=r"lacks \['rule'\]"):
        LearnedOptimizer(optimizer.weights, {k: v for k, v in description.items() if k != "rule"})
    with pytest.raises(ValueError, match="no rule 'os.system' is registered"):
        LearnedOptimizer(optimizer.weights, {**description, "rule": "os.system"})
    with pytest.raises(ValueError, match="weights and description disagree"):
        LearnedOptimizer({}, description)


def test_rules_of_several_classes_make_no_optimizer(generator, noisy_values):
    problem = EmpiricalBayesCompletion(noisy_values, 2)
    mixed = {"U": LSTMStep(generator=generator), "V": LSTMControl.for_problem(problem)}
    with pytest.raises(ValueError, match=r"one class, got \['LSTMControl', 'LSTMStep'\]"):
        LearnedOptimizer.from_rules(mixed, problem)
    for rules in ({}, mixed["U"]):
        with pytest.raises(TypeError, match="must be a dict of networks by block"):
            LearnedOptimizer.from_rules(rules, problem)


def test_numpy_numbers_in_the_description(optimizer):
    description = {**optimizer.description, "size": np.int64(3), "flag": np.bool_(True)}
    again = LearnedOptimizer(optimizer.weights, {**description, "rate": np.float32(0.5)})
    found = again.description
    assert (found["size"], found["flag"], found["rate"]) == (3, True, 0.5)
    with pytest.raises(TypeError, match="object has no place in a description"):
        LearnedOptimizer(optimizer.weights, {**description, "what": object()})


@pytest.mark.filterwarnings("ignore:Training has not improved on its start")
def test_random_search_over_numpy_integers(easy_tasks, tmp_path):
    (X, truth), sizes = easy_tasks, np.arange(2, 5)
    search = RandomizedSearchCV(
        GSOMatrixCompleter(
            2, optimizer=None, max_iter=2, n_epochs=1, n_init=1, scaling="matrix", random_state=0
        ),
        {"rule": [recipe("control", hidden_size=i, n_layers=np.int64(1)) for i in sizes]},
        n_iter=2,
        cv=2,
        random_state=0,
        error_score="raise",
    ).fit(list(X), list(truth))
    best = search.best_estimator_.learned_optimizer_
    best.save(tmp_path / "best.safetensors")
    assert LearnedOptimizer.load(tmp_path / "best.safetensors") == best
    chosen = search.best_params_["rule"].arguments
    assert best.description["arguments"]["hidden_size"] == chosen["hidden_size"]


def test_pretrained():
    pretrained = LearnedOptimizer.load_pretrained("completer")
    description = pretrained.description
    assert description["rule"] == "LSTMControl" and description["trained_on"]
    assert description["versions"] and description["validation"]
    with pytest.raises(ValueError, match=r"no pretrained optimizer 'other'; there are \["):
        LearnedOptimizer.load_pretrained("other")


SCRIPT = """
import joblib, numpy as np, sys, torch
torch.set_num_threads(1)
from sklearn_gso import GSOMatrixCompleter, LearnedOptimizer
folder = sys.argv[1]
one, many = joblib.load(folder + "/estimators.joblib")
X = np.load(folder + "/X.npy")
loaded = LearnedOptimizer.load(folder + "/optimizer.safetensors")
settings = {"max_iter": 4, "n_init": 2, "random_state": 0}
new = GSOMatrixCompleter(2, optimizer=loaded, n_epochs=0, **settings).fit(X)
np.savez(folder + "/out.npz", one=one.transform(X[0]), many=many.transform(X),
         new=new.transform(X))
print(*sys.modules)
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Training has not improved on its start")
def test_predictions_are_bit_equal_in_a_new_process_without_matplotlib(easy_tasks, tmp_path):
    """joblib for estimators, safetensors for optimizers; matplotlib is for plots alone."""
    X, _ = easy_tasks
    settings = {"max_iter": 4, "n_init": 2, "random_state": 0}
    one = GSOMatrixCompleter(2, **settings).fit(X[0])
    many = GSOMatrixCompleter(2, n_epochs=1, **settings).fit(X)
    new = GSOMatrixCompleter(2, optimizer=many.learned_optimizer_, n_epochs=0, **settings).fit(X)
    joblib.dump((one, many), tmp_path / "estimators.joblib")
    np.save(tmp_path / "X.npy", X)
    many.learned_optimizer_.save(tmp_path / "optimizer.safetensors")
    child = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], check=True, stdout=subprocess.PIPE, text=True
    )
    loaded = child.stdout.split()
    assert "sklearn_gso.estimators.completion.completers" in loaded and "matplotlib" not in loaded
    out = np.load(tmp_path / "out.npz")
    np.testing.assert_array_equal(out["one"], one.transform(X[0]))
    np.testing.assert_array_equal(out["many"], many.transform(X))
    np.testing.assert_array_equal(out["new"], new.transform(X))
    for estimator in (one, many):
        twin = pickle.loads(pickle.dumps(estimator))
        np.testing.assert_array_equal(twin.transform(X[0]), estimator.transform(X[0]))


def test_a_description_of_ones_own(optimizer, tmp_path):
    mine = optimizer.described(note="for gauges of the Elbe", author="A. N.")
    assert mine.has_weights_of(optimizer) and mine != optimizer
    assert "note" not in optimizer.description
    mine.save(tmp_path / "mine.safetensors")
    assert LearnedOptimizer.load(tmp_path / "mine.safetensors").description["author"] == "A. N."
    for entry in ("rule", "blocks", "arguments", "rule_module"):
        with pytest.raises(ValueError, match=entry):
            optimizer.described(**{entry: "another"})
    with pytest.raises(TypeError, match="no place in a description"):
        optimizer.described(note=object())


def test_shown_with_what_it_was_trained_on(optimizer):
    assert "trained_on='nothing'" in repr(optimizer)
    long = optimizer.described(trained_on="gauges " * 40)
    assert len(repr(long)) < 160 and "gauges" in repr(long)
    shown = optimizer.described(note="<b>")._repr_html_()
    assert "nothing" in shown and "&lt;b&gt;" in shown and "<b>" not in shown
