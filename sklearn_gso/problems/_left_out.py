"""How far estimates of a factor model may be from what would be measured."""

from typing import Any

import torch
from torch import Tensor

from ._linalg import counted, outer, pack, pairs_of
from .trees import point

# Share of an entry that its own fit leaves to the others, at least.
_MIN_UNEXPLAINED = 0.1
# Entries that tell a mean over all of them to a third of a percent.
_ENOUGH = 200_000
# Entries of a common variance that each column's counts beside its own.
_DRAWN = 5
# Doubles of one factor's moments, and of its pairs of components, at once: memory.
_MOMENTS, _LEAST_PAIRS = 1 << 16, 8
# Of the squares of a column's entries: what varies less is constant up to rounding.
_CONSTANT = 1e-20
# Of a noise variance, in units of the data's mean square. The bias that it leaves in the
# factors is of its own order, not of its root.
MIN_NOISE = 1e-10
# Of the precision that a row's entries have: a prior that they do not move.
_CERTAIN = 1e12


class LeftOut:
    """The part of a problem with posteriors of two factors that knows how sure they are."""

    observed: Any
    scale: Tensor
    n_observed: Tensor
    n_components: int
    row_counts: dict[str, Tensor]
    by_column: Tensor

    def predictive_variance(self, variables) -> Tensor:
        """Variances of all entries, were they measured, in the units of the data, (T, p, q).

        Noise included. The posteriors of the two factors are taken as independent.
        """
        (u, cov_u), (v, cov_v) = variables["U"], variables["V"]
        spread = counted(outer(u) + cov_u).mT @ cov_v + counted(cov_u).mT @ outer(v)
        return self.scale.square() * (1 / variables["noise"] + spread)

    def left_out(self, variables, observed=None):
        """What each observed entry would leave unexplained were it left out, to first order.

        ``e / (1 - h)``, e being the residual and h the leverage of the entry on both of its
        rows, and 1 - h; both in the form of a residual of ``observed``, by default all entries.
        """
        observed = self.observed if observed is None else observed
        share = (1 - self._leverage(variables, observed)).clamp(min=_MIN_UNEXPLAINED)
        return observed.residual(point(variables["U"]), point(variables["V"])) / share, share

    def _leverage(self, variables, observed):
        """``τ (vᵀ cov(u) v + uᵀ cov(v) u)`` at each entry, some pairs of components at a time."""
        (u, cov_u), (v, cov_v) = variables["U"], variables["V"]
        noise, (first, second, _, times) = variables["noise"], pairs_of(self.n_components)
        n_each = max(_LEAST_PAIRS, _MOMENTS // max(u[..., 0].numel(), v[..., 0].numel()))
        total = 0
        for pairs in torch.arange(len(first)).split(n_each):
            square_u, square_v = (x.mT[:, first[pairs]] * x.mT[:, second[pairs]] for x in (u, v))
            own = times[pairs] * cov_u[:, pairs], times[pairs] * square_u
            other = noise * square_v, noise * cov_v[:, pairs]
            for left, right in zip(own, other, strict=True):
                total = total + observed.products(left.mT, right.mT)
        return total

    def surprise(self, variables) -> Tensor:
        """How far left-out entries lie from their predictions, (T,): 1 if variances are right.

        Mean square of ``e / (1 - h)``, see `left_out`, in units of its variance
        ``1 / (τ (1 - h))``. Residuals below the least noise count as that: they tell nothing of
        variances that are the prior's.
        """
        some = self.observed.some(_ENOUGH)
        error, share = self.left_out(variables, some)
        squares = some.squares(error * share.sqrt())["V"]
        noise, count = variables["noise"][:, 0], some.counts["V"]
        squares = noise * squares
        squares = torch.where(noise < 0.5 / MIN_NOISE, squares, squares.maximum(count))
        return squares.sum(1) / count.sum(1).clamp(min=1)

    def _spread(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of each column the mean, what is left in squares, and the variance, (T, q) each.

        Variances are drawn to their common one: of few entries they may be anything.
        """
        count = self.row_counts["V"]
        mean = self.observed.column_sums()[:, 0] / count.clamp(min=1)
        total = self.observed.squares(self.observed.entries())["V"]
        left = total - count * mean.square()
        left = torch.where(left > _CONSTANT * total, left, 0.0)
        common = left.sum(1, keepdim=True) / self.n_observed[:, None].clamp(min=1)
        return mean, left, (left + _DRAWN * common) / (count + _DRAWN)

    def beside_baseline(self, variables):
        r"""How large left-out errors are beside those of the columns' means, (T,).

        .. math::
            \sum_{ij} s_{ij} e_{ij}^2 / \sigma_j^2
                \Big/ \sum_{ij} s_{ij} m_{ij}^2 / \sigma_j^2

        with e and s = 1 - h from `left_out`, m the entries less the mean of the others of their
        column, and the columns' variances. An entry counts by s, what its own fit leaves to the
        others: where that is little, the first order says little.
        """
        count = self.row_counts["V"]
        mean, _, variance = self._spread()
        some = self.observed.some(_ENOUGH)
        error, share = self.left_out(variables, some)
        ones = torch.ones_like(self.row_counts["U"])[..., None]
        root = share.sqrt()
        own = some.squares(error.mul_(root))["V"]
        means = some.squares(some.residual(ones, mean[..., None]).mul_(root))["V"]
        # Each mean without the entry that it is to tell.
        means = means * (count / (count - 1).clamp(min=1)).square()
        weight = torch.where((variance > 0) & (count > 1), 1 / variance, 0.0)
        own, means = ((weight * squares).sum(1) for squares in (own, means))
        return torch.where(means > 0, own / means, torch.inf)

    def baseline(self, like):
        """Variables that say the mean of each column whatever the row is."""
        mean, left, variance = self._spread()
        identity = torch.eye(self.n_components, dtype=mean.dtype)
        common = left.sum(1, keepdim=True) / self.n_observed[:, None].clamp(min=1)
        if like["noise"].shape[2] == 1:
            variance = common
        noise = torch.where(self.by_column[:, 0], 1 / variance, 1 / common)
        noise = noise.clamp(max=1 / MIN_NOISE)
        certain = _CERTAIN * (1 + (noise * mean.square()).sum(1))[:, None, None]
        covariance = pack(identity[None, ..., None]) / certain
        rows = {"U": identity[:1], "V": mean[..., None] * identity[:1]}
        factors = {
            name: like[name]._replace(
                mean=mean.expand_as(like[name].mean),
                covariance=covariance.expand_as(like[name].covariance),
            )
            for name, mean in rows.items()
        }
        prior = like["prior_U"]
        prior = prior._replace(
            mean=identity[:1].expand_as(prior.mean), precision=certain * identity
        )
        return {**like, **factors, "prior_U": prior, "noise": noise[:, None]}
