"""Which component describes which cluster, where covariances or weights are given."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ._gaussians import is_matrix, precisions, scatters

# Nats a sample and feature by which present places look better than they are.
_HANDICAP = 0.25
# Nats a sample and feature below which two components may as well change places.
_ALIKE = 0.01


def rearrange_components(problem, variables) -> tuple[dict, Tensor]:
    """All components to the clusters that they describe best, followed by an E-step.

    Two that change places do not undo a ring of three or more. Responsibilities bend every
    cluster's scatter towards the covariance that it has, so present places, and those of
    components that are alike, are handicapped.

    Returns
    -------
    variables : dict
    changed : Tensor of bool of shape (T,)
        Where more than components that are alike have changed places.
    """
    nobody = torch.zeros(problem.n_tasks, dtype=torch.bool)
    if not _given(problem):
        return variables, nobody
    alike = _alike(problem)
    candidates = (~alike).flatten(1).any(1)
    if not candidates.any():
        return variables, nobody
    weights, means, covariances = problem.parameters(variables)
    shares = problem.sample_weight * problem.responsibilities(variables)
    handicap = _HANDICAP * problem.n_features * alike * shares.sum(2)[:, None]
    order = best_assignment(problem, means, shares, handicap)
    changed = ~alike.take_along_dim(order[..., None], 2).flatten(1).all(1)
    means, weights = (x.take_along_dim(order[..., None], 1) for x in (means, weights))
    if "covariances" in variables and problem.covariance_type != "tied":
        shape = (*order.shape, *[1] * (covariances.ndim - 2))
        covariances = covariances.take_along_dim(order.reshape(shape), 1)
    return problem.start_from(means, weights, covariances), changed


def best_assignment(problem, means, shares, handicap=0.0) -> Tensor:
    r"""The cluster of each component, (T, K), by the given covariances and weights.

    With counts :math:`n_k` and scatters :math:`S_k` it minimises the sum of

    .. math::
        n_k (\operatorname{tr}(\Sigma_j^{-1} S_k) + \log|\Sigma_j| - 2\log\pi_j)

    over the pairs, of those that are given, and of a ``handicap`` (T, j, k).
    """
    if not _given(problem):
        return torch.arange(problem.n_components).expand(problem.n_tasks, -1)
    counts = shares.sum(2)
    cost = _misfit(problem, scatters(problem.points, means, shares), counts) + handicap
    cost = cost.nan_to_num(nan=0.0, posinf=1e300, neginf=-1e300)
    rows = [linear_sum_assignment(matrix)[1] for matrix in cost.detach().numpy()]
    return torch.stack([torch.from_numpy(row) for row in rows])


def _given(problem) -> set:
    """What of a component tells which cluster is its own."""
    return problem.fixed.keys() & {"weights", "covariances"}


def _misfit(problem, scatter, counts) -> Tensor:
    """How badly component j describes cluster k, of a scatter and a count, (T, j, k)."""
    cost = torch.zeros(
        problem.n_tasks, problem.n_components, problem.n_components, dtype=counts.dtype
    )
    if "weights" in problem.fixed:
        log_weights = torch.log_softmax(problem.fixed["weights"], dim=1)
        cost = cost - 2 * counts[:, None] * log_weights
    if "covariances" in problem.fixed:
        whitener, log_det = problem.metric({})
        precision = _as_matrices(precisions(whitener), problem.n_features).flatten(2)
        cost = cost + precision @ scatter.flatten(2).mT + log_det[..., None] * counts[:, None]
    return cost


def _alike(problem) -> Tensor:
    """Whether component j would describe what component k does as well, (T, j, k)."""
    d, k = problem.n_features, problem.n_components
    counts = torch.ones(problem.n_tasks, k, dtype=problem.points.dtype)
    scatter = torch.zeros(problem.n_tasks, k, d, d, dtype=counts.dtype)
    if "covariances" in problem.fixed:
        scatter = _as_matrices(problem.fixed["covariances"], d).expand(-1, k, -1, -1)
    cost = _misfit(problem, scatter, counts)
    own = cost.diagonal(dim1=1, dim2=2)[:, None]
    return (cost - own).abs() <= _ALIKE * d


def _as_matrices(values, n_features) -> Tensor:
    return values if is_matrix(values) else torch.diag_embed(values.expand(-1, -1, n_features))
