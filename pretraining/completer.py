"""Train the completer's optimizer that ships with the package.

About an hour on one core, from scratch or on from what ships::

    python -m pretraining.completer --output completer.safetensors
    python -m pretraining.completer --start completer.safetensors --output next.safetensors

Every Adam step adds up the gradients of one batch of each of six kinds of tasks, and each
task is judged relative to the untrained step on the same task from the same start:
otherwise noiseless tasks, whose errors span ten decades, drown the rest.
"""

import argparse
import copy
import csv
import os
import time

import numpy as np
import torch

from pretraining import minutes_since, versions, write
from pretraining.tables import draw_keel, draw_synthetic, hide
from sklearn_gso.datasets import make_low_rank_tasks, make_table_tasks
from sklearn_gso.learned_optimizers import LearnedOptimizer
from sklearn_gso.problems import EmpiricalBayesCompletion, identifiable_components
from sklearn_gso.rules import LSTMControl
from sklearn_gso.solvers import rules_for
from sklearn_gso.training import (
    Checkpoint,
    Draws,
    in_processes,
    make_episode,
    meta_train,
    validate,
)

# Kinds of tasks, and how much a loss of each weighs. Where noise or rank leave an error
# that nobody can remove, a few per cent are all there is to win or lose, while noiseless
# tasks go from lost to found: without weights the former are sacrificed to the latter.
KINDS = {
    "uniform": 2.0,
    "gaussian": 1.0,
    "near the limit": 3.0,
    "uniform, noisy": 5.0,
    "gaussian, noisy": 5.0,
    "high rank": 12.0,
    "high rank near the limit": 12.0,
    "decay": 3.0,
    "means": 2.0,
    "table": 4.0,
    "series": 4.0,
    "noisy table": 5.0,
    "noisy table of few rows": 5.0,
    "columns": 5.0,
    "real columns": 10.0,
}
_DIET = (
    "synthetic matrices of 20 to 200 rows and columns: " + ", ".join(KINDS) + "; "
    "ranks 1 to 10 (12 to 100 for high rank), n_components matched and mismatched, "
    "rates from 1.03 times the counting limit to 0.9, noise 0 to 0.4, 8 to 80 sweeps"
)
_TRAINING = {"validate_every": 100, "anneal": True, "averaging": 0.98}
_KINDS_A_STEP = 6
# Entries times sweeps that one episode may cost.
_BUDGET = 500_000
_PRETRAINING_SEED, _VALIDATION_SEED = 20261124, 999


def _shape(rng, kind):
    if kind == "noisy table of few rows":
        return int(rng.randint(20, 61)), int(rng.randint(40, 101))
    sizes = np.exp(rng.uniform(np.log(20), np.log(200), size=2)).round().astype(int)
    return (sizes[0], sizes[0]) if rng.rand() < 0.4 else tuple(sizes)


def _draw_table(kind, shape, n_tasks, rng):
    """Incomplete tables, what is known of the truth, and n_components."""
    noisy = kind.startswith("noisy")
    least = 4 if noisy else 2
    k = int(rng.randint(least, max(least, min(12, *(s // 2 for s in shape))) + 1))
    X, truth = make_table_tasks(
        n_tasks,
        shape=shape,
        rate=rng.uniform(0.25, 0.75) if noisy else rng.uniform(0.3, 0.9),
        smooth=kind == "series",
        largest_mean=5.0 if noisy else 2.0,
        largest_noise=3.0 if noisy else 1.0,
        random_state=rng,
    )
    # Noise on the entries that were seen is nothing to be predicted.
    return X, np.where(np.isnan(X), truth, np.nan), k


def _draw_low_rank(kind, shape, n_tasks, rng):
    """Incomplete matrices of low rank, the truth, and n_components."""
    p, q = shape
    rank = int(rng.randint(1, min(10, min(shape) // 4) + 1))
    k = rank if rng.rand() < 0.5 else int(round(rank * np.exp(rng.uniform(-0.7, 0.7))))
    uniform = kind.startswith("uniform")
    options = {"noise": 0.0}
    if kind.startswith("high rank"):
        rank, k = int(round(np.exp(rng.uniform(np.log(12), np.log(100))))), int(rng.randint(2, 11))
        uniform = rng.rand() < 0.75
    elif kind == "near the limit":
        k = rank if rng.rand() < 0.7 else k
        uniform = rng.rand() < 0.5
    elif kind == "decay":
        rank, k = 30, int(rng.randint(2, 11))
        options["decay"] = rng.uniform(0.7, 2)
    elif kind == "means":
        options["mean"] = rng.uniform(0, 2)
    if kind.endswith("noisy") or (kind in ("means", "decay") and rng.rand() < 0.5):
        options["noise"] = np.exp(rng.uniform(np.log(0.005), np.log(0.4)))
    k = max(1, min(k, min(shape) // 2, 20))
    fitted = min(rank, k)
    X, truth = make_low_rank_tasks(
        n_tasks,
        shape=shape,
        rank=rank,
        rate=_rate(kind, fitted * (p + q - fitted) / (p * q), rng),
        factors="uniform" if uniform else "gaussian",
        random_state=rng,
        **options,
    )
    return X, truth, k


def _rate(kind, limit, rng):
    """Share of the entries that is observed; ``limit`` is what counting needs."""
    if kind.endswith("near the limit"):
        # As few entries, yet of a rank that cannot be fitted: to be told apart.
        rate = limit * rng.uniform(1.03, 1.5)
    elif kind == "high rank":
        rate = rng.uniform(0.1, 0.5)
    else:
        rate = np.exp(rng.uniform(np.log(min(0.85, 1.2 * limit)), np.log(0.9)))
    return min(rate, 0.9)


def _draw_columns(kind, rules, rng, generator):
    """An episode of one table whose columns have units and noise of their own."""
    table = draw_keel(rng) if kind == "real columns" else draw_synthetic(rng)
    X = hide(table, rng)
    n_outer = 40 if rng.rand() < 0.1 else int(rng.randint(5, 21))
    k = identifiable_components(int(np.isfinite(X).sum()), X.shape, int(rng.randint(2, 11)))
    values = torch.from_numpy(X)[None]
    problem = EmpiricalBayesCompletion(values, min(k, *X.shape), scale="columns", noise="columns")
    judge = problem.with_values(torch.from_numpy(np.where(np.isnan(X), table, np.nan))[None])
    return make_episode(problem, rules, generator, n_outer, judge=judge)


def draw_episode(kind, rules, rng, generator):
    """An episode of one kind, judged on the truth."""
    if kind.endswith("columns"):
        episode = _draw_columns(kind, rules, rng, generator)
        return episode._replace(weight=KINDS[kind])
    shape = _shape(rng, kind)
    max_iter = 80 if rng.rand() < 0.1 else int(rng.randint(8, 41))
    n_tasks = int(np.clip(_BUDGET / (shape[0] * shape[1] * max_iter), 1, 16))
    draw = _draw_table if "table" in kind or kind == "series" else _draw_low_rank
    X, truth, k = draw(kind, shape, n_tasks, rng)
    k = identifiable_components(int(np.isfinite(X[0]).sum()), shape, k)
    problem = EmpiricalBayesCompletion(torch.from_numpy(X), k)
    judge = problem.with_values(torch.from_numpy(truth))
    episode = make_episode(problem, rules, generator, max_iter, judge=judge)
    return episode._replace(weight=KINDS[kind])


def pretrain(
    minutes=60.0,
    n_steps=None,
    start=None,
    seed=_PRETRAINING_SEED,
    verbose=True,
    checkpoint=None,
    learning_rate=None,
    log=None,
    **new,
):
    """Train from scratch, or go on from ``start``.

    Parameters
    ----------
    minutes : float, default=60.0
        How long, where ``n_steps`` is not given: a few steps tell how many fit in.
    n_steps : int, optional
    start : LearnedOptimizer, optional
    seed : int
    verbose : bool, default=True
    checkpoint : path-like, optional
        Where a training of ``n_steps`` that was killed goes on.
    learning_rate : float, optional
        At the beginning; 3e-3 from scratch, 1.5e-3 from a start.
    log : path-like, optional
        CSV file for the loss of every step, and for the validation where there was one.
    **new
        Options of a new `LSTMControl`.

    Returns
    -------
    optimizer : LearnedOptimizer
    """
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.RandomState(seed)
    problem = EmpiricalBayesCompletion(torch.ones(1, 4, 4, dtype=torch.float64), 2)
    rule = _rule(start, problem, generator, new)
    rules = rules_for(problem, rule)
    validation = _validation(rules)
    clock = time.time()
    episodes = source(rules, rng, generator)
    if checkpoint:
        settings = {"n_steps": n_steps, "seed": seed, "start": start and start.digest(), "new": new}
        parts = {"numpy": Draws(rng), "torch": Draws(generator)}
        checkpoint = Checkpoint(checkpoint, settings, parts)
    history = meta_train(
        episodes,
        rules,
        n_steps or _steps_within(minutes, episodes, rules),
        validation=[episode for episodes in validation.values() for episode in episodes],
        learning_rate=learning_rate or (1.5e-3 if start else 3e-3),
        verbose=verbose,
        checkpoint=checkpoint,
        **_TRAINING,
    )
    if log:
        _write_log(history, log)
    about = {"n_steps": history.n_steps, "n_skipped": history.n_skipped, "seed": seed}
    judged = {"minutes": minutes_since(clock), "validation": _judged(rules, validation)}
    started_from = start.description if start else None
    return _described(rule, problem, started_from=started_from, **about, **judged)


def source(rules, rng, generator):
    """What a step learns from: some kinds, and real tables in every one."""

    def episodes(step):
        kinds = [*rng.choice(list(KINDS), _KINDS_A_STEP, replace=False), "real columns"]
        return [draw_episode(kind, rules, rng, generator) for kind in kinds]

    return episodes


def _described(rule, problem, **about) -> LearnedOptimizer:
    """The trained rule with what it was trained on."""
    return LearnedOptimizer.from_rules(
        {name: rule for name in problem.moved_names},
        problem,
        general=True,
        trained_on=_DIET,
        versions=versions(),
        **about,
    )


def _rule(start, problem, generator, new) -> LSTMControl:
    """The rule to train: of a start, or new."""
    if start:
        return start.rules()["U"].requires_grad_(True)
    return LSTMControl.for_problem(problem, generator=generator, **new)


def _write_log(history, path):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, ("step", "loss", "validation"), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)


def _validation(rules):
    """Episodes of every kind, always the same ones."""
    rng = np.random.RandomState(_VALIDATION_SEED)
    generator = torch.Generator().manual_seed(_VALIDATION_SEED)
    return {k: [draw_episode(k, rules, rng, generator) for _ in range(18)] for k in KINDS}


def _judged(rules, validation) -> dict:
    """The loss of each kind, for the description."""
    losses = {kind: round(validate(episodes, rules), 4) for kind, episodes in validation.items()}
    return {
        "what": "error over the untrained step's after as many sweeps, its root below 1, mean "
        "over other tasks of the same kinds; 1 is untrained",
        **losses,
    }


def _steps_within(minutes, source, rules):
    """How many steps fit into so many minutes, by a few steps with copies of the rules."""
    clock, n_tried = time.time(), 4
    meta_train(source, copy.deepcopy(rules), n_tried)
    return max(1, int(60 * minutes / (time.time() - clock) * n_tried))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--start", default=None)
    parser.add_argument("--seed", type=int, default=_PRETRAINING_SEED)
    parser.add_argument("--learning-rate", type=float, default=None)
    parser.add_argument("--hidden-size", type=int, default=24)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--checkpoint", default=None)
    parser.add_argument("--log", default=None)
    parser.add_argument("--output", default="completer.safetensors")
    arguments = parser.parse_args()
    if (arguments.checkpoint or "WORLD_SIZE" in os.environ) and not arguments.steps:
        parser.error(
            "--checkpoint and torchrun need --steps: how many fit into a time differs between runs"
        )
    torch.set_num_threads(1)
    start = LearnedOptimizer.load(arguments.start) if arguments.start else None
    new = {} if start else {"hidden_size": arguments.hidden_size, "n_layers": arguments.layers}
    with in_processes():
        optimizer = pretrain(
            arguments.minutes,
            arguments.steps,
            start,
            arguments.seed,
            checkpoint=arguments.checkpoint,
            learning_rate=arguments.learning_rate,
            log=arguments.log,
            **new,
        )
        write(optimizer, arguments.output)


if __name__ == "__main__":
    main()
