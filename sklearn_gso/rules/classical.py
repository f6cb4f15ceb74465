"""The rules of Algorithm 1: closed form, gradient descent, stochastic gradient descent."""

import math
from typing import NamedTuple

import torch

from ..problems.trees import point, where_tasks, with_point
from .base import Clock, UpdateRule, bent_minimiser


class ClosedForm(UpdateRule):
    """Move to the minimiser of the sub-problem, equation (3): ALS, EM.

    Parameters
    ----------
    schedule : callable, optional
        From `Clock` to the controls of the step; by default all neutral.
    """

    def __init__(self, schedule=None):
        self.schedule = schedule

    def step(self, problem, variables, name, state, clock):
        controls = self.schedule(clock) if self.schedule else None
        return bent_minimiser(problem, variables, name, controls), state


class GeometricContinuation(NamedTuple):
    """Schedule of a logarithmic control from ``start`` down to ``end``.

    The ridge (or the temperature) falls geometrically over the first ``share`` of the
    sweeps and stays at ``end``, the problem's own, from there on.
    """

    start: float
    end: float
    share: float = 0.7
    control: str = "ridge"

    def __call__(self, clock: Clock) -> dict[str, float]:
        done = min(1.0, clock.fraction / self.share)
        return {self.control: (1 - done) * math.log(self.start / self.end)}


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
    backtrack : bool, default=False
        Quarter the rate, task by task, until the objective does not rise.
    """

    t_l = 10
    max_quarters = 40

    def __init__(self, learning_rate=1e-3, batch_fraction=None, generator=None, backtrack=False):
        self.learning_rate = learning_rate
        self.backtrack = backtrack
        self.batch_fraction = batch_fraction
        self.generator = generator

    def step(self, problem, variables, name, state, clock):
        if self.batch_fraction is None or self.batch_fraction >= 1:
            gradient = problem.gradient(variables, name)
        else:
            _, batch = problem.split(self.batch_fraction, self.generator)
            gradient = batch.gradient(variables, name) / self.batch_fraction
        move = self.learning_rate * gradient
        if self.backtrack:
            move = self._shortened(problem, variables, name, move)
        return _against(problem, variables, name, move), state

    def _shortened(self, problem, variables, name, move):
        before = problem.objective(variables)
        for _ in range(self.max_quarters):
            moved = {**variables, name: _against(problem, variables, name, move)}
            rises = ~(problem.objective(moved) <= before)
            if not rises.any():
                return move
            move = where_tasks(rises, move / 4, move)
        return where_tasks(rises, torch.zeros_like(move), move)


def _against(problem, variables, name, move):
    """The feasible block nearest to where the move leads."""
    block = variables[name]
    return problem.project(name, with_point(block, point(block) - move))
