"""Training in several processes: shares of the episodes, sums of the gradients."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from sklearn_gso.problems import EmpiricalBayesCompletion
from sklearn_gso.rules import LSTMControl
from sklearn_gso.solvers import rules_for
from sklearn_gso.training import make_episode, processes, validate
from sklearn_gso.training import rules as training_rules
from sklearn_gso.training.rules import meta_step
from sklearn_gso.training.trainer import Trainer


def episodes_of(n_episodes, n_tasks):
    """Held-out episodes, and the rules that are trained on them."""
    generator, random = torch.Generator().manual_seed(0), np.random.RandomState(0)
    episodes, rule = [], None
    for _ in range(n_episodes):
        values = torch.from_numpy(random.randn(n_tasks, 8, 6))
        problem = EmpiricalBayesCompletion(values, 2)
        if rule is None:
            rule = LSTMControl.for_problem(problem, hidden_size=4, generator=generator)
            torch.nn.init.normal_(rule.output.weight, std=0.3, generator=generator)
        rules = rules_for(problem, rule)
        kept, judge = problem.split(0.2, generator)
        episodes.append(make_episode(kept, rules, generator, 3, judge=judge))
    return episodes, rules, rule


def be_process(monkeypatch, rank, n=2):
    """Take the share of one of several processes."""
    for module in (processes, training_rules):
        monkeypatch.setattr(module, "n_processes", lambda: n)
        monkeypatch.setattr(module, "rank", lambda: rank)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_work_is_shared_evenly(n, monkeypatch):
    """Every item once and in order; no process has more than its share and one item."""
    work = np.random.RandomState(0).exponential(size=20)
    shares = []
    for rank in range(n):
        be_process(monkeypatch, rank, n)
        shares.append(processes.own(list(range(20)), work))
    assert sorted(sum(shares, [])) == list(range(20))
    for share in shares:
        assert share == sorted(share)
        assert work[share].sum() <= work.sum() / n + work.max()


def test_longer_runs_and_larger_problems_are_more_work():
    (small, *_), _, _ = episodes_of(1, 2)
    (large, *_), _, _ = episodes_of(1, 4)
    assert small.work < large.work < 2 * small.work == small._replace(max_iter=6).work


class Noted(Trainer):
    """Keeps gradients in place of using them."""

    def update(self, loss_terms):
        self.adam.zero_grad()
        total = 0.0
        for term in loss_terms:
            term.backward()
            total += float(term.detach())
        gradients = [p.grad.clone() if p.grad is not None else 0 * p for p in self.parameters]
        self.noted = getattr(self, "noted", [])
        self.noted.append(gradients)
        return total


@pytest.mark.parametrize(
    ("n_episodes", "n_tasks"), [(4, 2), (3, 2), (1, 4), (1, 3), (1, 1)], ids=str
)
@pytest.mark.parametrize("t_u", [None, 2])
def test_gradients_of_two_processes_add_up_to_those_of_one(n_episodes, n_tasks, t_u, monkeypatch):
    """Whether there are episodes for both, or the tasks of one are shared."""

    def step():
        episodes, rules, rule = episodes_of(n_episodes, n_tasks)
        trainer = Noted([rule])
        losses = meta_step(trainer, rules, episodes, 1, t_u, None)
        return losses, trainer.noted

    losses, gradients = step()
    parts = []
    for rank in range(2):
        be_process(monkeypatch, rank)
        parts.append(step())
    assert len(gradients) == len(parts[0][1]) == len(parts[1][1]) == (2 if t_u else 1)
    np.testing.assert_allclose(np.add(parts[0][0], parts[1][0]), losses, rtol=1e-6)
    for whole, first, second in zip(gradients, parts[0][1], parts[1][1], strict=True):
        one, *two = (torch.cat([g.ravel() for g in part]) for part in (whole, first, second))
        assert (sum(two) - one).norm() <= 1e-6 * one.norm()
        assert one.norm() > 0


TRAINING = """
import json, sys
import numpy as np
from sklearn_gso import GSOMatrixCompleter, MetaTraining
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.training import in_processes
from sklearn_gso.training.processes import n_processes, rank

folder, stop = sys.argv[1], int(sys.argv[2])
X, _ = make_low_rank_tasks(12, shape=(12, 9), rank=2, rate=0.6, random_state=0)

class Stop(Exception):
    pass

with in_processes():
    if stop:
        from sklearn_gso.training.trainer import Trainer
        record = Trainer._record
        def stopped(self, i, *more):
            if i == stop:
                raise Stop
            done = record(self, i, *more)
            if rank() == 0:
                self.checkpoint.write()
            return done
        Trainer._record = stopped
    completer = GSOMatrixCompleter(
        2, n_epochs=4, max_iter=4, n_init=1, scaling="matrix", random_state=0, optimizer=None,
        training=MetaTraining(batch_size=4, checkpoint=folder + "/training"))
    try:
        completer.fit(X)
        weights = completer.learned_optimizer_.weights
        told = {name: value.tolist() for name, value in weights.items()}
        losses = [r["loss"] for r in completer.history_ if "loss" in r]
        with open(f"{folder}/{n_processes()}.{rank()}.json", "w") as file:
            json.dump([told, losses], file)
    except Stop:
        pass
"""


def train(folder, n, stop=0):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    script = folder.parent / "training.py"
    script.write_text(TRAINING)
    command = [*command, "--nproc-per-node", str(n)] if n > 1 else [sys.executable]
    folder.mkdir(exist_ok=True)
    subprocess.run([*command, str(script), str(folder), str(stop)], check=True, timeout=300)


def read(folder, name):
    weights, losses = json.loads((folder / f"{name}.json").read_text())
    return {key: np.array(value) for key, value in weights.items()}, losses


@pytest.mark.slow
def test_torchrun_trains_the_weights_of_one_process(tmp_path):
    """The same in both processes; and a checkpoint of either goes on in the other."""
    one, two = tmp_path / "one", tmp_path / "two"
    train(one, 1)
    train(two, 2)
    weights, losses = read(one, "1.0")
    for name in ("2.0", "2.1"):
        others, other_losses = read(two, name)
        np.testing.assert_allclose(other_losses, losses, rtol=1e-5)
        for key, value in weights.items():
            np.testing.assert_allclose(others[key], value, atol=1e-4)
    for first, then in ((1, 2), (2, 1)):
        folder = tmp_path / f"from{first}"
        train(folder, first, stop=5)
        assert (folder / "training").exists()
        train(folder, then)
        resumed, its_losses = read(folder, f"{then}.0")
        np.testing.assert_allclose(its_losses, losses, rtol=1e-5)
        for key, value in weights.items():
            np.testing.assert_allclose(resumed[key], value, atol=1e-4)


def test_validation_is_shared_too(monkeypatch):
    episodes, rules, _ = episodes_of(3, 2)
    whole, parts = validate(episodes, rules), []
    monkeypatch.setattr(training_rules, "add_up", lambda tensors: None)
    for rank in range(2):
        be_process(monkeypatch, rank)
        parts.append(validate(episodes, rules))
    assert sum(parts) == pytest.approx(whole, rel=1e-6)
