"""Default fits and transforms of tables and matrices of several sizes: seconds, memory, pickle.

``python -m benchmarks.sizes`` solves each in a process of its own, on one thread: processor
seconds, peak memory above what was in use over that of the input, bytes of the pickle over the
same, and the error on what was hidden, of tables in column sd and of low-rank matrices relative.
"""

import pickle
import subprocess
import sys
import time

import numpy as np

from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.datasets import make_low_rank_tasks

from .measuring import PeakMemory, quietly


def table(n_rows, n_columns, seed=0):
    """Three factors and as much noise, in units of ten decades; 30 % are hidden."""
    rng = np.random.RandomState(seed)
    truth = rng.randn(n_rows, 3) @ rng.randn(3, n_columns) + 0.5 * rng.randn(n_rows, n_columns)
    truth *= 10.0 ** (np.arange(n_columns) % 10)
    return np.where(rng.rand(n_rows, n_columns) < 0.3, np.nan, truth), truth, truth.std(0)


def low_rank(n, rate, seed=0):
    """Rank 5, without noise."""
    X, truth = make_low_rank_tasks(1, shape=(n, n), rank=5, rate=rate, random_state=seed)
    return X[0], truth[0], np.sqrt(np.mean(truth[0][np.isnan(X[0])] ** 2))


SIZES = {
    "table 500 x 20": lambda: table(500, 20),
    "table 20,000 x 8": lambda: table(20_000, 8),
    "table 100,000 x 8": lambda: table(100_000, 8),
    "table 20 x 5,000": lambda: table(20, 5_000),
    "rank 5, 100 square, 20 %": lambda: low_rank(100, 0.2),
    "rank 5, 3,000 square, 1.3 %": lambda: low_rank(3_000, 0.013),
}


def measured(function, X):
    """What it returns, processor seconds, and peak memory over that of the matrix."""
    memory, start = PeakMemory(), time.process_time()
    result = function(X)
    return result, time.process_time() - start, memory.above() / X.nbytes


def show(name):
    """One line, for one size, in this process."""
    completer = GSOMatrixCompleter(random_state=0)
    with quietly():
        completer.fit_transform(low_rank(60, 0.5)[0])  # what is loaded on first use
        X, truth, unit = SIZES[name]()
        _, seconds, memory = measured(completer.fit, X)
        filled, seconds_new, memory_new = measured(completer.transform, X)
    pickled = len(pickle.dumps(completer)) / X.nbytes
    error = np.sqrt(np.mean(((filled - truth) / unit)[np.isnan(X)] ** 2))
    print(
        f"{name:28s} fit {seconds:6.2f} s {memory:6.2f} x   transform {seconds_new:6.2f} s "
        f"{memory_new:6.2f} x   pickle {pickled:.2f} x   error {error:.2g}",
        flush=True,
    )


if __name__ == "__main__":
    for name in sys.argv[1:]:
        show(name)
    for name in () if sys.argv[1:] else SIZES:
        subprocess.run([sys.executable, "-m", "benchmarks.sizes", name], check=True)
