"""What is minimised: one function of several blocks, for a batch of tasks at once."""

# Members that only some problems have are a docstring and what `optional` makes of it.
# mypy: disable-error-code="empty-body"

import copy
import functools
import operator
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .linearised import Linearised, OfResiduals
from .trees import Block, Variables, map_tensors, point, with_point


def new_generator(seed: int) -> torch.Generator:
    """A random generator of its own; the global one stays untouched."""
    return torch.Generator().manual_seed(int(seed))


def optional(role: str):
    """Mark a member of `Problem` that only some problems have, and who asks for it.

    Where a problem lacks it, calling it raises a NotImplementedError that names both.
    """

    def mark(method):
        @functools.wraps(method)
        def missing(self, *args, **kwargs):
            raise NotImplementedError(
                f"{type(self).__name__} has no {method.__name__}, which {role} need."
            )

        missing.role = role  # type: ignore[attr-defined]
        return missing

    return mark


class Problem(ABC):
    """A function F of several blocks of variables, for T independent tasks.

    The first axis of every tensor of every block counts the tasks. A problem holds the
    data; it keeps no variables. ``block_names``, ``n_tasks``, ``init`` and ``objective``
    are enough for rules that need gradients. Everything else is a role that some users of
    problems ask for; where a member is missing the error names the role.

    ================= ======================================================================
    role              members
    ================= ======================================================================
    closed forms      `minimize_block`, `minimize_blocks`, `control_names`
    steering          `row_features`, `feature_version`
    joint steps       `residuals`, or `linearised` itself
    held-out data     `split`, `error`; `with_values` for a truth that is known
    several starts    `take`, ``one_start_at_a_time``, ``is_table``
    new rows          ``local_blocks``, ``units``; `reconstruct`
    feasible sets     `project`
    non-local moves   `n_moves`, `move_features`, `moved`, `rearranged`, `n_collapsed`, `judge_name`
    exact fits        `determined`, `least_squares`, `with_exact`
    weighing of runs  ``weighs_runs``, `unexplained`, `difference`; `beside_baseline`, `baseline`
    end of a run      `stands_still`
    ================= ======================================================================

    Attributes
    ----------
    block_names : tuple of str
        In the order in which the blocks are updated.
    n_tasks : int
    moved_names : tuple of str
        The blocks that rules may move; by default all. The others are hyper-parameters,
        always re-estimated in closed form.
    control_names : tuple of str
        What bends the closed-form step, each with neutral value 0.
    feature_version : int, default=1
        Raised whenever `row_features` or `move_features` change their meaning: an optimizer
        trained on others is then refused.
    local_blocks : tuple of str
        Those that belong to the rows of the data, as codes, responsibilities or the left
        factor do. A fit keeps the other blocks; new rows get these anew.
    units : dict
        Arguments of the constructor that fix what the data have determined, as their scale,
        for problems of new rows.
    weighs_runs : bool, default=False
        Whether runs from several starts are averaged by their `unexplained`. If not, the run
        of the lowest objective is the answer.
    one_start_at_a_time : bool, default=False
        Whether several starts in one batch would cost memory and win no time.
    is_table : bool, default=False
        Whether runs from several starts are known to say the same, as on tables of many rows.
    task_size : int, default=0
        Doubles that a pass over one task works on; batches are cut to stay in cache.
    """

    block_names: tuple[str, ...] = ()
    control_names: tuple[str, ...] = ()
    local_blocks: tuple[str, ...] = ()
    n_tasks: int
    feature_version = 1
    weighs_runs = False
    one_start_at_a_time = False
    is_table = False
    task_size = 0
    judge_name = "moves"

    @property
    def moved_names(self) -> tuple[str, ...]:
        return self.block_names

    @property
    def units(self) -> dict:
        return {}

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

    def project(self, name: str, block: Block) -> Block:
        """The nearest block in the feasible set; by default every block is feasible.

        Rules call it after every step that may leave the set: gradients, relaxation,
        momentum. Minimisers are feasible by themselves.
        """
        return block

    @optional("closed-form rules, LSTMControl and the safeguard")
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

    def minimize_blocks(self, variables: Variables, n_times: int = 1) -> Variables:
        """All blocks to their minimisers in turn, so many times, by `minimize_block`."""
        for _ in range(n_times):
            for name in self.block_names:
                variables = {**variables, name: self.minimize_block(variables, name)}
        return variables

    @optional("rules that move all blocks together (GaussNewton)")
    def residuals(self, variables: Variables) -> Tensor:
        """The numbers half of whose squares F sums, (T, n)."""

    def linearised(self, variables: Variables, names: tuple[str, ...]) -> Linearised:
        """F with the `residuals` to first order in moves of the named blocks, by autograd."""
        return OfResiduals(self, variables, names)

    @optional("rules that steer closed forms (LSTMControl)")
    def row_features(self, variables: Variables, name: str) -> Tensor:
        """Scale-free numbers of order 1 about each row of a block, (T, rows, f)."""

    @optional("held-out losses and mini-batches")
    def split(self, fraction: float, generator: torch.Generator) -> tuple["Problem", "Problem"]:
        """Two problems of the same blocks: the data without, and only, a random share."""

    def error(self, variables: Variables) -> Tensor:
        """How badly the variables explain this problem's data, (T,), without priors.

        Held-out losses take its root, so it must not be negative. By default F itself.
        """
        return self.objective(variables)

    @optional("losses on a truth that is known")
    def with_values(self, values) -> "Problem":
        """The same problem, in the same units, of other data."""

    @optional("estimates of the data")
    def reconstruct(self, variables: Variables) -> Tensor:
        """Estimates of the data in their own units, (T, rows, columns)."""

    def stands_still(self, before: Variables, after: Variables, change: Tensor, tol: float):
        """Whether an outer step changed nothing that counts, (T,).

        By default whether the objective's ``change`` is below ``tol``.
        """
        return change.abs() < tol

    def settled(self, variables: Variables) -> Variables:
        """The variables as a run leaves them, made whole; by default as they are."""
        return variables

    @optional("averages of runs")
    def unexplained(self, variables: Variables) -> Tensor:
        """Variance of what the model leaves unexplained, in units of the data's, (T,)."""

    @optional("averages of runs")
    def difference(self, variables: Variables, other: Variables) -> Tensor:
        """Relative distance of what two results predict, (T,): whether two runs agree."""

    def exact_part(self, variables: Variables) -> "Problem":
        """The problem of the data that an exact fit is to explain, by default all."""
        return self

    @optional("exact fits")
    def determined(self, rank: int) -> Tensor:
        """Whether more data than so many components can fit by themselves are there, (T,)."""

    @optional("exact fits")
    def least_squares(self, variables: Variables, rank: int) -> tuple["Problem", Variables]:
        """The data's plain squares, so many components, and where variables begin there."""

    @optional("exact fits")
    def with_exact(self, variables: Variables, found: Variables) -> Variables:
        """The variables whose point estimates are what `least_squares` was solved by."""

    def beside_baseline(self, variables: Variables) -> Tensor:
        """Squared error of data that are left out, over that of the `baseline`, (T,).

        By default 0: no baseline is asked.
        """
        return torch.zeros(self.n_tasks, dtype=torch.float64)

    @optional("answers that a baseline shares")
    def baseline(self, like: Variables) -> Variables:
        """The simplest answer, which a run should not be worse than, in the form of ``like``."""

    @property
    def n_moves(self) -> int:
        """How many non-local moves there are; 0 where the problem offers none."""
        return 0

    @optional("judges of non-local moves")
    def move_features(self, variables: Variables) -> Tensor:
        """Scale-free numbers of order 1 about every non-local move, (T, n_moves, f)."""

    @optional("judges of non-local moves")
    def moved(self, variables: Variables, move: Tensor, generator: torch.Generator) -> Variables:
        """The variables after one move, given by number for each task, (T,)."""

    def rearranged(self, variables: Variables) -> tuple[Variables, Tensor]:
        """The variables after the one move always worth a try, and which tasks it changes, (T,)."""
        return variables, torch.zeros(self.n_tasks, dtype=torch.bool)

    def n_collapsed(self, variables: Variables) -> Tensor:
        """How much of each task's low objective is worth nothing, (T,); moves add nothing to it."""
        return torch.zeros(self.n_tasks, dtype=torch.long)

    @optional("several starts in one batch, and runs that end task by task,")
    def take(self, index: Tensor) -> "Problem":
        """The problem of some of the tasks, by number; a task may be taken more than once."""

    def repeat(self, n_times: int) -> "Problem":
        """The same tasks ``n_times`` over, for several starts in one batch."""
        return self.take(torch.arange(self.n_tasks).repeat(n_times))

    def copied(self):
        """A shallow copy, with whatever a subclass has added, that remembers nothing."""
        other = copy.copy(self)
        other.__dict__.pop("_memory", None)
        return other

    def remember(self, what: str, tensors: tuple, compute: Callable):
        """The last result again for the very same tensors, if nobody has changed any of them.

        The loop asks for gradients, features and objectives of the same variables in turn.
        """
        memory = self.__dict__.setdefault("_memory", {})
        if torch.is_inference_mode_enabled() or any(t.is_inference() for t in tensors):
            return compute()  # nobody counts their changes
        state = (torch.is_grad_enabled(), _versions(tensors))
        known, old, result, counted = memory.get(what, ((), None, None, None))
        same = len(known) == len(tensors) and all(map(operator.is_, known, tensors))
        if not same or old != state or counted != _versions(result):
            del known, result  # what is stale must not take memory beside what comes
            memory.pop(what, None)
            result = compute()
            memory[what] = (tensors, state, result, _versions(result))
        return result

    def forget(self, *what: str):
        """Drop results that would take memory beside others that come."""
        for name in what:
            self.__dict__.get("_memory", {}).pop(name, None)


def _versions(tree) -> list[int]:
    """How often each tensor has been changed in place."""
    if isinstance(tree, Tensor):
        return [tree._version]
    if isinstance(tree, np.ndarray):
        return []
    versions: list[int] = []
    if isinstance(tree, tuple):
        for part in tree:
            versions += _versions(part)
    else:
        map_tensors(lambda tensor: versions.append(tensor._version), tree)
    return versions


def has_role(problem: Problem | type[Problem], *members: str) -> bool:
    """Whether a problem, or a class of them, has the optional members of these names."""
    kind = problem if isinstance(problem, type) else type(problem)
    return not any(hasattr(getattr(kind, name), "role") for name in members)
