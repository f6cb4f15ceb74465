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
from pretraining.matrices import DIET, KINDS, draw_episode
from sklearn_gso.learned_optimizers import LearnedOptimizer
from sklearn_gso.problems import EmpiricalBayesCompletion
from sklearn_gso.rules import LSTMControl
from sklearn_gso.solvers import rules_for
from sklearn_gso.training import Checkpoint, Draws, in_processes, meta_train, validate

_TRAINING = {"validate_every": 100, "anneal": True, "averaging": 0.98}
_KINDS_A_STEP = 6
_PRETRAINING_SEED, _VALIDATION_SEED = 20261124, 999


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
        trained_on=DIET,
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
