"""How rules and judges learn: episodes, back-propagation, checkpoints."""

from .checkpoints import Checkpoint, Draws
from .episodes import EpisodeSettings, TaskEpisodes
from .judges import Gathering, Table, gather, table_loss, train_judge
from .processes import in_processes
from .rules import Episode, make_episode, meta_train, validate
from .trainer import History

__all__ = [
    "Checkpoint",
    "Draws",
    "Episode",
    "EpisodeSettings",
    "Gathering",
    "History",
    "Table",
    "TaskEpisodes",
    "gather",
    "in_processes",
    "make_episode",
    "meta_train",
    "table_loss",
    "train_judge",
    "validate",
]
