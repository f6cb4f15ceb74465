"""Hard clusters in several metrics, for all tasks of a batch at once: where estimates start."""

import math

import torch
from torch import Tensor

from ...problems._gaussians import multiply, whiteners

METRICS = ("plain", "standardised", "whitened")
# Lloyd's sweeps; what has not settled by then EM settles.
_SWEEPS = 20


def coordinates(problem, pooled: Tensor) -> Tensor:
    """The samples in each of the `METRICS`, (metrics * T, D, G).

    As they are, in units of each feature, and of the ``pooled`` covariance (T, 1, D, D).
    Plain clusters find what lies apart in a direction whose variance it makes large, whitened
    ones what is long and thin; neither finds both.
    """
    variance = pooled.diagonal(dim1=2, dim2=3)[:, 0]
    units = (variance.mean(1, keepdim=True), variance)
    scaled = [problem.points * unit.rsqrt()[..., None] for unit in units]
    whitener, _ = whiteners(pooled, problem.n_features)
    return torch.cat([*scaled, multiply(whitener, problem.points[:, None])[:, 0]])


def n_drawn(n_clusters: int) -> int:
    """Samples that k-means++ draws for each centre; the one that helps most is taken."""
    return 2 + int(math.log(n_clusters))


def hard_clusters(points: Tensor, weight: Tensor, uniform: Tensor) -> Tensor:
    """Numbers of clusters by k-means from greedy k-means++, (B, G).

    Parameters
    ----------
    points : Tensor of shape (B, D, G)
    weight : Tensor of shape (B, G)
    uniform : Tensor of shape (B, n_clusters, n_drawn(n_clusters))
        Random numbers between 0 and 1.
    """
    centres = _distant(points, weight, uniform)
    distances = _beside_nearest(points, centres)
    belongs = distances == 0
    for _ in range(_SWEEPS):
        centres = _centres(points, weight, belongs, centres)
        distances, before = _beside_nearest(points, centres), belongs
        belongs = distances == 0
        if torch.equal(belongs, before):
            break
    return distances.argmin(1)


def members(labels: Tensor, n_clusters: int, dtype) -> Tensor:
    """A row for each cluster, 1 where a sample belongs to it, (B, K, G)."""
    one_hot = torch.zeros(len(labels), n_clusters, labels.shape[1], dtype=dtype)
    return one_hot.scatter_(1, labels[:, None], 1.0)


def _distances(points, centres) -> Tensor:
    """Squared distances (B, m, G) from centres (B, m, D)."""
    squares = points.square().sum(1)[:, None] + centres.square().sum(2)[..., None]
    return torch.baddbmm(squares, centres, points, alpha=-2).clamp_(min=0)


def _beside_nearest(points, centres) -> Tensor:
    """Half the squared distances, less those of the nearest centre, (B, K, G)."""
    # What all distances of a sample share does not matter.
    half = 0.5 * centres.square().sum(2)[..., None]
    distances = torch.baddbmm(half, centres, points, alpha=-1)
    return distances.sub_(distances.amin(1, keepdim=True))


def _centres(points, weight, belongs, before) -> Tensor:
    """Means of the clusters; one that is empty stays where it was."""
    shares = belongs * weight[:, None]
    counts = shares.sum(2, keepdim=True)
    return torch.where(counts > 0, shares @ points.mT / counts.clamp(min=1e-300), before)


def _distant(points, weight, uniform) -> Tensor:
    """Centres of greedy k-means++, (B, K, D)."""
    nearest, chosen = torch.full_like(weight, torch.inf), []
    batch = torch.arange(len(points))
    for i in range(uniform.shape[1]):
        chance = weight if i == 0 else weight * nearest
        # An overflow is to be reported as such, later, not as a bad distribution here.
        fine = chance.isfinite().all(1, keepdim=True) & (chance.sum(1, keepdim=True) > 0)
        total = torch.where(fine, chance, weight).cumsum(1)
        # The first centre is any sample: with one candidate it is no matter which helps.
        draws = uniform[:, i] if i else uniform[:, i, :1]
        drawn = torch.searchsorted(total, draws * total[:, -1:], right=True)
        drawn = drawn.clamp(max=points.shape[2] - 1)
        candidates = points.mT.take_along_dim(drawn[..., None], 1)
        closer = torch.minimum(_distances(points, candidates), nearest[:, None])
        best = (closer * weight[:, None]).sum(2).nan_to_num(nan=torch.inf).argmin(1)
        chosen.append(candidates[batch, best])
        nearest = closer[batch, best]
    return torch.stack(chosen, dim=1)
