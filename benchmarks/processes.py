"""Training in two processes beside one: ``python -m benchmarks.processes`` (two or three minutes).

The same trainings in one process and in two that ``torchrun`` begins: the recipe of the completer
that ships, seven episodes a step; and fits of a collection of 71 matrices, with two batches a step
and with one, whose tasks are shared. Steps a minute of wall time, which tells on two free cores
only; processor seconds of one, and of the busier of two; how far their weights are apart.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist

from pretraining import completer as recipe
from sklearn_gso import GSOMatrixCompleter, MetaTraining
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.problems import EmpiricalBayesCompletion
from sklearn_gso.rules import LSTMControl
from sklearn_gso.solvers import rules_for
from sklearn_gso.training import in_processes, meta_train
from sklearn_gso.training.processes import n_processes, rank


def pretraining(n_steps: int) -> tuple[int, dict]:
    """Some steps of the completer's recipe: how many there were, and the weights."""
    rng, generator = np.random.RandomState(0), torch.Generator().manual_seed(0)
    problem = EmpiricalBayesCompletion(torch.ones(1, 4, 4, dtype=torch.float64), 2)
    rule = LSTMControl.for_problem(problem, generator=generator)
    rules = rules_for(problem, rule)
    history = meta_train(recipe.source(rules, rng, generator), rules, n_steps)
    return history.n_steps, rule.state_dict()


def collection(n_epochs: int, batches_per_step: int) -> tuple[int, dict]:
    """A fit of 71 matrices of 50 x 40, seven of them to validate on."""
    X, _ = make_low_rank_tasks(71, shape=(50, 40), rank=4, rate=0.4, noise=0.01, random_state=0)
    training = MetaTraining(batches_per_step=batches_per_step)
    fitted = GSOMatrixCompleter(
        6, optimizer=None, n_epochs=n_epochs, training=training, random_state=0
    ).fit(X)
    return fitted.history_.n_steps, fitted.learned_optimizer_.weights


TRAININGS = {
    "the completer's recipe": lambda n: pretraining(4 * n),
    "collection, two batches a step": lambda n: collection(n, 2),
    "collection, one batch a step": lambda n: collection(n, 1),
}


def work(folder: Path, length: int) -> None:
    """What each process does: all trainings, and a file with their figures."""
    torch.set_num_threads(1)
    told = {}
    with in_processes():
        for name, train in TRAININGS.items():
            if n_processes() > 1:
                dist.barrier()
            wall, cpu = time.perf_counter(), time.process_time()
            n_steps, weights = train(length)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            numbers = np.concatenate([np.ravel(weights[key]) for key in sorted(weights)])
            told[name] = n_steps, wall, cpu, numbers.tolist()
        (folder / f"{n_processes()}.{rank()}.json").write_text(json.dumps(told))


def rows(folder: Path, length: int) -> pd.DataFrame:
    command = [sys.executable, "-m"]
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    for more in ([], torchrun):
        worker = [*command, *more, "benchmarks.processes", "--worker", str(folder)]
        subprocess.run([*worker, "--length", str(length)], check=True)
    names = ("1.0", "2.0", "2.1")
    one, *two = (json.loads((folder / f"{name}.json").read_text()) for name in names)
    table = {}
    for name, (n_steps, wall, cpu, weights) in one.items():
        both = [part[name] for part in two]
        longest = max(part[1] for part in both)
        table[name] = {
            "steps": n_steps,
            "a minute": 60 * n_steps / wall,
            "by two": 60 * n_steps / longest,
            "ratio": wall / longest,
            "cpu s": cpu,
            "busier of two": max(part[2] for part in both),
            "weights apart": max(np.abs(np.subtract(part[3], weights)).max() for part in both),
        }
    return pd.DataFrame(table).T


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=2, help="epochs, and fourths of the steps")
    parser.add_argument("--worker", type=Path, help="a folder for figures; for torchrun")
    asked = parser.parse_args()
    if asked.worker:
        work(asked.worker, asked.length)
        return
    with tempfile.TemporaryDirectory() as folder:
        table = rows(Path(folder), asked.length)
    print(table.to_string(float_format=lambda value: f"{value:.3g}"))


if __name__ == "__main__":
    main()
