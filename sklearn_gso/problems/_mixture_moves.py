"""Non-local moves of a mixture's components.

Two kinds: "component j goes to component k", for every ordered pair: to a sample of it, or, where
covariances are estimated, j and k become halves of it; and "j and k change places", for every pair
where covariances or weights are given (else it is but a new numbering).
"""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ._gaussians import (
    as_matrices,
    log_normaliser,
    precisions,
    scatters,
    whiteners,
)
from ._mixture_cuts import cut

# Given parameters by which components and clusters can be told apart.
TELLING = frozenset({"weights", "covariances"})
# Nats a sample and feature by which present places look better than they are.
_HANDICAP = 0.25
# Nats a sample and feature below which two components may as well change places.
_ALIKE = 0.01


class Moves(NamedTuple):
    """The moves of K components: numbers of j and k, and whether they change places."""

    first: Tensor
    second: Tensor
    exchange: Tensor


@lru_cache(maxsize=64)
def list_moves(n_components: int, exchanges: bool) -> Moves:
    pairs = [(j, k) for j in range(n_components) for k in range(n_components) if j != k]
    swaps = [(j, k) for j, k in pairs if j < k] if exchanges else []
    both = torch.tensor(pairs + swaps).reshape(-1, 2)
    kind = torch.arange(len(both)) >= len(pairs)
    return Moves(both[:, 0], both[:, 1], kind)


def move_components(problem, variables, move: Tensor, generator) -> dict:
    """One move for each task, followed by an E-step."""
    first, second, exchange = (x[move] for x in problem.moves)
    task, pair = torch.arange(problem.n_tasks)[:, None], torch.stack([first, second], dim=1)
    weights, means, covariances = problem.parameters(variables)
    blocks = [torch.log_softmax(weights, dim=1), means, covariances]
    placed = _placed(problem, variables, second, generator)
    for i in range(3 if _have_own_covariances(problem, variables) else 2):
        swapped = blocks[i][task, pair.flip(1)]
        changes = exchange.reshape(-1, *[1] * (swapped.ndim - 1))
        values = torch.where(changes, swapped, placed[i])
        blocks[i] = blocks[i].index_put((task, pair), values)
    weights, means, covariances = blocks
    return problem.start_from(means, weights, covariances)


def _placed(problem, variables, other, generator) -> tuple[Tensor, ...]:
    """Weights, means, perhaps covariances of a component and the ``other`` it goes to, (T, 2, ...).

    A sample of the other is drawn, the badly explained ones more often. Where covariances are
    given the component goes there, with half of the other's weight. Else the two are halves
    of the other's samples.
    """
    weights, means, _ = problem.parameters(variables)
    task = torch.arange(problem.n_tasks)
    samples = _distant_samples(problem, variables, other, generator)
    log_weights = torch.log_softmax(weights, dim=1)[task, other][:, None]
    if "covariances" in problem.fixed:
        means = torch.stack([samples, means[task, other]], dim=1)
        return (log_weights - math.log(2)).expand(-1, 2, 1), means
    counts, means, covariances = problem.fitted(cut(problem, variables, other, samples))
    log_weights = log_weights + torch.log_softmax(counts.log(), dim=1)[..., None]
    return log_weights, means, covariances


def _have_own_covariances(problem, variables) -> bool:
    return "covariances" in variables and problem.covariance_type != "tied"


def _distant_samples(problem, variables, component, generator) -> Tensor:
    """A sample of one component of each task, badly explained ones more often: (T, D)."""
    task = torch.arange(problem.n_tasks)
    shares = problem.sample_weight[:, 0] * problem.responsibilities(variables)[task, component]
    squares = _distances(problem, variables)[task, component]
    if "covariances" in problem.fixed:
        # In many dimensions all samples are far: what counts is what is farther than
        # expected. A covariance that is estimated has made itself expect them all.
        squares = (squares - problem.n_features).clamp(min=0).square()
    weights = shares * squares + 1e-300
    total = weights.cumsum(1)
    draw = torch.rand(problem.n_tasks, 1, generator=generator, dtype=total.dtype)
    chosen = torch.searchsorted(total, draw * total[:, -1:])[:, 0].clamp(max=total.shape[1] - 1)
    return problem.points[task, :, chosen]


def _distances(problem, variables) -> Tensor:
    """Squared Mahalanobis distances (T, K, G), from the logits of the last E-step."""
    weights, _, _ = problem.parameters(variables)
    peak = log_normaliser(problem.metric(variables)[1], problem.n_features)[..., None]
    peak = torch.log_softmax(weights, dim=1) + peak
    return (2 * (peak - variables["responsibilities"])).clamp(min=0)


def rearrange_components(problem, variables) -> tuple[dict, Tensor]:
    """All components to the clusters that they describe best, followed by an E-step.

    Two that change places do not undo a ring of three or more. Responsibilities bend every
    cluster's scatter towards the covariance that it has, so present places, and those of
    components that are alike, are handicapped. Also returned is where more than components
    that are alike have changed places, (T,).
    """
    alike = _alike(problem)
    if alike.all():
        return variables, torch.zeros(problem.n_tasks, dtype=torch.bool)
    weights, means, covariances = problem.parameters(variables)
    shares = problem.sample_weight * problem.responsibilities(variables)
    handicap = _HANDICAP * problem.n_features * alike * shares.sum(2)[:, None]
    order = best_assignment(problem, means, shares, handicap)
    changed = ~alike.take_along_dim(order[..., None], 2).flatten(1).all(1)
    task = torch.arange(problem.n_tasks)[:, None]
    if _have_own_covariances(problem, variables):
        covariances = covariances[task, order]
    return problem.start_from(means[task, order], weights[task, order], covariances), changed


def best_assignment(problem, means, shares, handicap=0.0) -> Tensor:
    r"""The cluster of each component, (T, K), by the given covariances and weights.

    With counts :math:`n_k` and scatters :math:`S_k` it minimises the sum of

    .. math::
        n_k (\operatorname{tr}(\Sigma_j^{-1} S_k) + \log|\Sigma_j| - 2\log\pi_j)

    over the pairs, of those that are given, and of a ``handicap`` (T, j, k).
    """
    if not problem.fixed.keys() & TELLING:
        return torch.arange(problem.n_components).expand(problem.n_tasks, -1)
    counts = shares.sum(2)
    return _assigned(_misfit(problem, scatters(problem.points, means, shares), counts) + handicap)


def assignment_of_pinned(problem, covariances, means, shares) -> Tensor:
    """The cluster of each component, (T, K), where single covariances are given.

    The cost of `best_assignment`; another component takes the cluster's own covariance, of a
    block ``covariances``.
    """
    d, counts = problem.n_features, shares.sum(2)
    scatter = scatters(problem.points, means, shares).flatten(2)

    def cost(given):
        whitener, log_det = whiteners(given, d)
        precision = as_matrices(precisions(whitener), d).flatten(2)
        return precision @ scatter.mT + log_det[..., None] * counts[:, None]

    own = cost(covariances).diagonal(dim1=1, dim2=2)[:, None]
    given = cost(problem.with_pinned(covariances))
    return _assigned(torch.where(problem.is_pinned[..., None], given, own))


def _assigned(cost) -> Tensor:
    """The columns of least cost together, (T, K)."""
    cost = cost.nan_to_num(nan=0.0, posinf=1e300, neginf=-1e300)
    rows = [linear_sum_assignment(matrix)[1] for matrix in cost.detach().numpy()]
    return torch.stack([torch.from_numpy(row) for row in rows])


def _misfit(problem, scatter, counts) -> Tensor:
    """How badly component j describes cluster k, of a scatter and a count, (T, j, k)."""
    cost = counts.new_zeros(problem.n_tasks, problem.n_components, problem.n_components)
    if "weights" in problem.fixed:
        log_weights = torch.log_softmax(problem.fixed["weights"], dim=1)
        cost = cost - 2 * counts[:, None] * log_weights
    if "covariances" in problem.fixed:
        whitener, log_det = problem.metric({})
        precision = as_matrices(precisions(whitener), problem.n_features).flatten(2)
        cost = cost + precision @ scatter.flatten(2).mT + log_det[..., None] * counts[:, None]
    return cost


def _alike(problem) -> Tensor:
    """Whether component j would describe what component k does as well, (T, j, k)."""
    d, k = problem.n_features, problem.n_components
    counts = problem.points.new_ones(problem.n_tasks, k)
    scatter = None
    if "covariances" in problem.fixed:
        scatter = as_matrices(problem.fixed["covariances"], d).expand(-1, k, -1, -1)
    cost = _misfit(problem, scatter, counts)
    own = cost.diagonal(dim1=1, dim2=2)[:, None]
    return (cost - own).abs() <= _ALIKE * d
