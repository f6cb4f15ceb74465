"""Who completes the matrices of the tables: peers one by one, ours in batches."""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.learned_optimizers import find_optimizer

from . import short_training
from .measuring import errors
from .peers import PEERS

# Instances of a cell, in the full run and in the quick one. Peers that take seconds an
# instance get fewer; comparisons are made on the instances that both have. Shares of
# success need more.
N_FULL, N_QUICK, N_PHASE = 12, 3, 40
N_SLOW = {
    "SGD, as in the paper": 4,
    "ALS": 4,
    "ALS, λ and k validated": 6,
    "SoftImpute, validated": 6,
    "KNNImputer, validated": 4,
    "BPMF 300+200": 12,
    "R2RILS": 6,
    "MatrixIRLS": 6,
    "LRGeomCG": 6,
    "cmfrec, λ validated": 2,
    "IterativeImputer": 2,
}
OURS = "LSTMControl"
# Several starts of a learned rule have one classical run beside them.
COMPANION = ", and a classical run"


class Method(NamedTuple):
    """A row of the tables.

    Attributes
    ----------
    solve : callable
        ``solve(matrices, cell) -> estimates``.
    settings : callable
        From a cell to what tells the row's results from others'.
    n_instances : int
    in_batch : bool
        Whether the matrices of a cell are solved together.
    prepare : callable
        Called with a cell before `solve`, not counted in its time.
    """

    solve: Callable
    settings: Callable
    n_instances: int = N_FULL
    in_batch: bool = True
    prepare: Callable = lambda cell: None


def _peer(name, function):
    own_k = name in ("ALS", "SGD, as in the paper")  # as there, whatever the matrix can tell

    def k(cell):
        return cell.k if own_k else cell.capped_k

    return Method(
        lambda matrices, cell: [function(x, k(cell), random_state=0) for x in matrices],
        lambda cell: f"k={k(cell)}",
        N_SLOW.get(name, N_FULL),
        in_batch=False,
    )


# What the estimator does by default; other rows make all their sweeps in one scale.
DEFAULTS = {"tol": 1e-3, "scaling": "auto"}


def _ours(about, optimizer=None, max_iter=None, tol=None, scaling="matrix", **options):
    """``optimizer`` may be a function of the cell, ``max_iter`` is by default the cell's."""
    trained = optimizer if callable(optimizer) else lambda cell: optimizer

    def solve(matrices, cell):
        completer = GSOMatrixCompleter(
            cell.k,
            optimizer=trained(cell),
            max_iter=max_iter or cell.max_iter,
            n_epochs=0,
            tol=tol,
            scaling=scaling,
            random_state=0,
            **options,
        )
        return completer.fit(matrices).reconstruct(matrices)

    def settings(cell):
        return f"k={cell.k}, max_iter={max_iter or cell.max_iter}, {about}"

    return Method(solve, settings, prepare=trained)


def _ablation(kind):
    return _ours(
        f"{short_training.SETTINGS}{COMPANION}",
        lambda cell: short_training.trained(kind),
        rule=short_training.RECIPES[kind],
        n_init=4,
    )


def pretrained(name="completer") -> str:
    """Which weights those that come with the package are."""
    return f"weights {find_optimizer('pretrained', name).digest()[:8]}"


def methods() -> dict[str, Method]:
    """All rows by name, ours last."""
    rows = {name: _peer(name, function) for name, function in PEERS.items()}
    weights = pretrained()
    return rows | {
        # As many outer steps as it was trained for, the paper's 100.
        "LSTMStep (paper)": _ours(
            f"weights {short_training.STEP_SETTINGS}, n_init=1",
            lambda cell: short_training.trained("step", cell.factors),
            max_iter=100,
            rule="step",
            safeguard="none",
            n_init=1,
        ),
        "closed form, untrained": _ours("weights untrained, tol=1e-3", **DEFAULTS),
        "no features: a schedule": _ablation("schedule"),
        "no memory: an MLP": _ablation("no memory"),
        "LSTMControl, as short a training": _ablation("control"),
        "LSTMControl, one start": _ours(f"{weights}, n_init=1", "pretrained", n_init=1),
        "LSTMControl, two starts": _ours(f"{weights}, n_init=2{COMPANION}", "pretrained", n_init=2),
        OURS: _ours(f"{weights}, tol=1e-3, joint steps{COMPANION}", "pretrained", **DEFAULTS),
    }


def run_cell(store, name, method, cell, n_instances):
    """Solve what is not stored yet; an error of infinity stands for a failure."""
    settings = method.settings(cell)
    todo = [i for i in range(n_instances) if not store.has(cell.data, name, settings, i)]
    if not todo:
        return
    method.prepare(cell)
    for chunk in [todo] if method.in_batch else [[i] for i in todo]:
        matrices, truths = zip(*(cell.draw(i) for i in chunk), strict=True)
        start = time.perf_counter()
        try:
            estimates = method.solve(list(matrices), cell)
        except (np.linalg.LinAlgError, ValueError, FloatingPointError) as error:
            print(f"{name} on {cell.data}: {error}")
            estimates = [np.full_like(t, np.inf) for t in truths]
        seconds = (time.perf_counter() - start) / len(chunk)
        pairs = zip(matrices, estimates, strict=True)
        filled = errors(truths, [np.where(np.isnan(x), e, x) for x, e in pairs])
        seconds = [seconds] * len(chunk)
        values = zip(chunk, errors(truths, estimates), seconds, filled, strict=True)
        store.add(cell.data, name, settings, values)
