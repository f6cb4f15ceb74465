"""Dictionary learning: rows of data are sparse combinations of a few atoms, both unknown."""

import math

import torch
from torch import Tensor

from ._proximal import norm, soft
from .base import Problem

# Passes at most, and the share of the largest entry that the last one may change, where a block
# is minimised; and where a run ends.
_EXACT, _AT_THE_END = (1000, 1e-13), (200, 1e-7)
_TINY = 1e-300


def _in_ball(rows: Tensor, radius) -> Tensor:
    return rows * (radius / norm(rows)).clamp(max=1.0)


class DictionaryLearning(Problem):
    r"""Squares of what is unexplained, and an l1 penalty of the codes; atoms in the unit ball.

    .. math::
        F(C, D) = \tfrac12 \|P_\Omega(X - C D)\|_F^2 + \alpha \|C\|_1,
        \qquad \|d_k\|_2 \le 1

    Codes C (n_samples, n_components) and atoms D (n_components, n_features) are minimised by
    descent over the coordinates of all rows and tasks at once: one atom's codes by a soft
    threshold, one atom by a projection [1]_. A few passes from where the block stands are enough
    within an alternation. In each pass missing entries are what the model says of them, which
    majorises F. An atom that no row uses, whose place changes nothing, goes to the row that is
    explained worst.

    Parameters
    ----------
    values : Tensor of shape (T, n_samples, n_features)
        NaN marks a missing entry.
    n_components : int
        Atoms.
    alpha : float or Tensor of shape (T, 1, 1), default=1.0
        Weight of the penalty, in the units of the data.
    n_passes : int or None, default=2
        Passes over the coordinates of a block in one step. None: until it is minimised.

    Notes
    -----
    Codes follow the atoms; rules move the atoms alone. Control of their step: ``shrink`` bounds
    an atom's norm by exp(-max(shrink, 0)), as if the penalty of its codes were so much larger.
    Gradients of a step, where they are asked for, are those of one of proximal gradients at its
    end.

    References
    ----------
    .. [1] Mairal, Bach, Ponce and Sapiro, Online Learning for Matrix Factorization and Sparse
       Coding, JMLR 11, 2010.
    """

    block_names: tuple[str, ...] = ("atoms", "codes")
    moved_names = ("atoms",)
    local_blocks = ("codes",)
    control_names = ("shrink",)

    def __init__(self, values: Tensor, n_components: int, alpha=1.0, n_passes: int | None = 2):
        self.n_components = n_components
        self.alpha = torch.as_tensor(alpha, dtype=values.dtype).expand(len(values), 1, 1)
        self.passes = (n_passes, -1.0) if n_passes else _EXACT
        self._observe(values.nan_to_num(0.0), values.isnan())

    def _observe(self, values, missing):
        self.n_tasks, self.values = len(values), values
        self.missing = missing if missing is not None and missing.any() else None

    @property
    def task_size(self):  # type: ignore[override]
        return self.values[0].numel() + self.values.shape[1] * self.n_components

    @property
    def units(self):
        """Codes of new rows are exact."""
        return {"n_passes": None}

    def init(self, generator):
        """Atoms are random rows; their codes."""
        n_tasks, n_rows, _ = self.values.shape
        order = torch.rand(n_tasks, n_rows, generator=generator).argsort(1)
        chosen = order[:, torch.arange(self.n_components) % n_rows]
        atoms = _unit(torch.stack([x[i] for x, i in zip(self.values, chosen, strict=True)]))
        return self._coded({"atoms": self.project("atoms", atoms)})

    def _coded(self, variables):
        """A start: codes of its atoms after a step from 0."""
        codes = self.values.new_zeros(*self.values.shape[:2], self.n_components)
        variables = {**variables, "codes": codes}
        return {**variables, "codes": self._best_codes(variables, self.passes)}

    def _filled(self, codes, atoms) -> Tensor:
        """The data, with what the model says where an entry is missing."""
        if self.missing is None:
            return self.values
        return torch.where(self.missing, codes @ atoms, self.values)

    def residual(self, variables) -> Tensor:
        """What is unexplained of the observed entries, 0 elsewhere, (T, rows, columns)."""
        residual = self.values - variables["codes"] @ variables["atoms"]
        return residual if self.missing is None else residual.masked_fill(self.missing, 0.0)

    def objective(self, variables):
        misfit = self.residual(variables).square().sum((1, 2))
        return 0.5 * misfit + (self.weight(variables) * variables["codes"].abs()).sum((1, 2))

    def weight(self, variables) -> Tensor:
        """Of the penalty, (T, 1, 1)."""
        return self.alpha

    def gradient(self, variables, name):
        """As of any problem; of codes the subgradient of least norm."""
        codes, residual = variables["codes"], self.residual(variables)
        if name == "atoms":
            return -codes.mT @ residual
        slope, alpha = -residual @ variables["atoms"].mT, self.weight(variables)
        return torch.where(codes == 0, soft(slope, alpha), slope + alpha * codes.sign())

    def project(self, name, block):
        return self._nearest_atoms(block, 1.0) if name == "atoms" else block

    # The nearest atoms of at most a length, and the best codes given products with atoms.
    _nearest_atoms = staticmethod(_in_ball)
    _nearest_codes = staticmethod(soft)

    def minimize_block(self, variables, name, controls=None):
        codes, atoms = variables["codes"], variables["atoms"]
        if name == "codes":
            return self._best_codes(variables, self.passes)
        shrink = torch.as_tensor((controls or {}).get("shrink", 0.0), dtype=atoms.dtype)
        atoms, curvature = self._without_idle(variables), codes.mT @ codes
        bound = torch.exp(-shrink.clamp(min=0)).expand(*atoms.shape[:2], 1)

        def slope(atoms):
            return curvature @ atoms - codes.mT @ self._filled(codes, atoms)

        def nearest(point, k, weight):
            return self._nearest_atoms(point, bound[:, k])

        return _descend(atoms, slope, curvature, nearest, self.passes)

    def _best_codes(self, variables, passes) -> Tensor:
        codes, atoms, alpha = variables["codes"], variables["atoms"], self.weight(variables)
        curvature = atoms @ atoms.mT

        def slope(columns):
            return curvature @ columns - atoms @ self._filled(columns.mT, atoms).mT

        def nearest(point, k, weight):
            return self._nearest_codes(point, alpha / weight)

        return _descend(codes.mT, slope, curvature, nearest, passes).mT

    def _without_idle(self, variables) -> Tensor:
        """The atoms, those that no row uses in the directions that are explained worst."""
        atoms, idle = variables["atoms"], ~variables["codes"].any(1)
        if not idle.any():
            return atoms
        residual = self.residual(variables)
        order = residual.square().sum(2).argsort(dim=1, descending=True, stable=True)
        place = (idle.cumsum(1) - 1).clamp(min=0) % order.shape[1]
        rows = order.gather(1, place)[..., None].expand_as(atoms)
        return torch.where(idle[..., None], _unit(residual.gather(1, rows)), atoms)

    def settled(self, variables):
        """The variables with exact codes."""
        return {**variables, "codes": self._best_codes(variables, _AT_THE_END)}

    def stands_still(self, before, after, change, tol):
        """Whether an outer step changed the objective by less than a share ``tol`` of it."""
        return change.abs() <= tol * self.objective(after)

    def row_features(self, variables, name):
        codes, atoms, alpha = variables["codes"], variables["atoms"], self.weight(variables)
        n_rows, (k, q) = codes.shape[1], atoms.shape[1:]
        residual = self.residual(variables)
        used, size = (codes != 0).sum(1), (alpha * codes.abs()).sum(1)
        strength = codes.square().sum(1).sqrt()
        alike, together = (_largest_cosine(rows) for rows in (atoms, codes.mT))
        misfit = residual.square().sum((1, 2)).sqrt()
        push = (codes.mT @ residual).square().sum(2).sqrt()
        whole = self.values.square().sum((1, 2)).sqrt()
        penalty = size.sum(1)

        def of_task(value):
            return value[:, None].expand_as(strength)

        features = [
            (used / n_rows + 1 / n_rows).log() / 4,
            (size / (used.clamp(min=1) * alpha[:, 0].square()) + 1e-3).log() / 4,
            alike,
            together,
            atoms.square().sum(2).sqrt(),
            push / (strength * of_task(misfit) + _TINY),
            of_task(((misfit + _TINY) / (whole + _TINY) + 1e-8).log() / 4),
            of_task(penalty / (penalty + 0.5 * misfit.square() + _TINY)),
            of_task(used.sum(1) / (n_rows * min(k, q))),
            torch.full_like(strength, math.log(k / q) / 2),
        ]
        return torch.stack(features, dim=2)

    def with_values(self, values) -> "DictionaryLearning":
        """The same problem of other data."""
        other = self.copied()
        other._observe(values.nan_to_num(0.0), values.isnan())
        return other

    def take(self, index):
        other = self.copied()
        other.alpha = self.alpha[index]
        other._observe(self.values[index], None if self.missing is None else self.missing[index])
        return other

    def reconstruct(self, variables) -> Tensor:
        """The data as the model says, ``C D``, (T, rows, columns)."""
        return variables["codes"] @ variables["atoms"]


def _descend(value, slope, curvature, nearest, passes) -> Tensor:
    """Passes over the rows of ``value`` (T, k, n), coordinates of a quadratic and a simple part.

    ``slope(value)`` is the quadratic's gradient, or of one that touches it from above;
    ``nearest(point, k, weight)`` minimises the simple part of the rows k, a slice, and half
    their squared distance to ``point`` times ``weight``; ``passes`` holds
    their largest number, and the share of change that ends them.
    """
    diagonal = curvature.diagonal(dim1=1, dim2=2).clamp(min=_TINY)[..., None]
    with torch.no_grad():
        for _ in range(passes[0]):
            before, value = value, value.clone()
            steep = slope(value)
            for k in map(slice, range(value.shape[1]), range(1, value.shape[1] + 1)):
                old, weight = value[:, k], diagonal[:, k]
                new = nearest(old - steep[:, k] / weight, k, weight)
                steep.addcmul_(curvature[:, :, k], new - old)
                value[:, k] = new
            if (value - before).abs().max() <= passes[1] * value.abs().max():
                break
    if not torch.is_grad_enabled():
        return value
    # A step of all rows at once from a minimiser stays there. The sum of a row bounds what the
    # others do to it: gradients through many sweeps stay bounded, too.
    weight = curvature.abs().sum(2, keepdim=True).clamp(min=_TINY)
    step = nearest(value - slope(value) / weight, slice(None), weight)
    return value + (step - step.detach())


def _unit(rows: Tensor) -> Tensor:
    """Rows of norm 1; of zeros where they are."""
    return rows / norm(rows)


def _largest_cosine(rows: Tensor) -> Tensor:
    """Modulus of each row's cosine with the other row that is most alike, (T, k)."""
    unit = _unit(rows)
    cosines = (unit @ unit.mT).abs()
    return cosines.masked_fill(torch.eye(rows.shape[1], dtype=torch.bool), 0.0).amax(2)
