"""The one loop: Algorithm 1 with classical rules, Algorithm 2 with learned ones."""

from collections.abc import Callable

from torch import Tensor

from .problems.base import Problem, Variables
from .rules.base import Progress, Rules, UpdateRule
from .rules.classical import ClosedForm


def rules_for(problem: Problem, rule: UpdateRule | Rules) -> Rules:
    """One rule for every block that may be moved, closed forms for the others."""
    moved = rule if isinstance(rule, dict) else dict.fromkeys(problem.moved_names, rule)
    return {name: moved.get(name, ClosedForm()) for name in problem.block_names}


def init_states(rules: Rules, variables: Variables) -> dict[str, tuple]:
    """States of all rules before the first outer step."""
    return {name: rule.init_state(variables[name]) for name, rule in rules.items()}


class Monitor:
    """Looks on after each outer step; once told to stop, it says so for ever.

    Parameters
    ----------
    on_sweep : callable
        Called with a function that finds the mean of the objectives, for those who want to
        know; True stops all that is watched.
    """

    def __init__(self, on_sweep: Callable[[Callable[[], float]], bool | None]):
        self.on_sweep, self.stopped = on_sweep, False

    def __call__(self, objective: Callable[[], Tensor]) -> bool:
        if not self.stopped:
            self.stopped = bool(self.on_sweep(lambda: float(objective().mean())))
        return self.stopped


def alternate(
    problem: Problem,
    rules: Rules,
    variables: Variables,
    n_outer: int,
    n_inner: int | None = None,
    *,
    states: dict[str, tuple] | None = None,
    start: int = 0,
    n_total: int | None = None,
    on_sweep=None,
) -> tuple[Variables, dict[str, tuple]]:
    """Alternate over the blocks for ``n_outer`` outer steps.

    Parameters
    ----------
    problem : Problem
    rules : dict of str to UpdateRule
        One for each block.
    variables : dict
        Where to start; left untouched.
    n_outer : int
        Outer steps, the paper's T.
    n_inner : int, optional
        Inner steps of the blocks that rules move, the paper's t_l = I = J. By
        default each rule's own.
    states : dict, optional
        States of the rules, to go on from an earlier call.
    start, n_total : int, optional
        Outer steps done before, and in the whole run.
    on_sweep : callable, optional
        Called with the variables after each outer step; the loop ends where it returns True.

    Returns
    -------
    variables : dict
    states : dict
    """
    variables = dict(variables)
    states = dict(states) if states else init_states(rules, variables)
    n_total = n_total or start + n_outer
    moved = problem.moved_names
    for sweep in range(start, start + n_outer):
        progress = Progress(sweep, n_total)
        for name, rule in ((name, rules[name]) for name in problem.block_names):
            variables[name], states[name] = rule.begin(problem, variables, name, states[name])
            repeats = (n_inner or rule.n_inner) if name in moved else 1
            for _ in range(repeats):
                variables[name], states[name] = rule.step(
                    problem, variables, name, states[name], progress
                )
        if on_sweep is not None and on_sweep(variables):
            break
    return variables, states
