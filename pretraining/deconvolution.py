"""Train the rule that steers the kernel of blind deconvolution and ships with the package::

    python -m pretraining.deconvolution --steps 150 --output deconvolution.safetensors

Spikes with random kernels of many lengths, densities, noises and penalties, and small pictures of
random rectangles. No ground truth is used: the loss is the objective over that of the closed forms
after as many sweeps.
"""

import argparse
import time

import numpy as np
import torch

from pretraining import minutes_since, versions
from sklearn_gso import LearnedOptimizer
from sklearn_gso.problems import BlindDeconvolution
from sklearn_gso.rules import LSTMControl
from sklearn_gso.solvers import rules_for
from sklearn_gso.training import make_episode, meta_train, validate

SWEEPS = 40
_SEED, _VALIDATION_SEED = 20261126, 997
_TRAINING = {"anneal": True, "averaging": 0.9, "validate_every": 25, "learning_rate": 1e-2}
_SHARE_OF_PICTURES = 0.2


def convolved(sources: np.ndarray, kernels: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Periodic convolutions along the last axes."""
    shape = tuple(sources.shape[axis] for axis in axes)
    product = np.fft.rfftn(sources, axes=axes) * np.fft.rfftn(kernels, s=shape, axes=axes)
    return np.fft.irfftn(product, s=shape, axes=axes)


def draw_spikes(rng, n_tasks: int = 6) -> BlindDeconvolution:
    """A batch of sequences of one random size; windows fit their kernels, or are wider."""
    n, size, n_channels = int(rng.randint(60, 160)), int(rng.randint(4, 17)), int(rng.randint(1, 3))
    kernels = rng.standard_normal((n_tasks, 1, size))
    if rng.rand() < 0.3:  # smooth ones
        kernels = np.cumsum(kernels, axis=2) * np.hanning(size + 2)[1:-1]
    kernels /= np.linalg.norm(kernels, axis=2, keepdims=True)
    used = rng.rand(n_tasks, n_channels, n) < 10 ** rng.uniform(-1.4, -0.4)
    values = convolved(used * rng.standard_normal(used.shape), kernels, (2,))
    noise = 10 ** rng.uniform(-3, -1)
    values += noise * rng.standard_normal(values.shape)
    window = size if rng.rand() < 0.7 else int(size * rng.uniform(1, 2))
    alpha = max(noise, 10 ** rng.uniform(-1.7, -0.6))
    return BlindDeconvolution(torch.from_numpy(values), (window,), alpha=alpha)


def draw_pictures(rng, n_tasks: int = 2) -> BlindDeconvolution:
    """Rectangles over rectangles, blurred by a wide or narrow bump or by a motion."""
    side, size = int(rng.randint(24, 36)), int(rng.choice([3, 5, 7]))
    pictures = np.zeros((n_tasks, side, side))
    for picture in pictures:
        for _ in range(rng.randint(10, 40)):
            (top, left), (height, width) = rng.randint(side, size=2), rng.randint(2, 14, size=2)
            picture[top : top + height, left : left + width] = rng.rand()
    places = np.arange(size) - size // 2
    spread = rng.uniform(0.3, 1.2, (2, n_tasks, 1)) * size / 3
    rows, columns = np.exp(-0.5 * np.square(places / spread))
    kernels = rows[:, :, None] * columns[:, None]
    if rng.rand() < 0.5:
        angle = rng.uniform(0, np.pi, (n_tasks, 1, 1))
        across = places[:, None] * np.cos(angle) - places * np.sin(angle)
        kernels *= np.exp(-2 * np.square(across))
    kernels /= kernels.sum((1, 2), keepdims=True)
    noise = 10 ** rng.uniform(-3, -1.7)
    values = convolved(pictures, kernels, (1, 2)) + noise * rng.standard_normal(pictures.shape)
    alpha = max(1.5 * noise, 10 ** rng.uniform(-2.3, -1.5))
    rows = torch.from_numpy(values.reshape(n_tasks, 1, -1))
    return BlindDeconvolution(rows, (size, size), (side, side), source="smooth", alpha=alpha)


def draw_episode(rules, rng, generator):
    """A run whose objectives are compared with those of the closed forms."""
    draw = draw_pictures if rng.rand() < _SHARE_OF_PICTURES else draw_spikes
    problem = draw(rng)
    return make_episode(problem, rules_for(problem, rules), generator, SWEEPS, judge=problem)


def pretrain(n_steps=150, seed=_SEED, verbose=True, **arguments) -> LearnedOptimizer:
    """Train a new rule.

    Parameters
    ----------
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
    problem = draw_spikes(rng, 2)
    rule = LSTMControl.for_problem(problem, generator=generator, **arguments)
    rules = {"kernel": rule}
    other, others = np.random.RandomState(_VALIDATION_SEED), torch.Generator().manual_seed(1)
    validation = [draw_episode(rules, other, others) for _ in range(10)]
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
        trained_on="spikes of 60 to 160 entries with random kernels of 4 to 16, and pictures of "
        f"rectangles of 24 to 35 pixels a side with kernels of 3 to 7, for {SWEEPS} sweeps",
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
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seed", type=int, default=_SEED)
    parser.add_argument("--hidden-size", type=int, default=16)
    parser.add_argument("--output", default="deconvolution.safetensors")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    optimizer = pretrain(arguments.steps, arguments.seed, hidden_size=arguments.hidden_size)
    optimizer.save(arguments.output)
    print(optimizer.description)


if __name__ == "__main__":
    main()
