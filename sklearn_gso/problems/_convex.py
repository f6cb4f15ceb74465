"""A completion that does not depend on luck: what counts where random starts never agree."""

from typing import Any

import torch
from torch import Tensor

from ._posteriors import Posterior, Prior
from .trees import point

# Of the largest singular value that observed entries of pure noise have: with less the estimate
# follows the entries it sees, with more it says nothing (benchmarks/LOG.md).
_STRENGTH = 0.35
_N_SWEEPS = 40
# A variance of what counts as known; of 0 there would be no logarithm.
_KNOWN = 1e-12


class ConvexAnswer:
    """The part of a problem with posteriors of two factors that can ignore how sure they are."""

    n_components: int
    n_observed: Tensor
    posterior: Any

    def convex(self, like):
        r"""Point estimates under one penalty, in the form of ``like``, and where that begins.

        .. math::
            \min_{U, V} \tfrac12 \|P_\Omega(R - U V^T)\|_F^2
              + \tfrac\lambda2 (\|U\|_F^2 + \|V\|_F^2), \qquad
            \lambda = 0.35 \sqrt{|\Omega| / p q}\, (\sqrt p + \sqrt q)

        in units of the data's root mean square: with enough components the minimiser under the
        nuclear norm [1], which has no other minima.

        [1] Mazumder, Hastie and Tibshirani, Spectral regularization algorithms, JMLR 11, 2010.
        """
        p, q = (point(like[name]).shape[1] for name in ("U", "V"))
        rate = self.n_observed.to(like["noise"].dtype) / (p * q)
        penalty = _STRENGTH * rate.sqrt() * (p**0.5 + q**0.5)
        # So much of each component that products of the factors have a variance of 1.
        precision = self.n_components**0.5
        noise = precision / penalty.clamp(min=_KNOWN)
        identity = torch.eye(self.n_components, dtype=noise.dtype)
        variables: dict = {**like, "noise": noise[:, None, None].expand_as(like["noise"])}
        for name in ("U", "V"):
            prior = like["prior_" + name]
            variables["prior_" + name] = Prior(
                torch.zeros_like(prior.mean), (precision * identity).expand_as(prior.precision)
            )
            variables[name] = self._known(like[name])
        for _ in range(_N_SWEEPS):
            for name in ("U", "V"):
                variables[name] = self._known(self.posterior(variables, name, {}))
        return variables

    def _known(self, posterior: Posterior) -> Posterior:
        """Without what is uncertain of it."""
        k = self.n_components
        row, column = torch.triu_indices(k, k)
        covariance = _KNOWN * (row == column).to(posterior.mean.dtype)[None, :, None]
        return Posterior(posterior.mean, covariance.expand_as(posterior.covariance))
