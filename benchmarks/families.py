"""Real collections beside every peer: ``python -m benchmarks families``.

Every peer's settings are chosen on training tasks, which are complete: their truth is what
the completer is fine-tuned on, too. Errors are on hidden entries of unseen tasks,
‖R−R̂‖/‖R‖ over them. A "stacked" row knows that columns are shared: it completes each test
task together with all training tasks.
"""

import time
import zlib
from typing import NamedTuple

import numpy as np

from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.datasets import hide_entries
from sklearn_gso.learned_optimizers.learned_optimizer import find_optimizer
from sklearn_gso.metrics import relative_error

from .families_peers import PEERS, STACKED
from .methods import COMPANION
from .real_data import COLLECTIONS

HIDDEN = (0.3, 0.6)
MAX_ITER = 20
# Passes over the training tasks that take about a minute on one idle core, and n_components.
FINE_TUNING = {"digits": 10, "MovieLens": 10, "Chicago ridership": 21, "Beijing air": 10}
N_COMPONENTS = 10
_N_CHOOSING, _N_CHOOSING_STACKED, _N_STACKED, _STACK_ROWS = 8, 2, 5, 1000
_HEAVY = ("BPMF 300+200", "cmfrec", "IterativeImputer")


class Cell(NamedTuple):
    """A collection with a share of the observed entries of every table hidden."""

    collection: str
    hidden: float

    @property
    def label(self):
        return f"family {self.collection}, {100 * self.hidden:.0f} % hidden"

    def draw(self):
        """Training tables and test tables, incomplete and true, and whether columns are shared."""
        data = COLLECTIONS[self.collection]()
        # Other masks for training tasks than for test tasks.
        train = [hide_entries(t, self.hidden, i) for i, t in enumerate(data.train)]
        test = [hide_entries(t, self.hidden, 10_000 + i) for i, t in enumerate(data.test)]
        return (train, data.train), (test, data.test), data.shared


CELLS = [Cell(name, hidden) for name in COLLECTIONS for hidden in HIDDEN]


def error(truth, estimate, X):
    """Relative error on the entries that are known but hidden from the completer."""
    return relative_error(truth, estimate, np.isnan(X) & ~np.isnan(truth))


def choose(candidates, run, tasks):
    """The setting with the lowest mean error on some training tasks ``(X, truth, stack)``."""
    if len(candidates) == 1:
        return candidates[0]
    errors = [np.mean([error(t, run(*x, one), x[0]) for *x, t in tasks]) for one in candidates]
    return candidates[int(np.argmin(errors))]


def stacked(run):
    """``run`` on a table with the rows of others under it, its own part of the answer."""
    return lambda X, stack, setting: run(np.vstack([X, stack]), setting)[: len(X)]


def rows_of_others(tables, judged=()):
    """Distinct rows of the tables, without those of a table that is to be judged."""
    rows = {row.tobytes(): row for table in tables for row in table}
    for row in judged:
        rows.pop(row.tobytes(), None)
    return np.random.RandomState(0).permutation(list(rows.values()))[:_STACK_ROWS]


def _peer_rows(quick):
    """Name, candidates, function, whether it is stacked; the light ones first."""
    for name in sorted(PEERS, key=lambda name: name in _HEAVY):
        candidates, run = PEERS[name]
        yield name, candidates[::4] if quick else candidates, run, False
    for name in sorted(STACKED, key=lambda name: name in _HEAVY):
        candidates, run = STACKED[name]
        yield f"{name}, stacked", candidates[:1] if quick else candidates, stacked(run), True


def _run_peer(store, cell, data, quick, row):
    name, candidates, run, is_stacked = row
    grid = f"grid {zlib.crc32(repr(candidates).encode()):08x}"
    done = [r for r in store.rows if r["cell"] == cell.label and r["method"] == name]
    if any(r["settings"].startswith(grid) for r in done):
        return
    (train, train_truth), (test, truth), _ = data
    if is_stacked:
        n = _N_CHOOSING_STACKED
        judged = [
            (x, rows_of_others(train_truth, t), t)
            for x, t in zip(train[:n], train_truth[:n], strict=True)
        ]
        stack = rows_of_others(train_truth)
        tasks = [(x, stack, t) for x, t in zip(test[:_N_STACKED], truth, strict=False)]
    else:
        n = 3 if quick or name in _HEAVY else _N_CHOOSING
        judged = list(zip(train[:n], train_truth[:n], strict=True))
        tasks = list(zip(test, truth, strict=True))
    setting = choose(candidates, run, judged)
    found = []
    for i, (*x, t) in enumerate(tasks):
        start = time.perf_counter()
        estimate = run(*x, setting)
        found.append((i, error(t, estimate, x[0]), time.perf_counter() - start))
    store.add(cell.label, name, f"{grid}: {setting}", found)


def completers(cell, quick=False):
    """Our rows: name, completer, what it starts from."""
    digest = find_optimizer("pretrained", "completer").digest()[:8]
    epochs = 1 if quick else FINE_TUNING[cell.collection]
    common = {"max_iter": MAX_ITER, "random_state": 0}

    def row(**options):
        return GSOMatrixCompleter(N_COMPONENTS, **common, **options)

    return {
        "untrained": (row(optimizer=None, n_epochs=0), "untrained"),
        "pretrained": (row(n_epochs=0), f"weights {digest}{COMPANION}"),
        "fine-tuned": (row(n_epochs=epochs), f"weights {digest}, {epochs} epochs on the truth"),
    }


def _run_ours(store, cell, data, quick):
    (train, train_truth), (test, truth), _ = data
    for name, (completer, start) in completers(cell, quick).items():
        settings = f"k={completer.n_components}, max_iter={MAX_ITER}, {start}"
        if store.has(cell.label, name, settings, 0):
            continue
        start = time.process_time()
        completer.fit(train, train_truth)
        if completer.n_epochs:
            print(f"{cell.label}: {time.process_time() - start:.0f} s of fine-tuning", flush=True)
        start = time.perf_counter()
        estimates = completer.transform(test)
        seconds = (time.perf_counter() - start) / len(test)
        found = [
            (i, error(t, e, x), seconds)
            for i, (t, e, x) in enumerate(zip(truth, estimates, test, strict=True))
        ]
        store.add(cell.label, name, settings, found)


def show(store, cells=CELLS):
    """Mean error of every row, a column for each cell; stacked rows have fewer tasks."""
    ours = ("untrained", "pretrained", "fine-tuned")
    print(f"\n{'':28}" + "".join(f"{c.collection.split()[0]:>11} {c.hidden:.1f}" for c in cells))
    for name in (*PEERS, *ours):
        _line(name, [list(store.errors(c.label, name).values()) for c in cells])
    print(f"the first {_N_STACKED} tasks:")
    tuned = [store.errors(cell.label, "fine-tuned") for cell in cells]
    _line("fine-tuned", [[e for i, e in one.items() if i < _N_STACKED] for one in tuned])
    for name in (f"{n}, stacked" for n in STACKED):
        _line(name, [list(store.errors(c.label, name).values()) for c in cells])


def _line(name, found):
    figures = (f"{np.mean(errors):15.4f}" if errors else f"{'–':>15}" for errors in found)
    print(f"{name:28}" + "".join(figures))


def families(store, quick=False, until=None, only=(), skip=()):
    """Run what is not stored, print the table; ``only``, ``skip``: parts of names of rows."""

    def wanted(name):
        return not (only and not any(o in name for o in only)) and not any(s in name for s in skip)

    cells = [cell for cell in CELLS if not quick or cell.hidden == HIDDEN[-1]]
    for cell in cells:
        try:
            data = cell.draw()
        except ModuleNotFoundError as missing:
            print(f"{cell.label}: not run, {missing}")
            continue
        if quick:
            data = (*((x[:8], t[:8]) for x, t in data[:2]), data[2])
        if wanted("ours"):
            _run_ours(store, cell, data, quick)
        for row in _peer_rows(quick):
            if until and time.time() > until:
                break
            if wanted(row[0]) and (data[2] or not row[3]):
                _run_peer(store, cell, data, quick, row)
    show(store, cells)
