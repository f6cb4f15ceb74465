"""Steps of EM on few samples, in NumPy: calls cost more than work there, torch's cost most."""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ._gaussians import is_shared
from .trees import Variables

# Responsibilities; of more torch is as fast.
MAX_SIZE = 100_000


class Reached(NamedTuple):
    """Where steps of EM lead.

    Attributes
    ----------
    variables : dict
    values, log_likelihood : Tensor of shape (T, K, G) and (T, 1, G)
        Responsibilities, and of each sample.
    inverses : tuple of Tensor
        Precisions and log determinants.
    objective : Tensor of shape (T,)
    """

    variables: Variables
    values: Tensor
    log_likelihood: Tensor
    inverses: tuple[Tensor, Tensor]
    objective: Tensor


def pays(problem) -> bool:
    """Whether a `MixtureFreeEnergy` whose prior keeps all digits is small enough."""
    is_small = problem.n_tasks * problem.n_components * problem.n_samples <= MAX_SIZE
    return is_small and problem._monomials.values is not None and not torch.is_grad_enabled()


def posterior(joint) -> tuple[np.ndarray, np.ndarray]:
    """Responsibilities and log-likelihoods (T, 1, G) from log joint densities (T, K, G)."""
    peak = joint.max(1, keepdims=True)
    values = joint - peak
    torch.from_numpy(values).exp_()  # a third of the time of NumPy's
    total = values.sum(1, keepdims=True)
    values /= total
    return values, peak + np.log(total)


class EMStep:
    """All blocks at their minimisers in turn, where nothing is given.

    The prior must keep the digits of the monomials.
    """

    def __init__(self, problem, min_count: float):
        basis, prior = problem._monomials, problem.prior
        self.kind, self.d, self.min_count = problem.covariance_type, problem.n_features, min_count
        self.n_pairs, self.products = basis.n_pairs, basis.products
        values = basis.values[:1] if is_shared(basis.values) else basis.values
        self.values = values.numpy()
        self.points = self.values[:, self.n_pairs : -1]
        self.number, self.place = basis.number.numpy(), basis.place.numpy()
        self.factor, self.total = basis.factor.numpy(), problem.total.numpy()
        self.weight = None if problem._weighs_equally else problem.sample_weight.numpy()
        if self.kind == "tied":  # all components together have all samples, whatever their shares
            pairs = self.values.swapaxes(1, 2)[..., : self.n_pairs]
            self.raw = self.times(problem.sample_weight.numpy(), pairs)
        self.scale, self.log_det = prior.scale.numpy(), prior.log_det.numpy()
        self.mass = prior.weight

    def __call__(self, means: Tensor, values: Tensor, n_times: int = 1) -> Reached:
        """From means and responsibilities, again and again."""
        centres, expected = means.numpy(), values.numpy()
        with np.errstate(all="ignore"):
            for _ in range(n_times):
                shares = expected if self.weight is None else self.weight * expected
                counts, centres, covariances = self.fitted(shares, centres)
                precision, log_det = self.inverses(covariances)
                weights = np.log(counts)
                log_weights = weights - np.log(counts.sum(1, keepdims=True))
                joint = self.joint(log_weights, centres, precision, log_det)
                expected, log_likelihood = posterior(joint)
            terms = log_likelihood if self.weight is None else self.weight * log_likelihood
            objective = (self._penalty(precision, log_det) - terms.sum((1, 2))) / self.total
        blocks = (weights[..., None], centres, covariances, joint)
        names = ("weights", "means", "covariances", "responsibilities")
        variables: Variables = dict(zip(names, map(torch.from_numpy, blocks), strict=True))
        inverses = torch.from_numpy(precision), torch.from_numpy(log_det)
        likelihood = torch.from_numpy(expected), torch.from_numpy(log_likelihood)
        return Reached(variables, *likelihood, inverses, torch.from_numpy(objective))

    def times(self, left, right):
        """Products with each task's own values, or with those that all share in one."""
        if len(right) > 1:
            return left @ right
        return (left.reshape(-1, left.shape[2]) @ right[0]).reshape(*left.shape[:2], -1)

    def fitted(self, shares, means):
        """Counts, means and covariances that responsibilities make most likely."""
        values, n_pairs = self.values.swapaxes(1, 2), self.n_pairs
        if self.kind == "tied":
            sums, raw = self.times(shares, values[..., n_pairs:]), self.raw
        else:
            sums = self.times(shares, values)
            raw, sums = sums[..., :n_pairs], sums[..., n_pairs:]
        counts, sums = sums[..., -1] + self.min_count, sums[..., :-1]
        means = (sums + self.min_count * means) / counts[..., None]
        if not self.products:
            scatter, n = raw - means * sums, counts[..., None]
        else:
            raw = raw.take(self.number, axis=2).reshape(*raw.shape[:2], self.d, self.d)
            if self.kind == "tied":
                scatter = raw - (means.swapaxes(1, 2) @ sums)[:, None]
                n = counts.sum(1)[:, None, None, None]
            else:
                scatter = raw - means[..., None] * sums[..., None, :]
                n = counts[..., None, None]
        covariances = (scatter + self.mass * self.scale) / (n + self.mass)
        if self.kind == "spherical":
            covariances = covariances.mean(2, keepdims=True)
        return counts, means, covariances

    def inverses(self, covariances):
        """As `_gaussians.whiteners` and `precisions`; NaN where they are not definite."""
        if not self.products:
            log_det = np.log(covariances).sum(2)
            return 1 / covariances, self.d * log_det if self.kind == "spherical" else log_det
        factor, failed = torch.linalg.cholesky_ex(torch.from_numpy(covariances))
        log_det = 2 * np.log(np.diagonal(factor.numpy(), axis1=2, axis2=3)).sum(2)
        if failed.numpy().any():
            factor[failed > 0] = log_det[failed.numpy() > 0] = np.nan
        return torch.cholesky_inverse(factor).numpy(), log_det

    def joint(self, log_weights, means, precision, log_det):
        """``log π_k N(x_g | μ_k, Σ_k)``, as `Monomials.log_density`."""
        offset = log_weights + self._log_normaliser(log_det)
        pulled = self.pulled(precision, means)
        if self.products:
            flat = precision.reshape(*precision.shape[:2], -1)
            quadratic = self.factor * flat.take(self.place, axis=2)
        else:
            quadratic = np.broadcast_to(-0.5 * precision, means.shape)
        offset = offset - 0.5 * (pulled * means).sum(2)
        linear = np.concatenate([pulled, offset[..., None]], axis=2)
        if self.kind == "tied":
            whole = self.times(quadratic, self.values[:, : self.n_pairs])
            return self.times(linear, self.values[:, self.n_pairs :]) + whole
        return self.times(np.concatenate([quadratic, linear], axis=2), self.values)

    def log_peak(self, covariances):
        """Logarithm of each density at its centre."""
        return self._log_normaliser(self.inverses(covariances)[1])

    def _log_normaliser(self, log_det):
        return -0.5 * (self.d * math.log(2 * math.pi) + log_det)

    def pulled(self, precision, vectors):
        """Products of precisions with vectors (T, K, D)."""
        return (precision @ vectors[..., None])[..., 0] if self.products else precision * vectors

    def _penalty(self, precision, log_det):
        """What the prior adds to F, times all samples' weight, (T,)."""
        traces = (precision * self.scale).reshape(*precision.shape[:2], -1).sum(2)
        if self.kind == "spherical":
            traces = self.d * traces
        return 0.5 * self.mass * (traces - self.d + log_det - self.log_det).sum(1)
