"""Around the loop: safeguarded runs, from many starts at once."""

from typing import NamedTuple

import torch
from torch import Tensor

from .alternating import alternate, init_states
from .problems.base import Problem, Variables, map_tensors, where_tasks
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
    """

    variables: Variables
    objective: Tensor
    n_guarded: Tensor


def _classical(rules: Rules) -> Rules:
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

    Returns
    -------
    solution : Solution
    """
    if safeguard not in SAFEGUARDS:
        raise ValueError(f"safeguard must be one of {SAFEGUARDS}, got {safeguard!r}")
    with torch.no_grad():
        if safeguard == "none":
            end, _ = alternate(problem, rules, variables, n_outer, n_inner)
            value = problem.objective(end)
            return Solution(end, value, torch.zeros(problem.n_tasks, dtype=torch.long))
        learned = _guarded(problem, rules, variables, n_outer, n_inner)
        classical = _classical(rules)
        if safeguard == "step" or classical == rules:
            return learned
        rival = _guarded(problem, classical, variables, n_outer, n_inner)
        worse = _better(rival.objective, learned.objective)
        return Solution(
            where_tasks(worse, rival.variables, learned.variables),
            torch.where(worse, rival.objective, learned.objective),
            torch.where(worse, n_outer, learned.n_guarded),
        )


def _guarded(problem, rules, variables, n_outer, n_inner) -> Solution:
    """The loop, one outer step at a time, each judged by the objective."""
    states, fallback = init_states(rules, variables), _classical(rules)
    fresh, idle = states, init_states(fallback, variables)
    first = best_value = problem.objective(variables)
    best = variables
    n_guarded = torch.zeros(problem.n_tasks, dtype=torch.long)
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
    last = _within_bound(value, first, best_value)
    return Solution(
        where_tasks(last, variables, best), torch.where(last, value, best_value), n_guarded
    )


def _within_bound(value, first, best) -> Tensor:
    """Whether objectives are finite and give back at most a share of the descent."""
    # A start without a finite objective bounds nothing.
    slack = torch.where(first.isfinite() & best.isfinite(), _SLACK * (first - best), torch.inf)
    return value.isfinite() & (value <= best.nan_to_num(nan=torch.inf) + slack)


def minimize_from_starts(
    problem: Problem,
    rules: Rules,
    n_init: int,
    generator: torch.Generator,
    n_outer: int,
    n_inner: int | None = None,
    safeguard: str = "step",
) -> Solution:
    """`minimize` from ``n_init`` random starts in one batch; the lowest objective wins."""
    many = problem.repeat(n_init) if n_init > 1 else problem
    found = minimize(many, rules, many.init(generator), n_outer, n_inner, safeguard)
    if n_init == 1:
        return found
    values = found.objective.reshape(n_init, -1)
    values = torch.where(values.isfinite(), values, torch.inf)
    chosen = values.argmin(0) * problem.n_tasks + torch.arange(problem.n_tasks)
    return map_tensors(lambda tensor: tensor[chosen], found)
