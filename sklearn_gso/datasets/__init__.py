"""Tasks to train and to judge on."""

from .matrices import hide_entries, make_digits_tasks, make_low_rank_tasks, make_table_tasks
from .mixtures import MixtureTruth, make_mixture_tasks

__all__ = [
    "MixtureTruth",
    "hide_entries",
    "make_digits_tasks",
    "make_low_rank_tasks",
    "make_mixture_tasks",
    "make_table_tasks",
]
