"""What each of several runs weighs in the answer."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .outcome import Run

# How fast a run loses weight by what it leaves unexplained; where no two agree this tells less
# of hidden entries: explained best is what was fitted most closely (benchmarks/LOG.md).
_WEIGHT_POWER, _DISAGREEING_POWER = 4, 1
# Of a run's outer steps: one that the safeguard held back more often explains the entries it
# saw better than it should (uniform noise and ranks beyond counting look recovered then).
_MAX_GUARDED = 0.25
# How fast a baseline does where a run predicts left-out entries better: with a tenth less of
# their variance it has a sixth. No lower error was found with 8 or 32 (benchmarks/LOG.md).
_BASELINE_POWER = 16
_MOST = 10.0
# How fast a classical run loses weight where learned ones explain more: with a tenth more
# unexplained it has a sixth instead of half (benchmarks/LOG.md).
_COMPANION_POWER = 16


def weighted_average(weights: Tensor, values: Iterable[Tensor]) -> Tensor:
    """Weighted average, weights (n_runs, T), of one tensor (T, ...) for each run."""
    total = torch.zeros((), dtype=weights.dtype)
    for weight, value in zip(weights, values, strict=True):
        weight = weight.reshape(-1, *[1] * (value.ndim - 1))
        # A run that is not finite weighs nothing; 0 times NaN must not count either.
        total = total + torch.where(weight > 0, weight * value, 0.0)
    return total


def lowest_objective(runs: list[Run]) -> Tensor:
    """All weight for the lowest objective, (n_runs, T)."""
    objective = torch.stack([run.objective for run in runs])
    objective = torch.where(objective.isfinite(), objective, torch.inf)
    return nn.functional.one_hot(objective.argmin(0), len(runs)).T.to(objective.dtype)


def by_unexplained(runs, unexplained, made, agree, max_iter) -> tuple[Tensor, Tensor]:
    """Weights by a power of the unexplained variance (n_runs, T), and its minimum.

    The fourth of tasks on which two runs ``agree`` (T,), else the first. Runs that recover the
    truth leave nothing unexplained and take all; runs that explain a table equally well, in
    different ways, are averaged, which is better than the best of them (benchmarks/LOG.md).
    Those that the safeguard held back at more than a quarter of their outer steps weigh
    nothing, unless all are such.
    """
    usable = made & unexplained.isfinite() & torch.stack([run.objective.isfinite() for run in runs])
    free = usable & torch.stack([run.n_guarded <= _MAX_GUARDED * max_iter for run in runs])
    usable = torch.where(free.any(0), free, usable)
    unexplained = torch.where(usable, unexplained, torch.inf)
    least = unexplained.amin(0)
    power = torch.where(agree, _WEIGHT_POWER, _DISAGREEING_POWER)
    weights = torch.where(usable, (least / unexplained) ** power, 0.0)
    weights[0, ~usable.any(0)] = 1.0
    return weights / weights.sum(0), least


def companion_weight(least, unexplained, made) -> Tensor:
    """Weight of a classical run beside that of all others together, which is 1, (T,).

    1 where it leaves no more unexplained than they do: on tables whose rank is high a
    learned rule may trust the data too little. Where it leaves more its weight soon
    vanishes, as with matrices that only the learned rule recovers.
    """
    return torch.where(made, (least / unexplained).clamp(max=1.0) ** _COMPANION_POWER, 0.0)


def baseline_weight(shares: Tensor) -> Tensor:
    """Weight of a baseline beside that of all runs together, which is 1, (T,).

    Parameters
    ----------
    shares : Tensor of shape (n_runs, T)
        Squared errors of left-out entries over the baseline's. The least counts: a run that
        does no better than the baseline may hide beside another one that does.
    """
    least = shares.nan_to_num(nan=torch.inf).amin(0).clamp(max=_MOST)
    return least**_BASELINE_POWER
