"""Collections larger than memory: members are read when they are asked for."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import sparse


class Lazy(Sequence):
    """What a function makes of the members of some sequences; nothing is kept.

    Parameters
    ----------
    make : callable
        Of one member of each sequence.
    *sources : sequence
        Of one length.
    """

    def __init__(self, make, *sources):
        self.make, self.sources = make, sources

    def __len__(self):
        return len(self.sources[0])

    def __getitem__(self, i):
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        if not -len(self) <= i < len(self):
            raise IndexError(f"{i} of a collection of {len(self)}")
        return self.make(*(source[i] for source in self.sources))

    def __iter__(self):
        # A member that raises an IndexError would otherwise end the collection.
        for i in range(len(self)):
            try:
                member = self[i]
            except IndexError as error:
                raise RuntimeError(f"Member {i} of the collection cannot be read.") from error
            yield member


def mapped(make, *sources):
    """What a function makes of the members of sequences: a list, if none of them is lazy."""
    if any(isinstance(source, Lazy) for source in sources):
        return Lazy(make, *sources)
    return [make(*members) for members in zip(*sources, strict=True)]


def checked_all(check, *collections):
    """``check(i, *members)`` for all members; lazy ones are read once now, and again later."""
    checked = mapped(check, range(len(collections[0])), *collections)
    if isinstance(checked, Lazy):
        for _ in checked:
            pass
    return checked


def lazy(X) -> Lazy:
    """A collection that `is_lazy`, its members as they are."""
    return X if isinstance(X, Lazy) else Lazy(lambda member: member, X)


def is_matrix(element) -> bool:
    return sparse.issparse(element) or len(getattr(element, "shape", ())) == 2


def is_lazy(X) -> bool:
    """Whether X is a collection whose matrices are not all in memory.

    Memory maps are, lists of such, and whatever is no list but has a length and gives a matrix
    for a number.
    """
    if isinstance(X, Lazy):
        return True
    if isinstance(X, np.memmap):
        return X.ndim == 3
    if isinstance(X, list | tuple):
        return any(isinstance(task, np.memmap) for task in X) and all(map(is_matrix, X))
    is_sequence = hasattr(X, "__len__") and hasattr(X, "__getitem__")
    if not is_sequence or isinstance(X, str | bytes | Mapping):
        return False
    if sparse.issparse(X) or hasattr(X, "__array__") or hasattr(X, "columns"):
        return False
    return len(X) > 0 and is_matrix(X[0])
