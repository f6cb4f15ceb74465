"""How one block moves: classical and learned rules answer the same calls."""

from .base import Progress, UpdateRule
from .classical import ClosedForm, GradientDescent, geometric_continuation
from .judges import AllMoves, Judge, LSTMJudge, RandomJudge
from .learned import LSTMControl, LSTMStep

__all__ = [
    "AllMoves",
    "ClosedForm",
    "GradientDescent",
    "Judge",
    "LSTMControl",
    "LSTMJudge",
    "LSTMStep",
    "Progress",
    "RandomJudge",
    "UpdateRule",
    "geometric_continuation",
]
