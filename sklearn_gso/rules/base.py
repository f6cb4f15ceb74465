"""How one block moves while the others stand still."""

from typing import NamedTuple

from torch import Tensor

from ..problems.base import Block, Problem, Variables


class Progress(NamedTuple):
    """Which outer step this is, out of how many."""

    sweep: int
    n_sweeps: int

    @property
    def fraction(self) -> float:
        return self.sweep / self.n_sweeps


class UpdateRule:
    """A rule for one block; classical and learned rules answer the same calls.

    A state is a (nested) tuple of tensors whose first axis counts the tasks.
    """

    n_inner = 1

    def init_state(self, block: Block) -> tuple:
        """State before the first outer step."""
        return ()

    def begin(
        self, problem: Problem, variables: Variables, name: str, state: tuple
    ) -> tuple[Block, tuple]:
        """Called before each inner loop: where it starts and with which state."""
        return variables[name], state

    def step(
        self,
        problem: Problem,
        variables: Variables,
        name: str,
        state: tuple,
        progress: Progress,
    ) -> tuple[Block, tuple]:
        """One inner step: the new block and the new state."""
        raise NotImplementedError

    def classical(self) -> "UpdateRule":
        """The rule without learning that a safeguard falls back on."""
        return self


Rules = dict[str, UpdateRule]


def damped(old: Tensor, target: Tensor, relaxation, previous_step, momentum) -> Tensor:
    """Over-relaxed step with momentum; (1, ·, 0) is the plain step to the target."""
    return old + relaxation * (target - old) + momentum * previous_step
