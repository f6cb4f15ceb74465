"""Who says which non-local moves are worth a short run: all, chance, or an LSTM."""

from typing import NamedTuple

import torch
from torch import Tensor

from ..problems.base import new_generator
from .base import register_rule
from .learned import Network


class Rounds(NamedTuple):
    """What the rounds since the last gain brought, for each task and move, (T, moves)."""

    tried: Tensor
    gain: Tensor  # fall of the objective by a short run after the move; 0 where it was not tried
    number: Tensor  # of rounds of each task, (T, 1)

    @classmethod
    def none(cls, n_tasks: int, n_moves: int) -> "Rounds":
        zeros = torch.zeros(n_tasks, n_moves, dtype=torch.float64)
        return cls(zeros.bool(), zeros, torch.zeros(n_tasks, 1, dtype=torch.float64))


class Judge:
    """Orders the moves of each task.

    ``n_tried`` moves are tried in a round (None: all), ``n_fruitless`` rounds without a gain end
    the search of a task. Where moves are so few that one round tries them all, ``n_repeated``
    rounds do so: moves have a random part. With ``race`` most runs of a round are given up early.
    """

    n_tried: int | None = 8
    n_fruitless = 18
    n_repeated = 2
    race = True

    def init_state(self, n_tasks: int, n_moves: int) -> tuple:
        return ()

    def judge(self, features: Tensor, rounds: Rounds, state: tuple):
        """Scores (T, moves), log-odds of a gain (T, moves) or None, new state."""
        raise NotImplementedError


class AllMoves(Judge):
    """Tries every move in every round, each to the end: swap-EM."""

    n_tried = None
    n_fruitless = 1
    n_repeated = 1
    race = False

    def judge(self, features, rounds, state):
        return torch.zeros(features.shape[:2]), None, state


class RandomJudge(Judge):
    """Tries moves at random, with the budget of a learned judge.

    Parameters
    ----------
    generator : torch.Generator, optional
        By default torch's global one.
    """

    def __init__(self, generator=None):
        self.generator = generator

    def judge(self, features, rounds, state):
        return torch.rand(features.shape[:2], generator=self.generator), None, state


@register_rule
class LSTMJudge(Network, Judge):
    """An LSTM over the rounds: reads every move's features and what was tried before.

    Move by move, the same weights for all, so they fit any number of components. Two
    outputs: a score, trained to match the softmax of the gains that short runs really
    brought, and the log-odds of any gain, which end the search where there is little hope.

    Parameters
    ----------
    n_features : int
        Of the problem's ``move_features``.
    hidden_size : int, default=48
    n_layers : int, default=2
    generator : torch.Generator, optional
        For the weights.
    """

    argument_names = ("n_features", "hidden_size", "n_layers")
    min_hope = 0.005  # chance of a gain in the next round below which a search ends

    def __init__(self, n_features, hidden_size=48, n_layers=2, generator=None):
        super().__init__(2 * n_features + 6, 2, hidden_size, n_layers, generator)
        self.n_features = n_features

    @classmethod
    def for_problem(cls, problem, **arguments):
        variables = problem.init(new_generator(0))
        return cls(problem.move_features(variables).shape[2], **arguments)

    @classmethod
    def untrained(cls):
        return RandomJudge()

    def init_state(self, n_tasks, n_moves):
        return self.memory(n_tasks, n_moves)

    def judge(self, features, rounds, state):
        mean = features.mean(1, keepdim=True).expand_as(features)
        news = torch.cat([features, mean, _outcomes(rounds)], dim=2)
        output, state = self.think(news, state)
        return output[..., 0], output[..., 1], state


def _outcomes(rounds: Rounds) -> Tensor:
    """Six numbers a move: its own outcome, and those of the task so far."""
    # Gains matter by orders of magnitude, losses by their sign and size.
    size = torch.asinh(1e3 * rounds.gain) / 4
    tried = rounds.tried.to(size.dtype)
    n_tried = tried.sum(1, keepdim=True)
    best = torch.where(rounds.tried, size, -torch.inf).amax(1, keepdim=True)
    best = torch.where(n_tried > 0, best, 0.0)
    mean = size.sum(1, keepdim=True) / n_tried.clamp(min=1)
    spread = [best, mean, n_tried / tried.shape[1], rounds.number / 4]
    return torch.stack([tried, size, *(x.expand_as(size) for x in spread)], dim=2)


def judge_of(rules, name: str) -> LSTMJudge:
    """The judge of that name among the rules of an optimizer, or else its first."""
    return rules.get(name) or next(iter(rules.values()))
