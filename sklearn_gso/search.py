"""Around the loop: safeguarded runs, from many starts at once."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .alternating import alternate, init_states
from .problems.base import Problem, Variables, map_tensors, where_tasks
from .rules.base import Rules

SAFEGUARDS = ("step", "run", "none")

# The running bound: a learned rule may give back this share of the descent so far.
# It climbs on its way to better basins, and what it improves (unseen entries) is not
# what the objective measures: demanding a new best at every step turns an error of
# .011 into .046 on uniform factors of rank 10 (benchmarks/LOG.md).
_SLACK = 0.1
_SHARE_POWER = 4


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


class Starts(NamedTuple):
    """Runs from several starts, the tasks ``n_init`` times over.

    Attributes
    ----------
    problem : Problem
        Of ``n_init * T`` tasks.
    solution : Solution
        Where each run ended.
    shares : Tensor of shape (n_init, T)
        Of each run in the answer to its task; they sum to 1 over the runs.
    """

    problem: Problem
    solution: Solution
    shares: Tensor

    @property
    def best(self) -> Solution:
        """The runs of the largest share, one a task."""
        n_tasks = self.shares.shape[1]
        chosen = self.shares.argmax(0) * n_tasks + torch.arange(n_tasks)
        return map_tensors(lambda tensor: tensor[chosen], self.solution)


def mean_by_shares(shares: Tensor, values: Tensor) -> Tensor:
    """Mean over the runs of what each has, ``(n_init * T, ...)``, by shares of (n_init, T)."""
    values = values.unflatten(0, shares.shape)
    shares = shares.reshape(*shares.shape, *[1] * (values.ndim - 2))
    # A run that is not finite has no share; 0 times NaN must not have one either.
    return torch.where(shares > 0, shares * values, 0.0).sum(0)


def minimize_from_starts(
    problem: Problem,
    rules: Rules,
    n_init: int,
    generator: torch.Generator,
    n_outer: int,
    n_inner: int | None = None,
    safeguard: str = "step",
) -> Starts:
    """`minimize` from ``n_init`` random starts in one batch, and what each counts for."""
    many = problem.repeat(n_init) if n_init > 1 else problem
    found = minimize(many, rules, many.init(generator), n_outer, n_inner, safeguard)
    left = many.unexplained(found.variables)
    return Starts(many, found, _shares(n_init, found.objective, left))


def _shares(n_init, objective, unexplained) -> Tensor:
    """Shares of the starts in the answer, (n_init, T).

    Where the model says how much each run leaves unexplained, by the fourth power of
    that: runs that recover the truth leave nothing and take all, while runs that explain
    a table equally well, in different ways, are averaged, which is better than the best
    of them (benchmarks/LOG.md). Else the lowest objective takes all.
    """
    objective = objective.reshape(n_init, -1)
    objective = torch.where(objective.isfinite(), objective, torch.inf)
    if unexplained is None or n_init == 1:
        return nn.functional.one_hot(objective.argmin(0), n_init).T.to(objective.dtype)
    left = unexplained.reshape(n_init, -1)
    usable = objective.isfinite() & left.isfinite()
    left = torch.where(usable, left, torch.inf)
    least = left.amin(0)
    shares = torch.where(usable, (least / left) ** _SHARE_POWER, 0.0)
    shares[0, ~usable.any(0)] = 1.0
    return shares / shares.sum(0)
