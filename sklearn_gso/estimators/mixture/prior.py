"""The default prior of estimated covariances, relative to the data."""

import torch
from torch import Tensor

from ...problems._gaussians import CovariancePrior, scatters
from ...problems.mixture_free_energy import MixtureFreeEnergy
from .clustering import METRICS, coordinates, hard_clusters, members, n_drawn
from .initialisation import pooled_covariance

# Weight of the prior: samples of a variance, and of a matrix so many times n_features + 2.
# Chosen by held-out scores of other tables than the benchmarks' (benchmarks/LOG.md).
_PSEUDO_SAMPLES = {"full": 0.25, "tied": 1.0, "diag": 0.5, "spherical": 0.5}
# Weight of the pooled covariance: samples of a variance, and of a matrix so many times n_features.
_POOLED_SAMPLES = 3.0
_FLOAT = torch.float64


def covariance_prior(problem: MixtureFreeEnergy, strength: float) -> CovariancePrior:
    """A weak prior of estimated covariances, relative to the data.

    Its scale is the covariance within clusters: of the clusters in each of the `METRICS` those
    of the smallest volume. The covariance of all samples would grow with the distance between
    clusters, which says nothing of their shape. Its weight is ``strength`` times
    `_PSEUDO_SAMPLES`.
    """
    if problem.n_components == 1:
        within = problem.pooled_covariance("full")
    else:
        within = _within_clusters(problem)
    within = within + torch.diag_embed(problem.reg_covar)[:, None]
    d = problem.n_features
    kind, n_pseudo = problem.covariance_type, _PSEUDO_SAMPLES[problem.covariance_type]
    if kind in ("full", "tied"):
        return CovariancePrior.of(within, strength * n_pseudo * (d + 2), d)
    variances = within.diagonal(dim1=2, dim2=3)
    scale = variances if kind == "diag" else variances.mean(2, keepdim=True)
    return CovariancePrior.of(scale, strength * n_pseudo, d)


def pooled_prior(problem: MixtureFreeEnergy) -> CovariancePrior:
    """A strong prior of estimated covariances, about that of all samples."""
    kind, d = problem.covariance_type, problem.n_features
    pooled = problem.pooled_covariance(kind, problem.reg_covar)
    weight = _POOLED_SAMPLES * (d if kind in ("full", "tied") else 1)
    return CovariancePrior.of(pooled, weight, d)


def _within_clusters(problem) -> Tensor:
    """The smallest of the covariances within clusters, (T, 1, D, D)."""
    k, n_tasks = problem.n_components, problem.n_tasks
    # The prior is of the data alone: neither seeds nor the number of starts change it.
    generator, n_metrics = torch.Generator().manual_seed(0), len(METRICS)
    uniform = torch.rand(1, k, n_drawn(k), generator=generator, dtype=_FLOAT)
    points = coordinates(problem, pooled_covariance(problem))
    weight = problem.sample_weight.repeat(n_metrics, 1, 1)
    labels = hard_clusters(points, weight[:, 0], uniform.expand(len(points), -1, -1))
    shares = members(labels, k, _FLOAT) * weight
    samples = problem.points.repeat(n_metrics, 1, 1)
    means = shares @ samples.mT / shares.sum(2).clamp(min=1e-9)[..., None]
    n_free = (problem.total - k).clamp(min=1)[:, None, None, None]
    within = scatters(samples, means, shares).sum(1, keepdim=True) / n_free.repeat(
        n_metrics, 1, 1, 1
    )
    volume = _volume(within, problem.covariance_type).reshape(n_metrics, n_tasks)
    return within[volume.argmin(0) * n_tasks + torch.arange(n_tasks)]


def _volume(covariance, kind) -> Tensor:
    """Logarithm of the determinant, as a covariance of a type, (T,)."""
    if kind in ("full", "tied"):
        return torch.linalg.slogdet(covariance)[1][:, 0]
    variances = covariance.diagonal(dim1=2, dim2=3)[:, 0]
    return variances.log().sum(1) if kind == "diag" else variances.mean(1)
