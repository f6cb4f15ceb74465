"""Principal components of data, which fill their holes, and the noise beside them."""

from typing import NamedTuple

import torch
from torch import Tensor

_N_FILLINGS = 20


class Principal(NamedTuple):
    """Filled data (T, n, d), the components' mean squares (T, k) and directions (T, d, k).

    ``noise`` is the variance of an observed entry about them, (T, 1, 1).
    """

    filled: Tensor
    spread: Tensor
    directions: Tensor
    noise: Tensor


def principal(values: Tensor, seen: Tensor, n_components: int, fallback: float) -> Principal:
    """Principal components, not centred, of values (T, n, d) that are 0 where not ``seen``.

    Holes are what the components say of them, again and again, at first the columns' means.
    The noise is at least 1e-6 of the mean square, and ``fallback`` of it where the components
    leave nothing.
    """
    (n, d), k = values.shape[1:], n_components
    filled = values + (1 - seen) * values.sum(1, keepdim=True) / seen.sum(1, keepdim=True).clamp(1)
    spread, directions = _components(filled, k)
    for _ in range(0 if bool(seen.all()) else _N_FILLINGS):
        filled = values + (1 - seen) * (filled @ directions @ directions.mT)
        spread, directions = _components(filled, k)
    left = ((values - filled @ directions @ directions.mT) * seen).square().sum((1, 2))
    n_seen = seen.sum((1, 2))
    whole = values.square().sum((1, 2)) / n_seen.clamp(min=1)
    n_left = n_seen - k * (n + d - k)
    told = torch.where(n_left > 0, left / n_left.clamp(min=1), fallback * whole)
    noise = torch.maximum(told, (1e-6 * whole).clamp(min=1e-300))
    return Principal(filled, spread.clamp(min=0), directions, noise[:, None, None])


def _components(filled: Tensor, k: int) -> tuple[Tensor, Tensor]:
    spread, directions = torch.linalg.eigh(filled.mT @ filled / filled.shape[1])
    return spread[:, -k:], directions[:, :, -k:]
