"""The solving of one matrix once more, watched sweep by sweep."""

import copy
from typing import NamedTuple

import numpy as np
from torch import Tensor

from .._base import BaseCompleter
from .._solving import solve_batch
from ..problems.base import Variables, point, take_tasks
from ..rules import LSTMControl, UpdateRule
from ..search import minimize
from ..starts import Starts
from ..tasks import as_tasks, densify


class _Watched(UpdateRule):
    """A rule that does what another does, and notes with what variables a sweep begins.

    Sweeps begin with what the safeguard has let pass, so the notes are of the way itself.
    """

    def __init__(self, rule: UpdateRule, fallback: UpdateRule | None):
        self.rule, self.n_inner, self.fallback = rule, rule.n_inner, fallback
        self.begun: list[Variables] = []
        self.decided: list[dict[str, Tensor]] = []

    def init_state(self, block):
        return self.rule.init_state(block)

    def begin(self, problem, variables, name, state):
        self.begun.append(dict(variables))
        return self.rule.begin(problem, variables, name, state)

    def step(self, problem, variables, name, state, progress):
        if isinstance(self.rule, LSTMControl):
            self.decided.append(self.rule.decide(problem, variables, name, state, progress)[0])
        return self.rule.step(problem, variables, name, state, progress)

    def classical(self):
        return self.fallback or self


class Watch(NamedTuple):
    """What was seen of the solving of one matrix.

    Attributes
    ----------
    array : ndarray
        The matrix, NaN where it is not observed.
    found : Starts
        The answer.
    sweeps : list of list of Variables
        For each run what its sweeps began with, and at last where it ended.
    decided : dict of str to list of list of dict of str to Tensor
        For each block that a learned control moves, for each start, the decisions of every
        inner step, (1, rows, 1); of the classical run there are none.
    """

    array: np.ndarray
    found: Starts
    sweeps: list
    decided: dict

    @property
    def best(self) -> int:
        """The run of the largest share."""
        return int(self.found.shares[:, 0].argmax())

    def objective(self) -> np.ndarray:
        """Of the best run, from its random beginning to its end."""
        values = [self.found.problem.objective(v) for v in self.sweeps[self.best]]
        return np.array([float(value[0]) for value in values])

    def estimates(self):
        """Low-rank estimates before each sweep and at the end: the starts, by their shares."""
        for variables in zip(*self.sweeps, strict=True):
            runs = [
                run._replace(variables=v) for run, v in zip(self.found.runs, variables, strict=True)
            ]
            estimate = self.found._replace(runs=runs).mean(self.found.problem.reconstruct)
            yield estimate[0].numpy()


def watch(completer, X) -> Watch:
    """Solve a matrix as the fitted completer does, and note every sweep.

    Of the matrix that the completer was fitted to it is the fit once more.

    Raises
    ------
    TypeError
        If the estimator is no completer of this package.
    NotFittedError
    ValueError
        For what ``transform`` refuses, and for a collection.
    """
    if not isinstance(completer, BaseCompleter):
        raise TypeError(f"{type(completer).__name__} is no completer of sklearn_gso.")
    if as_tasks(X) is not None:
        raise ValueError("One matrix can be watched at a time, got a collection.")
    array = densify(*completer._validated(X))
    watched: dict[str, _Watched] = {}
    twin = copy.copy(completer)

    def rules_of(problem, generator):
        rules, n_inner = completer._rules(problem, generator)
        plain = {name: rule.classical() for name, rule in rules.items()}
        # Where nothing is learned a rule is its own fallback, as without being watched.
        learned = plain != rules
        for name, rule in rules.items():
            watched[name] = _Watched(rule, plain[name] if learned else None)
        return dict(watched), n_inner

    twin._rules = rules_of
    found = solve_batch(twin, [array], completer._seed)
    n_outer = completer._n_outer()
    sweeps = _by_starts(watched[found.problem.block_names[0]].begun, n_outer)
    if len(found.runs) > len(sweeps):
        sweeps.append(_classical_sweeps(watched, found.problem, sweeps[0][0], n_outer, twin.t_l))
    for own, run in zip(sweeps, found.runs, strict=True):
        own.append(run.variables)
    decided = {
        name: _by_starts(rule.decided, n_outer * len(rule.decided) // len(rule.begun))
        for name, rule in watched.items()
        if rule.decided
    }
    return Watch(array, found, sweeps, decided)


def _classical_sweeps(watched, problem, start, n_outer, n_inner) -> list[Variables]:
    """What the classical run from a start began its sweeps with."""
    rules = {name: _Watched(rule.classical(), None) for name, rule in watched.items()}
    minimize(problem, rules, start, n_outer, n_inner)
    return rules[problem.block_names[0]].begun


def _by_starts(noted, n_steps) -> list[list]:
    """What was noted, start by start: they run in batches of one or several."""
    found = []
    for i in range(0, len(noted), n_steps):
        run = noted[i : i + n_steps]
        size = len(point(next(iter(run[0].values()))))
        found += [[take_tasks(tree, [start]) for tree in run] for start in range(size)]
    return found
