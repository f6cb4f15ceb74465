"""What mixtures share whose samples are not seen as they are."""

from abc import abstractmethod

import torch

from ._gaussians import averaged
from ._holes import Gaussians
from .mixture_free_energy import MixtureFreeEnergy

# Doubles that are kept from one block's step to the next.
_MAX_KEPT = 20_000_000


class MixtureIncomplete(MixtureFreeEnergy):
    """A mixture of samples with holes or noise: starts and priors look at estimates of them.

    ``points`` are these estimates, ``whole`` the covariance that they stand for (T, 1, D, D), or
    None for their own. There are no non-local moves.
    """

    n_moves = 0
    _is_complete = False
    whole: torch.Tensor | None = None

    def completed(self) -> MixtureFreeEnergy:
        """The problem of the estimated samples."""
        return MixtureFreeEnergy(
            self.points.mT,
            self.n_components,
            covariance_type=self.covariance_type,
            fixed=self.fixed,
            sample_weight=self.sample_weight[:, 0],
            reg_covar=self.reg_covar,
            prior=self.prior,
            pinned=self.pinned,
        )

    def start_at(self, variables, given=()):
        """The variables at the parameters of those of `completed`.

        ``given`` are names of parameters that are not estimated from it.
        """
        weights, means, covariances = self.parameters(variables)
        return self.start_from(means, weights, covariances)

    def pooled_covariance(self, kind, reg_covar=0.0):
        if self.whole is None:
            return super().pooled_covariance(kind, reg_covar)
        one = self.whole.new_ones(self.n_tasks, 1)
        square = self.whole if kind in ("full", "tied") else self.whole.diagonal(dim1=2, dim2=3)
        return averaged(kind, square, reg_covar, one, None)

    def take(self, index):
        other = super().take(index)
        other.whole = None if self.whole is None else self.whole[index]
        return other

    def in_own_order(self, values):
        """Values of the samples, the last axis, in the order of `points`."""
        return values

    def in_first_order(self, values):
        """Values of the samples, the last axis, in the order in which these were given."""
        return values

    @abstractmethod
    def expectation(self, variables):
        """All samples as expected, in the order given, (T, G, D)."""

    def gaussians(self, variables) -> Gaussians:
        _, means, covariances = self.parameters(variables)
        return Gaussians(means, covariances, *self.metric(variables))

    def _kept(self, what, size, tensors, compute):
        """What is computed group by group; remembered unless that takes too much memory."""
        if self.n_tasks * size > _MAX_KEPT or torch.is_grad_enabled():
            return compute()
        return self.remember(what, tensors, lambda: tuple(compute()))
