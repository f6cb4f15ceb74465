"""What is minimised: one function of several blocks, for a batch of tasks at once."""

import operator
from abc import ABC, abstractmethod

import torch
from torch import Tensor

Block = Tensor | tuple
Variables = dict[str, Block]


def point(block: Block) -> Tensor:
    """The point estimate of a block: itself, or the first field of a tuple."""
    return block[0] if isinstance(block, tuple) else block


def with_point(block: Block, value: Tensor) -> Block:
    """The same block with another point estimate."""
    return type(block)(value, *block[1:]) if isinstance(block, tuple) else value


def map_tensors(function, *trees):
    """Apply ``function`` to the tensors of equally built blocks, variables or states."""
    first = trees[0]
    if isinstance(first, dict):
        return {key: map_tensors(function, *(tree[key] for tree in trees)) for key in first}
    if isinstance(first, tuple):
        parts = [map_tensors(function, *parts) for parts in zip(*trees, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
    return function(*trees)


def where_tasks(chosen: Tensor, left, right):
    """The blocks of ``left`` for the chosen tasks, of ``right`` for the others."""

    def pick(a, b):
        return torch.where(chosen.reshape(-1, *[1] * (a.ndim - 1)), a, b)

    return map_tensors(pick, left, right)


def take_tasks(tree, index: Tensor):
    """Some of the tasks of blocks, variables or states, by number."""
    return map_tensors(lambda tensor: tensor[index], tree)


class Problem(ABC):
    """A function F of several blocks of variables, for T independent tasks.

    The first axis of every tensor of every block counts the tasks. A problem
    holds the data and is stateless in the variables.

    Attributes
    ----------
    block_names : tuple of str
        In the order in which the blocks are updated.
    moved_names : tuple of str
        The blocks that an update rule may move. The others are
        hyper-parameters, always re-estimated in closed form.
    control_names : tuple of str
        What bends the closed-form step, each with neutral value 0.
    n_tasks : int
    """

    block_names: tuple[str, ...] = ()
    control_names: tuple[str, ...] = ()
    n_tasks: int

    @property
    def moved_names(self) -> tuple[str, ...]:
        return self.block_names

    @abstractmethod
    def init(self, generator: torch.Generator) -> Variables:
        """Random start, ``{name: block}``, a tensor block being (T, rows, columns)."""

    @abstractmethod
    def objective(self, variables: Variables) -> Tensor:
        """F of every task, shape (T,)."""

    def gradient(self, variables: Variables, name: str) -> Tensor:
        """Gradient of F by one block's point estimate; by default from autograd."""
        block = variables[name]
        with torch.enable_grad():
            value = point(block).detach().requires_grad_()
            fixed = map_tensors(Tensor.detach, variables)
            fixed[name] = with_point(fixed[name], value)
            return torch.autograd.grad(self.objective(fixed).sum(), value)[0]

    def minimize_block(self, variables: Variables, name: str, controls=None) -> Block:
        """Minimiser of F over one block, bent by ``controls``.

        Parameters
        ----------
        variables : dict
        name : str
        controls : dict of str to (Tensor of shape (T, rows, 1) or float), optional
            Named as in ``control_names``; 0 or absent is neutral.

        Raises
        ------
        NotImplementedError
            The problem has no closed form for this block.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no closed-form minimiser for block {name!r}; "
            "use GradientDescent or LSTMStep, or override minimize_block."
        )

    def row_features(self, variables: Variables, name: str) -> Tensor:
        """Scale-free numbers of order 1 about each row of a block, (T, rows, f)."""
        raise NotImplementedError(
            f"{type(self).__name__} has no row_features; LSTMControl needs them."
        )

    def split(self, fraction: float, generator: torch.Generator) -> tuple["Problem", "Problem"]:
        """Two problems of the same blocks: the data without and with a random share.

        Mini-batches and held-out losses are built from it.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot split its data.")

    def error(self, variables: Variables) -> Tensor:
        """How badly the variables explain this problem's data, (T,), without priors."""
        return self.objective(variables)

    def unexplained(self, variables: Variables) -> Tensor | None:
        """Variance of what the model leaves unexplained, (T,); None where it estimates none."""
        return None

    @property
    def weighs_runs(self) -> bool:
        """Whether runs are averaged by what they leave unexplained."""
        return type(self).unexplained is not Problem.unexplained

    def difference(self, variables: Variables, other: Variables) -> Tensor:
        """Relative distance of what two answers predict, (T,).

        Where runs are averaged it tells whether two of them agree.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot tell whether runs agree.")

    @property
    def one_start_at_a_time(self) -> bool:
        """Whether several starts in one batch would cost memory and win no time."""
        return False

    @property
    def task_size(self) -> int:
        """Doubles that a pass over one task works on; batches are cut to stay in cache."""
        return 0

    @property
    def n_moves(self) -> int:
        """How many non-local moves there are; 0 where the problem offers none."""
        return 0

    def move_features(self, variables: Variables) -> Tensor:
        """Scale-free numbers of order 1 about every non-local move, (T, n_moves, f)."""
        raise NotImplementedError(f"{type(self).__name__} offers no non-local moves.")

    def moved(self, variables: Variables, move: Tensor, generator: torch.Generator) -> Variables:
        """The variables after one move, given by number for each task, (T,)."""
        raise NotImplementedError(f"{type(self).__name__} offers no non-local moves.")

    def rearranged(self, variables: Variables) -> tuple[Variables, Tensor]:
        """The variables after the one move always worth a try, and which tasks it changes, (T,)."""
        return variables, torch.zeros(self.n_tasks, dtype=torch.bool)

    def n_collapsed(self, variables: Variables) -> Tensor:
        """How much of each task's low objective is worth nothing, (T,); moves add nothing to it."""
        return torch.zeros(self.n_tasks, dtype=torch.long)

    def take(self, index: Tensor) -> "Problem":
        """The problem of some of the tasks, by number; a task may be taken more than once."""
        raise NotImplementedError(f"{type(self).__name__} cannot take some of its tasks.")

    def repeat(self, n_times: int) -> "Problem":
        """The same tasks ``n_times`` over, for several starts in one batch."""
        return self.take(torch.arange(self.n_tasks).repeat(n_times))

    def _forget(self):
        self._memory: dict[str, tuple] = {}

    def _remember(self, what: str, tensors: tuple, compute):
        """The last result again for the very same tensors: the loop asks more than once."""
        grad = torch.is_grad_enabled()
        known, old, result = self._memory.get(what, ((), None, None))
        same = len(known) == len(tensors) and all(map(operator.is_, known, tensors))
        if grad is not old or not same:
            result = compute()
            self._memory[what] = (tensors, grad, result)
        return result
