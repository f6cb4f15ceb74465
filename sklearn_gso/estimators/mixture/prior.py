"""The default prior of estimated covariances, relative to the data."""

import torch
from torch import Tensor

from ...problems._gaussians import CovariancePrior
from ...problems.mixture_free_energy import MixtureFreeEnergy
from .clustering import METRICS, coordinates, hard_clusters, members, n_drawn
from .initialisation import pooled_covariance
from .screening import screened

# Weight of the prior: samples of a variance, and of a matrix so many times n_features + 2.
# Chosen by held-out scores of other tables than the benchmarks' (benchmarks/LOG.md).
_PSEUDO_SAMPLES = {"full": 0.5, "tied": 2.0, "diag": 1.0, "spherical": 0.5}
# Weight of the pooled covariance: samples of a variance, and of a matrix so many times n_features.
_POOLED_SAMPLES = 3.0
_FLOAT = torch.float64


def covariance_prior(problem: MixtureFreeEnergy, strength: float) -> CovariancePrior:
    """A weak prior of estimated covariances, relative to the data.

    Its scale is the covariance within the clusters in one of the `METRICS`, that of the
    smallest volume: the covariance of all samples would grow with the distance between
    clusters, which says nothing of their shape. Its weight is ``strength`` times
    `_PSEUDO_SAMPLES`. Of many samples it is that of those that are `screened`.
    """
    problem = screened(problem)
    kind, d = problem.covariance_type, problem.n_features
    n_pseudo = strength * _PSEUDO_SAMPLES[kind]
    whole = problem.pooled_covariance("full")
    within = whole if problem.n_components == 1 else _within_clusters(problem, whole)
    within = within + torch.diag_embed(problem.reg_covar)[:, None]
    if kind in ("full", "tied"):
        return CovariancePrior.of(within, n_pseudo * (d + 2), d)
    variances = within.diagonal(dim1=2, dim2=3)
    scale = variances if kind == "diag" else variances.mean(2, keepdim=True)
    return CovariancePrior.of(scale, n_pseudo, d)


def pooled_prior(problem: MixtureFreeEnergy) -> CovariancePrior:
    """A strong prior of estimated covariances, about that of all samples."""
    kind, d = problem.covariance_type, problem.n_features
    pooled = problem.pooled_covariance(kind, problem.reg_covar)
    weight = _POOLED_SAMPLES * (d if kind in ("full", "tied") else 1)
    return CovariancePrior.of(pooled, weight, d)


def _within_clusters(problem, whole) -> Tensor:
    """The smallest of the covariances within clusters, (T, 1, D, D).

    Drawn to that of all samples, in as small a volume as K components have, with the weight
    of D + 2 samples, or of 3 where features stand alone: in small clusters hardly anything is
    within.
    """
    k, d, n_tasks = problem.n_components, problem.n_features, problem.n_tasks
    # The prior is of the data alone: neither seeds nor the number of starts change it.
    generator, n_metrics = torch.Generator().manual_seed(0), len(METRICS)
    uniform = torch.rand(1, k, n_drawn(k), generator=generator, dtype=_FLOAT)
    points = coordinates(problem, pooled_covariance(problem))
    sample_weight = problem.sample_weight.repeat(n_metrics, 1, 1)
    labels = hard_clusters(points, sample_weight[:, 0], uniform.expand(len(points), -1, -1))
    shares = (members(labels, k, _FLOAT) * sample_weight).unflatten(0, (n_metrics, n_tasks))
    counts = shares.sum(3, keepdim=True)
    sums = shares @ problem.points.mT
    between = sums.mT @ (sums / counts.clamp(min=1e-9))
    total = problem.total[:, None, None]
    scatter = _without_negative(total * whole[:, 0] - between, whole[:, 0])
    weight = d + 2 if problem.covariance_type in ("full", "tied") else 3
    prior = weight * k ** (-2 / d) * whole[:, 0]
    within = (scatter + prior) / ((total - k).clamp(min=0) + weight)
    smallest = _volume(within, problem.covariance_type).argmin(0)
    return within[smallest, torch.arange(n_tasks)][:, None]


def _without_negative(scatter, whole) -> Tensor:
    """A scatter matrix that is in no direction, in units of the whole's, less than nothing.

    Of rows with holes the covariance of all is an estimate, drawn to the features' own
    variances: in some directions it may be smaller than what the completed rows vary by.
    """
    units = whole.diagonal(dim1=-2, dim2=-1).sqrt()
    units = torch.where(units > 0, units, 1.0)
    values, vectors = torch.linalg.eigh(scatter / units[..., None] / units[..., None, :])
    root = units[..., None] * vectors * values.clamp(min=0).sqrt()[..., None, :]
    negative = (values[..., 0] < 0)[..., None, None]
    return torch.where(negative, root @ root.mT, scatter)


def _volume(covariance, kind) -> Tensor:
    """Logarithm of the determinant, as a covariance of a type."""
    if kind in ("full", "tied"):
        return torch.linalg.slogdet(covariance)[1]
    variances = covariance.diagonal(dim1=-2, dim2=-1)
    return variances.log().sum(-1) if kind == "diag" else variances.mean(-1)
