"""Non-local moves of a mixture's components, and what tells whether they are worth a try.

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
    multiply,
    precisions,
    scatters,
    squared_distances,
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


def move_features(problem, variables) -> Tensor:
    """Scale-free numbers of order 1 about every move, (T, moves, f), after an E-step."""
    first, second, exchange = problem.moves
    single, pairs = component_features(problem, variables), pair_features(problem, variables)
    sizes = [math.log(n) / 2 for n in (problem.n_components, problem.n_features)]
    constants = single.new_tensor([*sizes, "covariances" in problem.fixed])
    kind = exchange.to(single.dtype)[:, None]
    about = torch.cat([constants.expand(len(first), 3), kind], dim=1)
    return torch.cat(
        [
            single[:, first],
            single[:, second],
            pairs[:, first, second],
            pairs[:, second, first],
            about.expand(problem.n_tasks, -1, -1),
        ],
        dim=2,
    )


def component_features(problem, variables) -> Tensor:
    """Eight numbers about each component, (T, K, 8)."""
    d = problem.n_features
    shares = problem.sample_weight * problem.responsibilities(variables)
    counts = shares.sum(2) + 1e-9
    mean = shares / counts[..., None]
    squares = _distances(problem, variables)
    values = problem.responsibilities(variables).clamp(min=1e-300)
    entropy = -(values * values.log()).sum(1, keepdim=True)
    loglik = problem.log_likelihood(variables)
    centred = loglik - loglik.mean(2, keepdim=True)
    standard = centred / (centred.square().mean(2, keepdim=True).sqrt() + 1e-9)
    # What the objective would lose if the component went and nothing else changed.
    deletion = -(problem.sample_weight * torch.log1p(-values.clamp(max=1 - 1e-12))).sum(2)
    deletion = deletion / problem.total[:, None]
    spread = (mean * squares).sum(2) / d
    fourth = (mean * squares.square()).sum(2) / (d * (d + 2))
    misplaced = (mean * (squares > d + 2 * math.sqrt(2 * d))).sum(2)
    return torch.stack(
        [
            (counts / problem.total[:, None] * problem.n_components).log() / 2,
            (mean * entropy).sum(2),
            (mean * standard).sum(2),
            (spread + 1e-3).log(),
            (fourth + 1e-3).log() / 2,
            misplaced,
            (deletion + 1e-6).log() / 4,
            _elongation(problem, variables),
        ],
        dim=2,
    )


def _scatter(problem, variables) -> Tensor:
    """The mean outer product of each component's samples about its centre, (T, K, D, D)."""
    _, means, _ = problem.parameters(variables)

    def compute():
        shares = problem.sample_weight * problem.responsibilities(variables)
        return scatters(problem.points, means, shares / (shares.sum(2, keepdim=True) + 1e-9))

    return problem.remember("scatter", (means, variables["responsibilities"]), compute)


def _elongation(problem, variables) -> Tensor:
    """Logarithm of the largest eigenvalue of each local scatter in its own metric."""
    whitener, _ = problem.metric(variables)
    half = multiply(whitener, _scatter(problem, variables))
    local = multiply(whitener, half.mT)
    identity = 1e-9 * torch.eye(problem.n_features, dtype=local.dtype)
    return (torch.linalg.eigvalsh(local + identity)[..., -1] + 1e-3).log()


def pair_features(problem, variables) -> Tensor:
    """Three numbers about each ordered pair of components, (T, K, K, 3)."""
    d, k = problem.n_features, problem.n_components
    values = problem.responsibilities(variables)
    shares = problem.sample_weight * values
    counts = shares.sum(2) + 1e-9
    overlap = (shares @ values.mT) / counts[..., None]
    _, means, _ = problem.parameters(variables)
    whitener, log_det = problem.metric(variables)
    scatter = _scatter(problem, variables)
    precision = as_matrices(precisions(whitener), d).expand(-1, k, -1, -1).flatten(2)
    # [j, k]: how badly j's covariance describes k's scatter, beside k's own.
    code = precision @ scatter.flatten(2).mT + log_det.expand(-1, k)[..., None]
    misfit = (code - code.diagonal(dim1=1, dim2=2)[:, None]) / d
    distance = squared_distances(means.mT, means, whitener) / d
    return torch.stack(
        [torch.asinh(misfit), (distance + 1e-3).log() / 2, (overlap + 1e-6).log() / 4], dim=3
    )


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
