"""Solving batches of tasks for a completer, in this process or in several."""

import numpy as np
import torch
from joblib import Parallel, delayed
from scipy import sparse
from sklearn.utils import check_random_state

from .search import minimize_from_starts
from .tasks import batches


def new_generator(seed: int) -> torch.Generator:
    """A torch generator of its own; the global one stays untouched."""
    return torch.Generator().manual_seed(int(seed))


def draw_seed(random_state) -> int:
    """A seed from a ``random_state``; None draws from the system, not from numpy's global."""
    rng = np.random.RandomState() if random_state is None else check_random_state(random_state)
    return int(rng.randint(2**31 - 1))


def to_tensor(arrays) -> torch.Tensor:
    """Stacked double-precision copy; memory maps may be read-only."""
    return torch.from_numpy(np.stack([np.asarray(a, dtype=np.float64) for a in arrays]))


def to_values(arrays):
    """What a problem is made of: sparse matrices as they are, others as one tensor."""
    return list(arrays) if sparse.issparse(arrays[0]) else to_tensor(arrays)


def solve_batch(completer, values, seed):
    """Solve tasks of equal shape from all starts; a plain function, for joblib."""
    problem = completer._problem(to_values(values), completer._components_for(values[0]))
    generator = new_generator(seed)
    rules, n_inner = completer._rules(problem, generator)
    found = minimize_from_starts(
        problem,
        rules,
        completer.n_init,
        generator,
        completer._n_outer(),
        n_inner,
        completer.safeguard,
    )
    if problem.has_empty_rows:
        found = found._replace(runs=[_settled(problem, run) for run in found.runs])
    if not all(map(_is_finite, found.best.variables.values())):
        raise ValueError(f"{type(completer).__name__} {_why_not_finite(completer, rules)}")
    return found


def _settled(problem, run):
    variables = problem.settle_empty_rows(run.variables)
    return run._replace(variables=variables, objective=problem.objective(variables))


def _why_not_finite(completer, rules):
    is_learned = any(rule.classical() is not rule for rule in rules.values())
    if is_learned and completer.safeguard == "none":
        return (
            "ended in values that are not finite: its learned rule produced them, and "
            "safeguard='none' keeps what the rule produces."
        )
    return "overflowed: the entries of X are too large; scale them."


def _is_finite(block):
    return all(t.isfinite().all() for t in (block if isinstance(block, tuple) else (block,)))


def _answer_batch(completer, items, seed):
    values, wanted, read = zip(*items, strict=True)
    found = solve_batch(completer, values, seed)
    with torch.no_grad():
        variables = [run.variables for run in found.runs]
        return read[0](found.problem, found.shares, variables, wanted)


def kind_of(completer, array) -> tuple:
    """Tasks of one kind are solved in one batch."""
    return array.shape, completer._components_for(array), sparse.issparse(array)


def solve_collection(completer, arrays, seed, read, wanted=None) -> list[np.ndarray]:
    """What a reader of `_answers` finds in each solved matrix; the same for any ``n_jobs``.

    Dense ones of equal shape are solved in batches, sparse ones each for itself.
    """

    def cost(shape, k, is_sparse):
        if is_sparse:
            return np.inf
        return completer.n_init * (4 * shape[0] * shape[1] + 3 * sum(shape) * (k + 1) ** 2)

    chunks = batches(arrays, cost, lambda array: kind_of(completer, array))
    seeds = np.random.RandomState(seed).randint(2**31 - 1, size=len(chunks))
    wanted = [None] * len(arrays) if wanted is None else wanted
    items = list(zip(arrays, wanted, [read] * len(arrays), strict=True))
    return in_chunks(_answer_batch, completer, items, chunks, seeds)


def in_chunks(solve, estimator, items, chunks, seeds) -> list:
    """``solve(estimator, items, seed)`` of every chunk, the results in the order of the items."""
    found = Parallel(n_jobs=estimator.n_jobs)(
        delayed(solve)(estimator, [items[i] for i in chunk], own)
        for chunk, own in zip(chunks, seeds, strict=True)
    )
    solved = [None] * len(items)
    for chunk, batch in zip(chunks, found, strict=True):
        for i, one in zip(chunk, batch, strict=True):
            solved[i] = one
    return solved
