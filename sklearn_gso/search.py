"""Around the loop: runs with a safeguard."""

from typing import NamedTuple

import torch
from torch import Tensor

from .alternating import Monitor, alternate, init_states
from .problems.base import Problem, Variables, where_tasks
from .rules.base import Rules

SAFEGUARDS = ("step", "run", "none")

# The running bound: a learned rule may give back this share of the descent so far.
# It climbs on its way to better basins, and what it improves (unseen entries) is not
# what the objective measures: demanding a new best at every step turns an error of
# .011 into .046 on uniform factors of rank 10 (benchmarks/LOG.md).
_SLACK = 0.1


class Solution(NamedTuple):
    """What a run found.

    Attributes
    ----------
    variables : dict
    objective : Tensor of shape (T,)
    n_guarded : Tensor of shape (T,)
        Outer steps at which the safeguard replaced the learned answer.
    n_iter : Tensor of shape (T,)
        Outer steps of the run.
    """

    variables: Variables
    objective: Tensor
    n_guarded: Tensor
    n_iter: Tensor


def classical_rules(rules: Rules) -> Rules:
    return {name: rule.classical() for name, rule in rules.items()}


def _better(value: Tensor, than: Tensor) -> Tensor:
    """Where ``value`` is finite and lower, or ``than`` is not finite."""
    return value.isfinite() & (~than.isfinite() | (value < than))


def minimize(
    problem: Problem,
    rules: Rules,
    variables: Variables,
    n_outer: int,
    n_inner: int | None = None,
    safeguard: str = "step",
    monitor: Monitor | None = None,
) -> Solution:
    """Run the loop from one start and return the best iterate.

    Parameters
    ----------
    problem, rules, variables, n_outer, n_inner
        As in `alternate`.
    safeguard : {"step", "run", "none"}, default="step"
        "step": an outer step that ends in a non-finite objective, or gives back more
        than a tenth of the descent from the start to the best objective so far, is
        replaced by the rules' classical step. The last iterate is returned if it
        lies within that bound, else the best one. "run": besides, the classical
        rules run from the same start, and the lower objective wins. "none": the
        last iterate, as it is.
    monitor : Monitor, optional
        Called after each outer step; may end the run.

    Returns
    -------
    solution : Solution
    """
    if safeguard not in SAFEGUARDS:
        raise ValueError(f"safeguard must be one of {SAFEGUARDS}, got {safeguard!r}")
    with torch.no_grad():
        if safeguard == "none":
            return _unguarded(problem, rules, variables, n_outer, n_inner, monitor)
        learned = _guarded(problem, rules, variables, n_outer, n_inner, monitor)
        classical = classical_rules(rules)
        if safeguard == "step" or classical == rules:
            return learned
        rival = _guarded(problem, classical, variables, n_outer, n_inner, monitor)
        worse = _better(rival.objective, learned.objective)
        return Solution(
            where_tasks(worse, rival.variables, learned.variables),
            torch.where(worse, rival.objective, learned.objective),
            torch.where(worse, rival.n_iter, learned.n_guarded),
            torch.where(worse, rival.n_iter, learned.n_iter),
        )


def _counts(problem, number: int) -> Tensor:
    return torch.full((problem.n_tasks,), number)


def _unguarded(problem, rules, variables, n_outer, n_inner, monitor) -> Solution:
    n_done = 0

    def watch(current):
        nonlocal n_done
        n_done += 1
        return monitor is not None and monitor(lambda: problem.objective(current))

    end, _ = alternate(problem, rules, variables, n_outer, n_inner, on_sweep=watch)
    value = problem.objective(end)
    return Solution(end, value, _counts(problem, 0), _counts(problem, n_done))


def _guarded(problem, rules, variables, n_outer, n_inner, monitor) -> Solution:
    """The loop, one outer step at a time, each judged by the objective."""
    states, fallback = init_states(rules, variables), classical_rules(rules)
    fresh, idle = states, init_states(fallback, variables)
    first = best_value = problem.objective(variables)
    best = variables
    n_guarded = _counts(problem, 0)
    for sweep in range(n_outer):
        proposal, new_states = alternate(
            problem, rules, variables, 1, n_inner, states=states, start=sweep, n_total=n_outer
        )
        value = problem.objective(proposal)
        bad = ~_within_bound(value, first, best_value)
        if fallback != rules and bad.any():
            n_guarded += bad
            safe, _ = alternate(
                problem, fallback, variables, 1, n_inner, states=idle, start=sweep, n_total=n_outer
            )
            proposal = where_tasks(bad, safe, proposal)
            new_states = where_tasks(bad, fresh, new_states)
            value = torch.where(bad, problem.objective(safe), value)
        variables, states = proposal, new_states
        improved = _better(value, best_value)
        best = variables if improved.all() else where_tasks(improved, variables, best)
        best_value = torch.where(improved, value, best_value)
        if monitor is not None and monitor(lambda value=value: value):
            break
    last = _within_bound(value, first, best_value)
    return Solution(
        where_tasks(last, variables, best),
        torch.where(last, value, best_value),
        n_guarded,
        _counts(problem, sweep + 1),
    )


def _within_bound(value, first, best) -> Tensor:
    """Whether objectives are finite and give back at most a share of the descent."""
    # A start without a finite objective bounds nothing.
    slack = torch.where(first.isfinite() & best.isfinite(), _SLACK * (first - best), torch.inf)
    return value.isfinite() & (value <= best.nan_to_num(nan=torch.inf) + slack)
