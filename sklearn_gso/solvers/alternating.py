"""The one loop: Algorithm 1 with classical rules, Algorithm 2 with learned ones."""

from collections.abc import Mapping

from ..problems.base import Problem
from ..problems.trees import Variables
from ..rules.base import Clock, Rules, UpdateRule, check_rules
from ..rules.classical import ClosedForm


def rules_for(problem: Problem, rule: UpdateRule | Mapping[str, UpdateRule]) -> Rules:
    """One rule for every block that may be moved, closed forms for the others.

    Parameters
    ----------
    problem : Problem
    rule : UpdateRule or dict of str to UpdateRule
        For all blocks that may be moved, or for some of the blocks.

    Raises
    ------
    ValueError
        Naming what is no block of the problem.
    """
    moved = rule if isinstance(rule, Mapping) else dict.fromkeys(problem.moved_names, rule)
    rules = {name: ClosedForm() for name in problem.block_names} | dict(moved)
    check_rules(rules, problem)
    return rules


def init_states(rules: Rules, variables: Variables) -> dict[str, tuple]:
    """States of all rules before the first outer step."""
    return {name: rule.init_state(variables[name]) for name, rule in rules.items()}


def _is_exact(rule: UpdateRule) -> bool:
    """Whether a rule is nothing but the problem's own minimiser."""
    return type(rule) is ClosedForm and rule.schedule is None


def _groups(problem: Problem, rules: Rules) -> list[tuple[UpdateRule, tuple[str, ...]]]:
    """The rules in the order of the blocks, each with those that it moves in one step."""
    groups: list[tuple[UpdateRule, list[str]]] = []
    for name in problem.block_names:
        rule = rules[name]
        known = [names for other, names in groups if other is rule and rule.moves_together]
        if known:
            known[0].append(name)
        else:
            groups.append((rule, [name]))
    return [(rule, tuple(names)) for rule, names in groups]


def alternate(
    problem: Problem,
    rules: Rules,
    variables: Variables,
    max_iter: int,
    t_l: int | None = None,
    *,
    states: dict[str, tuple] | None = None,
    start: int = 0,
    n_total: int | None = None,
    on_sweep=None,
    record=None,
) -> tuple[Variables, dict[str, tuple]]:
    """Alternate over the blocks for ``max_iter`` outer steps.

    Parameters
    ----------
    problem : Problem
    rules : dict of str to UpdateRule
        One for each block.
    variables : dict
        Where to start; unchanged.
    max_iter : int
        Outer steps, the paper's T.
    t_l : int, optional
        Inner steps of the blocks that rules move, the paper's I = J. By default each rule's
        own.
    states : dict, optional
        States of the rules, to go on from an earlier call.
    start, n_total : int, optional
        Outer steps done before, and in the whole run.
    on_sweep : callable, optional
        Called with the variables after each outer step; the loop ends where it returns True.
    record : callable, optional
        ``record(name, decided)`` is called by rules that decide something, as the controls of
        `LSTMControl`.

    Returns
    -------
    variables : dict
    states : dict

    Raises
    ------
    TypeError, ValueError
        If there is not one rule for each block.
    """
    check_rules(rules, problem)
    variables = dict(variables)
    states = dict(states) if states else init_states(rules, variables)
    n_total = n_total or start + max_iter
    moved = problem.moved_names
    if on_sweep is None and t_l in (None, 1) and all(map(_is_exact, rules.values())):
        return problem.minimize_blocks(variables, max_iter), states
    groups = _groups(problem, rules)
    for sweep in range(start, start + max_iter):
        for rule, names in groups:
            name = names[0]
            for inner in range((t_l or rule.t_l) if name in moved else 1):
                clock = Clock(sweep, n_total, inner, record)
                variables, states[name] = rule.step_together(
                    problem, variables, names, states[name], clock
                )
        if on_sweep is not None and on_sweep(variables):
            break
    return variables, states
