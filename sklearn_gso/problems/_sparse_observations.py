"""The observed entries of sparse matrices: no work and no memory grows with rows times columns."""

import functools

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ._observations import Observations

# Doubles gathered at once where entries meet both factors: they stay in cache.
_CHUNK = 1 << 15
# Moments summed at once.
_MOMENTS = 16


class SparseObservations(Observations):
    """Stored entries only: T matrices along the diagonal of one CSR pattern.

    Answers as `Observations` does. No work and no memory grows with p q. Gradients flow as they
    do through dense ones.

    Parameters
    ----------
    values : Tensor of shape (n_observed,)
        Row after row.
    columns : ndarray of int of shape (n_observed,)
        Of the large matrix: task t begins at t q.
    starts : ndarray of int of shape (T p + 1,)
        Where the rows of the large matrix begin.
    shape : tuple of int
        ``(T, p, q)``.
    """

    one_start_at_a_time = True
    has_costly_residuals = True

    def __init__(self, values, columns, starts, shape):
        self.values, self.shape = values, tuple(shape)
        self.pattern = _Pattern(columns, starts, (shape[0] * shape[1], shape[0] * shape[2]))
        lengths = torch.from_numpy(np.diff(starts)).to(values.dtype)
        by_column = np.bincount(columns, minlength=self.pattern.shape[1])
        self.counts = {
            "U": lengths.reshape(shape[0], shape[1]),
            "V": torch.from_numpy(by_column).to(values.dtype).reshape(shape[0], shape[2]),
        }

    @classmethod
    def of(cls, matrices) -> "SparseObservations":
        """Of scipy matrices or arrays of one shape, in double precision; duplicates add up."""
        found = [sparse.csr_array(matrix) for matrix in matrices]
        for i, matrix in enumerate(found):
            if not matrix.has_canonical_format:
                found[i] = matrix.copy()  # the arrays may be the caller's
                found[i].sum_duplicates()
        return cls._along_diagonal(
            [torch.from_numpy(np.require(m.data, np.float64, "W")) for m in found],
            [m.indices for m in found],
            [m.indptr for m in found],
            found[0].shape,
        )

    @classmethod
    def _along_diagonal(cls, values, columns, starts, shape):
        if len(values) == 1:
            return cls(values[0], columns[0], starts[0], (1, *shape))
        n_before = np.cumsum([0, *map(len, columns)])
        ends = [s[1:] + n for s, n in zip(starts, n_before, strict=False)]
        return cls(
            torch.cat(values),
            np.concatenate([c + t * shape[1] for t, c in enumerate(columns)]),
            np.concatenate([[0], *ends]),
            (len(values), *shape),
        )

    def _flat(self, stacked: Tensor) -> Tensor:
        """(T, m, n) as (T n, m), the rows of the large matrix first."""
        return stacked.mT.reshape(-1, stacked.shape[1])

    def _stacked(self, flat: Tensor) -> Tensor:
        return flat.unflatten(0, (self.shape[0], -1)).mT.contiguous()

    def _multiply(self, name, values, dense):
        return _Multiply.apply(values, dense, self.pattern, name == "V")

    def sums(self, name, moments):
        ones = torch.ones_like(self.values)
        if torch.is_grad_enabled():
            return self._stacked(self._multiply(name, ones, self._flat(moments)))
        # Some moments at a time: all of them, three times over, would be most of the memory.
        n_tasks, n_rows = self.counts[name].shape
        sums = moments.new_empty(n_tasks, moments.shape[1], n_rows)
        for i in range(0, moments.shape[1], _MOMENTS):
            flat = self._flat(moments[:, i : i + _MOMENTS])
            sums[:, i : i + _MOMENTS] = self._stacked(self._multiply(name, ones, flat))
        return sums

    def project(self, name, factor):
        return self._stacked(self._multiply(name, self.values, self._flat(factor)))

    def sums_of_rows(self, name, rows):
        return self._multiply_rows(name, self.pattern.ones, rows)

    def products_of_rows(self, name, rows):
        return self._multiply_rows(name, self.values, rows)

    def _multiply_rows(self, name, values, rows):
        matrix = self.pattern.matrix(values)
        flat = (matrix if name == "U" else matrix.T) @ rows.reshape(-1, rows.shape[2])
        return flat.reshape(self.shape[0], -1, rows.shape[2])

    def residual(self, u, v):
        return self.values - self.products(u, v)

    def products(self, u, v):
        return _Meet.apply(u.flatten(0, 1), v.flatten(0, 1), self.pattern)

    def squares(self, residual):
        squares = residual.square() if residual.requires_grad else residual.square_()
        one = residual.new_ones(1)
        return {
            name: self._multiply(name, squares, one.expand(self.pattern.shape[axis], 1)).reshape(
                self.shape[0], -1
            )
            for name, axis in (("U", 1), ("V", 0))
        }

    def times(self, name, residual, other):
        return self._multiply(name, residual, other.flatten(0, 1)).unflatten(0, (self.shape[0], -1))

    def _of_each_task(self) -> list[Tensor]:
        bounds = self.pattern.starts[:: self.shape[1]]
        return [self.values[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True)]

    def largest(self):
        return torch.stack(
            [v.abs().max() if len(v) else v.new_zeros(()) for v in self._of_each_task()]
        )[:, None, None]

    def total_square(self):
        return torch.stack([values.square().sum() for values in self._of_each_task()])

    def _with(self, values, columns=None, starts=None):
        pattern = self.pattern
        columns = pattern.columns if columns is None else columns
        starts = pattern.starts if starts is None else starts
        return SparseObservations(values, columns, starts, self.shape)

    def _at_entries(self, values: Tensor) -> Tensor:
        """Of (T, 1, 1) or (T, 1, q) what belongs to each entry."""
        n_tasks, _, q = self.shape
        columns = torch.from_numpy(self.pattern.columns)
        return values.expand(n_tasks, 1, q).reshape(-1).index_select(0, columns)

    def standardised(self, centre, scale):
        scale = self._at_entries(scale)
        values = (self.values - self._at_entries(centre)) / torch.where(scale > 0, scale, 1.0)
        used = (scale > 0).numpy()
        return self._with(values) if used.all() else self._with(values)._only(used)

    def column_sums(self):
        ones = self.values.new_ones(self.pattern.shape[0], 1)
        return self._multiply("V", self.values, ones).reshape(self.shape[0], 1, -1)

    def split(self, fraction, generator):
        draw = torch.rand(len(self.values), generator=generator, dtype=self.values.dtype)
        out = (draw < fraction).numpy()
        return tuple(self._only(chosen) for chosen in (~out, out))

    def some(self, n_entries):
        if len(self.values) <= n_entries:
            return self
        return self.split(n_entries / len(self.values), torch.Generator().manual_seed(0))[1]

    def _only(self, chosen: np.ndarray) -> "SparseObservations":
        """The entries where ``chosen``."""
        pattern = self.pattern
        n_before = np.concatenate([[0], np.cumsum(chosen)]).astype(pattern.starts.dtype)
        values = self.values[torch.from_numpy(chosen)]
        return self._with(values, pattern.columns[chosen], n_before[pattern.starts])

    def take(self, index):
        n_tasks, p, q = self.shape
        tasks = torch.arange(n_tasks)[index].tolist()
        if tasks == list(range(n_tasks)):
            return self  # nobody changes entries in place: no second copy of them
        parts = []
        for task in tasks:
            starts = self.pattern.starts[task * p : (task + 1) * p + 1]
            own = slice(starts[0], starts[-1])
            columns = self.pattern.columns[own] - task * q
            parts.append((self.values[own], columns, starts - starts[0]))
        values, columns, starts = zip(*parts, strict=True)
        return self._along_diagonal(values, columns, starts, (p, q))


class _Pattern:
    """Where the entries of a large matrix lie, row after row."""

    def __init__(self, columns, starts, shape):
        self.columns, self.starts, self.shape = columns, starts, shape
        self._rows = None

    @functools.cached_property
    def ones(self) -> Tensor:
        return torch.ones(len(self.columns), dtype=torch.float64)

    @property
    def rows(self) -> np.ndarray:
        if self._rows is None:
            numbers = np.arange(self.shape[0], dtype=self.columns.dtype)
            self._rows = np.repeat(numbers, np.diff(self.starts))
        return self._rows

    def matrix(self, values: Tensor):
        data = values.detach().numpy()
        return sparse.csr_array((data, self.columns, self.starts), shape=self.shape)


class _Multiply(torch.autograd.Function):
    """A sparse matrix, or its transpose, times a dense one."""

    @staticmethod
    def forward(ctx, values, dense, pattern, transposed):
        ctx.save_for_backward(values, dense)
        ctx.pattern, ctx.transposed = pattern, transposed
        matrix = pattern.matrix(values)
        return torch.from_numpy((matrix.T if transposed else matrix) @ dense.detach().numpy())

    @staticmethod
    def backward(ctx, grad):
        values, dense = ctx.saved_tensors
        by_values = by_dense = None
        if ctx.needs_input_grad[0]:
            pair = (dense, grad) if ctx.transposed else (grad, dense)
            by_values = _Meet.apply(*pair, ctx.pattern)
        if ctx.needs_input_grad[1]:
            by_dense = _Multiply.apply(values, grad, ctx.pattern, not ctx.transposed)
        return by_values, by_dense, None, None


def meet(left: Tensor, right: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Inner products of rows of ``left`` and rows of ``right``, given by number; no gradients."""
    # Gathering from rows that are not contiguous costs four times as much.
    factors = [factor.detach().contiguous().numpy() for factor in (left, right)]
    places, found = [rows.numpy(), columns.numpy()], np.empty(len(rows))
    size = max(1, min(len(rows), _CHUNK // max(1, left.shape[1])))
    gathered = np.empty((2, size, left.shape[1]))
    for i in range(0, len(rows), size):
        part = slice(i, i + size)
        pair = gathered[:, : len(found[part])]
        for factor, place, own in zip(factors, places, pair, strict=True):
            factor.take(place[part], axis=0, out=own, mode="clip")
        np.einsum("ij,ij->i", *pair, out=found[part])
    return torch.from_numpy(found)


class _Meet(torch.autograd.Function):
    """Inner products of a row of one factor and a row of the other, at each entry."""

    @staticmethod
    def forward(ctx, left, right, pattern):
        ctx.save_for_backward(left, right)
        ctx.pattern = pattern
        return meet(left, right, torch.from_numpy(pattern.rows), torch.from_numpy(pattern.columns))

    @staticmethod
    def backward(ctx, grad):
        left, right = ctx.saved_tensors
        by_left = by_right = None
        if ctx.needs_input_grad[0]:
            by_left = _Multiply.apply(grad, right, ctx.pattern, False)
        if ctx.needs_input_grad[1]:
            by_right = _Multiply.apply(grad, left, ctx.pattern, True)
        return by_left, by_right, None


def observe(values) -> Observations:
    """Observations as they are, or of a tensor (NaN: missing), or of scipy matrices."""
    if isinstance(values, Observations):
        return values
    return Observations.of(values) if isinstance(values, Tensor) else observe_stored(values)


def observe_stored(matrices) -> SparseObservations:
    """Of one scipy matrix or of a list of them: stored entries are the observed ones."""
    return SparseObservations.of([matrices] if sparse.issparse(matrices) else matrices)
