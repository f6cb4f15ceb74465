"""Who completes the matrices of the tables: peers one by one, ours in batches."""

import time
from typing import NamedTuple

import numpy as np

from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.learned_optimizers.learned_optimizer import find_optimizer
from sklearn_gso.metrics import relative_error

from . import short_training
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


def _nothing(cell):
    pass


# Several starts of a learned rule have one classical run beside them.
COMPANION = ", and a classical run"


class Method(NamedTuple):
    """``solve(matrices, cell) -> estimates``, and what tells its results from others'.

    ``prepare(cell)`` is not counted in its time.
    """

    solve: object
    settings: object
    n_instances: int = N_FULL
    in_batch: bool = True
    prepare: object = _nothing


def _peer(name, function):
    own_k = name in ("ALS", "SGD, as in the paper")  # as there, whatever the matrix can tell

    def solve(matrices, cell):
        k = cell.k if own_k else cell.capped_k
        return [function(x, k, random_state=0) for x in matrices]

    def settings(cell):
        return f"k={cell.k if own_k else cell.capped_k}"

    return Method(solve, settings, N_SLOW.get(name, N_FULL), in_batch=False)


def _ours(n_init=None, optimizer="pretrained", max_iter=None, **options):
    if n_init:
        options["n_init"] = n_init

    def solve(matrices, cell):
        trained = optimizer(cell) if callable(optimizer) else optimizer
        max_iter = max_iter or cell.max_iter
        completer = GSOMatrixCompleter(
            cell.k, max_iter=max_iter, n_epochs=0, optimizer=trained, random_state=0, **options
        )
        return completer.fit(matrices).reconstruct(matrices)

    def settings(cell):
        weights = "untrained" if optimizer is None else short_training.STEP_SETTINGS
        if optimizer == "pretrained":
            weights = find_optimizer(optimizer, "completer").digest()[:8]
        starts = f", n_init={n_init}" if n_init else ""
        if optimizer == "pretrained" and n_init != 1:
            starts += COMPANION
        return f"k={cell.k}, max_iter={max_iter or cell.max_iter}, weights {weights}{starts}"

    return Method(solve, settings, prepare=optimizer if callable(optimizer) else _nothing)


def _short(kind):
    def settings(cell):
        return f"k={cell.k}, max_iter={cell.max_iter}, {short_training.SETTINGS}{COMPANION}"

    return Method(
        lambda matrices, cell: short_training.solve(kind, matrices, cell),
        settings,
        prepare=lambda cell: short_training.trained(kind),
    )


def _paper_step(cell):
    return short_training.trained("step", cell.factors)


def methods() -> dict[str, Method]:
    """All rows by name, ours last."""
    rows = {name: _peer(name, function) for name, function in PEERS.items()}
    # As many outer steps as it was trained for, the paper's 100.
    rows["LSTMStep (paper)"] = _ours(1, _paper_step, 100, rule="step", safeguard="none")
    rows["closed form, untrained"] = _ours(optimizer=None)
    rows["no features: a schedule"] = _short("schedule")
    rows["no memory: an MLP"] = _short("no memory")
    rows["LSTMControl, as short a training"] = _short("control")
    rows["LSTMControl, one start"] = _ours(1)
    rows["LSTMControl, two starts"] = _ours(2)
    rows["LSTMControl"] = _ours()
    return rows


def _error(truth, estimate):
    return relative_error(truth, estimate) if np.isfinite(estimate).all() else np.inf


def run_cell(store, name, method, cell, n_instances):
    """Solve what is not stored yet; an error of infinity stands for a failure."""
    settings = method.settings(cell)
    todo = [i for i in range(n_instances) if not store.has(cell.data, name, settings, i)]
    if not todo:
        return
    pairs = [cell.draw(i) for i in todo]
    method.prepare(cell)
    for chunk in [todo] if method.in_batch else [[i] for i in todo]:
        own = [pairs[todo.index(i)] for i in chunk]
        start = time.perf_counter()
        try:
            estimates = method.solve([x for x, _ in own], cell)
        except (np.linalg.LinAlgError, ValueError, FloatingPointError) as error:
            print(f"{name} on {cell.data}: {error}")
            estimates = [np.full_like(t, np.inf) for _, t in own]
        seconds = (time.perf_counter() - start) / len(chunk)
        found = [
            (i, _error(t, e), seconds, _error(t, np.where(np.isnan(x), e, x)))
            for i, (x, t), e in zip(chunk, own, estimates, strict=True)
        ]
        store.add(cell.data, name, settings, found)
