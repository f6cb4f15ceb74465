"""A matrix with the margins of MovieLens 25M, half stars, fitted beside cmfrec.

``python -m benchmarks.sparse --movielens25m [--scale .04]`` runs each method on one thread, in a
process of its own: rmse on one entry of a hundred, processor seconds, peak memory. Of 25 million
entries asked for 24 remain: no user rates more than half of the items. implicit's ALS is not
among them: it weighs stored entries against zeros and does not predict their values.
"""

import subprocess
import sys
import time
import warnings
from functools import partial

import numpy as np
from scipy import sparse

from sklearn_gso import GSOMatrixCompleter

from .measuring import PeakMemory, one_thread

USERS, ITEMS, ENTRIES, RANK = 162_000, 59_000, 25_000_000, 10
# Users have 20 ratings at least, half of them 75, with a tail of power 2 (MovieLens: 71).
FEWEST, TAIL = 20, 2.0
# Items fall with the square of their rank after so many: half of the users rate the first one,
# as in MovieLens, and of all 59,000 a third get 1 to 5 ratings. Fewer items are less rare.
FLAT = 308
# Standard deviations of biases, of what is of low rank and of noise; stars.
OF_USERS, OF_ITEMS, OF_RANK, NOISE, MEAN = 0.43, 0.5, 0.45, 0.75, 3.5
JUDGED, ROUNDS, PART = 0.01, 6, 1 << 20
# The better of 2.5, 5, 10 (its default) and 20 at --scale .04.
RIDGE = 5.0


def places(scale, rng):
    """Numbers of rows and columns of the entries, row after row, and the shape."""
    p, q, n = (round(scale * size) for size in (USERS, ITEMS, ENTRIES))
    spread = (n / p - FEWEST) * (TAIL - 1)
    wanted = FEWEST + spread * (rng.random(p) ** (-1 / TAIL) - 1)
    wanted = np.minimum(wanted, q / 2).round().astype(np.int64)
    popularity = (np.arange(q) + float(FLAT)) ** -2
    ends = np.cumsum(popularity / popularity.sum())
    number = rng.permutation(q)
    keys = np.empty(0, np.int64)
    for _ in range(ROUNDS):  # what was drawn twice is drawn again
        lacking = wanted - np.bincount(keys // q, minlength=p)
        rows = np.repeat(np.arange(p), lacking)
        columns = np.minimum(np.searchsorted(ends, rng.random(len(rows))), q - 1)
        keys = np.sort(np.concatenate([keys, rows * q + number[columns]]))
        keys = keys[np.diff(keys, prepend=-1) > 0]
    return keys // q, keys % q, (p, q)


def draw(scale, seed=0):
    """Stored ratings, those to be judged on, and what these would be without noise."""
    rng = np.random.default_rng(seed)
    rows, columns, shape = places(scale, rng)
    sizes = zip((OF_USERS, OF_ITEMS), shape, strict=True)
    by_user, by_item = (size * rng.standard_normal(n) for size, n in sizes)
    left, right = (rng.standard_normal((n, RANK)) for n in shape)
    truth = MEAN + by_user[rows] + by_item[columns]
    for start in range(0, len(rows), PART):
        own = slice(start, start + PART)
        product = np.einsum("ij,ij->i", left[rows[own]], right[columns[own]])
        truth[own] += OF_RANK / np.sqrt(RANK) * product
    values = truth + NOISE * rng.standard_normal(len(rows))
    values = np.clip(np.round(2 * values) / 2, 0.5, 5)
    held = rng.random(len(rows)) < JUDGED
    X = sparse.coo_array((values[~held], (rows[~held], columns[~held])), shape=shape).tocsr()
    return X, (rows[held], columns[held], values[held]), np.clip(truth[held], 0.5, 5)


def fit_ours(X, max_iter, n_components=RANK):
    """One start, as befits this size."""
    completer = GSOMatrixCompleter(
        n_components, n_init=1, max_iter=max_iter, min_value=0.5, max_value=5, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of items that nobody has rated
        return completer.fit(X).predict_entries


def fit_cmfrec(X, max_iter):
    """Explicit alternating least squares with biases."""
    from cmfrec import CMF

    model = CMF(k=RANK, lambda_=RIDGE, niter=max_iter, nthreads=1, verbose=False)
    return model.fit(sparse.coo_matrix(X)).predict


METHODS = {
    "GSOMatrixCompleter": fit_ours,
    # Biases, which cmfrec has besides, take two.
    "the same, 12 components": partial(fit_ours, n_components=RANK + 2),
    "cmfrec": fit_cmfrec,
}


def show(name, scale, max_iter):
    """One line, for one method, in this process."""
    X, (rows, columns, values), truth = draw(scale)

    def rmse(predicted):
        return np.sqrt(np.square(np.clip(predicted, 0.5, 5) - values).mean())

    memory, start = PeakMemory(), time.process_time()
    with one_thread():
        predict = METHODS[name](X, max_iter)
    seconds = time.process_time() - start
    peak, above = memory.peak() / 2**30, memory.above() / 2**30
    error = rmse(predict(rows, columns))
    print(
        f"{X.shape[0]} x {X.shape[1]}, {X.nnz} entries  {name:23s} {max_iter} sweeps  rmse "
        f"{error:.4f} (of the truth {rmse(truth):.4f})  {seconds:.1f} s  peak memory {peak:.2f} GB "
        f"({above:.2f} GB above what was in use)",
        flush=True,
    )


def main(scale, max_iter):
    """All methods, each in a process of its own."""
    for name in METHODS:
        command = [sys.executable, "-m", "benchmarks.large_ratings", name, scale, max_iter]
        subprocess.run(list(map(str, command)), check=True)


if __name__ == "__main__":
    try:
        show(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
    except ImportError as missing:
        print(f"{sys.argv[1]} is skipped, {missing.name} is missing")
