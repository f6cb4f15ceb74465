"""Time to a mean error of 1e-4, and how time and memory grow with size."""

import argparse
import subprocess
import sys

import numpy as np

from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.datasets import make_low_rank_tasks

from .cells import Cell
from .measuring import PeakMemory, errors, one_thread, timed
from .methods import OURS, pretrained
from .peers.bpmf import bpmf
from .peers.packages import lr_geom_cg
from .peers.r2rils import r2rils
from .peers.scaled_gd import scaled_gd

TARGET = 1e-4
TIMED, TIMED_QUICK = 100, 10
SIZES, QUICK_SIZES = (100, 300, 1000, 3000), (100, 300, 1000)
MEMORY = "memory over input"
# Each peer's effort, from the least that was seen to reach the target upwards.
EFFORTS = {
    "R2RILS": [
        lambda x, n=n, i=i: r2rils(x, 5, max_iter=n, n_inner=i)
        for n, i in ((8, 25), (12, 25), (20, 25), (8, 50), (12, 50), (20, 50), (30, 100))
    ]
    + [lambda x: r2rils(x, 5)],
    "LRGeomCG": [lambda x, n=n: lr_geom_cg(x, 5, max_iter=n) for n in (40, 80, 150, 500)],
    "ScaledGD": [
        lambda x, s=s, n=n: scaled_gd(x, 5, step=s, max_iter=n, tol=2e-5)
        for n in (200, 400, 1000)
        for s in (0.25, 0.35, 0.5, 0.7)
    ],
    "BPMF": [
        lambda x, n=n: bpmf(x, 5, random_state=0, n_burn=n, n_kept=n // 4)
        for n in (30, 60, 120, 240)
    ],
}


def _completer(**options):
    return GSOMatrixCompleter(5, n_epochs=0, random_state=0, **options)


def fewest_sweeps(X, truth, **options):
    """The least sweeps, 8 to 40, whose mean error is low enough, the error, seconds for all."""
    for max_iter in range(8, 41):
        completer = _completer(max_iter=max_iter, **options).fit(X[:1])
        mean = errors(truth, completer.reconstruct(X)).mean()
        if mean <= TARGET:
            break
    _, seconds = timed(completer.reconstruct, X, repeats=3)
    return max_iter, mean, seconds


def _best(runs, n):
    """The fastest of runs ``(mean, seconds)`` of n instances that are good enough."""
    reached = [(seconds / n, mean) for mean, seconds in runs if mean <= TARGET]
    return min(reached, default=(np.inf, np.inf))


def _peer_runs(efforts, X, truth):
    """Each effort on some instances; on all where it is good enough and the fastest so far."""
    least, few = np.inf, max(5, len(X) // 5)
    for effort in efforts:
        for n in (few, len(X)):
            estimates, seconds = timed(list, map(effort, X[:n]))
            mean = errors(truth[:n], estimates).mean()
            if mean > TARGET or seconds / n >= least:
                break
        else:
            least = seconds / n
            yield mean, seconds


def time_to_target(store, wanted):
    """The fewest sweeps, and the cheapest effort of each peer, whose mean reaches 1e-4."""
    n = TIMED_QUICK if wanted.quick else TIMED
    cell = f"time, {n} instances"
    # Ratios are of one run, so peers are timed again beside every new set of weights.
    settings = f"best, beside {pretrained()}"
    if store.has(cell, OURS, settings, 0):
        return
    X, truth = map(np.stack, zip(*(Cell("G").draw(10_000 + i) for i in range(n)), strict=True))
    for name, efforts in EFFORTS.items():
        if not store.has(cell, name, settings, 0):
            seconds, mean = _best(_peer_runs(efforts, X, truth), n)
            store.add(cell, name, settings, [(0, mean, seconds)])
    seconds, mean = _best((fewest_sweeps(X, truth, n_init=i)[1:] for i in (1, 2)), n)
    store.add(cell, OURS, settings, [(0, mean, seconds)])


def growth(store, wanted):
    """Seconds, and peak memory of a fit over the matrix itself, in a process for each size.

    Each matrix has 20 observed entries for each degree of freedom of rank 5. The peak is that
    above what was in use before the fit.
    """
    for n in QUICK_SIZES if wanted.quick else SIZES:
        cell = f"growth, {n} square"
        wanted = {OURS: pretrained(), MEMORY: f"{pretrained()}, above what was in use"}
        todo = [name for name, settings in wanted.items() if not store.has(cell, name, settings, 0)]
        if not todo:
            continue
        command = [sys.executable, "-m", "benchmarks.speed", str(n)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, memory, error = map(float, run.stdout.split())
        print(f"{cell}: {seconds:.2f} s, peak memory {memory:.2f} x the matrix", flush=True)
        for name in todo:
            value = memory if name == MEMORY else error
            store.add(cell, name, wanted[name], [(0, value, seconds)])


def power(sizes, seconds) -> float:
    """Exponent of seconds as a power of the number of observed entries."""
    entries = [20 * (2 * n - 5) for n in sizes]
    return float(np.polyfit(np.log(entries), np.log(seconds), 1)[0])


def fit_one(n):
    """Seconds of a default fit of n x n, its peak memory over the matrix, and its error."""

    def draw(n):
        rate = 20 * (2 * n - 5) / n**2
        X, truth = make_low_rank_tasks(1, shape=(n, n), rank=5, rate=rate, random_state=n)
        return X[0], truth[0]

    with one_thread():
        _completer().fit(draw(60)[0])  # what is loaded on first use is not the fit's
        X, truth = draw(n)
        memory = PeakMemory()
        completer, seconds = timed(_completer().fit, X)
        above = memory.above()
        return seconds, above / X.nbytes, errors([truth], [completer.reconstruct(X)])[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=fit_one.__doc__)
    parser.add_argument("n", type=int)
    print(*fit_one(parser.parse_args().n))
