"""Whatever is done to a file, loading it gives the same optimizer or one clear error."""

import json
import os
import pickle
import resource
import struct

import joblib
import numpy as np
import pytest
import torch
from safetensors.numpy import save

from sklearn_gso import LearnedOptimizer
from sklearn_gso.learned_optimizers.files import write_arrays
from sklearn_gso.learned_optimizers.learned_optimizer import FORMAT_VERSION
from sklearn_gso.problems import EmpiricalBayesCompletion
from sklearn_gso.rules import LSTMControl


@pytest.fixture(scope="module")
def optimizer():
    generator = torch.Generator().manual_seed(0)
    problem = EmpiricalBayesCompletion(torch.ones(1, 4, 4, dtype=torch.float64), 2)
    rule = LSTMControl.for_problem(problem, hidden_size=4, generator=generator)
    return LearnedOptimizer.from_rules({"U": rule, "V": rule}, problem, trained_on="nothing")


def saved(optimizer, folder) -> bytes:
    path = folder / "whole.safetensors"
    optimizer.save(path)
    return path.read_bytes()


def parts(whole):
    """The JSON header and the numbers of a safetensors file."""
    (length,) = struct.unpack("<Q", whole[:8])
    return json.loads(whole[8 : 8 + length]), whole[8 + length :]


def joined(header, numbers) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


class Bomb:
    """Unpickled, it would make a file."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), "w")


def random_damage(whole, rng, count):
    """Flipped bits, cut ends, swapped, repeated and overwritten bytes, in equal parts."""
    for n in range(count):
        i, j = sorted(rng.randint(len(whole), size=2).tolist())
        noise = rng.bytes(1 + j % 16)
        yield [
            whole[:i] + bytes([whole[i] ^ (1 << n % 8)]) + whole[i + 1 :],
            whole[:i],
            whole[:i] + whole[j : j + 1] + whole[i + 1 : j] + whole[i : i + 1] + whole[j + 1 :],
            whole[:j] + whole[i:],
            whole[:i] + noise + whole[i + len(noise) :],
        ][n % 5]


def header_damage(whole):
    """A header of any length, and one that says other things."""
    header, numbers = parts(whole)
    for length in (0, 1, 2**20, 2**31, 2**40, 2**63, 2**64 - 1):
        yield struct.pack("<Q", length) + whole[8:]
    for key in header["__metadata__"]:
        for value in ("", "x", "-1", "1e400", "9" * 5000, None, 3, {}):
            other = {**header["__metadata__"], key: value}
            yield joined({**header, "__metadata__": other}, numbers)
    yield joined({k: v for k, v in header.items() if k != "__metadata__"}, numbers)
    name = next(k for k in header if k != "__metadata__")
    for change in (
        {"dtype": "I32"},
        {"dtype": "BF16"},
        {"dtype": "F8_E4M3"},
        {"dtype": "X"},
        {"shape": [10**9, 10**9]},
        {"shape": [2**63, 2]},
        {"shape": [-1]},
        {"shape": header[name]["shape"][::-1] + [1]},
        {"data_offsets": [0, 2**60]},
        {"data_offsets": [8, 4]},
    ):
        yield joined({**header, name: {**header[name], **change}}, numbers)
    deep = b"[" * 200_000
    yield struct.pack("<Q", len(deep)) + deep
    yield joined({**header, "other": header[name]}, numbers)


def foreign(folder):
    """Files of other kinds; two would run code if they were unpickled."""
    bomb = Bomb(folder / "exploded")
    yield from (b"", b"\0", b"\0" * 4096, b"PK\x03\x04", b"\x89PNG\r\n", b"{}", b'{"a": 1}')
    yield pickle.dumps(bomb)
    joblib.dump(bomb, folder / "bomb.joblib")
    yield (folder / "bomb.joblib").read_bytes()
    torch.save({"a": torch.ones(3)}, folder / "torch.pt")
    yield (folder / "torch.pt").read_bytes()
    np.save(folder / "a.npy", np.ones(3))
    yield (folder / "a.npy").read_bytes()
    yield save({"a": np.ones(3)})
    yield save({"a": np.ones(3)}, metadata={"format_version": "1"})


def test_two_hundred_mutations(optimizer, tmp_path):
    whole = saved(optimizer, tmp_path)
    rng = np.random.RandomState(0)
    damaged = [*random_damage(whole, rng, 200), *header_damage(whole), *foreign(tmp_path)]
    assert len(damaged) > 240
    path = tmp_path / "damaged.safetensors"
    n_refused = 0
    for data in damaged:
        path.write_bytes(data)
        try:
            loaded = LearnedOptimizer.load(path)
        except ValueError as error:
            assert str(error).startswith(f"{path} is no readable learned optimizer: ")
            assert len(str(error)) < 1000
            n_refused += 1
        else:  # two equal bytes swapped, or spaces in the JSON
            assert loaded == optimizer
    assert n_refused > 0.95 * len(damaged)
    assert not (tmp_path / "exploded").exists()


DEEP = '{"a":' * 100_000 + "1" + "}" * 100_000
ARGUMENTS = [
    {"hidden_size": 10**9},
    {"hidden_size": 10**30},
    {"hidden_size": 0},
    {"hidden_size": -4},
    {"hidden_size": 4.0},
    {"hidden_size": "4"},
    {"hidden_size": True},
    {"hidden_size": float("nan")},
    {"n_layers": 10**9},
    {"n_layers": 1},
    {"n_features": 10**9},
    {"n_features": [8]},
    {"control_names": ["a"] * 2},
    {"control_names": [str(i) for i in range(10**4)]},
    {"control_names": 7},
    {"scale": float("inf")},
    {"command": "ls"},
    {"generator": 1},
]
DESCRIPTIONS = [
    {"arguments": None},
    {"arguments": []},
    {"blocks": []},
    {"blocks": "UV"},
    {"blocks": ["U", 3]},
    {"shared": 0},
    {"shared": False},
    {"rule": "os.system"},
    {"rule": ["LSTMControl"]},
    {"rule": "LSTMStep"},
    {"problem": 3},
    {"feature_version": "1"},
]


def forged(optimizer):
    """Descriptions made up by others, in files whose checksums are right."""
    true = optimizer.description
    for change in ARGUMENTS:
        yield json.dumps({**true, "arguments": {**true["arguments"], **change}})
    for change in DESCRIPTIONS:
        yield json.dumps({**true, **change})
    yield from (DEEP, "", "null", "[]", "3", '"rule"', "{", '{"hidden_size": 1e999}', "NaN")
    yield "9" * 10_000


def test_forged_descriptions_build_nothing(optimizer, tmp_path, monkeypatch):
    """No network larger than the weights in the file is ever allocated."""
    largest = []

    def watched(kind):
        def make(*sizes, **options):
            largest.append(max(sizes))
            return kind(*sizes, **options)

        return make

    for name in ("LSTMCell", "Linear"):
        monkeypatch.setattr(torch.nn, name, watched(getattr(torch.nn, name)))
    path = tmp_path / "forged.safetensors"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for description in forged(optimizer):
        write_arrays(path, optimizer.weights, description, FORMAT_VERSION)
        with pytest.raises(ValueError, match="is no readable learned optimizer: ") as caught:
            LearnedOptimizer.load(path)
        assert str(path) in str(caught.value) and len(str(caught.value)) < 2000
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert largest and max(largest) < 100 and after - before < 200_000  # kilobytes


@pytest.mark.parametrize("change", ["shape", "missing", "other type", "huge but empty"])
def test_forged_weights(optimizer, tmp_path, change):
    weights = dict(optimizer.weights)
    name = "shared.output.bias"
    weights[name] = {
        "shape": weights[name][:-1],
        "missing": np.zeros(0, np.float32),
        "other type": weights[name].astype(np.float64),
        "huge but empty": np.zeros((0, 2**40), np.float32),
    }[change]
    path = tmp_path / "forged.safetensors"
    write_arrays(path, weights, json.dumps(optimizer.description, sort_keys=True), FORMAT_VERSION)
    with pytest.raises(ValueError, match="is no readable learned optimizer: "):
        LearnedOptimizer.load(path)


def test_weights_that_are_not_finite_come_back_as_they_are(optimizer, tmp_path):
    """Safeguards are there for them (doc/design.md)."""
    weights = {name: np.full(a.shape, np.nan) for name, a in optimizer.weights.items()}
    broken = LearnedOptimizer(weights, optimizer.description)
    broken.save(tmp_path / "nan.safetensors")
    assert LearnedOptimizer.load(tmp_path / "nan.safetensors") == broken


def test_a_newer_format_says_so(optimizer, tmp_path):
    path = tmp_path / "newer.safetensors"
    write_arrays(path, {"a": np.zeros(2)}, "of another kind", FORMAT_VERSION + 1)
    with pytest.raises(ValueError, match="format version 2 is newer than 1; upgrade sklearn_gso"):
        LearnedOptimizer.load(path)


def test_file_and_folder_are_synced_around_the_renaming(optimizer, tmp_path, monkeypatch):
    events = []

    def fsync(number, original=os.fsync):
        events.append("folder" if (tmp_path / "o").exists() else "file")
        original(number)

    def replace(*names, original=os.replace):
        events.append("renamed")
        original(*names)

    monkeypatch.setattr("os.fsync", fsync)
    monkeypatch.setattr("os.replace", replace)
    optimizer.save(tmp_path / "o")
    assert events == ["file", "renamed", "folder"]
    assert [p.name for p in tmp_path.iterdir()] == ["o"]
