"""How a problem is solved: the loop, one run, several starts, non-local moves."""

from .alternating import alternate, init_states, rules_for
from .answers import Answer
from .local_search import explore, try_moves
from .multistart import Multistart
from .outcome import Run, Status, Trace
from .policies import Fixed, UntilAgree
from .run import Monitor, minimize
from .weighting import weighted_average

__all__ = [
    "Answer",
    "Fixed",
    "Monitor",
    "Multistart",
    "Run",
    "Status",
    "Trace",
    "UntilAgree",
    "alternate",
    "explore",
    "init_states",
    "minimize",
    "rules_for",
    "try_moves",
    "weighted_average",
]
