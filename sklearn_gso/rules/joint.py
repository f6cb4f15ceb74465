"""The rule that moves all blocks together: Gauss-Newton steps."""

import torch
from torch import Tensor

from ..problems.trees import Variables, point, where_tasks, with_point
from .base import UpdateRule

_MIN_DAMPING, _MAX_DAMPING = 1e-9, 1e6
_LOWER, _RAISE = 0.2, 6.0
# Of a step's slope, what F loses: half of it where the residuals are as linear as they are taken.
_GOOD, _BAD = 0.4, 0.15


class GaussNewton(UpdateRule):
    r"""Move all blocks at once to where the residuals, to first order, are least.

    For ``F = ½ ‖r‖²`` the step d solves

    .. math:: (J^T J + \mu D) d = -J^T r

    (Levenberg and Marquardt) by preconditioned conjugate gradients, few of them; D is the metric of
    `Problem.linearised`. A step that does not lower F is tried again with more damping μ; one that
    lowers it about as much as linear residuals would is followed by less. Of bilinear problems
    this is a step in the tangent space, as R2RILS [1]_ and GNMR [2]_ make: it converges
    quadratically where residuals vanish, also where alternation crawls, near the least number of
    entries and for ill-conditioned matrices.

    Parameters
    ----------
    n_inner : int, default=50
        Conjugate gradients in a step, at most.
    inner_tol : float, default=1e-2
        They end where the residual of the equation above, in the norm of the preconditioner, is
        this share of its first.
    damping : float, default=1e-3
        The first μ.
    max_tries : int, default=4
        Steps that are tried, with more and more damping, until F falls; then nothing moves.

    References
    ----------
    .. [1] Bauch, Nadler and Zilber, Rank 2r iterative least squares, 2021.
    .. [2] Zilber and Nadler, GNMR: a provable one-line algorithm for low rank matrix recovery,
       2022.

    Examples
    --------
    >>> import torch
    >>> from sklearn_gso.problems import MatrixCompletion, new_generator
    >>> from sklearn_gso.rules import GaussNewton
    >>> from sklearn_gso.solvers import alternate, rules_for
    >>> X = torch.outer(torch.arange(1.0, 6), torch.arange(1.0, 5))[None].double()
    >>> X[0, 1, 2] = torch.nan
    >>> problem = MatrixCompletion(X, 1, alpha=0.0)
    >>> start = problem.init(new_generator(0))
    >>> end, _ = alternate(problem, rules_for(problem, GaussNewton()), start, 20)
    >>> round(float(problem.reconstruct(end)[0, 1, 2]), 6)
    6.0
    """

    def __init__(self, n_inner=50, inner_tol=1e-2, damping=1e-3, max_tries=4):
        self.n_inner, self.inner_tol = n_inner, inner_tol
        self.damping, self.max_tries = damping, max_tries

    moves_together = True

    def init_state(self, block):
        value = point(block)
        return (value.new_full((len(value),), self.damping),)

    def step(self, problem, variables, name, state, clock):
        moved, state = self.step_together(problem, variables, (name,), state, clock)
        return moved[name], state

    def step_together(self, problem, variables, names, state, clock):
        (damping,) = state
        linear = problem.linearised(variables, names)
        before = problem.objective(variables)
        found, waiting = dict(variables), torch.ones_like(before, dtype=torch.bool)
        for _ in range(self.max_tries):
            moves, slope = _solved(linear, damping, self.n_inner, self.inner_tol)
            moved = _moved(problem, variables, moves)
            gain = (before - problem.objective(moved)) / slope
            lower = waiting & (gain > 0)
            found = where_tasks(lower, moved, found)
            same = torch.where(gain > _BAD, damping, _RAISE * damping)
            changed = torch.where(gain > _GOOD, _LOWER * damping, same)
            damping = torch.where(waiting, changed, damping)
            damping = damping.clamp(_MIN_DAMPING, _MAX_DAMPING)
            waiting = waiting & ~lower
            if not waiting.any():
                break
        return found, (damping,)


def _moved(problem, variables, moves) -> Variables:
    moved = dict(variables)
    for name, move in moves.items():
        block = with_point(variables[name], point(variables[name]) + move)
        moved[name] = problem.project(name, block)
    return moved


class _Flat:
    """Moves of all blocks as one vector a task, (T, n): few operations, whatever the blocks."""

    def __init__(self, linear):
        self.linear = linear
        self.shapes = {name: block.shape[1:] for name, block in linear.descent.items()}

    def vectors(self, moves) -> Tensor:
        return torch.cat([moves[name].flatten(1) for name in self.shapes], 1)

    def moves(self, vectors) -> dict[str, Tensor]:
        parts = vectors.split([shape.numel() for shape in self.shapes.values()], 1)
        shapes = self.shapes.items()
        return {n: v.unflatten(1, shape) for v, (n, shape) in zip(parts, shapes, strict=True)}

    def bent(self, vectors, damping) -> Tensor:
        moves = self.moves(vectors)
        curved, metric = self.linear.curved(moves), self.linear.metric(moves)
        return self.vectors(curved).addcmul_(damping[:, None], self.vectors(metric))

    def preconditioned(self, vectors, damping) -> Tensor:
        return self.vectors(self.linear.preconditioned(self.moves(vectors), damping))


def _solved(linear, damping, n_inner, tol):
    """Preconditioned conjugate gradients, and the slope of F along their moves, (T,).

    A task that has ended stays where it is.
    """
    flat = _Flat(linear)
    rest = flat.vectors(linear.descent)
    found = torch.zeros_like(rest)
    towards = flat.preconditioned(rest, damping)
    size = (rest * towards).sum(1)
    active, least = size > 0, tol**2 * size
    for _ in range(n_inner):
        if not active.any():
            break
        bent = flat.bent(towards, damping)
        curvature = (towards * bent).sum(1)
        active = active & (curvature > 0)
        length = torch.where(active, size / curvature, 0.0)[:, None]
        found.addcmul_(length, towards)
        rest = rest.addcmul(length, bent, value=-1)
        shaped = flat.preconditioned(rest, damping)
        new = (rest * shaped).sum(1)
        towards = shaped.addcmul_(torch.where(active, new / size, 0.0)[:, None], towards)
        size = torch.where(active, new, size)
        active = active & (size > least)
    return flat.moves(found), (found * flat.vectors(linear.descent)).sum(1)
