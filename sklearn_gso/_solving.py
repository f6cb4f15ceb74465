"""Solving batches of tasks for a completer, in this process or in several."""

from contextlib import contextmanager
from threading import current_thread, main_thread

import numpy as np
import torch
from joblib import Parallel, cpu_count, delayed, effective_n_jobs
from scipy import sparse
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from ._progress import Progress
from .alternating import Monitor
from .starts import minimize_from_starts, most_sweeps, starts_at_once
from .tasks import batches


@contextmanager
def share_of_threads(n_workers: int | None = None):
    """Within it torch uses at most this worker's share of the cores.

    By default all of them in the main thread and one in any other, which has others beside
    it. What joblib and dask set in the environment of new processes covers neither threads
    nor processes that had begun before.
    """
    if n_workers is None and current_thread() is main_thread():
        yield
        return
    share = max(1, cpu_count() // n_workers) if n_workers else 1
    # Asking sets up torch in this thread, which would undo the limit later.
    with threadpool_limits(min(torch.get_num_threads(), share), user_api="openmp"):
        yield


def new_generator(seed: int) -> torch.Generator:
    """A torch generator of its own; the global one stays untouched."""
    return torch.Generator().manual_seed(int(seed))


def draw_seed(random_state) -> int:
    """A seed from a ``random_state``; None draws from the system, not from numpy's global."""
    rng = np.random.RandomState() if random_state is None else check_random_state(random_state)
    return int(rng.randint(2**31 - 1))


def to_tensor(arrays) -> torch.Tensor:
    """Stacked double-precision copy; memory maps may be read-only, frames lie by columns."""
    # In one order, since sums in another differ in their last digit.
    return torch.from_numpy(np.stack([np.asarray(a, np.float64, order="C") for a in arrays]))


def to_values(arrays):
    """What a problem is made of: sparse matrices as they are, others as one tensor."""
    return list(arrays) if sparse.issparse(arrays[0]) else to_tensor(arrays)


@share_of_threads()
def solve_batch(completer, values, seed, progress=None):
    """Solve tasks of equal shape from all starts."""
    problem = completer._problem(to_values(values), completer._components_for(values[0]))
    generator = new_generator(seed)
    rules, n_inner = completer._rules(problem, generator)
    n_init, n_outer, safeguard = completer.n_init, completer._n_outer(), completer.safeguard
    companion = completer._has_companion()
    total = most_sweeps(problem, rules, n_init, n_outer, safeguard, companion)
    with (progress or Progress()).phase("solving", total, "sweep") as step:
        found = minimize_from_starts(
            problem,
            rules,
            n_init,
            generator,
            n_outer,
            n_inner,
            safeguard,
            monitor=step and Monitor(step),
            companion=companion,
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


def _answer_batch(completer, items, seed, progress):
    values, wanted, read = zip(*items, strict=True)
    found = solve_batch(completer, values, seed, progress)
    with torch.no_grad():
        variables = [run.variables for run in found.runs]
        answers = read[0](found.problem, found.shares, variables, wanted)
    return answers, float(found.best.objective.mean())


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
        return starts_at_once(completer.n_init) * (
            4 * shape[0] * shape[1] + 3 * sum(shape) * (k + 1) ** 2
        )

    chunks = batches(arrays, cost, lambda array: kind_of(completer, array))
    seeds = np.random.RandomState(seed).randint(2**31 - 1, size=len(chunks))
    wanted = [None] * len(arrays) if wanted is None else wanted
    items = list(zip(arrays, wanted, [read] * len(arrays), strict=True))
    return in_chunks(_answer_batch, completer, items, chunks, seeds)


def in_chunks(solve, estimator, items, chunks, seeds) -> list:
    """Solve every chunk, in this process or in several.

    Parameters
    ----------
    solve : callable
        ``solve(estimator, items, seed, progress)`` returns the results and their mean loss.
    estimator : estimator
        Its ``n_jobs`` and ``verbose``.
    items, chunks, seeds : list
        Chunks are lists of numbers of items.

    Returns
    -------
    results : list
        In the order of the items.
    """
    progress = Progress(estimator.verbose)
    if len(chunks) == 1:
        found = solve(estimator, [items[i] for i in chunks[0]], seeds[0], progress)[0]
        return _in_order(zip(chunks, [found], strict=True), len(items))
    n_workers = effective_n_jobs(estimator.n_jobs)
    parallel = Parallel(n_jobs=estimator.n_jobs, return_as="generator")
    batches = parallel(
        delayed(_in_worker)(n_workers, solve, estimator, [items[i] for i in chunk], own)
        for chunk, own in zip(chunks, seeds, strict=True)
    )
    found = []
    with progress.phase("solving", len(items), "task") as step:
        for chunk, (results, loss) in zip(chunks, batches, strict=True):
            found.append((chunk, results))
            if step:
                step(lambda loss=loss: loss, len(chunk))
    return _in_order(found, len(items))


def _in_order(found, n_items):
    solved = [None] * n_items
    for chunk, results in found:
        for i, one in zip(chunk, results, strict=True):
            solved[i] = one
    return solved


def _in_worker(n_workers, solve, *arguments):
    """Solve one chunk, silently; a plain function, for joblib."""
    with share_of_threads(n_workers):
        return solve(*arguments, Progress())
