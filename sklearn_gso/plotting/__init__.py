"""Displays, in scikit-learn's convention; matplotlib is imported when something is drawn."""

from .completion import CompletionDisplay
from .components import ComponentsDisplay
from .controls import ControlsDisplay
from .convergence import ConvergenceDisplay
from .history import TrainingHistoryDisplay
from .mixture import MixtureDisplay
from .search_grid import SearchGridDisplay

__all__ = [
    "CompletionDisplay",
    "ComponentsDisplay",
    "ControlsDisplay",
    "ConvergenceDisplay",
    "MixtureDisplay",
    "SearchGridDisplay",
    "TrainingHistoryDisplay",
]
