"""A sum of squares about some variables, its residuals to first order: what joint steps need."""

import torch
from torch import Tensor

from .trees import point, with_point

Moves = dict[str, Tensor]


class Linearised:
    r"""``F = ½ ‖r‖²`` with ``r(x + d) ≈ r(x) + J d``, d being moves of several blocks at once.

    Attributes
    ----------
    descent : dict of str to Tensor
        Minus the gradient, ``-Jᵀ r``, by name of the block.
    """

    descent: Moves

    def curved(self, moves: Moves) -> Moves:
        """The Gauss-Newton matrix ``Jᵀ J`` times moves."""
        raise NotImplementedError(f"{type(self).__name__} has no curved.")

    def metric(self, moves: Moves) -> Moves:
        """What damping multiplies: moves themselves, or a measure without their units."""
        return moves

    def preconditioned(self, moves: Moves, damping: Tensor) -> Moves:
        """Moves times something like the inverse of ``JᵀJ + damping · metric``."""
        return moves


class OfResiduals(Linearised):
    """From the residuals of a problem, by automatic differentiation in both directions.

    Parameters
    ----------
    problem : Problem
        With `residuals`.
    variables : dict
    names : tuple of str
        The blocks that move.
    """

    def __init__(self, problem, variables, names):
        self._names = names
        self._blocks = tuple(point(variables[name]).detach() for name in names)

        def residuals(*blocks):
            moved = {n: with_point(variables[n], b) for n, b in zip(names, blocks, strict=True)}
            return problem.residuals({**variables, **moved})

        self._residuals = residuals
        residual, self._pull = torch.func.vjp(residuals, *self._blocks)
        self.descent = self._pulled(-residual)

    def _pulled(self, residual) -> Moves:
        return dict(zip(self._names, self._pull(residual), strict=True))

    def curved(self, moves):
        steps = tuple(moves[name] for name in self._names)
        return self._pulled(torch.func.jvp(self._residuals, self._blocks, steps)[1])
