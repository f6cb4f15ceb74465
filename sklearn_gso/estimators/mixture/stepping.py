"""The paper's own method for mixtures: networks move logits and centres, equation (16)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ...learned_optimizers import LearnedOptimizer
from ...problems import MixtureLikelihood, Problem, take_tasks
from ...rules import GradientDescent
from ...solvers import minimize, rules_for
from ...solvers.local_search import Explored
from ...solvers.multistart import best_of_starts
from ..learning import Learner
from ..parallel import share_of_threads
from ..reporting import Progress, limited
from ..solving import Item
from ..tasks import to_tensor
from .data import Task
from .searching import Search
from .solving import MixturePlan, Solved


def units(tasks: list[Task]) -> torch.Tensor:
    """Root mean square of the centred samples of each task, (T,), 1 where it is 0."""
    sizes = [np.sqrt(np.mean(np.square(task.points))) for task in tasks]
    return torch.tensor([size if size > 0 else 1.0 for size in sizes], dtype=torch.float64)


def check_known(tasks: list[Task]) -> None:
    """Raise a ValueError unless covariances are given, which no step moves, and all is seen."""
    if any("covariances" not in task.held for task in tasks):
        raise ValueError(
            "rule='step' moves weights and centres alone, as in equation (16): give covariances."
        )
    if {"weights", "means"} <= set(tasks[0].held):
        raise ValueError("rule='step' has nothing to move: weights and means are fixed.")
    if any(np.isnan(task.points).any() for task in tasks):
        raise ValueError("rule='step' takes no NaN, as equation (15); rule='moves' does.")
    if any(task.noise is not None for task in tasks):
        raise ValueError("rule='step' takes no noise_covariance; rule='moves' does.")


@dataclass(frozen=True)
class StepPlan(MixturePlan):
    """What solves data sets by a rule for the blocks; covariances are given."""

    learned: LearnedOptimizer | None = None  # None: gradient descent, its fallback
    t_l: int | None = None
    safeguard: str = "step"

    def likelihood(self, tasks: list[Task]) -> MixtureLikelihood:
        """Equation (15) of tasks of equal shape, in units of each one's `units`."""
        check_known(tasks)
        unit, given = units(tasks), self.given(tasks)
        fixed = {name: _scaled(name, given[name], 1 / unit) for name in tasks[0].held}
        return MixtureLikelihood(
            to_tensor([task.points for task in tasks]) / unit[:, None, None],
            self.n_components,
            covariance_type=self.covariance_type,
            fixed=fixed,
            sample_weight=to_tensor([task.weights for task in tasks]),
        )

    @share_of_threads()
    def solve(self, tasks: list[Task], seed, progress: Progress) -> list[Solved]:
        """Solve tasks of equal shape."""
        scaled, unit, n = self.likelihood(tasks), units(tasks), self.n_init
        many, problem = scaled.repeat(n), self.problem(tasks)
        rules = dict.fromkeys(many.moved_names, GradientDescent(backtrack=True))
        if self.learned:
            learned = self.learned.rules()
            rules = {name: learned[name] for name in many.moved_names}
        with torch.no_grad(), progress.phase("solving", self.max_iter, "step") as step:
            start = Search(self, self.given(tasks), seed).starts(problem, 0, n)
            run = minimize(
                many,
                rules_for(many, rules),
                {b: _scaled(b, start[b], 1 / unit.repeat(n)) for b in many.block_names},
                self.max_iter,
                self.t_l,
                tol=self.tol,
                safeguard=self.safeguard,
                monitor=limited(step, self.time_limit),
            )
            run = take_tasks(run, best_of_starts(run.objective, n))
            end = {name: _scaled(name, block, unit) for name, block in run.variables.items()}
            end["responsibilities"] = problem.minimize_block(end, "responsibilities")
            run = run._replace(variables=end, objective=problem.objective(end))
            none = torch.zeros(len(tasks), dtype=torch.long)
            explored = Explored(run, none, none.clone(), none.to(torch.float64))
            return self.solved(problem, tasks, explored)


def _scaled(name: str, value, unit: torch.Tensor) -> torch.Tensor:
    """A parameter in other units."""
    power = {"weights": 0, "means": 1, "covariances": 2}[name]
    return value * unit.reshape(-1, *[1] * (value.ndim - 1)) ** power


@dataclass(frozen=True)
class StepLearner(Learner):
    """What trains the paper's rule on collections, on the likelihood of the whole."""

    make_problem: Callable[[list[Task]], Problem] | None = None

    def _problem(self, items: list[Any]) -> Problem:
        assert self.make_problem is not None
        return self.make_problem([item.wanted for item in items])


def as_items(tasks: list[Task]) -> list[Item]:
    """Tasks as learners want them."""
    return [Item(task.points, {}, task) for task in tasks]
