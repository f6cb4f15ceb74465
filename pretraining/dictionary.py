"""Train the rule that steers the atoms of dictionary learning and ships with the package::

    python -m pretraining.dictionary --steps 300 --output dictionary.safetensors

Random dictionaries, incoherent and smooth ones, of many sizes, sparsities, noises and penalties. No
ground truth is used: the loss is the objective over that of the closed forms after as many sweeps.
"""

import argparse
import time

import numpy as np
import torch

from pretraining import minutes_since, versions, write
from sklearn_gso import LearnedOptimizer
from sklearn_gso.problems import DictionaryLearning
from sklearn_gso.rules import LSTMControl
from sklearn_gso.solvers import rules_for
from sklearn_gso.training import in_processes, make_episode, meta_train, validate

SWEEPS = 40
_SEED, _VALIDATION_SEED = 20261126, 997
_TRAINING = {"anneal": True, "averaging": 0.9, "validate_every": 30, "learning_rate": 1e-2}


def draw_values(rng, n_tasks: int, n_rows: int, n_atoms: int, n_columns: int) -> np.ndarray:
    """Rows of a few random unit atoms each, and noise; rows have a root mean square norm of 1."""
    atoms = rng.standard_normal((n_tasks, n_atoms, n_columns))
    if rng.rand() < 0.3:  # smooth ones
        atoms = np.cumsum(atoms, axis=2)
        atoms -= atoms.mean(2, keepdims=True) * rng.rand()
    atoms /= np.linalg.norm(atoms, axis=2, keepdims=True)
    n_used = rng.uniform(1, max(1.5, n_columns / 3))
    used = rng.rand(n_tasks, n_rows, n_atoms) < min(0.5, n_used / n_atoms)
    values = (used * rng.standard_normal(used.shape)) @ atoms
    values /= np.sqrt(np.mean(np.square(values).sum(2), axis=1))[:, None, None]
    noise = 10 ** rng.uniform(-3, -0.5) / np.sqrt(n_columns)
    return values + noise * rng.standard_normal(values.shape)


def draw_problem(rng, n_tasks: int = 8) -> DictionaryLearning:
    """A batch of tasks of one random size, sometimes with another number of atoms than made it."""
    n_columns, n_rows = int(rng.randint(6, 17)), int(rng.randint(60, 160))
    n_atoms = int(n_columns * rng.uniform(0.5, 1.7))
    values = draw_values(rng, n_tasks, n_rows, n_atoms, n_columns)
    if rng.rand() < 0.3:
        n_atoms = int(n_atoms * rng.uniform(0.7, 1.3))
    alpha = 10 ** rng.uniform(-2, -0.6)
    return DictionaryLearning(torch.from_numpy(values), max(2, n_atoms), alpha)


def draw_episode(rules, rng, generator):
    """A run whose objectives are compared with those of the closed forms."""
    problem = draw_problem(rng)
    own = rules_for(problem, rules)
    return make_episode(problem, own, generator, SWEEPS, judge=problem)


def pretrain(n_steps=300, seed=_SEED, verbose=True, **arguments) -> LearnedOptimizer:
    """Train a new rule.

    Parameters
    ----------
    n_steps : int, default=300
    seed : int
    verbose : bool, default=True
    **arguments
        Of `LSTMControl`.

    Returns
    -------
    optimizer : LearnedOptimizer
    """
    rng, generator = np.random.RandomState(seed), torch.Generator().manual_seed(seed)
    problem = draw_problem(rng, 2)
    rule = LSTMControl.for_problem(problem, generator=generator, **arguments)
    rules = {"atoms": rule}
    other, others = np.random.RandomState(_VALIDATION_SEED), torch.Generator().manual_seed(1)
    validation = [draw_episode(rules, other, others) for _ in range(8)]
    clock = time.time()
    history = meta_train(
        lambda step: [draw_episode(rules, rng, generator)],
        rules_for(problem, rules),
        n_steps,
        validation=validation,
        verbose=verbose,
        **_TRAINING,
    )
    return LearnedOptimizer.from_rules(
        rules,
        problem,
        general=True,
        trained_on="random dictionaries, incoherent and smooth, of 6 to 16 columns, 60 to 160 rows "
        f"and 2 to 35 atoms, for {SWEEPS} sweeps",
        n_steps=history.n_steps,
        n_skipped=history.n_skipped,
        seed=seed,
        minutes=minutes_since(clock),
        versions=versions(),
        validation={
            "what": "fourth root of the objective over that of the closed forms after as many "
            "sweeps, mean over other tasks; 1 is untrained",
            "loss": round(validate(validation, rules_for(problem, rules)), 4),
        },
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=_SEED)
    parser.add_argument("--hidden-size", type=int, default=24)
    parser.add_argument("--output", default="dictionary.safetensors")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with in_processes():
        optimizer = pretrain(arguments.steps, arguments.seed, hidden_size=arguments.hidden_size)
        write(optimizer, arguments.output)


if __name__ == "__main__":
    main()
