"""Train the rules that separate sources and ship with the package::

    python -m pretraining.sources sparse --output sparse_sources.safetensors
    python -m pretraining.sources nonnegative --output nonnegative_sources.safetensors

Random mixings of many sizes, densities and noises. No ground truth is used: the loss is the
objective beside that of the closed forms after as many sweeps.
"""

import argparse
import time

import numpy as np
import torch

from pretraining import minutes_since, versions, write
from sklearn_gso import LearnedOptimizer
from sklearn_gso.problems import NoisyICA, NonnegativeFactorization, Problem
from sklearn_gso.rules import LSTMControl
from sklearn_gso.solvers import rules_for
from sklearn_gso.training import in_processes, make_episode, meta_train, validate

SWEEPS = (15, 50)
_SEED, _VALIDATION_SEED = 20261127, 997
_TRAINING = {"anneal": True, "averaging": 0.9, "validate_every": 30, "learning_rate": 1e-2}
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


def draw_episode(rules, rng, generator, kind: str):
    """A run whose objectives are compared with those of the closed forms."""
    problem = draw_problem(rng, kind)
    n_sweeps = int(rng.randint(*SWEEPS))
    return make_episode(problem, rules_for(problem, rules), generator, n_sweeps, judge=problem)


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
    rng, generator = np.random.RandomState(seed), torch.Generator().manual_seed(seed)
    problem = draw_problem(rng, kind, 2)
    rule = LSTMControl.for_problem(problem, generator=generator, **arguments)
    rules = dict.fromkeys(problem.moved_names, rule)
    other, others = np.random.RandomState(_VALIDATION_SEED), torch.Generator().manual_seed(1)
    validation = [draw_episode(rules, other, others, kind) for _ in range(8)]
    clock = time.time()
    history = meta_train(
        lambda step: [draw_episode(rules, rng, generator, kind)],
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
        trained_on=f"random mixings of 2 to 6 {kind} sources, observed by as many to three times "
        f"as many sensors, 80 to 300 samples, for {SWEEPS[0]} to {SWEEPS[1]} sweeps",
        n_steps=history.n_steps,
        n_skipped=history.n_skipped,
        seed=seed,
        minutes=minutes_since(clock),
        versions=versions(),
        validation={
            "what": "loss beside that of the closed forms after as many sweeps, mean over other "
            "tasks; 1 is untrained",
            "loss": round(validate(validation, rules_for(problem, rules)), 4),
        },
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=list(KINDS))
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seed", type=int, default=_SEED)
    parser.add_argument("--hidden-size", type=int, default=16)
    parser.add_argument("--output", default="sources.safetensors")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with in_processes():
        optimizer = pretrain(
            arguments.kind, arguments.steps, arguments.seed, hidden_size=arguments.hidden_size
        )
        write(optimizer, arguments.output)


if __name__ == "__main__":
    main()
