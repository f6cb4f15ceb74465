"""Moves that cut a component in two, on few samples, in NumPy: see `_em_step`."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ._em_step import EMStep, posterior
from ._mixture_cuts import SWEEPS
from .trees import Variables, point

_BLOCKS = ("weights", "means", "covariances", "responsibilities")


class Moved(NamedTuple):
    """Where moves lead, after an E-step, and its responsibilities (T, K, G)."""

    variables: Variables
    values: Tensor


def halved(step: EMStep, variables: Variables, pair: Tensor, generator) -> Moved:
    """One move for each task, as `_mixture_moves.move_components` makes it.

    Only the two components of the ``pair`` (T, 2) change, so only their densities are new.

    Parameters
    ----------
    step : EMStep
        Of the problem.
    variables : dict
        After an E-step.
    """
    weights, means, covariances, joint = (point(variables[n]).numpy().copy() for n in _BLOCKS)
    task, other, is_tied = np.arange(len(pair)), pair[:, 1].numpy(), step.kind == "tied"
    place = task[:, None], pair.numpy()
    with np.errstate(all="ignore"):
        weights -= _log_sum(weights)
        covariance = covariances if is_tied else covariances[task, other][:, None]
        weight = posterior(joint)[0][task, other]
        if step.weight is not None:
            weight *= step.weight[:, 0]
        peak = weights[task, other] + step.log_peak(covariance)
        squares = 2 * np.maximum(peak - joint[task, other], 0)
        way = _drawn(step.points, weight * squares + 1e-300, generator) - means[task, other]
        shares = _cut(step, weight, means[task, other], way)
        counts, means[place], fitted = step.fitted(shares, means[place])
        log_weights = weights[task, other] + np.log(counts / counts.sum(1, keepdims=True))
        weights[place] = log_weights[..., None]
        if is_tied:
            fitted = covariances
        else:
            covariances[place] = fitted
        joint[place] = step.joint(log_weights, means[place], *step.inverses(fitted))
        joint -= _log_sum(weights)  # one component's weight has gone
        values, _ = posterior(joint)
    blocks = map(torch.from_numpy, (weights, means, covariances, joint))
    return Moved(dict(zip(_BLOCKS, blocks, strict=True)), torch.from_numpy(values))


def _log_sum(weights):
    return np.log(np.exp(weights).sum(1, keepdims=True))


def _drawn(points, chance, generator) -> np.ndarray:
    """One sample for each task, (T, D)."""
    total = chance.cumsum(1)
    draw = torch.rand(len(total), 1, generator=generator, dtype=torch.float64).numpy()
    chosen = (total < draw * total[:, -1:]).sum(1).clip(max=total.shape[1] - 1)
    return points[np.arange(len(total)) if len(points) > 1 else 0, :, chosen]


def _cut(step, weight, centre, way) -> np.ndarray:
    """Weighted responsibilities (T, 2, G) of two halves, as `_mixture_cuts.cut`."""
    precision, _ = step.inverses(step.scale)

    def parted(centre, way):
        across = step.pulled(precision, way[:, None])
        beyond = step.times(across, step.points)[:, 0] > (across[:, 0] * centre).sum(1)[:, None]
        return np.stack([weight * beyond, weight * ~beyond], axis=1)

    shares = parted(centre, way)
    for _ in range(SWEEPS):
        sums = step.times(shares, step.points.swapaxes(1, 2))
        means = sums / (shares.sum(2, keepdims=True) + 1e-9)
        shares = parted(means.mean(1), means[:, 0] - means[:, 1])
    return shares
