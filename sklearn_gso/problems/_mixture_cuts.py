"""The samples of a component in two: where moves lead if covariances are estimated."""

import torch
from torch import Tensor

from ._gaussians import precisions, times, whiteners

# Sweeps of k-means, of two clusters, after the first cut.
SWEEPS = 2


def cut(problem, variables, component: Tensor, samples: Tensor) -> Tensor:
    """Weighted responsibilities (T, 2, G) of two halves of one component of each task.

    The first cut goes through its centre, across the way from there to a sample (T, D); k-means
    of two clusters moves it. Both in the metric of the prior's scale, which is the covariance
    within clusters: in its own metric the component is round, and one way as good as another.
    """
    task, points = torch.arange(problem.n_tasks), problem.points
    weight = problem.sample_weight[:, 0] * problem.responsibilities(variables)[task, component]
    precision = _precision(problem)

    def parted(centre, way):
        across = precision * way if precision.ndim == 2 else (precision @ way[..., None])[..., 0]
        beyond = times(across[:, None], points)[:, 0] > (across * centre).sum(1, keepdim=True)
        return torch.stack([weight * beyond, weight * ~beyond], dim=1)

    centre = problem.parameters(variables)[1][task, component]
    shares = parted(centre, samples - centre)
    for _ in range(SWEEPS):
        means = times(shares, points.mT) / (shares.sum(2, keepdim=True) + 1e-9)
        shares = parted(means.mean(1), means[:, 0] - means[:, 1])
    return shares


def _precision(problem) -> Tensor:
    """Of the prior's scale, else of each feature alone, (T, D, D) or (T, D or 1)."""
    if problem.prior is None:
        variances = problem.pooled_covariance("diag", problem.reg_covar)[:, 0]
        return 1 / variances.clamp(min=torch.finfo(variances.dtype).tiny)
    return precisions(whiteners(problem.prior.scale, problem.n_features)[0])[:, 0]
