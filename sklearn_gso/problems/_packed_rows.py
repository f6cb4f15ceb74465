"""Packed symmetric matrices as in `_linalg`, in NumPy and rows first: (T, rows, k (k + 1) / 2).

Products with masks and LAPACK read them as they are.
"""

import math
import mmap
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from ._linalg import pairs_of

# Doubles that are worked on at once: they stay in cache.
_PART = 1 << 16
# Doubles of an array that does not lie on the heap.
_LARGE = 1 << 17
# Where processes fork, none must write into another's memory.
_PRIVATE = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}


class Places(NamedTuple):
    """As `_linalg.Pairs`, and where packed entries stand in flat matrices."""

    first: np.ndarray
    second: np.ndarray
    number: np.ndarray
    times: np.ndarray
    flat: np.ndarray


@lru_cache(maxsize=256)
def places(k: int) -> Places:
    first, second, number, times = (part.numpy() for part in pairs_of(k))
    return Places(first, second, number.ravel(), times[:, 0], first * k + second)


def empty(*shape) -> np.ndarray:
    """Room for packed matrices; large ones go back to the system where they end.

    On the heap, smaller arrays settle in the holes that they leave, and it grows to twice
    what is in use.
    """
    size = math.prod(shape)
    if shape[0] > 1 or size <= _LARGE:
        return np.empty(shape)
    return np.frombuffer(mmap.mmap(-1, 8 * size, **_PRIVATE)).reshape(shape)


def _is_large(n_tasks, n_rows, n_pairs) -> bool:
    """Whether passes over matrices go by parts; batches of several tasks are small."""
    return n_tasks == 1 and n_rows * n_pairs > _PART


def outer(rows) -> np.ndarray:
    """Outer products of the rows of (T, n, k), packed, (T, n, pairs)."""
    place = places(rows.shape[2])
    if not _is_large(len(rows), rows.shape[1], len(place.first)):
        products = rows.take(place.first, axis=2)
        products *= rows.take(place.second, axis=2)
        return products
    products = empty(*rows.shape[:2], len(place.first))
    for part in parts(products):
        own = rows[:, part].take(place.first, axis=2)
        np.multiply(own, rows[:, part].take(place.second, axis=2), out=products[:, part])
    return products


def parts(packed) -> list[slice]:
    """Slices of the rows of (T, n, pairs) that stay in cache."""
    if not _is_large(*packed.shape):
        return [slice(None)]
    step = max(1, _PART // packed.shape[2])
    return [slice(i, i + step) for i in range(0, packed.shape[1], step)]


def inner(left, right) -> np.ndarray:
    """Inner products of packed matrices, (T, n)."""
    times = places(int((2 * left.shape[2]) ** 0.5)).times
    if not _is_large(*left.shape):
        return (left * right) @ times
    return np.concatenate([(left[:, p] * right[:, p]) @ times for p in parts(left)], axis=1)


def quadratic(rows, packed) -> np.ndarray:
    """``vᵀ A v`` of the rows of (T, n, k) and packed matrices, (T, n)."""
    if not _is_large(*packed.shape):
        return inner(outer(rows), packed)
    inners = [inner(outer(rows[:, p]), packed[:, p]) for p in parts(packed)]
    return np.concatenate(inners, axis=1)


def inverted(packed, right):
    """Inverses (packed), solutions and log determinants; None if any matrix is not definite.

    ``packed`` is (T, n, k (k + 1) / 2), and becomes the inverses; ``right`` is (T, n, k).
    """
    shape, k = right.shape[:2], right.shape[2]
    place, n = places(k), shape[0] * shape[1]
    packed, right = packed.reshape(n, -1), right.reshape(n, k)
    solution, log_det = np.empty_like(right), np.empty(n)
    step = min(n, max(1, _PART // k**2))
    # Fresh memory would cost as much as the arithmetic.
    whole, factor, root = (torch.empty(step, k, k, dtype=torch.float64) for _ in range(3))
    failed, identity = torch.empty(step, dtype=torch.int32), torch.eye(k, dtype=torch.float64)
    for part in (slice(i, min(i + step, n)) for i in range(0, n, step)):
        size = part.stop - part.start
        own, lower, upper = whole[:size], factor[:size], root[:size]
        flat = own.view(size, -1).numpy()
        packed[part].take(place.number, axis=1, out=flat, mode="clip")
        torch.linalg.cholesky_ex(own, out=(lower, failed[:size]))
        if failed[:size].any():
            return None
        torch.linalg.solve_triangular(lower, identity.expand_as(own), upper=False, out=upper)
        torch.bmm(upper.mT, upper, out=own)
        flat.take(place.flat, axis=1, out=packed[part], mode="clip")
        solved = torch.cholesky_solve(torch.from_numpy(right[part])[..., None], lower)
        solution[part] = solved[..., 0].numpy()
        log_det[part] = 2 * np.log(np.diagonal(lower.numpy(), axis1=1, axis2=2)).sum(1)
    return packed.reshape(*shape, -1), solution.reshape(*shape, k), log_det.reshape(shape)
