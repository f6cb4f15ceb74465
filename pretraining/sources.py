"""Train the rules that separate sources and ship with the package::

    python -m pretraining.sources sparse --output sparse_sources.safetensors
    python -m pretraining.sources nonnegative --output nonnegative_sources.safetensors

Random mixings of many sizes, densities and noises. No ground truth is used: the loss is the
objective beside that of the closed forms after as many sweeps.
"""

import numpy as np
import torch

from pretraining import write
from pretraining.steering import options, steer
from sklearn_gso import LearnedOptimizer
from sklearn_gso.problems import NoisyICA, NonnegativeFactorization, Problem
from sklearn_gso.training import in_processes

SWEEPS = (15, 50)
_SEED = 20261127
KINDS = {"sparse": NoisyICA, "nonnegative": NonnegativeFactorization}


def draw_sources(rng, shape) -> np.ndarray:
    """Sources of mean square 1, Laplacian or at random 0 and Gaussian; of any sparsity."""
    share = 1.0 if rng.rand() < 0.3 else rng.uniform(0.1, 0.7)
    values = rng.laplace(size=shape) if rng.rand() < 0.5 else rng.standard_normal(shape)
    values = values * (rng.rand(*shape) < share)
    return values / np.sqrt(np.mean(np.square(values)))


def draw_problem(rng, kind: str, n_tasks: int = 8) -> Problem:
    """A batch of tasks of one random size."""
    k, n = int(rng.randint(2, 7)), int(rng.randint(80, 300))
    d = int(rng.randint(k, 3 * k + 1))
    sources = draw_sources(rng, (n_tasks, n, k))
    mixing = rng.standard_normal((n_tasks, k, d))
    if kind == "nonnegative":
        sources, mixing = np.abs(sources), np.abs(mixing)
    mixing /= np.linalg.norm(mixing, axis=2, keepdims=True)
    values = sources @ mixing
    values += 10 ** rng.uniform(-1.7, -0.5) * values.std() * rng.standard_normal(values.shape)
    if kind == "nonnegative":
        values = np.maximum(values, 0)
    if rng.rand() < 0.2:
        values[rng.rand(*values.shape) < 0.2] = np.nan
    return KINDS[kind](torch.from_numpy(values), k)


def pretrain(kind="sparse", n_steps=150, seed=_SEED, verbose=True, **arguments) -> LearnedOptimizer:
    """Train a new rule.

    Parameters
    ----------
    kind : {"sparse", "nonnegative"}
    n_steps : int, default=150
    seed : int
    verbose : bool, default=True
    **arguments
        Of `LSTMControl`.

    Returns
    -------
    optimizer : LearnedOptimizer
    """
    return steer(
        lambda rng: draw_problem(rng, kind, 2),
        lambda rng: (draw_problem(rng, kind), int(rng.randint(*SWEEPS))),
        n_steps,
        seed,
        f"random mixings of 2 to 6 {kind} sources, observed by as many to three times "
        f"as many sensors, 80 to 300 samples, for {SWEEPS[0]} to {SWEEPS[1]} sweeps",
        "loss beside that of the closed forms after as many sweeps, mean over other tasks; 1 is "
        "untrained",
        verbose,
        **arguments,
    )


def main():
    parser = options(__doc__, 150, _SEED, 16, "sources")
    parser.add_argument("kind", choices=list(KINDS))
    own = parser.parse_args()
    with in_processes():
        optimizer = pretrain(own.kind, own.steps, own.seed, hidden_size=own.hidden_size)
        write(optimizer, own.output)


if __name__ == "__main__":
    main()
