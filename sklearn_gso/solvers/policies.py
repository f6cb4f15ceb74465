"""How many starts are made."""

from dataclasses import dataclass

from ..problems.base import Problem


@dataclass(frozen=True)
class Fixed:
    """So many starts.

    Parameters
    ----------
    n : int
    companion_counts : bool
        Whether the companion, where there is one, is one of them.
    """

    n: int = 1
    companion_counts: bool = False

    def first(self, companion: bool) -> int:
        """How many runs of the rules are made in any case."""
        return max(1, self.n - (companion and self.companion_counts))

    def most(self, problem: Problem) -> int:
        """How many runs there are at most, a companion not counted."""
        return self.n


@dataclass(frozen=True)
class UntilAgree:
    """Two runs, and more for tasks whose best run no other run confirms.

    One of the two is the companion, where there is one. Where the runs of a problem are not
    averaged nothing tells whether two agree: the first ones are then all.

    Parameters
    ----------
    start : int
        How many are made in any case.
    step : int
        How many are added at a time.
    stop : int
        How many are made at most, a companion not counted.
    """

    start: int = 2
    step: int = 4
    stop: int = 20

    def first(self, companion: bool) -> int:
        """How many runs of the rules are made in any case."""
        return max(1, self.start - companion)

    def most(self, problem: Problem) -> int:
        """How many runs there are at most, a companion not counted."""
        return self.stop if problem.weighs_runs else self.start


Policy = Fixed | UntilAgree
