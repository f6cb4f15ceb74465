"""How an estimator solves: values and classes alone, so that workers need no estimator."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from ..learned_optimizers import LearnedOptimizer
from ..problems import Problem, map_tensors, new_generator
from ..rules import UpdateRule
from ..solvers import Answer, Monitor, Multistart, rules_for, weighted_average
from .parallel import share_of_threads
from .reporting import Progress
from .tasks import to_values

# Runs that weigh less are not kept for new rows.
_MIN_WEIGHT = 1e-3
# Passes over the local blocks of new rows, where there is more than one.
_LOCAL_SWEEPS = 50


class Item(NamedTuple):
    """One data set to be solved, and what is wanted of it."""

    array: Any
    options: dict  # of its problem, beside the values
    wanted: Any = None  # for the reader


def kind_of(item: Item):
    """What items that are solved in one batch have in common."""
    options = tuple(sorted(item.options.items(), key=lambda pair: pair[0]))
    return item.array.shape, type(item.array), options


class Mean:
    """A reader: the weighted average, over the runs, of a function of the variables.

    Readers get a problem, the weights (n_runs, T) of its runs, an iterable of the runs'
    variables, and what is wanted of each task; they return one array for each task.

    Parameters
    ----------
    function : callable
        ``function(problem, variables)``, a tensor (T, rows, columns).
    """

    def __init__(self, function):
        self.function = function

    def __call__(self, problem, weights, runs, wanted) -> np.ndarray:
        return weighted_average(weights, (self.function(problem, v) for v in runs)).numpy()


def reconstruction(problem: Problem, variables) -> torch.Tensor:
    """What the model says of the data, (T, rows, columns)."""
    return problem.reconstruct(variables)


@dataclass(frozen=True)
class Plan:
    """What solves data sets: a class of problems, a rule for the blocks it may move, starts."""

    problem: type
    rule: UpdateRule | LearnedOptimizer
    settings: Multistart

    @share_of_threads()
    def solve(self, arrays, options, seed, progress: Progress, trace=False) -> Answer:
        """Solve data sets of one kind; a ValueError where they end in no finite values."""
        problem = self.problem(to_values(arrays), **options)
        generator = new_generator(seed)
        if isinstance(self.rule, LearnedOptimizer):
            rules = rules_for(problem, self.rule.rules(generator))
        else:
            rules = rules_for(problem, self.rule.seeded(generator))
        total = self.settings.max_sweeps(problem, rules)
        with progress.phase("solving", total, "sweep") as step:
            answer = self.settings.solve(
                problem, rules, generator, monitor=step and Monitor(step), trace=trace
            )
        best = answer.best
        if not (_is_finite(best.variables) and best.objective.isfinite().all()):
            raise ValueError(self._why_not_finite())
        return answer

    def _why_not_finite(self) -> str:
        if isinstance(self.rule, LearnedOptimizer) and self.settings.safeguard == "none":
            return (
                "The run ended in values that are not finite: its learned rule produced them, "
                "and safeguard='none' keeps what the rule produces."
            )
        return "The run overflowed: the entries of X are too large; scale them."

    @share_of_threads()
    def read(self, read, items: list[Item], seed, progress):
        """What a reader makes of each instance, and the mean of their objectives."""
        arrays, options, wanted = zip(*items, strict=True)
        answer = self.solve(arrays, options[0], seed, progress)
        with torch.no_grad():
            results = read(answer.problem, *answer.parts(), wanted)
        return results, float(answer.best.objective.mean())


def _is_finite(variables) -> bool:
    finite: list[bool] = []
    map_tensors(lambda tensor: finite.append(bool(tensor.isfinite().all())), variables)
    return all(finite)


@dataclass(frozen=True)
class FittedRows:
    """What a fit on one data set keeps for new rows: the blocks that belong to no row."""

    problem: type
    options: dict  # the units of the fit among them
    weights: np.ndarray
    runs: list[dict]  # blocks of each part that counts, the best run first, a baseline last

    @classmethod
    def of(cls, answer: Answer, options: dict, **more):
        """From the answer to one instance; ``more`` for classes that keep more."""
        weights, parts = cls.main_parts(answer)
        runs = [cls.kept(answer.problem, variables) for variables in parts]
        return cls(*cls.made_with(answer.problem, options), weights, runs, **more)

    @staticmethod
    def made_with(problem, options: dict) -> tuple[type, dict]:
        """The class and the options of problems of new rows, in the same units."""
        return type(problem), {**options, **map_tensors(lambda t: t.numpy(), problem.units)}

    @staticmethod
    def main_parts(answer: Answer) -> tuple[np.ndarray, list]:
        """Weights and variables of the parts that count."""
        weights, parts = answer.parts()
        best, *others = answer.weights[:, 0].argsort(descending=True, stable=True).tolist()
        others += range(len(answer.runs), len(parts))
        # What is read from the best run alone is wanted even where the baseline takes all.
        order = [best] + [i for i in others if weights[i, 0] >= _MIN_WEIGHT]
        own = weights[order, 0].numpy()
        return own / own.sum(), [parts[i] for i in order]

    @classmethod
    def kept(cls, problem, variables) -> dict:
        """What is kept of one run."""
        return to_arrays({n: b for n, b in variables.items() if n not in problem.local_blocks})

    def problem_of(self, array) -> Problem:
        """The problem of rows, in the units of the fit."""
        options = {
            name: torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value
            for name, value in self.options.items()
        }
        return self.problem(to_values([array]), **options)

    def solved(self, problem, array):
        """Variables of each run, the local blocks those of the rows of an array."""
        for kept in self.runs:
            start = map_tensors(_alike, problem.init(new_generator(0)))
            variables = {**start, **to_tensors(kept)}
            for _ in range(_LOCAL_SWEEPS if len(problem.local_blocks) > 1 else 1):
                for name in problem.local_blocks:
                    variables[name] = problem.minimize_block(variables, name)
            yield variables

    @share_of_threads()
    def read(self, read, array, wanted=None):
        """What a reader makes of rows."""
        with torch.no_grad():
            problem = self.problem_of(array)
            weights = torch.tensor(self.weights)[:, None]
            return read(problem, weights, self.solved(problem, array), [wanted])[0]


def _alike(block: torch.Tensor) -> torch.Tensor:
    """Rows that all start as the first one does: what becomes of one depends on no other."""
    return block[:, :1].expand_as(block) if block.ndim > 1 else block


def to_arrays(variables) -> dict:
    """Variables as numpy arrays."""
    # In the one order that pickles keep: sums in another differ in their last digit.
    return map_tensors(lambda tensor: tensor.contiguous().numpy(), variables)


def to_tensors(variables) -> dict:
    """Arrays, which may be read-only memory maps, as variables."""
    return map_tensors(lambda array: torch.from_numpy(array.copy()), variables)
