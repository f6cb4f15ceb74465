"""Time to a mean error of 1e-4, and how time and memory grow with size."""

import subprocess
import sys
import time

import numpy as np

from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.learned_optimizers.learned_optimizer import find_optimizer
from sklearn_gso.metrics import relative_error

from .cells import Cell
from .peers.bpmf import bpmf
from .peers.packages import lr_geom_cg
from .peers.r2rils import r2rils
from .peers.scaled_gd import scaled_gd

TARGET = 1e-4
TIMED, TIMED_QUICK = 100, 10
SIZES = (100, 300, 1000, 3000)
# Each peer's effort, from the least that was seen to reach the target upwards.
EFFORTS = {
    "ScaledGD": [
        lambda x, s=s, n=n: scaled_gd(x, 5, step=s, max_iter=n, tol=2e-5)
        for n in (200, 400, 1000)
        for s in (0.25, 0.35, 0.5, 0.7)
    ],
    "R2RILS": [
        lambda x, n=n, i=i: r2rils(x, 5, max_iter=n, t_l=i)
        for n, i in ((8, 25), (12, 25), (20, 25), (8, 50), (12, 50), (20, 50), (30, 100))
    ]
    + [lambda x: r2rils(x, 5)],
    "LRGeomCG": [lambda x, n=n: lr_geom_cg(x, 5, max_iter=n) for n in (40, 80, 150, 500)],
    "BPMF": [
        lambda x, n=n: bpmf(x, 5, random_state=0, n_burn=n, n_kept=n // 4)
        for n in (30, 60, 120, 240)
    ],
}


def _weights() -> str:
    return f"weights {find_optimizer('pretrained', 'completer').digest()[:8]}"


def _run(solve, pairs):
    start = time.perf_counter()
    errors = [relative_error(t, solve(x)) for x, t in pairs]
    return np.mean(errors), (time.perf_counter() - start) / len(pairs)


def _ours(max_iter, n_init, X):
    completer = GSOMatrixCompleter(
        5, max_iter=max_iter, n_init=n_init, n_epochs=0, random_state=0
    ).fit(X[:1])
    start = time.perf_counter()
    estimates = completer.reconstruct(X)
    return estimates, (time.perf_counter() - start) / len(X)


def time_to_target(store, quick=False):
    """The fewest sweeps, and the cheapest effort of each peer, whose mean reaches 1e-4."""
    n = TIMED_QUICK if quick else TIMED
    pairs = [Cell("G").draw(10_000 + i) for i in range(n)]
    X = np.stack([x for x, _ in pairs])
    label = f"time, {n} instances"
    # Ratios are of one run, so peers are timed again beside every new set of weights.
    settings = f"best, beside {_weights()}"
    if store.has(label, "LSTMControl", settings, 0):
        return
    for name, efforts in EFFORTS.items():
        if store.has(label, name, settings, 0):
            continue
        reached = []
        for effort in efforts:
            mean, seconds = _run(effort, pairs[: max(5, n // 5)])
            if mean <= TARGET and (not reached or seconds < min(reached)[0]):
                mean, seconds = _run(effort, pairs)
                reached += [(seconds, mean)] if mean <= TARGET else []
        seconds, mean = min(reached, default=(np.inf, np.inf))
        store.add(label, name, settings, [(0, mean, seconds)])
    found = []
    for n_init in (1, 2):
        for max_iter in range(8, 41):
            estimates, _ = _ours(max_iter, n_init, X)
            mean = np.mean(
                [relative_error(t, e) for (_, t), e in zip(pairs, estimates, strict=True)]
            )
            if mean <= TARGET:
                seconds = np.median([_ours(max_iter, n_init, X)[1] for _ in range(3)])
                found.append((seconds, mean))
                break
    seconds, mean = min(found, default=(np.inf, np.inf))
    store.add(label, "LSTMControl", settings, [(0, mean, seconds)])


_PROBE = """
import resource, sys, time
import numpy as np, torch
from threadpoolctl import threadpool_limits
from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.metrics import relative_error
torch.set_num_threads(1)
n = int(sys.argv[1])
def draw(n):
    rate = 20 * (2 * n - 5) / n**2
    X, truth = make_low_rank_tasks(1, shape=(n, n), rank=5, rate=rate, random_state=n)
    return X[0], truth[0]
with threadpool_limits(1):
    GSOMatrixCompleter(5, n_epochs=0, random_state=0).fit(draw(60)[0])
    X, truth = draw(n)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    completer = GSOMatrixCompleter(5, n_epochs=0, random_state=0).fit(X)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error = relative_error(truth, completer.reconstruct(X))
print(seconds, (peak - before) * 1024 / X.nbytes, error)
"""


def growth(store, quick=False):
    """Seconds, and memory of a fit over the matrix itself, in a process for each size."""
    for n in SIZES[:3] if quick else SIZES:
        if store.has(f"growth, {n} square", "memory over input", _weights(), 0):
            continue
        out = subprocess.run(
            [sys.executable, "-c", _PROBE, str(n)], capture_output=True, text=True, check=True
        )
        seconds, memory, error = map(float, out.stdout.split())
        for name, value in (("LSTMControl", error), ("memory over input", memory)):
            store.add(f"growth, {n} square", name, _weights(), [(0, value, seconds)])


def power(sizes, seconds) -> float:
    """Exponent of seconds as a power of the number of observed entries."""
    entries = [20 * (2 * n - 5) for n in sizes]
    return float(np.polyfit(np.log(entries), np.log(seconds), 1)[0])
