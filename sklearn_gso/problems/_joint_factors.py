"""Equation (11) about two factors that move at once: the tangent space of U Vᵀ."""

import torch
from torch import Tensor

from ._linalg import outer, pack, solve_and_invert, unpack
from ._observations import OTHER
from .linearised import Linearised

# Of the mean curvature of a row: what keeps its inverse finite where components are empty.
_JITTER = 1e-12


class JointFactors(Linearised):
    r"""Moves of both factors change the estimates by ``U dVᵀ + dU Vᵀ``.

    The metric of a move is the mean square by which it changes a row's estimates, observed or
    not, ``dU (VᵀV / q) dUᵀ``; the preconditioner is the inverse of each row's own curvature, the
    matrix of its closed-form step. Both are the same for ``U A, V A⁻ᵀ``, and so are joint steps
    where ``alpha`` is 0: units of the components do not matter.
    """

    def __init__(self, problem, variables, names):
        self._observed, self._alpha = problem.observed, problem.alpha
        self._factors = {name: variables[name] for name in ("U", "V")}
        self.descent = {name: -problem.gradient(variables, name) for name in names}
        self._squares = {n: f.mT @ f / f.shape[1] for n, f in self._factors.items()}
        self._curvature: dict[str, Tensor] = {}
        self._inverse: tuple[Tensor | None, dict[str, Tensor]] = (None, {})

    def curved(self, moves):
        pairs = [(name, move, self._factors[OTHER[name]]) for name, move in moves.items()]
        left = torch.cat([move if name == "U" else other for name, move, other in pairs], 2)
        right = torch.cat([other if name == "U" else move for name, move, other in pairs], 2)
        change = self._observed.products(left, right)
        return {
            name: self._observed.times(name, change, other) + self._alpha * move
            for name, move, other in pairs
        }

    def metric(self, moves):
        return {name: move @ self._squares[OTHER[name]] for name, move in moves.items()}

    def preconditioned(self, moves, damping):
        if self._inverse[0] is not damping:
            self._inverse = damping, {name: self._inverted(name, damping) for name in moves}
        inverse = self._inverse[1]
        return {n: (inverse[n] @ move[..., None])[..., 0] for n, move in moves.items()}

    def _inverted(self, name, damping) -> Tensor:
        """Inverse curvatures of the rows of a factor, (T, rows, k, k)."""
        other = self._factors[OTHER[name]]
        k = other.shape[2]
        if name not in self._curvature:
            self._curvature[name] = self._observed.sums(name, outer(other))
        identity = torch.eye(k, dtype=other.dtype)
        added = damping[:, None, None] * self._squares[OTHER[name]] + self._alpha * identity
        matrix = self._curvature[name] + pack(added[..., None])
        trace = (pack(identity[None, ..., None]) * matrix).sum(1).amax(1) / k
        jitter = (_JITTER * trace + torch.finfo(trace.dtype).tiny)[:, None, None]
        matrix = matrix + pack((jitter * identity)[..., None])
        inverse, *_ = solve_and_invert(matrix, torch.zeros_like(matrix[:, :k]))
        return unpack(inverse).permute(0, 3, 1, 2).contiguous()
