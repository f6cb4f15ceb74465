"""Train the rule that steers the kernel of blind deconvolution and ships with the package::

    python -m pretraining.deconvolution --output deconvolution.safetensors

Spikes with random kernels of many lengths, densities, noises and penalties, and small pictures of
random rectangles. No ground truth is used. Whether a run finds the kernel is decided early, between
basins, of which gradients through the run know nothing, and a penalty that starts large raises the
objective on its way: trained by these gradients the rule stays at the closed forms. So it learns to
imitate a continuation whose beginning fits the data, and is judged by the objective at the end.
"""

import time

import numpy as np
import torch

from pretraining import write
from pretraining.steering import described, options
from sklearn_gso import LearnedOptimizer
from sklearn_gso.problems import BlindDeconvolution
from sklearn_gso.rules import Clock, LSTMControl
from sklearn_gso.solvers import alternate, rules_for

SWEEPS = 40
_SEED, _VALIDATION_SEED = 20261126, 997
_SHARE_OF_PICTURES = 0.15
# Of the imitated continuation: its first penalty, in root mean squares of the data, at most so
# many times the problem's (logarithm); the share of the sweeps after which none is left.
_START, _LARGEST, _SHARE = 1.5, 2.5, 0.7
# Sweeps after which the memory is lost, as it is where the safeguard takes a step.
_FORGETTING = 0.2


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


def draw_problem(rng) -> BlindDeconvolution:
    return draw_pictures(rng) if rng.rand() < _SHARE_OF_PICTURES else draw_spikes(rng)


def imitate(rule, rng, generator, n_steps: int) -> int:
    """Teach a rule a penalty that falls to the problem's own; how many steps were not finite."""
    n_skipped, adam = 0, torch.optim.Adam(rule.parameters(), lr=1e-2)
    for _ in range(n_steps):
        problem = draw_problem(rng)
        variables = problem.init(generator)
        state, total = rule.init_state(variables["kernel"]), torch.zeros(())
        size = problem.values.square().mean((1, 2)).sqrt()
        start = (_START * size / problem.alpha).log().clamp(0, _LARGEST)[:, None, None]
        for sweep in range(SWEEPS):
            clock = Clock(sweep, SWEEPS)
            told, memory = rule.decide(problem, variables, "kernel", state, clock)
            shrink = start * max(0.0, 1 - clock.fraction / _SHARE)
            others = (told["relaxation"] - 1).square() + told["momentum"].square()
            total = total + ((told["shrink"] - shrink).square() + others).mean()
            with torch.no_grad():
                old = variables["kernel"]
                new = problem.minimize_block(variables, "kernel", {"shrink": shrink})
                variables = {**variables, "kernel": new}
                variables["sources"] = problem.minimize_block(variables, "sources")
            state = (memory, (new - old, state[1][0]))
            if rng.rand() < _FORGETTING:
                state = rule.init_state(new)
        adam.zero_grad()
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(rule.parameters(), 1.0)
        if norm.isfinite():
            adam.step()
        else:
            n_skipped += 1
    return n_skipped


def reached(problem, variables, rules) -> torch.Tensor:
    """Logarithm of the objective at the end of a run, with exact sources, (T,)."""
    with torch.no_grad():
        ended, _ = alternate(problem, rules_for(problem, rules), variables, SWEEPS)
        return problem.objective(problem.settled(ended)).log()


def validated(rule, seed: int = _VALIDATION_SEED, n_batches: int = 5) -> float:
    """Geometric mean of the objective over that of the closed forms, on other tasks."""
    rng, generator = np.random.RandomState(seed), torch.Generator().manual_seed(1)
    ratios = []
    for _ in range(n_batches):
        problem = draw_problem(rng)
        variables = problem.init(generator)
        closed = reached(problem, variables, {})
        ratios.append(reached(problem, variables, {"kernel": rule}) - closed)
    return float(torch.cat(ratios).mean().exp())


def pretrain(n_steps=45, seed=_SEED, **arguments) -> LearnedOptimizer:
    """Train a new rule.

    Parameters
    ----------
    n_steps : int, default=45
        Batches of tasks.
    seed : int
    **arguments
        Of `LSTMControl`.

    Returns
    -------
    optimizer : LearnedOptimizer
    """
    rng, generator = np.random.RandomState(seed), torch.Generator().manual_seed(seed)
    problem, clock = draw_spikes(rng, 2), time.time()
    rule = LSTMControl.for_problem(problem, generator=generator, **arguments)
    n_skipped = imitate(rule, rng, generator, n_steps)
    return described(
        {"kernel": rule},
        problem,
        "spikes of 60 to 160 entries with random kernels of 4 to 16, and pictures of "
        f"rectangles of 24 to 35 pixels a side with kernels of 3 to 7, for {SWEEPS} sweeps",
        seed,
        clock,
        "objective over that of the closed forms after as many sweeps, geometric mean over other "
        "tasks; 1 is untrained",
        round(validated(rule), 4),
        n_steps=n_steps,
        n_skipped=n_skipped,
    )


def main():
    own = options(__doc__, 45, _SEED, 12, "deconvolution").parse_args()
    write(pretrain(own.steps, own.seed, hidden_size=own.hidden_size), own.output)


if __name__ == "__main__":
    main()
