"""The free energy of a mixture of rows with missing entries."""

import torch

from ._gaussians import averaged
from ._holes import Gaussians, Holes
from .mixture_free_energy import _MIN_COUNT
from .mixture_incomplete import MixtureIncomplete


class MixtureMissing(MixtureIncomplete):
    r"""`MixtureFreeEnergy` where entries are missing at random: NaN among the samples.

    .. math::
        F(\pi, \mu, \Sigma, r) = \frac1{\sum_g s_g} \sum_{g, k} s_g r_{kg}
            \log \frac{r_{kg}}{\pi_k N(x_{g,O_g} | \mu_{k,O_g}, \Sigma_{k,O_gO_g})}

    with :math:`O_g` what is observed of row g; of a row of which nothing is, the density is 1.

    Parameters
    ----------
    samples : Tensor of shape (T, G, D)
        NaN at the same places in all tasks: they are one data set, from several starts.
    completed : Tensor of shape (T, G, D)
        The samples with estimates in place of NaN. Only starts and priors look at these.
    whole : Tensor of shape (T, 1, D, D), optional
        The covariance of all samples; by default that of the completed ones.
    n_components, covariance_type, fixed, sample_weight, reg_covar, prior, pinned
        As for `MixtureLikelihood`.

    Notes
    -----
    Samples are held in another order, by what they miss: see `in_first_order`.

    The blocks of means and covariances are made by one step of EM each, the missing entries
    being expected anew before each of them (multicycle ECM [1]_, [2]_): F never rises, but these
    are no minimisers. Without a hole the steps are those of `MixtureFreeEnergy`. There are no
    non-local moves.

    References
    ----------
    .. [1] Meng and Rubin, Maximum likelihood estimation via the ECM algorithm: a general
       framework, Biometrika 80, 1993.
    .. [2] Ghahramani and Jordan, Supervised learning from incomplete data via an EM approach,
       Advances in Neural Information Processing Systems 6, 1994: EM for such mixtures.
    """

    def __init__(
        self, samples, completed, n_components, *, whole=None, sample_weight=None, **options
    ):
        self.holes, self.whole = Holes(samples[0].isnan()), whole
        order = self.holes.order
        if sample_weight is not None:
            sample_weight = sample_weight[:, order]
        super().__init__(completed[:, order], n_components, sample_weight=sample_weight, **options)

    @property
    def task_size(self):  # type: ignore[override]
        return self.n_components * (self.n_samples * self.n_features + self.holes.size)

    def conditionals(self, gaussians: Gaussians):
        """`Holes.conditionals`, once for all steps with the same covariances."""
        size = gaussians.covariances.shape[1] * self.holes.size
        return self._kept(
            "conditionals",
            size,
            (gaussians.covariances,),
            lambda: self.holes.conditionals(gaussians),
        )

    def deviations(self, gaussians: Gaussians):
        """`Holes.deviations`, once for all steps with the same means and covariances."""
        return self._kept(
            "deviations",
            self.n_components * self.points[0].numel(),
            (gaussians.means, gaussians.covariances),
            lambda: self.holes.deviations(self.points, gaussians, self.conditionals(gaussians)),
        )

    def log_joint(self, variables):
        gaussians = self.gaussians(variables)
        weights = self.parameter(variables, "weights")
        parts = self.conditionals(gaussians), self.deviations(gaussians)
        return torch.log_softmax(weights, dim=1) + self.holes.log_density(gaussians, *parts)

    def minimize_block(self, variables, name, controls=None):
        if name in ("weights", "responsibilities"):
            return super().minimize_block(variables, name, controls)
        shares, (counts, *_) = self._moments(variables, (controls or {}).get("temperature"))
        counts, gaussians = counts + _MIN_COUNT, self.gaussians(variables)
        if name == "means":
            sums = self.holes.sums(shares, self.deviations(gaussians))
            return gaussians.means + sums / counts[..., None]
        parts = self.conditionals(gaussians), self.deviations(gaussians)
        squares = self.holes.squares(shares, gaussians, *parts)
        fitted = averaged(self.covariance_type, squares, self.reg_covar, counts, self.prior)
        return self.with_pinned(fitted)

    def expectation(self, variables):
        """All samples, their missing entries as expected, in the order given, (T, G, D)."""
        gaussians = self.gaussians(variables)
        shares = self.responsibilities(variables)
        filled = self.holes.expectation(shares, gaussians, self.deviations(gaussians))
        return self.in_first_order(filled).mT

    def draw(self, variables, generator):
        """All samples, their missing entries drawn given the others, (T, G, D).

        In the order given; with a component drawn for each sample.
        """
        gaussians, logits = self.gaussians(variables), variables["responsibilities"]
        # The largest of logits and Gumbel noise is a draw from their softmax.
        uniform = torch.rand(logits.shape, generator=generator, dtype=logits.dtype)
        chosen = (logits - (-uniform.clamp(min=1e-300).log()).log()).argmax(1, keepdim=True)
        shares = torch.zeros_like(logits).scatter_(1, chosen, 1.0)
        parts = self.conditionals(gaussians), self.deviations(gaussians)
        noisy = self.holes.noisy(gaussians, *parts, generator)
        return self.in_first_order(self.holes.expectation(shares, gaussians, noisy)).mT

    def in_own_order(self, values):
        return values[..., self.holes.order]

    def in_first_order(self, values):
        ordered = torch.empty_like(values)
        ordered[..., self.holes.order] = values
        return ordered
