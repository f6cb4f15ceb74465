"""Matrix completion by two factors, equation (11) of the paper."""

import math

import torch
from torch import Tensor

from ._linalg import solve_and_invert
from .base import Problem, point, with_point


class MatrixCompletion(Problem):
    r"""Regularised least squares over the observed entries.

    .. math::
        F(U, V) = \tfrac12 \|P_\Omega(R - U V^T)\|_F^2
                + \tfrac\lambda2 (\|U\|_F^2 + \|V\|_F^2)

    Equation (11) of the paper, with the gradients and the block minimisers
    (ridge regressions) in closed form.

    Parameters
    ----------
    values : Tensor of shape (T, p, q)
        The matrices; NaN marks a missing entry.
    n_components : int
        Columns of U and V, the paper's k_m.
    alpha : float, default=1e-3
        The paper's λ.
    scale : "rms" or Tensor of shape (T, 1, 1), optional
        Units of the matrices, divided out: by default 1; "rms" takes the root mean
        square of each matrix's observed entries.
    init_scale : float, default=1.0
        Standard deviation of the random start.

    Notes
    -----
    Controls of the block step: ``ridge`` multiplies λ by its exponential,
    ``pull`` adds a proximal term, of the size of the row's mean curvature times
    ``expm1`` of the control, that pulls towards the current iterate.
    """

    block_names = ("U", "V")
    control_names = ("ridge", "pull")
    feature_version = 1

    def __init__(self, values, n_components, alpha=1e-3, scale=None, init_scale=1.0):
        values, mask = _observed(values)
        if scale is None:
            scale = torch.ones_like(values[:, :1, :1])
        elif isinstance(scale, str):
            scale = _root_mean_square(values, mask)
        self._set(values / scale, mask, scale, n_components, alpha, init_scale)

    def _set(self, values, mask, scale, n_components, alpha, init_scale):
        self.values, self.mask, self.scale = values, mask, scale
        self.n_components, self.alpha, self.init_scale = n_components, alpha, init_scale
        self.n_tasks = len(values)
        self.row_counts = {"U": mask.sum(2), "V": mask.sum(1)}
        self.n_observed = self.row_counts["U"].sum(1)
        self._forget()
        # One orientation for each factor, so that no formula is written twice.
        self._sides = {
            "U": (values, mask, "V"),
            "V": (values.mT, mask.mT, "U"),
        }

    def _with_data(self, values, mask, scale):
        other = object.__new__(type(self))
        other._set(values, mask, scale, self.n_components, self.alpha, self.init_scale)
        return other

    def init(self, generator):
        _, p, q = self.values.shape

        def start(rows):
            shape = (self.n_tasks, rows, self.n_components)
            normal = torch.randn(shape, generator=generator, dtype=self.values.dtype)
            return self.init_scale * normal

        return {"U": start(p), "V": start(q)}

    def residual(self, variables, name="U") -> Tensor:
        """``P_Ω(R - U Vᵀ)``, rows along the named factor: (T, rows, others)."""
        u, v = point(variables["U"]), point(variables["V"])
        found = torch.baddbmm(self.values, u, v.mT, alpha=-1).mul_(self.mask)
        return found if name == "U" else found.mT

    def misfits(self, variables) -> dict[str, Tensor]:
        """Squared residuals summed over each row of each factor, (T, rows)."""

        def compute():
            residual = self.residual(variables)
            # Large batches pay more for fresh memory than for arithmetic.
            squares = residual.square() if residual.requires_grad else residual.square_()
            return {"U": squares.sum(2), "V": squares.sum(1)}

        tensors = (point(variables["U"]), point(variables["V"]))
        return self._remember("misfits", tensors, compute)

    def objective(self, variables):
        squares = sum(point(variables[n]).square().sum((1, 2)) for n in ("U", "V"))
        misfit = self.misfits(variables)["U"].sum(1)
        return 0.5 * (misfit + self.alpha * squares)

    def gradient(self, variables, name):
        other = variables[self._sides[name][2]]
        return self.alpha * variables[name] - self.residual(variables, name) @ other

    def minimize_block(self, variables, name, controls=None):
        controls = controls or {}
        values, mask, other = self._sides[name]
        factor = variables[other].mT
        k = self.n_components
        gram = factor[:, :, None] * factor[:, None]
        curvature = (gram.flatten(1, 2) @ mask.mT).unflatten(1, (k, k))
        right = factor @ values.mT
        ridge = self.alpha * torch.exp(_row_control(controls, "ridge"))
        diagonal = ridge
        if "pull" in controls:
            mean_curvature = curvature.diagonal(dim1=1, dim2=2).mean(-1) + self.alpha
            pull = mean_curvature * torch.expm1(_row_control(controls, "pull")).clamp(min=0)
            diagonal = ridge + pull
            right = right + pull[:, None] * variables[name].mT
        identity = torch.eye(k, dtype=values.dtype)[None, :, :, None]
        matrix = curvature + identity * diagonal[:, None, None]
        return solve_and_invert(matrix, right)[1].mT

    @property
    def has_empty_rows(self) -> bool:
        return any((counts == 0).any() for counts in self.row_counts.values())

    def settle_empty_rows(self, variables):
        """The variables with every row that has no data at its minimiser.

        Gradients and learned steps leave there what the random start has put.
        """
        variables = dict(variables)
        for name, counts in self.row_counts.items():
            empty = (counts == 0)[..., None]
            if empty.any():
                block = variables[name]
                best = point(self.minimize_block(variables, name))
                variables[name] = with_point(block, torch.where(empty, best, point(block)))
        return variables

    def row_features(self, variables, name):
        _, mask, other = self._sides[name]
        count = self.row_counts[name]
        misfit = (self.misfits(variables)[name] / count.clamp(min=1)).sqrt()
        size = point(variables[name]).square().mean(2).sqrt()
        other_size = point(variables[other]).square().mean((1, 2)).sqrt()[:, None]
        return torch.stack(
            [
                (count / self.n_components).clamp(min=0.1).log(),
                count / mask.shape[2],
                (misfit + 1e-8).log() / 4,
                (size + 1e-3).log(),
                ((size + 1e-3) / (other_size + 1e-3)).log(),
                torch.full_like(count, math.log(self.n_components) / 2),
            ],
            dim=2,
        )

    def split(self, fraction, generator):
        draw = torch.rand(self.mask.shape, generator=generator, dtype=self.mask.dtype)
        out = self.mask * (draw < fraction)
        kept = self.mask - out
        parts = [self._with_data(self.values * m, m, self.scale) for m in (kept, out)]
        # Its share of the penalty makes the batch's gradient, scaled up, unbiased.
        parts[1].alpha = fraction * self.alpha
        return tuple(parts)

    def error(self, variables):
        """Squared residual over the squared norm of this problem's entries, (T,)."""
        total = self.values.square().sum((1, 2))
        # No clamp: 1 / 1e-300 overflows in the gradient of a task without entries.
        return self.misfits(variables)["U"].sum(1) / torch.where(total > 0, total, 1.0)

    def with_values(self, values) -> "MatrixCompletion":
        """The same problem, in the same units, with other values (NaN: missing)."""
        values, mask = _observed(values)
        return self._with_data(values / self.scale, mask, self.scale)

    def take(self, index):
        return self._with_data(self.values[index], self.mask[index], self.scale[index])

    def reconstruct(self, variables) -> Tensor:
        """The completed matrices ``U Vᵀ`` in the units of the data, (T, p, q)."""
        return self.scale * (point(variables["U"]) @ point(variables["V"]).mT)


def _observed(values) -> tuple[Tensor, Tensor]:
    """Zero-filled values and the mask, 1 where an entry is observed."""
    mask = ~torch.isnan(values)
    return torch.where(mask, values, torch.zeros((), dtype=values.dtype)), mask.to(values.dtype)


def _root_mean_square(values, mask) -> Tensor:
    """Of the observed entries, (T, 1, 1); 1 for zero matrices. Squares never overflow."""
    largest = values.abs().amax((1, 2), keepdim=True)
    largest = torch.where(largest > 0, largest, 1.0)
    mean = (values / largest).square().sum((1, 2)) / mask.sum((1, 2)).clamp(min=1)
    scale = largest * torch.where(mean > 0, mean, 1.0).sqrt()[:, None, None]
    return scale.clamp(min=torch.finfo(values.dtype).tiny)


def _row_control(controls, name):
    """A control as (T, rows), or (1, 1) for a number: rows lie last in the algebra."""
    value = torch.as_tensor(controls.get(name, 0.0), dtype=torch.float64)
    return value[..., 0] if value.ndim else value.reshape(1, 1)
