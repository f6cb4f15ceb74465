"""Mixtures with one component more, made from one that has been fitted."""

import math

import torch
from torch import Tensor

from ...problems._gaussians import as_matrices, scatters
from ...problems.mixture_likelihood import PARAMETERS
from ...problems.trees import Variables

# Logarithm of the weight of a component that is not there yet.
_NOTHING = -700.0


def at(problem, parameters) -> Variables:
    """Variables at weights, means and covariances."""
    return problem.start_from(**dict(zip(PARAMETERS, parameters, strict=True)))


def with_empty(problem, smaller, variables) -> Variables:
    """The variables of a mixture with one component less, and an empty one."""
    weights, means, covariances = smaller.parameters(variables)
    log_weights = torch.log_softmax(weights, dim=1)
    weights = torch.cat([log_weights, torch.full_like(log_weights[:, :1], _NOTHING)], dim=1)
    means = torch.cat([means, means[:, :1]], dim=1)
    if problem.covariance_type != "tied":
        covariances = torch.cat([covariances, covariances[:, :1]], dim=1)
    return at(problem, [weights, means, covariances])


def halved(problem, variables) -> list[Tensor]:
    r"""Weights, means and covariances with each component cut in two, (K, K + 1, ...).

    Each is cut through its centre, across the axis v of the largest variance s of its samples,
    as if these were Gaussian: into halves at :math:`\mu \pm \sqrt{2 s / \pi} v`, of
    covariance :math:`\Sigma - (2 / \pi) \Sigma v v^T \Sigma / (v^T \Sigma v)`.
    """
    k, d, kind = problem.n_components, problem.n_features, problem.covariance_type
    weights, means, covariances = (value[0] for value in problem.parameters(variables))
    shares = problem.sample_weight * problem.responsibilities(variables)
    mean = shares / (shares.sum(2, keepdim=True) + 1e-9)
    variance, axes = torch.linalg.eigh(scatters(problem.points, means[None], mean)[0])
    axis = axes[..., -1]
    away = (2 / math.pi * variance[:, -1:].clamp(min=0)).sqrt() * axis
    pulled = as_matrices(covariances[None], d)[0].expand(k, d, d) @ axis[..., None]
    length = axis[:, None] @ pulled
    across = (2 / math.pi) * pulled @ pulled.mT / length
    each = torch.arange(k)

    def twice(value, first, second):
        """One row for each component that is cut: it, and the new one."""
        many = torch.cat([value.expand(k, *value.shape), second[:, None]], dim=1)
        many[each, each] = first
        return many

    half = torch.log_softmax(weights, dim=0)
    log_weights = twice(half, half - math.log(2), half - math.log(2))
    if kind == "tied":
        return [
            log_weights,
            twice(means, means + away, means - away),
            covariances.expand(k, 1, d, d),
        ]
    thinner = {
        "full": lambda: covariances - across,
        "diag": lambda: covariances - across.diagonal(dim1=1, dim2=2),
        "spherical": lambda: covariances - across.diagonal(dim1=1, dim2=2).mean(1, keepdim=True),
    }[kind]()
    return [
        log_weights,
        twice(means, means + away, means - away),
        twice(covariances, thinner, thinner),
    ]
