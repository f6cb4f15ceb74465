"""A large sparse matrix, and one new row: time, memory and error, in a fresh process.

python -m benchmarks.sparse [--n-init N] [--max-iter N]

``--movielens25m [--scale S]`` has `large_ratings` run instead, a matrix of the margins of MovieLens
25M, or of a share of its rows, columns and entries, beside cmfrec.
"""

import argparse
import subprocess
import sys
import time

import numpy as np
from scipy import sparse

from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.datasets import hide_entries, make_low_rank_tasks

from . import large_ratings
from .measuring import PeakMemory, one_thread, timed

SHAPE, N_ENTRIES, RANK, NOISE = (20_000, 5_000), 1_000_000, 10, 0.1
N_JUDGED = 100_000
# Width and observed share of the fitted matrices whose new rows are timed.
ROWS = ((20, 1.0), (100, 0.5), (1000, 0.2))


def draw(n_entries, seed=0):
    """Places and noisy values of entries of a matrix of low rank and unit variance."""
    rng = np.random.default_rng(seed)
    p, q = SHAPE
    left, right = (rng.standard_normal((n, RANK)) for n in SHAPE)
    cells = rng.choice(p * q, n_entries, replace=False)
    rows, columns = np.divmod(cells, q)
    values = np.empty(n_entries)
    for part in np.array_split(np.arange(n_entries), 50):
        values[part] = (left[rows[part]] * right[columns[part]]).sum(1) / np.sqrt(RANK)
    return rows, columns, values + NOISE * rng.standard_normal(n_entries)


def large(n_init, max_iter):
    """Fit the stored entries, predict others; print what it took."""
    rows, columns, values = draw(N_ENTRIES + N_JUDGED)
    seen, hidden = slice(N_ENTRIES), slice(N_ENTRIES, None)
    X = sparse.csr_array((values[seen], (rows[seen], columns[seen])), shape=SHAPE)
    completer = GSOMatrixCompleter(RANK, max_iter=max_iter, n_init=n_init, random_state=0)
    memory, busy = PeakMemory(), time.process_time()
    _, seconds = timed(completer.fit, X)
    busy = time.process_time() - busy
    peak, above = memory.peak() / 2**30, memory.above() / 2**30
    others = completer.predict_entries(rows[hidden], columns[hidden])
    error = np.linalg.norm(others - values[hidden]) / np.linalg.norm(values[hidden])
    score, scored = timed(completer.score, X)
    print(
        f"{SHAPE[0]} x {SHAPE[1]}, {N_ENTRIES} entries, {RANK} components, {max_iter} sweeps, "
        f"n_init={n_init}: fit {seconds:.1f} s ({busy:.1f} s of the processor), "
        f"peak memory {peak:.2f} GB, {above:.2f} GB above what was in use; relative error on "
        f"{N_JUDGED} others {error:.3f} (noise alone {NOISE:.3f}); score {score:.3f} in "
        f"{scored:.1f} s"
    )


def one_row():
    """Milliseconds to complete one new row, after warm-up: median, and of the processor."""
    for width, rate in ROWS:
        X, _ = make_low_rank_tasks(
            1, shape=(300, width), rank=5, rate=rate, noise=0.1, random_state=0
        )
        X = hide_entries(X[0], 0.2, random_state=0)
        completer = GSOMatrixCompleter(max_iter=10, random_state=0).fit(X)
        taken = []
        for i in range(220):
            before = time.perf_counter(), time.process_time()
            completer.transform(X[i : i + 1])
            after = time.perf_counter(), time.process_time()
            taken.append(np.subtract(after, before))
        wall, processor = 1e3 * np.median(taken[20:], axis=0)
        print(
            f"one row of {width} columns, n_init={completer.n_init}: {wall:.2f} ms "
            f"({processor:.2f} ms of the processor)"
        )


def main(arguments=None):
    """Run both parts, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = GSOMatrixCompleter().n_init
    parser.add_argument("--n-init", type=lambda n: n if n == "auto" else int(n), default=default)
    parser.add_argument("--max-iter", type=int, default=10)
    parser.add_argument("--part", choices=["large", "row"])
    parser.add_argument("--movielens25m", action="store_true")
    parser.add_argument("--scale", type=float, default=1.0)
    given = parser.parse_args(arguments)
    if given.movielens25m:
        large_ratings.main(given.scale, given.max_iter)
        return
    if given.part is None:
        own = ["--n-init", str(given.n_init), "--max-iter", str(given.max_iter)]
        for part in ("large", "row"):
            command = [sys.executable, "-m", "benchmarks.sparse", "--part", part, *own]
            subprocess.run(command, check=True)
        return
    with one_thread():
        large(given.n_init, given.max_iter) if given.part == "large" else one_row()


if __name__ == "__main__":
    main()
