"""Where runs on a mixture start, for all tasks of a batch at once."""

import torch
from torch import Tensor

from ...problems._gaussians import as_matrices, fit_covariances, multiply, whiteners
from ...problems._mixture_moves import best_assignment
from ...problems.base import Variables, point
from ...problems.mixture_free_energy import MixtureFreeEnergy
from ...rules.classical import ClosedForm, GeometricContinuation
from ...solvers.alternating import alternate, rules_for

# Clusters are found by EM whose common covariance is this share of the pooled one: small,
# so that nearly every sample belongs to one cluster.
_CLUSTER_VARIANCE = 1e-2
_CLUSTER_SWEEPS = 10
_MAX_TEMPERATURE = 20.0
TEMPERED_SWEEPS = 40
# What is added to the pooled covariance, which may be singular: shares of each feature's
# own variance and of the mean variance.
_OWN_FLOOR, _COMMON_FLOOR = 1e-6, 1e-12
# Samples that vary by less are one place, where any metric does.
_MIN_VARIANCE = 1e-290


def _begin(problem, given, means, weights=None, covariances=None) -> Variables:
    found = {"means": means, "weights": weights, "covariances": covariances}
    return problem.start_from(**{**found, **(given or {})})


def _known_means(problem, given) -> Tensor | None:
    return problem.fixed.get("means", (given or {}).get("means"))


def random(problem: MixtureFreeEnergy, generator, given=None) -> Variables:
    """Distinct random samples as centres.

    Parameters
    ----------
    problem : MixtureFreeEnergy
    generator : torch.Generator
    given : dict of str to Tensor, optional
        Values that some of the parameters start at, whatever the samples say.

    Returns
    -------
    variables : dict
    """
    means = _known_means(problem, given)
    if means is None:
        means = problem.sampled_means(generator)
    return _begin(problem, given, means)


def kmeans_plusplus(problem: MixtureFreeEnergy, generator, given=None) -> Variables:
    """Samples as centres, each drawn by its squared distance from those before.

    Distances are in the pooled metric; parameters as for `random`.
    """
    means = _known_means(problem, given)
    if means is None:
        means = _distant_means(problem, generator)
    return _begin(problem, given, means)


def matched(problem: MixtureFreeEnergy, generator, given=None) -> Variables:
    r"""Clusters, assigned to the given covariances.

    The clusters are those of EM with one small covariance for all, from `kmeans_plusplus`.
    With counts :math:`n_k` and scatters :math:`S_k` they go to the components of covariance
    :math:`\Sigma_j` and weight :math:`\pi_j` that minimise the sum of

    .. math::
        n_k (\operatorname{tr}(\Sigma_j^{-1} S_k) + \log|\Sigma_j| - 2\log\pi_j)

    Where covariances are not given each component takes those of its cluster, to which one
    sample of the common covariance is added. Parameters as for `random`.
    """
    known = _known_means(problem, given)
    if known is not None:
        return _begin(problem, given, known)
    means, shares = _clusters(problem, generator)
    counts = shares.sum(2)
    order = best_assignment(problem, means, shares)
    means = means.take_along_dim(order[..., None], 1)
    shares = shares.take_along_dim(order[..., None], 1)
    counts = counts.take_along_dim(order, 1)
    covariances = None
    if "covariances" not in problem.fixed:
        covariances = _cluster_covariances(problem, means, shares, counts)
    return _begin(problem, given, means, torch.log(counts + 1)[..., None], covariances)


def tempered(problem: MixtureFreeEnergy, generator, given=None) -> Variables:
    """Deterministic annealing from a random start; parameters as for `random`.

    Covariances that are not given stand still meanwhile, so small that the components
    begin to part at the highest temperature: if they could grow, hot components would
    coincide and never part again.
    """
    start = random(problem, generator, given)
    if _known_means(problem, given) is not None:
        return start
    schedule = GeometricContinuation(_MAX_TEMPERATURE, 1.0, control="temperature")
    annealed, begin = problem, start
    if "covariances" in start:
        volume = problem.n_components ** (2 / problem.n_features)
        small = problem.common_covariances() * (volume / _MAX_TEMPERATURE)
        annealed = problem.with_fixed({**problem.fixed, "covariances": small})
        begin = annealed.start_from(*(problem.parameter(start, n) for n in ("means", "weights")))
    rules = rules_for(annealed, ClosedForm(schedule))
    found, _ = alternate(annealed, rules, begin, TEMPERED_SWEEPS)
    if annealed is problem:
        return found
    means, weights = (annealed.parameter(found, name) for name in ("means", "weights"))
    return problem.start_from(means, weights, start["covariances"])


STARTS = {
    "random": random,
    "k-means++": kmeans_plusplus,
    "matched": matched,
    "tempered": tempered,
}


def pooled_covariance(problem: MixtureFreeEnergy) -> Tensor:
    """The mean of the given covariances, else that of all samples, (T, 1, D, D)."""
    if "covariances" in problem.fixed:
        given = problem.fixed["covariances"].mean(1, keepdim=True)
        pooled = as_matrices(given, problem.n_features)
    else:
        pooled = problem.pooled_covariance("full")
    variance = pooled.diagonal(dim1=2, dim2=3)
    size = variance.mean(2, keepdim=True)
    size = torch.where(size > _MIN_VARIANCE, size, 1 / _COMMON_FLOOR)
    return pooled + torch.diag_embed(_OWN_FLOOR * variance + _COMMON_FLOOR * size)


def _distant_means(problem, generator) -> Tensor:
    """Centres of k-means++, (T, K, D)."""
    whitener, _ = whiteners(pooled_covariance(problem), problem.n_features)
    points = multiply(whitener, problem.points[:, None])[:, 0]
    weight = problem.sample_weight[:, 0]
    chance, nearest = weight, torch.full_like(weight, torch.inf)
    chosen: list[Tensor] = []
    for _ in range(problem.n_components):
        # An overflow is to be reported as such, later, not as a bad distribution here.
        chance = torch.where(chance.isfinite().all(1, keepdim=True), chance, weight)
        chosen.append(torch.multinomial(chance, 1, generator=generator))
        centre = points.take_along_dim(chosen[-1][:, None], 2)
        nearest = (points - centre).square().sum(1).clamp(max=nearest)
        chance = weight * nearest
        chance = torch.where(chance.sum(1, keepdim=True) > 0, chance, weight)
    return problem.points.mT.take_along_dim(torch.cat(chosen, 1)[..., None], 1)


def _clusters(problem, generator) -> tuple[Tensor, Tensor]:
    """Means (T, K, D) and weighted responsibilities (T, K, G) of nearly hard clusters."""
    equal = torch.zeros(problem.n_tasks, problem.n_components, 1, dtype=problem.points.dtype)
    fixed = {"weights": equal, "covariances": _CLUSTER_VARIANCE * pooled_covariance(problem)}
    clusters = problem.with_fixed(fixed, covariance_type="tied")
    start = clusters.start_from(_distant_means(problem, generator))
    found, _ = alternate(clusters, rules_for(clusters, ClosedForm()), start, _CLUSTER_SWEEPS)
    return point(found["means"]), problem.sample_weight * clusters.responsibilities(found)


def _cluster_covariances(problem, means, shares, counts) -> Tensor:
    """A cluster of few samples has no covariance of its own."""
    kind = problem.covariance_type
    found = fit_covariances(
        kind, problem.points, means, shares, problem.reg_covar, counts.clamp(min=1e-9)
    )
    n = counts.sum(1, keepdim=True) if kind == "tied" else counts
    n = n.reshape(*n.shape, *[1] * (found.ndim - 2))
    return (n * found + problem.common_covariances()) / (n + 1)
