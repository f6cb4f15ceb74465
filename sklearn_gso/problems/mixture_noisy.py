"""The free energy of a mixture of rows with noise of their own: extreme deconvolution."""

import torch
from torch import Tensor

from ._gaussians import as_matrices, averaged, is_matrix, multiply
from ._noise import Noise
from .mixture_free_energy import _MIN_COUNT
from .mixture_incomplete import MixtureIncomplete

# Share of its samples that pulls a centre back where these tell nothing of it.
_DAMPING = 1e-10


class MixtureNoisy(MixtureIncomplete):
    r"""`MixtureFreeEnergy` of what samples are without their noise, of known covariances.

    .. math::
        F(\pi, \mu, \Sigma, r) = \frac1{\sum_g s_g} \sum_{g, k} s_g r_{kg}
            \log \frac{r_{kg}}{\pi_k N(x_g | \mu_k, \Sigma_k + V_g)}

    Entries that are missing have infinite noise: the density is that of the others.

    Parameters
    ----------
    samples : Tensor of shape (T, G, D)
        NaN where missing.
    noise : Tensor of shape (T, G, D) or (T, G, D, D), or with 1 in place of G
        Variances or covariances :math:`V_g` of each sample's noise, or of that of all. What
        stands at missing entries is ignored, but must be finite.
    completed : Tensor of shape (T, G, D)
        Estimates of the samples without noise. Only starts and priors look at these.
    whole : Tensor of shape (T, 1, D, D), optional
        The covariance of all samples without noise; by default that of the completed ones.
    reg_covar : float or Tensor of shape (T, D), default=0.0
        Where there is no prior covariances are bounded from below by this diagonal. It is not
        added: the noise would multiply it by the square of ``(Σ + V) / Σ``.
    n_components, covariance_type, fixed, sample_weight, prior, pinned
        As for `MixtureLikelihood`.

    Notes
    -----
    The block of means is the minimiser; that of covariances one step of EM [1]_ from there, with
    the noise-free values as what is not observed: F never rises.

    References
    ----------
    .. [1] Bovy, Hogg and Roweis, Extreme deconvolution: inferring complete distribution functions
       from noisy, heterogeneous and incomplete observations, Annals of Applied Statistics 5, 2011.
    """

    def __init__(
        self,
        samples,
        noise,
        completed,
        n_components,
        *,
        whole=None,
        covariance_type="full",
        **options,
    ):
        self.noise = Noise(samples, noise, covariance_type in ("full", "tied"))
        self.whole = whole
        super().__init__(completed, n_components, covariance_type=covariance_type, **options)

    @property
    def task_size(self):  # type: ignore[override]
        size = self.noise.added.shape[1] + self.n_features
        return self.n_components * self.n_samples * size

    def take(self, index):
        other = super().take(index)
        other.noise = self.noise.take(index)
        return other

    def start_at(self, variables, given=()):
        """The variables at the parameters of those of `completed`.

        Estimates vary less than what they are of: covariances that are not ``given`` get what
        these lack.
        """
        weights, means, covariances = self.parameters(variables)
        if self.whole is not None and "covariances" not in {*self.fixed, *given}:
            kind = self.covariance_type
            spare = self.pooled_covariance(kind) - self.completed().pooled_covariance(kind)
            covariances = self._bounded(covariances + spare)
        return self.start_from(means, weights, covariances)

    def _parts(self) -> list[slice]:
        return self.noise.parts(self.n_components)

    def inverses(self, variables) -> tuple[tuple[Tensor, Tensor], ...]:
        """`Noise.inverses`, once for all steps with the same covariances."""
        covariances = self.parameter(variables, "covariances")
        each = 1 if self.covariance_type == "tied" else self.n_components
        return self._kept(
            "inverses",
            each * self.noise.added[0].numel(),
            (covariances,),
            lambda: (self.noise.inverses(covariances, rows) for rows in self._parts()),
        )

    def log_joint(self, variables):
        weights, means, _ = self.parameters(variables)
        pairs = zip(self._parts(), self.inverses(variables), strict=True)
        parts = [self.noise.log_density(means, *own, rows) for rows, own in pairs]
        return torch.log_softmax(weights, dim=1) + torch.cat(parts, dim=2)

    def minimize_block(self, variables, name, controls=None):
        if name in ("weights", "responsibilities"):
            return super().minimize_block(variables, name, controls)
        shares, (counts, *_) = self._moments(variables, (controls or {}).get("temperature"))
        counts = counts + _MIN_COUNT
        information, squares, sums = self._sums(variables, shares)
        if name == "means":
            return self._best_means(variables, information, sums, counts)
        squares = self._expected_squares(variables, squares - information, counts)
        fitted = averaged(self.covariance_type, squares, 0.0, counts, self.prior)
        return self.with_pinned(self._bounded(fitted))

    def _sums(self, variables, shares) -> list[Tensor]:
        """Weighted sums of T⁻¹, of y yᵀ and of y over the rows."""
        means, parts = self.parameter(variables, "means"), []
        for rows, (inverse, _) in zip(self._parts(), self.inverses(variables), strict=True):
            pulled = self.noise.pulled(means, inverse, rows)
            own = shares[..., rows]
            total = (pulled @ own[..., None])[..., 0]
            parts.append((*self.noise.sums(own, inverse, pulled), total))
        return [torch.stack(part).sum(0) for part in zip(*parts, strict=True)]

    def _best_means(self, variables, information, sums, counts) -> Tensor:
        """Centres that, with the information that each row has, explain the rows best."""
        _, means, covariances = self.parameters(variables)
        if not is_matrix(information):
            return means + sums / (information + _DAMPING * counts[..., None] / covariances)
        factor = self._factor(covariances)
        within = factor.mT @ information @ factor
        within.diagonal(dim1=2, dim2=3).add_(_DAMPING * counts[..., None])
        # The columns of the factor have a scale in which no direction tells less by its unit.
        step = torch.linalg.solve(within, factor.mT @ sums[..., None])
        return means + (factor @ step)[..., 0]

    def _factor(self, covariances) -> Tensor:
        return torch.linalg.cholesky(as_matrices(covariances, self.n_features))

    def _expected_squares(self, variables, surplus, counts) -> Tensor:
        """Of deviations of the noise-free values, weighted and summed, as `averaged` has them."""
        covariances = self.parameter(variables, "covariances")
        if not is_matrix(covariances):
            own = surplus.diagonal(dim1=2, dim2=3) if is_matrix(surplus) else surplus
            return covariances * (counts[..., None] + covariances * own)
        # So no direction inherits the rounding errors of one that is larger.
        factor = self._factor(covariances)
        within = factor.mT @ surplus @ factor
        within.diagonal(dim1=2, dim2=3).add_(counts[..., None])
        return factor @ within @ factor.mT

    def _bounded(self, covariances) -> Tensor:
        """Covariances not below ``reg_covar`` in any direction, which a prior makes needless."""
        least = torch.as_tensor(self.reg_covar, dtype=covariances.dtype)
        if self.prior is not None or not least.any():
            return covariances
        least = least.expand(self.n_tasks, self.n_features)[:, None]
        if not is_matrix(covariances):
            least = least.mean(2, keepdim=True) if self.covariance_type == "spherical" else least
            return torch.maximum(covariances, least)
        unit = least.sqrt()
        scaled = covariances / (unit[..., None] * unit[..., None, :])
        values, vectors = torch.linalg.eigh((scaled + scaled.mT) / 2)
        if (values >= 1).all():
            return covariances
        vectors = unit[..., None] * vectors
        return covariances + (vectors * (1 - values).clamp(min=0)[..., None, :]) @ vectors.mT

    def expectation(self, variables) -> Tensor:
        """Of the noise-free values, given the rows, (T, G, D)."""
        shares = self.responsibilities(variables)
        means, covariances, each = *self.parameters(variables)[1:], []
        for rows, (inverse, _) in zip(self._parts(), self.inverses(variables), strict=True):
            moved = multiply(covariances, self.noise.pulled(means, inverse, rows))
            each.append((shares[:, :, None, rows] * (means[..., None] + moved)).sum(1))
        return torch.cat(each, dim=2).mT

    def posterior(self, variables) -> tuple[Tensor, Tensor]:
        """Means (T, G, D) and covariances (T, G, D, D) of the noise-free values, given the rows."""
        shares, centres = self.responsibilities(variables), self.expectation(variables).mT
        means, covariances, each = *self.parameters(variables)[1:], []
        matrices = as_matrices(covariances, self.n_features)[:, :, None]
        for rows, (inverse, _) in zip(self._parts(), self.inverses(variables), strict=True):
            moved = multiply(covariances, self.noise.pulled(means, inverse, rows))
            apart = (means[..., None] + moved - centres[:, None, :, rows]).mT  # (T, K, n, D)
            inverse = self.noise.matrices(inverse).permute(0, 1, 4, 2, 3)
            within = matrices - matrices @ inverse @ matrices
            within = within + apart[..., None] * apart[..., None, :]
            each.append((shares[..., rows, None, None] * within).sum(1))
        return centres.mT, torch.cat(each, dim=1)
