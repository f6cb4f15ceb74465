"""Train the rule that steers the atoms of dictionary learning and ships with the package::

    python -m pretraining.dictionary --steps 300 --output dictionary.safetensors

Random dictionaries, incoherent and smooth ones, of many sizes, sparsities, noises and penalties. No
ground truth is used: the loss is the objective over that of the closed forms after as many sweeps.
"""

import numpy as np
import torch

from pretraining import write
from pretraining.steering import options, steer
from sklearn_gso import LearnedOptimizer
from sklearn_gso.problems import DictionaryLearning
from sklearn_gso.training import in_processes

SWEEPS = 40
_SEED = 20261126


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
    return steer(
        lambda rng: draw_problem(rng, 2),
        lambda rng: (draw_problem(rng), SWEEPS),
        n_steps,
        seed,
        "random dictionaries, incoherent and smooth, of 6 to 16 columns, 60 to 160 rows "
        f"and 2 to 35 atoms, for {SWEEPS} sweeps",
        "fourth root of the objective over that of the closed forms after as many sweeps, mean "
        "over other tasks; 1 is untrained",
        verbose,
        **arguments,
    )


def main():
    own = options(__doc__, 300, _SEED, 24, "dictionary").parse_args()
    with in_processes():
        write(pretrain(own.steps, own.seed, hidden_size=own.hidden_size), own.output)


if __name__ == "__main__":
    main()
