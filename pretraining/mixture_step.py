"""Train the paper's rule, equation (16), on mixtures with given covariances.

``python -m pretraining.mixture_step --minutes 55 --output mixture_step.safetensors``, one core:
what ``GSOGaussianMixture(rule="step")`` starts from, judged by ``make bench-mixture``. Weights are
shared by coordinates, so one pair of networks serves every number of components and
features. Data are centred and divided by their root mean square.
"""

import argparse
import time

import numpy as np
import torch

from sklearn_gso import LearnedOptimizer
from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.problems import MixtureLikelihood
from sklearn_gso.rules import LSTMStep
from sklearn_gso.solvers import rules_for
from sklearn_gso.training import make_episode, meta_train

T, T_L, T_U = 100, 10, 10


def standardised(X, covariances):
    """Samples and covariances in units of the samples' root mean square, and these units."""
    centred = X - X.mean(1, keepdims=True)
    unit = np.sqrt(np.mean(centred**2, axis=(1, 2), keepdims=True))
    return centred / unit, covariances / unit[..., None] ** 2, unit[:, 0, 0]


def likelihood(X, covariances):
    """The problem of equation (15) on standardised data."""
    samples, covariances, _ = standardised(X, covariances)
    fixed = {"covariances": torch.from_numpy(covariances)}
    return MixtureLikelihood(torch.from_numpy(samples), covariances.shape[1], fixed=fixed)


def draw_problem(rng, n_tasks=8):
    """Four components as in the paper, of a random dimension and shape."""
    d = int(rng.choice([2, 2, 4, 8, 16]))
    X, truth = make_mixture_tasks(
        n_tasks,
        n_features=d,
        spread=rng.uniform(2, 6) / np.sqrt(d / 2),
        eccentricity=1.0 if rng.rand() < 0.5 else 25.0,
        random_state=rng,
    )
    return likelihood(X, truth.covariances)


def train(minutes, seed=20261124):
    rng, generator = np.random.RandomState(seed), torch.Generator().manual_seed(seed)
    networks = {name: LSTMStep(generator=generator) for name in ("weights", "means")}
    rules = rules_for(draw_problem(rng), networks)
    other = np.random.RandomState(seed + 1)
    validation = [make_episode(draw_problem(other), rules, generator, T) for _ in range(10)]

    def source(step):
        return [make_episode(draw_problem(rng), rules, generator, T)]

    options = {"t_l": T_L, "t_u": T_U, "learning_rate": 1e-3, "averaging": 0.9}
    clock = time.time()
    meta_train(source, rules, 3, **options)
    n_steps = max(1, int(60 * minutes / (time.time() - clock) * 3))
    history = meta_train(
        source,
        rules,
        n_steps,
        validation=validation,
        validate_every=max(1, n_steps // 30),
        verbose=True,
        **options,
    )
    return LearnedOptimizer.from_rules(
        networks,
        draw_problem(rng),
        trained_on="mixtures of four components in 2 to 16 dimensions, covariances given",
        n_steps=history.n_steps,
        minutes=round((time.time() - clock) / 60, 1),
        validation=[round(h["validation"], 4) for h in history if "validation" in h],
        seed=seed,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=55)
    parser.add_argument("--output", required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    optimizer = train(arguments.minutes)
    optimizer.save(arguments.output)
    print(optimizer.description)


if __name__ == "__main__":
    main()
