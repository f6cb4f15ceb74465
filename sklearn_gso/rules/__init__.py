"""How one block moves, and which moves are tried; classical and learned rules."""

from .base import Clock, UpdateRule, bent_minimiser, damped, register_rule, registered_rule
from .classical import ClosedForm, GeometricContinuation, GradientDescent
from .joint import GaussNewton
from .judges import AllMoves, Judge, LSTMJudge, RandomJudge
from .learned import LSTMControl, LSTMStep, Network
from .recipes import RECIPES, Recipe, recipe, register_recipe

__all__ = [
    "RECIPES",
    "AllMoves",
    "Clock",
    "ClosedForm",
    "GaussNewton",
    "GeometricContinuation",
    "GradientDescent",
    "Judge",
    "LSTMControl",
    "LSTMJudge",
    "LSTMStep",
    "Network",
    "RandomJudge",
    "Recipe",
    "UpdateRule",
    "bent_minimiser",
    "damped",
    "recipe",
    "register_recipe",
    "register_rule",
    "registered_rule",
]
