"""One step of EM in few operations: on small data sets calling them costs more than the work."""

import torch
from torch import Tensor

from ._gaussians import averaged, inverses, log_normaliser
from .base import Variables


def em_step(problem, variables: Variables, shares: Tensor, min_count: float):
    """All blocks of a `MixtureFreeEnergy` at their minimisers in turn, from weighted shares.

    For one without given parameters whose prior keeps the digits of its monomials. Returned are
    the blocks, precisions and log determinants of the covariances, responsibilities and
    log-likelihoods (T, 1, G).
    """
    kind, basis, d = problem.covariance_type, problem._monomials, problem.n_features
    counts, sums, products = basis.moments(shares, kind == "tied")
    counts = counts + min_count
    means = torch.add(sums, variables["means"], alpha=min_count) / counts[..., None]
    scatter = basis.scatter(means, sums, basis.matrices(products))
    covariances = averaged(kind, scatter, 0.0, counts, problem.prior)
    precision, log_det = inverses(covariances, d)
    weights = counts.log()[..., None]
    normaliser = log_normaliser(log_det, d) - counts.sum(1, keepdim=True).log()
    joint = basis.log_density(weights + normaliser[..., None], means, precision)
    values, log_likelihood = expected(joint)
    blocks = {"weights": weights, "means": means, "covariances": covariances}
    return {**blocks, "responsibilities": joint}, (precision, log_det), values, log_likelihood


def expected(joint: Tensor) -> tuple[Tensor, Tensor]:
    """Responsibilities (T, K, G) and log-likelihoods (T, 1, G) of joint log-probabilities."""
    peak = joint.amax(1, keepdim=True)
    scaled = (joint - peak).exp_()
    total = scaled.sum(1, keepdim=True)
    divide = torch.div if scaled.requires_grad else Tensor.div_
    log_likelihood = peak + total.log()
    return divide(scaled, total), log_likelihood
