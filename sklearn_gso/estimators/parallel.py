"""Work in this process or in several, each with its share of the cores."""

import math
from contextlib import contextmanager, nullcontext
from threading import current_thread, main_thread

import torch
from joblib import Parallel, cpu_count, delayed, effective_n_jobs
from threadpoolctl import threadpool_limits

from .reporting import Progress

# Entries of a data set with fewer of which a second thread costs more than it brings: all
# that is done with them at once stays in the cache of one core.
_LARGE = 1_000_000


@contextmanager
def share_of_threads(n_workers: int | None = None, size: int = _LARGE):
    """Within it torch uses at most this worker's share of the cores.

    By default all of them in the main thread, if the data have a large ``size``, and one in
    any other thread, which has others beside it. What joblib and dask set in the environment
    of new processes covers neither threads nor processes that had begun before.
    """
    if n_workers is None and current_thread() is main_thread():
        n_threads = torch.get_num_threads()
        with _plain_torch():
            if size >= _LARGE or n_threads == 1:
                yield
                return
            torch.set_num_threads(1)
            try:
                yield
            finally:
                torch.set_num_threads(n_threads)
        return
    share = max(1, cpu_count() // n_workers) if n_workers else 1
    # Asking sets up torch in this thread, which would undo the limit later.
    limit = min(torch.get_num_threads(), share)
    with threadpool_limits(limit, user_api="openmp"), _plain_torch():
        yield


def largest_of(tasks) -> int:
    """Entries of the largest of some data sets; what has no size counts as large.

    Of those that are read when they are asked for, of the first.
    """
    tasks = tasks if isinstance(tasks, list) else tasks[:1]
    return max((math.prod(getattr(task, "shape", (_LARGE,))) for task in tasks), default=0)


@contextmanager
def _plain_torch():
    """Whatever defaults the caller has set in torch, results are the same."""
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    # As a mode a device slows every call down: only where another one is set.
    elsewhere = torch.get_default_device().type != "cpu"
    try:
        with (
            torch.device("cpu") if elsewhere else nullcontext(),
            torch.autocast("cpu", enabled=False),
            torch.enable_grad(),
        ):
            yield
    finally:
        torch.set_default_dtype(dtype)


def in_chunks(solve, items, chunks, seeds, n_jobs=None, verbose=False):
    """Solve every chunk, in this process or in several.

    Parameters
    ----------
    solve : callable
        ``solve(items, seed, progress)`` returns the results and their mean loss. It goes to
        other processes, so it holds nothing but what solving needs.
    items, chunks, seeds : list
        Chunks are lists of numbers of items.
    n_jobs, verbose
        As for estimators.

    Yields
    ------
    i, result : int, object
        Of each item, as soon as its chunk is done.
    """
    progress = Progress(verbose)
    if len(chunks) == 1:
        results, _ = solve([items[i] for i in chunks[0]], seeds[0], progress)
        yield from zip(chunks[0], results, strict=True)
        return
    n_workers = effective_n_jobs(n_jobs)
    parallel = Parallel(n_jobs=n_jobs, return_as="generator")
    solved = parallel(
        delayed(_in_worker)(n_workers, solve, [items[i] for i in chunk], own)
        for chunk, own in zip(chunks, seeds, strict=True)
    )
    with progress.phase("solving", len(items), "task") as step:
        for chunk, (results, loss) in zip(chunks, solved, strict=True):
            yield from zip(chunk, results, strict=True)
            if step:
                step(lambda loss=loss: loss, len(chunk))


def _in_worker(n_workers, solve, *arguments):
    """Solve one chunk, silently; a plain function, for joblib."""
    with share_of_threads(n_workers):
        return solve(*arguments, Progress())
