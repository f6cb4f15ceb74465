"""Matrix completion by two factors, equation (11) of the paper."""

import math

import torch
from torch import Tensor

from ._joint_factors import JointFactors
from ._linalg import outer, pack, solve_and_invert
from ._observations import OTHER, Observations
from ._sparse_observations import meet, observe
from .base import Problem
from .trees import Variables, point, with_point

# Doubles in the moments of one start: calls then cost nothing beside the arithmetic.
_LARGE = 100_000
# With fewer it matters where a run starts: of 83 rows one ended at twice another's error.
ROWS_OF_A_TABLE = 150


class MatrixCompletion(Problem):
    r"""Regularised least squares over the observed entries.

    .. math::
        F(U, V) = \tfrac12 \|P_\Omega(R - U V^T)\|_F^2
                + \tfrac\lambda2 (\|U\|_F^2 + \|V\|_F^2)

    Equation (11) of the paper, with the gradients and the block minimisers
    (ridge regressions) in closed form.

    Parameters
    ----------
    values : Tensor of shape (T, p, q), sparse matrix or list of sparse matrices
        The matrices; NaN marks a missing entry. Of scipy's sparse ones the stored
        entries are the observed ones; they are never made dense.
    n_components : int
        Columns of U and V, the paper's k_m.
    alpha : float, default=1e-3
        The paper's λ.
    scale : {"rms", "columns"} or Tensor of shape (T, 1, 1) or (T, 1, q), optional
        Units of the entries, divided out: by default 1; "rms" takes the root mean
        square of each matrix's observed entries, "columns" centres and scales every
        column (`matrix_units`, `column_units`). A column of scale 0 is its centre.
    centre : Tensor of shape (T, 1, 1) or (T, 1, q), optional
        Subtracted before; by default 0, or that of ``scale="columns"``.
    init_scale : float, default=1.0
        Standard deviation of the random start.

    Notes
    -----
    Controls of the block step: ``ridge`` multiplies λ by its exponential,
    ``pull`` adds a proximal term, of the size of the row's mean curvature times
    ``expm1`` of the control, that pulls towards the current iterate.
    """

    block_names: tuple[str, ...] = ("U", "V")
    control_names: tuple[str, ...] = ("ridge", "pull")
    local_blocks: tuple[str, ...] = ("U",)

    def __init__(self, values, n_components, alpha=1e-3, scale=None, init_scale=1.0, centre=None):
        observed = observe(values)
        one = observed.counts["U"].new_ones(observed.shape[0], 1, 1)
        in_columns = isinstance(scale, str) and scale == "columns"
        self.is_table = in_columns and observed.shape[1] >= ROWS_OF_A_TABLE
        if in_columns:
            centre, scale = column_units(observed)
        elif isinstance(scale, str):
            centre, scale = matrix_units(observed, centre)
        self.n_components, self.alpha, self.init_scale = n_components, alpha, init_scale
        self.centre = 0 * one if centre is None else centre
        self.scale = one if scale is None else scale
        self._observe(observed.standardised(self.centre, self.scale))

    def _observe(self, observed: Observations):
        self.observed, self.n_tasks = observed, observed.shape[0]
        self.row_counts = observed.counts
        self.n_observed = self.row_counts["U"].sum(1)

    def _with_data(self, observed):
        other = self.copied()
        other._observe(observed)
        return other

    @property
    def units(self):
        return {"centre": self.centre, "scale": self.scale}

    @property
    def one_start_at_a_time(self):  # type: ignore[override]
        _, p, q = self.observed.shape
        moments = (p + q) * self.n_components**2
        return self.observed.one_start_at_a_time or moments > _LARGE

    @property
    def _dtype(self):
        return self.n_observed.dtype

    def init(self, generator):
        _, p, q = self.observed.shape

        def start(rows):
            shape = (self.n_tasks, rows, self.n_components)
            normal = torch.randn(shape, generator=generator, dtype=self._dtype)
            return self.init_scale * normal

        return {"U": start(p), "V": start(q)}

    def misfits(self, variables) -> dict[str, Tensor]:
        """Squared residuals summed over each row of each factor, (T, rows)."""
        tensors = (point(variables["U"]), point(variables["V"]))

        def compute():
            return self.observed.squares(self.observed.residual(*tensors))

        return self.remember("misfits", tensors, compute)

    def objective(self, variables):
        squares = sum(point(variables[n]).square().sum((1, 2)) for n in ("U", "V"))
        misfit = self.misfits(variables)["U"].sum(1)
        return 0.5 * (misfit + self.alpha * squares)

    def gradient(self, variables, name):
        residual = self.observed.residual(variables["U"], variables["V"])
        pull = self.observed.times(name, residual, variables[OTHER[name]])
        return self.alpha * variables[name] - pull

    def linearised(self, variables, names):
        return JointFactors(self, variables, names)

    def minimize_block(self, variables, name, controls=None):
        controls = controls or {}
        factor = variables[OTHER[name]].mT
        curvature = self.observed.sums(name, outer(factor.mT))
        right = self.observed.project(name, factor)
        diagonal = self.alpha * torch.exp(_row_control(controls, "ridge"))
        identity = pack(torch.eye(self.n_components, dtype=right.dtype)[None, :, :, None])
        if "pull" in controls:
            trace = (identity * curvature).sum(1)
            pull = trace / self.n_components + self.alpha
            pull = pull * torch.expm1(_row_control(controls, "pull")).clamp(min=0)
            diagonal = diagonal + pull
            right = right + pull[:, None] * variables[name].mT
        matrix = curvature + identity * diagonal[:, None]
        return solve_and_invert(matrix, right)[1].mT

    def settled(self, variables):
        """The variables with every row that has no data at its minimiser.

        Gradients and learned steps leave there what the random start has put.
        """
        for name, counts in self.row_counts.items():
            empty = (counts == 0)[..., None]
            if empty.any():
                block = variables[name]
                best = point(self.minimize_block(variables, name))
                block = with_point(block, torch.where(empty, best, point(block)))
                variables = {**variables, name: block}
        return variables

    def row_features(self, variables, name):
        other = point(variables[OTHER[name]])
        count = self.row_counts[name]
        misfit = (self.misfits(variables)[name] / count.clamp(min=1)).sqrt()
        size = point(variables[name]).square().mean(2).sqrt()
        other_size = other.square().mean((1, 2)).sqrt()[:, None]
        return torch.stack(
            [
                (count / self.n_components).clamp(min=0.1).log(),
                count / other.shape[1],
                (misfit + 1e-8).log() / 4,
                (size + 1e-3).log(),
                ((size + 1e-3) / (other_size + 1e-3)).log(),
                torch.full_like(count, math.log(self.n_components) / 2),
            ],
            dim=2,
        )

    def split(self, fraction, generator):
        parts = self.observed.split(fraction, generator)
        rest, share = map(self._with_data, parts)
        # Its share of the penalty makes the batch's gradient, scaled up, unbiased.
        share.alpha = fraction * self.alpha
        return rest, share

    def error(self, variables):
        """Squared residual over the squared norm of this problem's entries, (T,)."""
        total = self.observed.total_square()
        # No clamp: 1 / 1e-300 overflows in the gradient of a task without entries.
        return self.misfits(variables)["U"].sum(1) / torch.where(total > 0, total, 1.0)

    def with_values(self, values) -> "MatrixCompletion":
        """The same problem, in the same units, with other values, given as at first."""
        return self._with_data(observe(values).standardised(self.centre, self.scale))

    def take(self, index):
        other = self._with_data(self.observed.take(index))
        other.centre, other.scale = self.centre[index], self.scale[index]
        return other

    def with_rows(self, variables):
        """The variables with the blocks of new rows, given the others."""
        return {**variables, "U": self.minimize_block(variables, "U")}

    def of_columns(self, variables, columns: Tensor) -> tuple[dict, Variables]:
        """The units and the blocks that rows observed in these columns alone depend on."""
        return _lines(self.units, columns), {**variables, "V": variables["V"][:, columns]}

    def reconstruct(self, variables) -> Tensor:
        """The completed matrices ``U Vᵀ`` in the units of the data, (T, p, q)."""
        estimates = point(variables["U"]) @ point(variables["V"]).mT
        return torch.addcmul(self.centre, self.scale, estimates)

    def difference(self, variables, other) -> Tensor:
        """``‖U Vᵀ − U' V'ᵀ‖ / ‖U' V'ᵀ‖`` over all entries, without making these, (T,)."""
        (u, v), (a, b) = (
            [point(found[name]) for name in ("U", "V")] for found in (variables, other)
        )
        own, size = _inner(u, v, u, v), _inner(a, b, a, b)
        square = (own + size - 2 * _inner(u, v, a, b)).clamp(min=0)
        return (square / size.clamp(min=torch.finfo(size.dtype).tiny)).sqrt()

    def entries(self, variables, rows: Tensor, columns: Tensor) -> Tensor:
        """Some entries of the completed matrices, (n,), without making these.

        Row i and column j of task t have the numbers ``t p + i`` and ``t q + j``.
        """
        u, v = (point(variables[name]).flatten(0, 1) for name in ("U", "V"))
        n_tasks, _, q = self.observed.shape
        centre, scale = (x.expand(n_tasks, 1, q).flatten() for x in (self.centre, self.scale))
        return torch.addcmul(centre[columns], scale[columns], meet(u, v, rows, columns))


# A column of fewer entries has no spread to speak of.
_MIN_ENTRIES = 3
# Of the size of its entries: what varies less is constant up to rounding.
_CONSTANT = 1e-12


def matrix_units(observed: Observations, centre=None) -> tuple[Tensor, Tensor]:
    """A centre, by default 0, and the root mean square of the entries less the centre.

    A column without entries says nothing of the rows: its scale is 0, its centre the mean of
    all entries. Where there are fewer of these than rows and columns, no matrix of rank 1 can
    be told, and most is filled with what is known of nothing: the centre is their mean.
    """
    count = observed.counts["V"][:, None]
    total, lines = count.sum(2, keepdim=True), sum(observed.shape[1:])
    mean = observed.column_sums().sum(2, keepdim=True) / total.clamp(min=1)
    if centre is None:
        centre = torch.where(total < lines, mean, 0.0)
    if centre.any():
        observed = observed.standardised(centre, torch.ones_like(centre))
    scale, empty = observed.root_mean_square(), count == 0
    if empty.any():
        return torch.where(empty, mean, centre), torch.where(empty, 0.0, scale)
    return centre, scale


def column_units(observed: Observations) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each column's observed entries, (T, 1, q) each.

    The scale of a column without entries, of fewer than three, of equal ones, or alone, is 0:
    it says nothing of the rows, and is filled with its mean.
    """
    count = observed.counts["V"][:, None]
    centre = observed.column_sums() / count.clamp(min=1)
    spread = observed.standardised(centre, torch.ones_like(centre))
    square = spread.squares(spread.entries())["V"][:, None] / count.clamp(min=1)
    varies = (
        (count >= _MIN_ENTRIES) & (count.shape[2] > 1) & (square > (_CONSTANT * centre).square())
    )
    return centre, torch.where(varies, square.sqrt(), 0.0)


def _lines(blocks: dict, columns: Tensor) -> dict:
    """Those of some columns, of blocks (T, 1, q) or (T, 1, 1)."""
    return {n: b[..., columns] if b.shape[2] > 1 else b for n, b in blocks.items()}


def _row_control(controls, name):
    """A control as (T, rows), or (1, 1) for a number: rows lie last in the algebra."""
    value = torch.as_tensor(controls.get(name, 0.0), dtype=torch.float64)
    return value[..., 0] if value.ndim else value.reshape(1, 1)


def _inner(u, v, a, b) -> Tensor:
    """Inner products of the matrices ``U Vᵀ`` and ``A Bᵀ``, (T,)."""
    return ((u.mT @ a) * (v.mT @ b)).sum((1, 2))
