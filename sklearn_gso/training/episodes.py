"""Episodes from the tasks of a collection: batches, held-out data, validation."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from ..problems.base import Problem, new_generator
from ..rules.base import Rules
from ..solvers.alternating import rules_for
from .checkpoints import Draws
from .rules import Episode, make_episode

_HELDOUT_FRACTION = 0.1
MIN_TO_SPLIT = 4
# Tasks that a checkpoint is judged on are kept in memory.
_MAX_VALIDATION = 128
# The graph of a window holds about so many doubles for each entry and sweep, and may
# hold so many in all, 4 GB.
_DOUBLES_PER_ENTRY = 17
_MAX_GRAPH = 5e8


@dataclass(frozen=True)
class EpisodeSettings:
    """How tasks become episodes.

    Parameters
    ----------
    max_iter, t_l, t_u : int
        Outer steps of a run, inner steps of a block, outer steps of a window.
    loss : {"heldout", "global"}
        "heldout" hides a fresh tenth of the data in every episode and judges on it.
    batch_size : int
        Tasks of one kind in an episode, if their graph fits into memory.
    batches_per_step : int
        Episodes of a step; the last of a pass may have less.
    validation_fraction : float
        Share of the tasks that is set aside to choose the best checkpoint.
    """

    max_iter: int
    t_l: int
    t_u: int
    loss: str = "heldout"
    batch_size: int = 8
    batches_per_step: int = 1
    validation_fraction: float = 0.1


@dataclass(eq=False)
class TaskEpisodes:
    """Source of episodes for `meta_train`, from numbered tasks.

    Parameters
    ----------
    kinds : sequence of hashable
        One for each task; those of one kind can be solved in one batch.
    sizes : sequence of int
        Entries of each task that a sweep works on.
    make_problem : callable
        From numbers of tasks of one kind to their problem.
    make_judge : callable or None
        ``make_judge(problem, numbers)``: the problem of a truth that is known. It comes
        before ``settings.loss``.
    rules : dict of str to UpdateRule
        For the blocks that are trained.
    settings : EpisodeSettings
    seed : int
    """

    kinds: Sequence[Hashable]
    sizes: Sequence[int]
    make_problem: Callable[[Sequence[int]], Problem]
    make_judge: Callable[[Problem, Sequence[int]], Problem] | None
    rules: Rules
    settings: EpisodeSettings
    seed: int

    def __post_init__(self):
        self.generator, self.rng = new_generator(self.seed), np.random.RandomState(self.seed)
        n_tasks, share = len(self.kinds), self.settings.validation_fraction
        order = self.rng.permutation(n_tasks)
        n_validation = min(_MAX_VALIDATION, n_tasks - 1, max(1, round(share * n_tasks)))
        if n_tasks < MIN_TO_SPLIT or not share:
            self.training, held = order, order[: n_tasks if share else 0]
        else:
            self.training, held = order[n_validation:], order[:n_validation]
        self.validation = [self.episode(batch) for batch in self._batches(held)]
        self.n_steps = -(-len(self._batches(self.training)) // self.settings.batches_per_step)
        self.queue: list = []

    def __call__(self, step: int) -> list[Episode]:
        if not self.queue:
            self.queue = self._batches(self.training)
        n = min(self.settings.batches_per_step, len(self.queue))
        return [self.episode(self.queue.pop()) for _ in range(n)]

    def episode(self, numbers) -> Episode:
        """A run on some tasks of one kind, from a random start."""
        problem, judge, s = self.make_problem(numbers), None, self.settings
        if self.make_judge is not None:
            judge = self.make_judge(problem, numbers)
        elif s.loss == "heldout":
            problem, judge = problem.split(_HELDOUT_FRACTION, self.generator)
        rules = rules_for(problem, self.rules)
        return make_episode(problem, rules, self.generator, s.max_iter, judge=judge, t_l=s.t_l)

    def _batches(self, numbers) -> list[list[int]]:
        groups: dict[Hashable, list] = {}
        for i in self.rng.permutation(numbers):
            groups.setdefault(self.kinds[i], []).append(i)
        batches, s = [], self.settings
        steps = min(s.t_u, s.max_iter) * s.t_l
        for group in groups.values():
            graph = _DOUBLES_PER_ENTRY * steps * max(self.sizes[i] for i in group)
            size = min(s.batch_size, max(1, int(_MAX_GRAPH // graph)))
            batches += [group[i : i + size] for i in range(0, len(group), size)]
        return [batches[i] for i in self.rng.permutation(len(batches))]

    def state_dict(self):
        draws = [Draws(self.generator).state_dict(), Draws(self.rng).state_dict()]
        return {"draws": draws, "queue": list(self.queue)}

    def load_state_dict(self, state):
        for generator, drawn in zip((self.generator, self.rng), state["draws"], strict=True):
            Draws(generator).load_state_dict(drawn)
        self.queue = list(state["queue"])
