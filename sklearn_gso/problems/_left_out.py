"""How far estimates of a factor model may be from what would be measured."""

from typing import Any

import torch
from torch import Tensor

from ._linalg import counted, outer

# Share of an entry that its own fit leaves to the others, at least.
_MIN_UNEXPLAINED = 0.1


class LeftOut:
    """The part of a problem with posteriors of two factors that knows how sure they are."""

    observed: Any
    scale: Tensor
    n_observed: Tensor

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
