"""What all benchmarks measure: errors, seconds, memory; on one thread."""

import ctypes
import gc
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from sklearn_gso.metrics import relative_error


@contextmanager
def one_thread():
    """One thread in torch and in linear algebra, and no warnings of runs that end early."""
    torch.set_num_threads(1)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


@contextmanager
def quietly():
    """One thread, and no warnings at all, of peers either."""
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def errors(truths, estimates) -> np.ndarray:
    """Relative error of each estimate, over all entries; infinity where it is not finite."""
    return np.array(
        [
            relative_error(t, e) if np.isfinite(e).all() else np.inf
            for t, e in zip(truths, estimates, strict=True)
        ]
    )


def hidden_errors(truths, estimates, matrices) -> np.ndarray:
    """The same over the entries that are known but missing from the matrices."""
    return np.array(
        [
            relative_error(t, e, np.isnan(x) & ~np.isnan(t))
            for t, e, x in zip(truths, estimates, matrices, strict=True)
        ]
    )


def timed(function, *arguments, repeats=1):
    """What a function returns, and seconds, the median of some calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function(*arguments)
        times.append(time.perf_counter() - start)
    return result, float(np.median(times))


class PeakMemory:
    """Largest memory of this process from now on; Linux only, in a process of its own.

    Freed memory is handed back first, or the peak would not show what is taken again.

    Attributes
    ----------
    before : int
        Bytes in use now.
    """

    def __init__(self):
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark is what is in use
        self.before = _status("VmRSS")

    def peak(self) -> int:
        """Bytes at most since then."""
        return _status("VmHWM")

    def above(self) -> int:
        """Bytes at most above what was in use then."""
        return self.peak() - self.before


def _status(name) -> int:
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
    )
    return 1024 * int(line.split()[1])
