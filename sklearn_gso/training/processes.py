"""Training in several processes of torch.distributed: shares of the work, sums of the gradients.

Every process runs the same programme with the same seeds. Where a process group is there, as
``torchrun`` and `in_processes` make one, each solves its share of the episodes of a step; their
gradients are added up, so that the weights are the same everywhere, and those of one process.
"""

import os
from collections.abc import Iterable
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor


@contextmanager
def in_processes():
    """Within it the processes that ``torchrun`` has begun train together; one by itself, alone."""
    begun = "WORLD_SIZE" in os.environ and not _together()
    if begun:
        dist.init_process_group("gloo")
    try:
        yield
    finally:
        if begun:
            dist.destroy_process_group()


def _together() -> bool:
    return dist.is_available() and dist.is_initialized()


def n_processes() -> int:
    return dist.get_world_size() if _together() else 1


def rank() -> int:
    """Number of this process; 0 writes files and shows bars."""
    return dist.get_rank() if _together() else 0


def own(items: list) -> list:
    """Those of some items that are this process's."""
    return items[rank() :: n_processes()]


def add_up(tensors: Iterable[Tensor]) -> None:
    """Put the sum over all processes in place of each tensor."""
    if n_processes() == 1:
        return
    tensors = list(tensors)
    whole = torch.cat([tensor.flatten().double() for tensor in tensors])
    dist.all_reduce(whole)
    for tensor, part in zip(tensors, whole.split([t.numel() for t in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))
