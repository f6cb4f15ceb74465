"""How far estimates of a factor model may be from what would be measured."""

from typing import Any

import torch
from torch import Tensor

from ._linalg import counted, outer, pack

# Share of an entry that its own fit leaves to the others, at least.
_MIN_UNEXPLAINED = 0.1
# Of the squares of a column's entries: what varies less is constant up to rounding.
_CONSTANT = 1e-20
_MIN_NOISE = 1e-10
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

    def left_out(self, variables):
        """What each observed entry would leave unexplained were it left out, to first order.

        ``e / (1 - h)``, e being the residual and h the leverage of the entry on both of its
        rows, and 1 - h; both in the form of a residual.
        """
        (u, cov_u), (v, cov_v) = variables["U"], variables["V"]
        noise = variables["noise"]
        leverage = self.observed.products(
            torch.cat([counted(cov_u), counted(outer(u))], 1).mT,
            torch.cat([noise * outer(v), noise * cov_v], 1).mT,
        )
        share = (1 - leverage).clamp(min=_MIN_UNEXPLAINED)
        return self.observed.residual(u, v) / share, share

    def surprise(self, variables) -> Tensor:
        """How far left-out entries lie from their predictions, (T,): 1 if variances are right.

        Mean square of ``e / (1 - h)``, see `left_out`, in units of its variance
        ``1 / (τ (1 - h))``.
        """
        error, share = self.left_out(variables)
        squares = self.observed.squares(error * share.sqrt())["V"]
        return (variables["noise"][:, 0] * squares).sum(1) / self.n_observed.clamp(min=1)

    def _means_and_squares(self) -> tuple[Tensor, Tensor]:
        """Mean of each column, and the sum of the squares of what is left, (T, q) each."""
        count = self.row_counts["V"].clamp(min=1)
        mean = self.observed.column_sums()[:, 0] / count
        total = self.observed.squares(self.observed.entries())["V"]
        left = total - count * mean.square()
        return mean, torch.where(left > _CONSTANT * total, left, 0.0)

    def beside_baseline(self, variables):
        """As `left_out`, squared, over what columns' means leave; each column counts alike."""
        count = self.row_counts["V"]
        _, squares = self._means_and_squares()
        # Each mean without the entry that it is to tell.
        means = squares * (count / (count - 1).clamp(min=1)).square()
        own = self.observed.squares(self.left_out(variables)[0])["V"]
        tells = (means > 0) & (count > 1)
        ratio = torch.where(tells, own / torch.where(tells, means, 1.0), 0.0)
        count = torch.where(tells, count, 0.0)
        total = count.sum(1)
        return torch.where(total > 0, (count * ratio).sum(1) / total.clamp(min=1), torch.inf)

    def baseline(self, like):
        """Variables that say the mean of each column whatever the row is."""
        mean, squares = self._means_and_squares()
        identity = torch.eye(self.n_components, dtype=mean.dtype)
        # A noise of the columns is drawn to their common one, as in the problem itself.
        common = squares.sum(1, keepdim=True) / self.n_observed[:, None].clamp(min=1)
        count = self.row_counts["V"] * (like["noise"].shape[2] > 1) * self.by_column[:, 0]
        variance = (squares + common) / (count + 1) if count.any() else common
        noise = 1 / variance.clamp(min=_MIN_NOISE)
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
