"""Matrices that few components explain up to rounding: their plain least squares, and back."""

from typing import Any

import torch
from torch import Tensor

from ._linalg import outer, unpack
from ._observations import OTHER
from ._posteriors import Posterior
from .matrix_completion import MatrixCompletion
from .trees import point

# Entries beyond those that any matrix of the rank fits, as a share of all: then it is no chance.
_SURPLUS = 0.02
# Variance of the noise of exact fits, in units of the data's mean square: with less, what the
# prior says of directions that no entry tells of is lost in rounding.
_NOISE = 1e-13
# Of the mean square of the other factor: directions of which a row's entries tell less are open.
_OPEN = 1e-9
# Of the squares of the entries: what is less is rounding.
_ROUNDING = 1e-22
# Of the power method, to a direction that is good enough to begin with.
_POWERS = 20


class LeastSquares(MatrixCompletion):
    """Plain least squares of the observed entries, ``alpha = 0``, and when a run of it ends."""

    def stands_still(self, before, after, change, tol):
        """Whether a step lowered the squares by less than this share, or to rounding."""
        value = self.objective(after)
        return (-change < tol * (value - change)) | (value <= _ROUNDING * self.total)

    def extended(self, found):
        """Factors with one more component: the leading one of what they leave, (T, rows, k + 1).

        Half as large as would lower the squares most.
        """
        left, observed = self.observed.residual(found["U"], found["V"]), self.observed
        v = torch.ones_like(found["V"][..., :1])
        for _ in range(_POWERS):
            u = _unit(observed.times("U", left, v))
            v = _unit(observed.times("V", left, u))
        along = (u * observed.times("U", left, v)).sum((1, 2))
        square = observed.squares(observed.products(u, v))["V"].sum(1)
        root = (0.5 * along / square.clamp(min=torch.finfo(square.dtype).tiny)).clamp(min=0).sqrt()
        root = root[:, None, None]
        return {n: torch.cat([found[n], root * new], 2) for n, new in (("U", u), ("V", v))}

    def _observe(self, observed):
        super()._observe(observed)
        self.total = observed.total_square()


class ExactFits:
    """The part of a problem with posteriors of two factors that knows of noiseless matrices."""

    observed: Any
    n_components: int
    n_observed: Tensor
    by_column: Tensor
    row_counts: dict[str, Tensor]
    posterior: Any
    _fit_prior: Any
    forget: Any

    def determined(self, rank):
        """Whether more entries than any matrix of this rank fits are there, (T,).

        Rows and columns with at most ``rank`` entries, which fit whatever the others say, do not
        count, and so on for what remains.
        """
        n_tasks, p, q = self.observed.shape
        rows, columns = (self.n_observed.new_ones(n_tasks, 1, n) for n in (p, q))
        while True:
            in_rows = self.observed.sums("U", columns)
            left = rows * (in_rows > rank)
            right = columns * (self.observed.sums("V", left) > rank)
            if (right == columns).all() and (left == rows).all():
                break
            rows, columns = left, right
        entries, n_rows, n_columns = ((x).sum((1, 2)) for x in (rows * in_rows, rows, columns))
        surplus = entries - rank * (n_rows + n_columns - rank)
        return (surplus > _SURPLUS * self.n_observed) & (n_rows > rank) & (n_columns > rank)

    def least_squares(self, variables, rank):
        """Their plain least squares, from the best approximation of the estimates."""
        u, v = _balanced(point(variables["U"]), point(variables["V"]))
        start = {"U": u[..., :rank].contiguous(), "V": v[..., :rank].contiguous()}
        return LeastSquares(self.observed, rank, alpha=0.0), start

    def with_exact(self, variables, found):
        """The variables with these factors, components of unit size on the right.

        The noise is rounding. Rows whose entries many values fit, as where there are less of
        them than components, are where their prior has them.
        """
        u, v = _balanced(found["U"], found["V"])
        size = (v.square().mean(1, keepdim=True)).sqrt()
        size = torch.where(size > 0, size, 1.0)
        rank, missing = u.shape[2], self.n_components - u.shape[2]
        means = {
            name: torch.nn.functional.pad(mean, (0, missing))
            for name, mean in (("U", u * size), ("V", v / size))
        }
        noise = torch.full_like(variables["noise"], 1 / _NOISE)
        variables = {**variables, "noise": noise}
        certain = {}
        for name, mean in means.items():
            covariance = variables[name].covariance
            certain[name] = Posterior(mean, covariance.new_zeros(()).expand_as(covariance))
            variables[name] = certain[name]
            variables["prior_" + name] = self._fit_prior(name, certain[name])
        for name in ("U", "V", "U"):
            variables[name] = certain[name]  # what is replaced takes no memory beside what comes
            posterior = self.posterior(variables, name, {})
            told = self._told_by_entries(name, means[OTHER[name]][..., :rank])[..., None]
            mean = torch.where(told, means[name], posterior.mean)
            variables[name] = Posterior(mean, posterior.covariance)
            self.forget("array gram " + name, "log determinant " + name)
        return variables

    def _told_by_entries(self, name, other) -> Tensor:
        """Which rows of a factor their entries leave no choice, given the other one, (T, rows)."""
        size = other.square().mean(1, keepdim=True).sqrt()
        gram = self.observed.sums(name, outer(other / torch.where(size > 0, size, 1.0)))
        return torch.linalg.eigvalsh(unpack(gram).permute(0, 3, 1, 2))[..., 0] > _OPEN


def _balanced(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Factors of the same product: orthogonal columns, equally large in both, in falling order."""
    (left, upper), (right, lower) = torch.linalg.qr(u), torch.linalg.qr(v)
    a, size, b = torch.linalg.svd(upper @ lower.mT)
    root = size.sqrt()[:, None]
    return left @ a * root, right @ b.mT * root


def _unit(columns: Tensor) -> Tensor:
    norm = columns.square().sum(1, keepdim=True).sqrt()
    return columns / norm.clamp(min=torch.finfo(norm.dtype).tiny)
