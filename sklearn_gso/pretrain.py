"""Train the completer's optimizer that ships with the package.

Two phases, together about an hour on one core::

    python -m sklearn_gso.pretrain --output first.safetensors
    python -m sklearn_gso.pretrain --start first.safetensors --output completer.safetensors

The second adds tables that are mostly mean and noise, as many real ones are. Every Adam
step adds up the gradients of one batch of each kind of task, and each task is judged
relative to the untrained step on the same task from the same start: otherwise noiseless
tasks, whose errors span ten decades, drown the rest.
"""

import argparse
import time

import numpy as np
import torch

from ._version import __version__
from .alternating import rules_for
from .datasets import make_low_rank_tasks, make_table_tasks
from .learned_optimizer import LearnedOptimizer
from .meta_training import make_episode, meta_train, validate
from .problems import EmpiricalBayesCompletion
from .rules import LSTMControl

KINDS = ("uniform", "gaussian", "near the limit", "high rank", "decay", "means", "table", "series")
LATE_KINDS = ("noisy table", "noisy table of few rows")
# Entries times sweeps that one episode may cost.
_BUDGET = 500_000
_PRETRAINING_SEED, _VALIDATION_SEED = 20261123, 999


def _shape(rng):
    sizes = np.exp(rng.uniform(np.log(20), np.log(200), size=2)).round().astype(int)
    return (sizes[0], sizes[0]) if rng.rand() < 0.4 else tuple(sizes)


def draw_tasks(kind, shape, n_tasks, rng):
    """Random tasks of one kind: incomplete matrices, the truth, and n_components."""
    p, q = shape
    if kind in LATE_KINDS:
        k = int(rng.randint(4, min(12, p // 2, q // 2) + 1))
        X, truth = make_table_tasks(
            n_tasks,
            shape=shape,
            rate=rng.uniform(0.25, 0.75),
            largest_mean=5.0,
            largest_noise=3.0,
            random_state=rng,
        )
        return X, truth, k
    if kind in ("table", "series"):
        k = int(rng.randint(2, min(12, p // 2, q // 2) + 1))
        rate = rng.uniform(0.3, 0.9)
        X, truth = make_table_tasks(
            n_tasks, shape=shape, rate=rate, smooth=kind == "series", random_state=rng
        )
        return X, truth, k
    rank = int(rng.randint(1, min(10, min(shape) // 4) + 1))
    k = rank if rng.rand() < 0.5 else int(round(rank * np.exp(rng.uniform(-0.7, 0.7))))
    options = {"factors": "uniform" if kind in ("uniform", "high rank") else "gaussian"}
    if kind == "high rank":
        rank, k = int(rng.randint(12, 61)), int(rng.randint(1, 11))
    elif kind == "decay":
        rank, k = 30, int(rng.randint(2, 11))
        options["decay"] = rng.uniform(0.7, 2)
    elif kind == "means":
        options["mean"] = rng.uniform(0, 2)
    k = max(1, min(k, min(shape) // 2, 20))
    fitted = min(rank, k)
    least = min(0.85, 1.2 * fitted * (p + q - fitted) / (p * q))
    if kind == "near the limit":
        rate = min(0.9, least * rng.uniform(1, 1.5))
    else:
        rate = np.exp(rng.uniform(np.log(least), np.log(0.9)))
    noise = 0.0 if rng.rand() < 0.5 else rng.uniform(0, 0.3)
    X, truth = make_low_rank_tasks(
        n_tasks, shape=shape, rank=rank, rate=rate, noise=noise, random_state=rng, **options
    )
    return X, truth, k


def draw_episode(kind, rules, rng, generator):
    """An episode of one kind, judged on the truth."""
    shape = _shape(rng)
    if kind == "noisy table of few rows":
        shape = (int(rng.randint(20, 61)), int(rng.randint(40, 101)))
    n_outer = 80 if rng.rand() < 0.1 else int(rng.randint(8, 41))
    cost = shape[0] * shape[1] * n_outer
    n_tasks = int(np.clip(_BUDGET / cost, 1, 16))
    X, truth, k = draw_tasks(kind, shape, n_tasks, rng)
    problem = EmpiricalBayesCompletion(torch.from_numpy(X), k)
    judge = problem.with_values(torch.from_numpy(truth))
    return make_episode(problem, rules, generator, n_outer, judge=judge)


def pretrain(n_steps=None, hidden_size=24, n_layers=2, start=None, verbose=True):
    """Train from scratch, or go on from ``start`` with more kinds of tasks.

    Parameters
    ----------
    n_steps : int, optional
        By default 1100 from scratch, 300 from a start.
    hidden_size, n_layers : int, default=24, 2
        Of a new network.
    start : LearnedOptimizer, optional
    verbose : bool, default=True

    Returns
    -------
    optimizer : LearnedOptimizer
    """
    n_steps = n_steps or (300 if start else 1100)
    kinds = KINDS + LATE_KINDS if start else KINDS
    generator = torch.Generator().manual_seed(_PRETRAINING_SEED)
    rng = np.random.RandomState(_PRETRAINING_SEED)
    problem = EmpiricalBayesCompletion(torch.ones(1, 4, 4, dtype=torch.float64), 2)
    n_features = problem.row_features(problem.init(generator), "U").shape[2]
    rule = LSTMControl(n_features, problem.control_names, hidden_size, n_layers, generator)
    if start:
        rule = start.rules()["U"].requires_grad_(True)
    rules = rules_for(problem, rule)
    other = np.random.RandomState(_VALIDATION_SEED)
    other_generator = torch.Generator().manual_seed(_VALIDATION_SEED)
    validation = {
        kind: [draw_episode(kind, rules, other, other_generator) for _ in range(4)]
        for kind in kinds
    }
    clock = time.time()
    history = meta_train(
        lambda step: [draw_episode(kind, rules, rng, generator) for kind in kinds],
        rules,
        n_steps,
        validation=[episode for episodes in validation.values() for episode in episodes],
        validate_every=25,
        learning_rate=1e-3 if start else 3e-3,
        anneal=True,
        averaging=0.98,
        verbose=verbose,
    )
    return LearnedOptimizer.from_rules(
        {name: rule for name in problem.moved_names},
        problem,
        trained_on=(
            "synthetic matrices of 20 to 200 rows and columns: " + ", ".join(kinds) + "; "
            "ranks 1 to 10 (12 to 60 for high rank), n_components matched and mismatched, "
            "rates from 1.2 times the counting limit to 0.9, noise 0 to 0.3, 8 to 80 sweeps"
        ),
        started_from=start.description if start else None,
        n_steps=len(history),
        n_skipped=history.n_skipped,
        seed=_PRETRAINING_SEED,
        minutes=round((time.time() - clock) / 60, 1),
        versions={"sklearn_gso": __version__, "torch": torch.__version__, "numpy": np.__version__},
        validation={
            "what": "error over the untrained step's after as many sweeps, its root below 1, mean "
            "over other tasks of the same kinds; 1 is untrained",
            **{k: round(validate(episodes, rules), 4) for k, episodes in validation.items()},
        },
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--start", default=None)
    parser.add_argument("--hidden-size", type=int, default=24)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--output", default="completer.safetensors")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    start = LearnedOptimizer.load(arguments.start) if arguments.start else None
    optimizer = pretrain(arguments.steps, arguments.hidden_size, arguments.layers, start)
    optimizer.save(arguments.output)
    print(optimizer.description)


if __name__ == "__main__":
    main()
