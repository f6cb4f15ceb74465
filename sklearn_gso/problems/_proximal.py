"""Accelerated passes of closed steps, and the simple ones among these."""

from collections.abc import Callable

import torch
from torch import Tensor

_TINY, _TIED = 1e-300, 1e-9


def descend(value: Tensor, step: Callable[[Tensor], Tensor], passes) -> Tensor:
    """Accelerated steps, of which each alone would never raise F.

    Momentum starts again where it leads against the last step [O'Donoghue and Candes, 2015], row by
    row. The last step knows its gradients; those of all others, through many sweeps, explode.
    """
    with torch.no_grad():
        ahead, momentum = value, value.new_ones(*value.shape[:2], 1)
        for _ in range(passes[0]):
            new = step(ahead)
            turned = ((ahead - new) * (new - value)).sum(2, keepdim=True) > 0
            before = torch.where(turned, 1.0, momentum)
            momentum = (1 + (1 + 4 * before.square()).sqrt()) / 2
            change = new - value
            ahead = torch.where(turned, new, new + (before - 1) / momentum * change)
            value = new
            if passes[1] > 0 and change.abs().max() <= passes[1] * value.abs().max():
                break
    if not torch.is_grad_enabled():
        return value
    last = step(value)
    return value + (last - last.detach())


def first_of_largest(values: Tensor) -> Tensor:
    """Numbers of the largest values (T, n), the first of those that rounding tells apart."""
    largest = values.amax(1, keepdim=True)
    return (values >= largest - _TIED * largest.abs()).to(torch.uint8).argmax(1)


def soft(point: Tensor, threshold) -> Tensor:
    """What is least of half the squared distance to a point and of the threshold's moduli."""
    return point - point.clamp(-threshold, threshold)


def norm(rows: Tensor) -> Tensor:
    """Nowhere 0, where it has no slope."""
    return rows.square().sum(-1, keepdim=True).clamp(min=_TINY).sqrt()
