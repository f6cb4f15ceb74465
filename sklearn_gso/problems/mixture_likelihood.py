"""Gaussian mixtures, equation (15) of the paper."""

import torch
from torch import Tensor

from ._em_step import MAX_SIZE
from ._gaussians import (
    COVARIANCE_TYPES,
    fit_covariances,
    log_normaliser,
    multiply,
    of_tasks,
    precisions,
    squared_distances,
    whiteners,
)
from ._monomials import Monomials
from .base import Problem

PARAMETERS = ("weights", "means", "covariances")

# Squared distances are expanded into one matrix product while rounding, of this size
# times 1e-16, does not matter.
_MAX_EXPANDED = 1e8
# With more features their products take more time than they save, but where calls do; where
# components share a covariance they are used for all components at once.
_MAX_FEATURES_OF_MONOMIALS = {"full": 20, "tied": 60}
_MAX_FEATURES_OF_FEW = 60


class MixtureLikelihood(Problem):
    r"""Negative log-likelihood per sample of a Gaussian mixture, equation (15).

    .. math::
        F(\pi, \mu, \Sigma) = -\frac1{\sum_g s_g} \sum_g s_g
            \log \sum_k \pi_k N(x_g | \mu_k, \Sigma_k)

    with sample weights :math:`s_g`, by default 1 (the paper sums, we average).
    Parameters that are given are no blocks. Equation (16) adds the LSTM's output to
    the weights; here the block ``weights`` holds logits, so that no step leaves the
    simplex. There are no closed forms: see `MixtureFreeEnergy` for EM.

    Parameters
    ----------
    samples : Tensor of shape (T, G, D)
        Best centred: means are in the same coordinates.
    n_components : int
    covariance_type : {"full", "tied", "diag", "spherical"}, default="full"
    fixed : dict of str to Tensor, optional
        Parameters that are given, among ``weights`` (logits, (T, K, 1)), ``means``
        (T, K, D) and ``covariances`` ((T, K, D, D), (T, 1, D, D), (T, K, D) or
        (T, K, 1), in the order of the types above).
    sample_weight : Tensor of shape (T, G), optional
    reg_covar : float or Tensor of shape (T, D), default=0.0
        Added to the diagonal of estimated covariances, where they have no prior.
    prior : CovariancePrior, optional
        Of estimated covariances: its `penalty <CovariancePrior.penalty>` is added to the sum
        over the samples, so F is bounded below.
    pinned : Tensor, optional
        Covariances of single components that are given, as a block with NaN for the others.
    """

    _is_complete = True  # no entry of the samples is missing

    def __init__(
        self,
        samples,
        n_components,
        *,
        covariance_type="full",
        fixed=None,
        sample_weight=None,
        reg_covar=0.0,
        prior=None,
        pinned=None,
    ):
        if covariance_type not in COVARIANCE_TYPES:
            raise ValueError(f"covariance_type must be one of {COVARIANCE_TYPES}")
        if sample_weight is None:
            sample_weight = torch.ones(samples.shape[:2], dtype=samples.dtype)
        self.points = samples.mT.contiguous()
        self.sample_weight = sample_weight[:, None]  # (T, 1, G)
        self.fixed = dict(fixed or {})
        self.n_components, self.reg_covar, self.prior = n_components, reg_covar, prior
        self.covariance_type, self.pinned = covariance_type, pinned
        self._prepare()

    def _prepare(self):
        self.block_names = tuple(name for name in PARAMETERS if name not in self.fixed)
        self.n_tasks, self.n_features, self.n_samples = self.points.shape
        self.total = self.sample_weight.sum((1, 2))
        self._weighs_equally = bool((self.sample_weight == 1).all())
        self._metric = self._expansion = self._monomials = None
        if "covariances" in self.fixed:
            self.prior = None  # nothing is estimated
            self._metric = whiteners(self.fixed["covariances"], self.n_features)
            self._expansion = self._expand(*self._metric) if self._is_complete else None
        elif self._is_complete:
            products = self.covariance_type in _MAX_FEATURES_OF_MONOMIALS
            if not products or self.n_features <= self._max_features_of_monomials():
                self._monomials = Monomials(self.points, products)
        self._check_digits()

    def _max_features_of_monomials(self):
        if self.n_components * self.n_samples <= MAX_SIZE:
            return _MAX_FEATURES_OF_FEW
        return _MAX_FEATURES_OF_MONOMIALS[self.covariance_type]

    def _check_digits(self):
        """Note what the prior makes up for: digits that differences of large sums lose."""
        self.has_short_steps = False
        if self.prior is None or self._monomials is None:
            return
        keeps = self._monomials.keeps_digits(self.prior)
        self.prior = self.prior._replace(keeps_digits=keeps)
        is_small = bool(self._monomials.most_rounding(self.prior) < _MAX_EXPANDED)
        self.has_short_steps = keeps and is_small and not self.fixed and self.pinned is None

    def _expand(self, whitener, log_det):
        """What of ``log N(x | μ, Σ)`` does not depend on μ, the precisions, and points with a 1."""
        centre = torch.zeros(self.n_tasks, 1, self.n_features, dtype=self.points.dtype)
        squares = squared_distances(self.points, centre, whitener)
        if not squares.max() < _MAX_EXPANDED:
            return None
        base = log_normaliser(log_det, self.n_features)[..., None] - 0.5 * squares
        points = torch.cat([self.points, torch.ones_like(self.points[:, :1])], dim=1)
        return base.expand(-1, self.n_components, -1), precisions(whitener), points

    @property
    def moved_names(self):
        """Covariances are never moved: a step could make them indefinite."""
        return tuple(name for name in self.block_names if name in ("weights", "means"))

    @property
    def task_size(self):  # type: ignore[override]
        per_sample = 1 if self._expansion or self._monomials else self.n_features
        return self.n_components * self.n_samples * per_sample

    def parameter(self, variables, name) -> Tensor:
        """A parameter, given or variable."""
        return self.fixed[name] if name in self.fixed else variables[name]

    def parameters(self, variables) -> tuple[Tensor, Tensor, Tensor]:
        weights, means, covariances = (self.parameter(variables, name) for name in PARAMETERS)
        return weights, means, covariances

    def metric(self, variables) -> tuple[Tensor, Tensor]:
        """Whiteners and log determinants of the covariances."""
        if self._metric is not None:
            return self._metric
        covariances = variables["covariances"]
        return self.remember(
            "metric", (covariances,), lambda: whiteners(covariances, self.n_features)
        )

    def inverse_covariances(self, variables) -> tuple[Tensor, Tensor]:
        """Inverse covariances, as `precisions` gives them, and log determinants."""

        def compute():
            whitener, log_det = self.metric(variables)
            return precisions(whitener), log_det

        return self.remember(
            "inverse_covariances", (self.parameter(variables, "covariances"),), compute
        )

    def log_joint(self, variables) -> Tensor:
        """``log π_k N(x_g | μ_k, Σ_k)``, (T, K, G); equation (14)."""
        weights, means, _ = self.parameters(variables)
        log_weights = torch.log_softmax(weights, dim=1)
        if self._expansion is not None:
            base, precision, points = self._expansion
            pulled = multiply(precision, means[..., None])[..., 0]
            offset = log_weights - 0.5 * (pulled * means).sum(2, keepdim=True)
            return torch.baddbmm(base, torch.cat([pulled, offset], dim=2), points)
        if self._monomials:
            precision, log_det = self.inverse_covariances(variables)
            if self._monomials.rounding(precision) < _MAX_EXPANDED:
                offset = log_weights + log_normaliser(log_det, self.n_features)[..., None]
                return self._monomials.log_density(offset, means, precision)
        whitener, log_det = self.metric(variables)
        offset = log_weights + log_normaliser(log_det, self.n_features)[..., None]
        return offset - 0.5 * squared_distances(self.points, means, whitener)

    def log_likelihood(self, variables) -> Tensor:
        """Of each sample, (T, 1, G)."""
        return torch.logsumexp(self.log_joint(variables), dim=1, keepdim=True)

    def objective(self, variables):
        terms = self.sample_weight * self.log_likelihood(variables)
        return self.penalty(variables) - terms.sum((1, 2)) / self.total

    def penalty(self, variables) -> Tensor | float:
        """What the prior of covariances adds to F, (T,)."""
        if self.prior is None:
            return 0.0
        each = self.prior.penalty(*self.inverse_covariances(variables), self.n_features)
        if self.pinned is not None:
            each = each * ~self.is_pinned
        return each.sum(1) / self.total

    @property
    def is_pinned(self) -> Tensor:
        """Whether the covariance of a component is given while others are not, (T, K or 1)."""
        if self.pinned is None:
            return torch.zeros(self.n_tasks, 1, dtype=torch.bool)
        return ~self.pinned.flatten(2)[..., 0].isnan()

    def with_pinned(self, covariances) -> Tensor:
        """Covariances with those that are given in their places."""
        if self.pinned is None:
            return covariances
        return torch.where(self.pinned.isnan(), covariances, self.pinned)

    def gradient(self, variables, name):
        if name not in ("weights", "means"):
            return super().gradient(variables, name)
        with torch.no_grad():
            weights, means, _ = self.parameters(variables)
            shares = torch.softmax(self.log_joint(variables), dim=1)
            shares = self.sample_weight * shares / self.total[:, None, None]
            counts = shares.sum(2, keepdim=True)
            if name == "weights":
                return torch.softmax(weights, dim=1) - counts
            pull = counts * means - shares @ self.points.mT
            whitener, _ = self.metric(variables)
            return multiply(precisions(whitener), pull[..., None])[..., 0]

    def init(self, generator):
        """Distinct random samples as centres, equal weights, a share of the common covariance."""
        return self.start_from(self.sampled_means(generator))

    def sampled_means(self, generator) -> Tensor:
        """Distinct random samples, (T, K, D)."""
        probability = self.sample_weight[:, 0]
        chosen = torch.multinomial(probability, self.n_components, generator=generator)
        return self.points.mT.take_along_dim(chosen[..., None], 1)

    def start_from(self, means, weights=None, covariances=None):
        """Variables at given parameters; equal weights and common covariances by default."""
        if weights is None:
            weights = torch.zeros(self.n_tasks, self.n_components, 1, dtype=means.dtype)
        if covariances is None:
            covariances = self.common_covariances()
        covariances = self.with_pinned(covariances)
        start = zip(PARAMETERS, (weights, means, covariances), strict=True)
        return {name: value for name, value in start if name not in self.fixed}

    def with_prior(self, prior):
        """The same problem with another prior of covariances, or None."""
        other = self.copied()
        other.prior = None if "covariances" in self.fixed else prior
        other._check_digits()
        return other

    def pooled_covariance(self, kind, reg_covar=0.0) -> Tensor:
        """Of all samples, (T, 1, ...)."""
        mean = (self.points @ self.sample_weight.mT).mT / self.total[:, None, None]
        total = self.total[:, None]
        return fit_covariances(kind, self.points, mean, self.sample_weight, reg_covar, total)

    def common_covariances(self) -> Tensor:
        """Of all samples, shrunk to the volume of one of K components."""
        pooled = self.pooled_covariance(self.covariance_type, self.reg_covar)
        shrunk = pooled * self.n_components ** (-2 / self.n_features)
        n_copies = 1 if self.covariance_type == "tied" else self.n_components
        return shrunk.repeat(1, n_copies, *[1] * (shrunk.ndim - 2))

    def with_fixed(self, fixed, covariance_type=None):
        """The same samples with other parameters given, which may be of another type."""
        kind = covariance_type or self.covariance_type
        pinned = None if "covariances" in fixed else self.pinned
        return self._changed(fixed=dict(fixed), covariance_type=kind, pinned=pinned)

    def drawn(self, n_samples, generator):
        """The problem of samples that are drawn by their weights, and have weight 1 each.

        One from each of ``n_samples`` stretches of equal weight, in the order of the samples.
        """
        share = torch.rand(self.n_tasks, n_samples, generator=generator, dtype=self.points.dtype)
        share = (torch.arange(n_samples) + share) / n_samples
        total = self.sample_weight[:, 0].cumsum(1)
        chosen = torch.searchsorted(total, share * total[:, -1:]).clamp(max=self.n_samples - 1)
        return self.with_values(self.points.take_along_dim(chosen[:, None], 2).mT)

    def with_values(self, values):
        """The same mixture of other samples, (T, G', D), of weight 1."""
        points = values.mT.contiguous()
        return self._changed(points=points, sample_weight=torch.ones_like(points[:, :1]))

    def _changed(self, **attributes):
        other = self.copied()
        vars(other).update(attributes)
        other._prepare()
        return other

    def take(self, index):
        other = self.copied()
        other.points = of_tasks(self.points, index)
        other.sample_weight = of_tasks(self.sample_weight, index)
        other.fixed = {name: value[index] for name, value in self.fixed.items()}
        other.n_tasks, other.total = len(other.points), self.total[index]
        other.prior = self.prior and self.prior.take(index)
        other.pinned = None if self.pinned is None else self.pinned[index]
        if isinstance(self.reg_covar, Tensor):
            other.reg_covar = self.reg_covar[index]
        # What was computed from the data is indexed like them.
        other._metric = self._metric and tuple(x[index] for x in self._metric)
        other._expansion = self._expansion and tuple(x[index] for x in self._expansion)
        other._monomials = self._monomials and self._monomials.take(index)
        return other
