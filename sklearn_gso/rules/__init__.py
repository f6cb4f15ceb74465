"""How one block moves: classical and learned rules answer the same calls."""

from .base import Progress, UpdateRule
from .classical import ClosedForm, GradientDescent, geometric_continuation
from .learned import LSTMControl, LSTMStep

__all__ = [
    "ClosedForm",
    "GradientDescent",
    "LSTMControl",
    "LSTMStep",
    "Progress",
    "UpdateRule",
    "geometric_continuation",
]
