"""Where runs on a mixture start, for all tasks of a batch at once."""

import torch
from torch import Tensor

from ...problems._gaussians import (
    CovariancePrior,
    as_matrices,
    fit_covariances,
    multiply,
    whiteners,
)
from ...problems._mixture_moves import assignment_of_pinned, best_assignment
from ...problems.mixture_free_energy import MixtureFreeEnergy
from ...problems.mixture_incomplete import MixtureIncomplete
from ...problems.trees import Variables, point, take_tasks
from ...rules.classical import ClosedForm, GeometricContinuation
from ...solvers.alternating import alternate, rules_for
from ...solvers.multistart import best_of_starts
from ...solvers.outcome import joined
from ...solvers.run import in_batches, minimize
from .clustering import METRICS, coordinates, hard_clusters, members, n_drawn

_FLOAT = torch.float64
# Sweeps of EM after which the best of the metrics' clusters goes on.
_RACE = 8

# Clusters are found by EM whose common covariance is this share of the pooled one: small,
# so that nearly every sample belongs to one cluster.
_CLUSTER_VARIANCE = 1e-2
_CLUSTER_SWEEPS = 10
_MAX_TEMPERATURE = 20.0
_TEMPERED_SWEEPS = 40
# What is added to the pooled covariance, which may be singular: shares of each feature's
# own variance and of the mean variance.
_OWN_FLOOR, _COMMON_FLOOR = 1e-6, 1e-12
# Samples that vary by less are one place, where any metric does.
_MIN_VARIANCE = 1e-290


def _begin(problem, given, draw) -> Variables:
    """The variables at known means, else at parameters that are drawn; ``given`` comes first."""
    given = given or {}
    known = problem.fixed.get("means", given.get("means"))
    drawn = draw() if known is None else {"means": known}
    return problem.start_from(**{**drawn, **given})


def random(problem: MixtureFreeEnergy, generator, given=None) -> Variables:
    """Distinct random samples as centres; some parameters may be given values to start at."""
    return _begin(problem, given, lambda: {"means": problem.sampled_means(generator)})


def kmeans_plusplus(problem: MixtureFreeEnergy, generator, given=None) -> Variables:
    """Samples as centres, drawn by squared distance, in the pooled metric, from those before."""
    return _begin(problem, given, lambda: {"means": _distant_means(problem, generator)})


def matched(problem: MixtureFreeEnergy, generator, given=None) -> Variables:
    """Clusters, each assigned to the given covariance (or weight) that fits it.

    Where covariances are not given: hard clusters in each of the `METRICS`, with their own
    covariances, of which the best after a few sweeps of EM is taken.
    """
    known = "means" in problem.fixed or "means" in (given or {})
    if known or "covariances" in problem.fixed:
        return _begin(problem, given, lambda: _assigned_clusters(problem, generator))
    return clustered(problem, [generator], given)


def clustered(problem: MixtureFreeEnergy, generators, given=None) -> Variables:
    """`matched` where covariances are estimated; a start from each generator, side by side."""
    n, n_tasks, k = len(generators), problem.n_tasks, problem.n_components
    drawn = [torch.rand(n_tasks, k, n_drawn(k), generator=g, dtype=_FLOAT) for g in generators]
    uniform = torch.cat(drawn).repeat(len(METRICS), 1, 1)
    points = coordinates(problem, pooled_covariance(problem))
    each = torch.arange(n_tasks).repeat(n * len(METRICS))
    place = torch.arange(len(points)).reshape(len(METRICS), n_tasks).repeat(1, n).flatten()
    rules, parts = rules_for(problem, ClosedForm()), []
    for runs in in_batches(problem, torch.arange(len(each))):
        weight = problem.sample_weight[each[runs], 0]
        labels = hard_clusters(points[place[runs]], weight, uniform[runs])
        part, own = problem.take(each[runs]), take_tasks(given or {}, each[runs])
        start = _begin(part, own, lambda p=part, z=labels: _of_clusters(p, z))
        run = minimize(part, rules, start, _RACE, safeguard="none")
        parts.append((run.variables, run.objective, part.n_collapsed(run.variables)))
    variables, objective, collapsed = joined(parts)
    return take_tasks(variables, best_of_starts(objective, len(METRICS), collapsed))


def from_responsibilities(problem: MixtureFreeEnergy, given) -> Variables:
    """The parameters that given responsibilities (T, K, G) make most likely."""
    shares = problem.sample_weight * given["responsibilities"]
    counts = shares.sum(2).clamp(min=1e-9)
    means = shares @ problem.points.mT / counts[..., None]
    about = (problem.points, means, shares, problem.reg_covar, counts, problem.prior)
    made = {
        "weights": counts.log()[..., None],
        "means": means,
        "covariances": fit_covariances(problem.covariance_type, *about),
    }
    return problem.start_from(**made | {name: given[name] for name in made if name in given})


def in_own_order(problem: MixtureIncomplete, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """What is given to start at, for the samples in the order of a problem."""
    name = "responsibilities"
    return given | {name: problem.in_own_order(given[name])} if name in given else given


def tempered(problem: MixtureFreeEnergy, generator, given=None) -> Variables:
    """Deterministic annealing from a random start.

    Covariances that are not given stand still meanwhile, so small that the components
    begin to part at the highest temperature: if they could grow, hot components would
    coincide and never part again.
    """
    start = random(problem, generator, given)
    if "means" in problem.fixed or "means" in (given or {}):
        return start
    annealed, covariances = problem, start.get("covariances")
    if covariances is not None:
        volume = problem.n_components ** (2 / problem.n_features)
        small = problem.common_covariances() * (volume / _MAX_TEMPERATURE)
        annealed = problem.with_fixed({**problem.fixed, "covariances": small})
    weights, means, _ = problem.parameters(start)
    schedule = GeometricContinuation(_MAX_TEMPERATURE, 1.0, control="temperature")
    rules = rules_for(annealed, ClosedForm(schedule))
    end, _ = alternate(annealed, rules, annealed.start_from(means, weights), _TEMPERED_SWEEPS)
    weights, means, _ = annealed.parameters(end)
    return problem.start_from(means, weights, covariances)


STARTS = {"random": random, "k-means++": kmeans_plusplus, "matched": matched, "tempered": tempered}


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


def _assigned_clusters(problem, generator) -> dict[str, Tensor | None]:
    """Parameters of nearly hard clusters, in the order of the components."""
    means, shares = _clusters(problem, generator)
    order = best_assignment(problem, means, shares)
    task = torch.arange(problem.n_tasks)[:, None]
    means, shares = means[task, order], shares[task, order]
    counts, covariances = shares.sum(2), None
    if "covariances" not in problem.fixed:
        covariances = _cluster_covariances(problem, means, shares, counts)
    return {"means": means, "weights": (counts + 1).log()[..., None], "covariances": covariances}


def _clusters(problem, generator) -> tuple[Tensor, Tensor]:
    """Means (T, K, D) and weighted responsibilities (T, K, G) of nearly hard clusters."""
    equal = torch.zeros(problem.n_tasks, problem.n_components, 1, dtype=problem.points.dtype)
    fixed = {"weights": equal, "covariances": _CLUSTER_VARIANCE * pooled_covariance(problem)}
    clusters = problem.with_fixed(fixed, covariance_type="tied")
    start = clusters.start_from(_distant_means(problem, generator))
    end, _ = alternate(clusters, rules_for(clusters, ClosedForm()), start, _CLUSTER_SWEEPS)
    return point(end["means"]), problem.sample_weight * clusters.responsibilities(end)


def _of_clusters(problem, labels) -> dict[str, Tensor]:
    """Parameters of hard clusters in their order, or in that which fits given weights."""
    shares = members(labels, problem.n_components, _FLOAT) * problem.sample_weight
    counts = shares.sum(2)
    means = shares @ problem.points.mT / counts.clamp(min=1e-9)[..., None]
    if problem.pinned is None:
        order = best_assignment(problem, means, shares)
    else:
        own = _cluster_covariances(problem, means, shares, counts)
        order = assignment_of_pinned(problem, own, means, shares)
    task = torch.arange(problem.n_tasks)[:, None]
    means, shares, counts = means[task, order], shares[task, order], counts[task, order]
    covariances = _cluster_covariances(problem, means, shares, counts)
    return {"means": means, "weights": (counts + 1).log()[..., None], "covariances": covariances}


def _cluster_covariances(problem, means, shares, counts) -> Tensor:
    """A cluster of few samples has no covariance of its own."""
    kind, floored = problem.covariance_type, counts.clamp(min=1e-9)
    prior = problem.prior
    if prior is None:
        common = problem.common_covariances()[:, :1]
        prior = CovariancePrior.of(common, 1.0, problem.n_features)
    return fit_covariances(kind, problem.points, means, shares, 0.0, floored, prior)
