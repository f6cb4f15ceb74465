"""What keeps a learned rule in bounds: the classical step in place of one that loses too much."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ..problems.base import Problem
from ..problems.trees import take_tasks, where_tasks
from ..rules.base import Rules
from .alternating import alternate, init_states

SAFEGUARDS = ("step", "run", "none")

# The running bound: a learned rule may give back this share of the descent so far.
# It climbs on its way to better basins, and what it improves (unseen entries) is not
# what the objective measures: demanding a new best at every step turns an error of
# .011 into .046 on uniform factors of rank 10 (benchmarks/LOG.md).
_SLACK = 0.1


def fallbacks(rules: Rules) -> Rules:
    """The classical rules that stand for learned ones."""
    return {name: rule.fallback() for name, rule in rules.items()}


def better(value: Tensor, than: Tensor) -> Tensor:
    """Where ``value`` is finite and lower, or ``than`` is not finite."""
    return value.isfinite() & (~than.isfinite() | (value < than))


class Step(NamedTuple):
    """An outer step of the loop, or some."""

    problem: Problem
    sweep: int
    n_total: int
    t_l: int | None
    record: Callable | None

    def __call__(self, rules, variables, states, n_sweeps=1):
        return alternate(
            self.problem,
            rules,
            variables,
            n_sweeps,
            self.t_l,
            states=states,
            start=self.sweep,
            n_total=self.n_total,
            record=self.record,
        )


class Guard:
    """Replaces outer steps that lose too much by classical ones, and remembers the best."""

    def __init__(self, rules, fallback, variables, value):
        self.fallback = None if fallback == rules else fallback
        self.first = self.best_value = value
        self.best = variables
        self.n_guarded = torch.zeros(len(value), dtype=torch.long)

    def __call__(self, step, rules, variables, states):
        proposal, new_states = step(rules, variables, states)
        value = step.problem.objective(proposal)
        bad = ~self._within_bound(value)
        if self.fallback and bad.any():
            self.n_guarded = self.n_guarded + bad
            idle = init_states(self.fallback, variables)
            safe, _ = step._replace(record=None)(self.fallback, variables, idle)
            proposal = where_tasks(bad, safe, proposal)
            new_states = where_tasks(bad, init_states(rules, variables), new_states)
            value = torch.where(bad, step.problem.objective(safe), value)
        improved = better(value, self.best_value)
        self.best = where_tasks(improved, proposal, self.best)
        self.best_value = torch.where(improved, value, self.best_value)
        return proposal, new_states, value

    def end(self, variables, value):
        """The last iterate where it lies within the bound, else the best."""
        last = self._within_bound(value)
        value = torch.where(last, value, self.best_value)
        return where_tasks(last, variables, self.best), value

    def accept(self, variables, value, which):
        """Take what no rule has proposed as the best of some tasks, (T,)."""
        self.best = where_tasks(which, variables, self.best)
        self.best_value = torch.where(which, value, self.best_value)

    def take(self, keep):
        """Go on with some of the tasks."""
        self.first, self.best_value, self.best, self.n_guarded = take_tasks(
            (self.first, self.best_value, self.best, self.n_guarded), keep
        )

    def _within_bound(self, value) -> Tensor:
        """Whether objectives are finite and give back at most a share of the descent."""
        # A start without a finite objective bounds nothing.
        first, best = self.first, self.best_value
        slack = torch.where(first.isfinite() & best.isfinite(), _SLACK * (first - best), torch.inf)
        return value.isfinite() & (value <= best.nan_to_num(nan=torch.inf) + slack)
