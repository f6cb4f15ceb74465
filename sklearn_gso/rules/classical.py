"""The rules of Algorithm 1: closed form, gradient descent, stochastic gradient descent."""

import math

import torch

from ..problems.base import point, with_point
from .base import UpdateRule


class ClosedForm(UpdateRule):
    """Move to the minimiser of the sub-problem, equation (3): ALS, EM.

    Parameters
    ----------
    schedule : callable, optional
        From `Progress` to the controls of the step; by default all neutral.
    """

    def __init__(self, schedule=None):
        self.schedule = schedule

    def step(self, problem, variables, name, state, progress):
        controls = self.schedule(progress) if self.schedule else None
        return problem.minimize_block(variables, name, controls), state


def geometric_continuation(start: float, end: float, share: float = 0.7):
    """Schedule of the ``ridge`` control from ``start`` down to ``end``.

    The ridge falls geometrically over the first ``share`` of the sweeps and
    stays at ``end``, the problem's own λ, from there on.
    """

    def schedule(progress):
        done = min(1.0, progress.fraction / share)
        return {"ridge": (1 - done) * math.log(start / end)}

    return schedule


class GradientDescent(UpdateRule):
    """Equation (4) with φ = -learning_rate times the gradient.

    Parameters
    ----------
    learning_rate : float, default=1e-3
    batch_fraction : float, optional
        Mini-batch SGD: the gradient of a random share of the data, scaled up to
        be an unbiased estimate. By default the full gradient.
    generator : torch.Generator, optional
        Source of the mini-batches.
    """

    n_inner = 10

    def __init__(self, learning_rate=1e-3, batch_fraction=None, generator=None):
        self.learning_rate = learning_rate
        self.batch_fraction = batch_fraction
        self.generator = generator

    def step(self, problem, variables, name, state, progress):
        if self.batch_fraction is None or self.batch_fraction >= 1:
            gradient = problem.gradient(variables, name)
        else:
            _, batch = problem.split(self.batch_fraction, self.generator)
            gradient = batch.gradient(variables, name) / self.batch_fraction
        block = variables[name]
        return with_point(block, point(block) - self.learning_rate * gradient), state


def spawn(generator: torch.Generator) -> torch.Generator:
    """A new generator seeded from another one."""
    seed = torch.randint(2**62, (1,), generator=generator).item()
    return torch.Generator().manual_seed(seed)
