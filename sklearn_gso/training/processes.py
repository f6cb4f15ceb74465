"""Training in several processes of torch.distributed: shares of the work, sums of the gradients.

Every process runs the same programme. Within `in_processes` each solves its share of the episodes
of a step; their gradients are added up, so that the weights are the same everywhere, and those of
one process. Elsewhere nothing waits for other processes, whatever group there is.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.distributed as dist
from torch import Tensor

_INSIDE: ContextVar[bool] = ContextVar("inside", default=False)


@contextmanager
def in_processes():
    """Within it the processes that ``torchrun`` has begun train together; one by itself, alone.

    All of them have to fit the same estimators in the same order.
    """
    there = dist.is_available() and dist.is_initialized()
    begun = "WORLD_SIZE" in os.environ and not there
    if begun:
        dist.init_process_group("gloo")
    token = _INSIDE.set(begun or there)
    try:
        yield
    finally:
        _INSIDE.reset(token)
        if begun:
            dist.destroy_process_group()


def _together() -> bool:
    return _INSIDE.get()


def n_processes() -> int:
    return dist.get_world_size() if _together() else 1


def rank() -> int:
    """Number of this process; 0 writes files and shows bars."""
    return dist.get_rank() if _together() else 0


def the_same(seed: int) -> int:
    """The first process's seed, in every process."""
    if n_processes() > 1:
        shared = torch.tensor([seed])
        dist.broadcast(shared, 0)
        seed = int(shared)
    return seed


def own(items: list, work: Sequence[float]) -> list:
    """Those of some items that are this process's, in their order.

    The heaviest first, each goes to who has the least work so far: of one step or of many, no
    process then waits long for the others.
    """
    loads, mine = [0.0] * n_processes(), []
    for i in sorted(range(len(items)), key=lambda i: -work[i]):
        least = loads.index(min(loads))
        loads[least] += work[i]
        mine += [i] if least == rank() else []
    return [items[i] for i in sorted(mine)]


def add_up(tensors: Iterable[Tensor]) -> None:
    """Put the sum over all processes in place of each tensor."""
    if n_processes() == 1:
        return
    tensors = list(tensors)
    whole = torch.cat([tensor.flatten().double() for tensor in tensors])
    dist.all_reduce(whole)
    for tensor, part in zip(tensors, whole.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))
