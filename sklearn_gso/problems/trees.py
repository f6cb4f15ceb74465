"""Blocks, and trees of the tensors that they are made of."""

import torch
from torch import Tensor

Block = Tensor | tuple
Variables = dict[str, Block]


def point(block: Block) -> Tensor:
    """The point estimate of a block: itself, or the first field of a tuple."""
    return block[0] if isinstance(block, tuple) else block


def with_point(block: Block, value: Tensor) -> Block:
    """The same block with another point estimate."""
    return type(block)(value, *block[1:]) if isinstance(block, tuple) else value


def map_tensors(function, *trees):
    """Apply a function to the tensors of equally built trees: blocks, states, results of runs.

    Trees are dicts, lists, tuples and named tuples of tensors and None.
    """
    first = trees[0]
    if first is None:
        return None
    if isinstance(first, dict):
        return {key: map_tensors(function, *(tree[key] for tree in trees)) for key in first}
    if isinstance(first, tuple | list):
        parts = [map_tensors(function, *parts) for parts in zip(*trees, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    return function(*trees)


def where_tasks(chosen: Tensor, yes, no):
    """The tensors of one tree for the chosen tasks, those of another for the rest."""
    if chosen.all() or not chosen.any():
        return yes if chosen.all() else no
    return map_tensors(
        lambda a, b: torch.where(chosen.reshape(-1, *[1] * (a.ndim - 1)), a, b), yes, no
    )


def take_tasks(tree, index: Tensor | slice | int):
    """Some of the tasks of a tree, by number."""
    return map_tensors(lambda tensor: tensor[index], tree)
