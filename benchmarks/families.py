"""Real collections beside every peer: ``python -m benchmarks families``.

Every peer's settings are chosen on training tasks, which are complete: their truth is what
the completer is fine-tuned on, too. Errors are on hidden entries of unseen tasks,
‖R−R̂‖/‖R‖ over them. A "stacked" row knows that columns are shared: it completes each test
task together with all training tasks.
"""

import time
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.datasets import hide_entries

from .families_peers import PEERS, STACKED
from .measuring import hidden_errors, timed
from .methods import COMPANION, pretrained
from .peers.validation import choose
from .real_data import COLLECTIONS
from .showing import show, texts

HIDDEN = (0.3, 0.6)
MAX_ITER = 20
# Passes over the training tasks that take about a minute on one idle core, and n_components.
FINE_TUNING = {"digits": 10, "MovieLens": 10, "Chicago ridership": 21, "Beijing air": 10}
N_COMPONENTS = 10
OURS = ("untrained", "pretrained", "fine-tuned")
_N_CHOOSING, _N_CHOOSING_STACKED, _N_STACKED, _STACK_ROWS = 8, 2, 5, 1000
_HEAVY = ("BPMF 300+200", "cmfrec", "IterativeImputer")


class Side(NamedTuple):
    """Training tables or test tables: as they are seen, and as they are known."""

    seen: list
    known: list


class Cell(NamedTuple):
    """A collection with a share of the observed entries of every table hidden."""

    collection: str
    hidden: float

    @property
    def label(self):
        return f"family {self.collection}, {100 * self.hidden:.0f} % hidden"

    def draw(self, n=None):
        """The first n training tables and test tables, and whether columns are shared."""
        data = COLLECTIONS[self.collection]()
        train, test = data.train[:n], data.test[:n]
        # Other masks for training tasks than for test tasks.
        hidden_train = [hide_entries(t, self.hidden, i) for i, t in enumerate(train)]
        hidden_test = [hide_entries(t, self.hidden, 10_000 + i) for i, t in enumerate(test)]
        return Side(hidden_train, train), Side(hidden_test, test), data.shared


CELLS = [Cell(name, hidden) for name in COLLECTIONS for hidden in HIDDEN]


class Row(NamedTuple):
    """A peer: ``run(X, setting)``, or ``run(X, stack, setting)`` if it is stacked."""

    name: str
    candidates: list
    run: Callable
    is_stacked: bool


def stacked(run):
    """``run`` on a table with the rows of others under it, its own part of the answer."""
    return lambda X, stack, setting: run(np.vstack([X, stack]), setting)[: len(X)]


def rows_of_others(tables, judged=()):
    """Distinct rows of the tables, without those of a table that is to be judged."""
    rows = {row.tobytes(): row for table in tables for row in table}
    for row in judged:
        rows.pop(row.tobytes(), None)
    return np.random.RandomState(0).permutation(list(rows.values()))[:_STACK_ROWS]


def peer_rows(quick):
    """All peers, the light ones first."""
    for name in sorted(PEERS, key=lambda name: name in _HEAVY):
        candidates, run = PEERS[name]
        yield Row(name, candidates[::4] if quick else candidates, run, False)
    for name in sorted(STACKED, key=lambda name: name in _HEAVY):
        candidates, run = STACKED[name]
        yield Row(f"{name}, stacked", candidates[:1] if quick else candidates, stacked(run), True)


def _tasks(row, train, test, quick):
    """Pairs of a function's arguments and a truth: to choose the setting on, to judge on."""
    if not row.is_stacked:
        n = 3 if quick or row.name in _HEAVY else _N_CHOOSING
        sides = Side(train.seen[:n], train.known[:n]), test
        return [[((x,), t) for x, t in zip(*side, strict=True)] for side in sides]
    n, m, stack = _N_CHOOSING_STACKED, _N_STACKED, rows_of_others(train.known)
    to_choose = zip(train.seen[:n], train.known[:n], strict=True)
    to_judge = zip(test.seen[:m], test.known[:m], strict=True)
    return (
        [((x, rows_of_others(train.known, t)), t) for x, t in to_choose],
        [((x, stack), t) for x, t in to_judge],
    )


def _run_peer(store, cell, data, quick, row):
    grid = f"grid {zlib.crc32(repr(row.candidates).encode()):08x}"
    if store.has_some(cell.label, row.name, grid):
        return
    to_choose, to_judge = _tasks(row, *data[:2], quick)

    def errors(setting, tasks=to_choose):
        for arguments, truth in tasks:
            estimate, seconds = timed(row.run, *arguments, setting)
            yield hidden_errors([truth], [estimate], arguments[:1])[0], seconds

    setting = choose(row.candidates, lambda one: [error for error, _ in errors(one)])
    judged = [(i, *both) for i, both in enumerate(errors(setting, to_judge))]
    store.add(cell.label, row.name, f"{grid}: {setting}", judged)


def completers(cell, quick=False):
    """Our rows: name, completer, what it starts from."""
    epochs = 1 if quick else FINE_TUNING[cell.collection]

    def row(**options):
        # All sweeps, in one scale, as the stored results.
        fixed = {"max_iter": MAX_ITER, "tol": None, "scaling": "matrix", "random_state": 0}
        return GSOMatrixCompleter(N_COMPONENTS, **fixed, **options)

    starts = (
        (row(optimizer=None, n_epochs=0), "untrained"),
        (row(n_epochs=0), f"{pretrained()}{COMPANION}"),
        (row(n_epochs=epochs), f"{pretrained()}, {epochs} epochs on the truth"),
    )
    return dict(zip(OURS, starts, strict=True))


def _run_ours(store, cell, data, quick):
    train, test, _ = data
    for name, (completer, start) in completers(cell, quick).items():
        settings = f"k={completer.n_components}, max_iter={MAX_ITER}, {start}"
        if store.has(cell.label, name, settings, 0):
            continue
        busy = time.process_time()
        completer.fit(*train)
        if completer.n_epochs:
            print(f"{cell.label}: {time.process_time() - busy:.0f} s of fine-tuning", flush=True)
        estimates, seconds = timed(completer.transform, test.seen)
        errors = hidden_errors(test.known, estimates, test.seen)
        values = [(i, error, seconds / len(errors)) for i, error in enumerate(errors)]
        store.add(cell.label, name, settings, values)


def show_all(store, cells=CELLS):
    """Mean error of every row, a column for each cell; stacked rows have fewer tasks."""
    labels = {c.label: f"{c.collection.split()[0]} {c.hidden:.1f}" for c in cells}
    results = store.latest[store.latest["cell"].isin(labels)]
    is_stacked = results["method"].str.contains("stacked")
    first = is_stacked | (results["method"] == "fine-tuned") & (results["instance"] < _N_STACKED)
    for title, part in (
        ("mean error on hidden entries", results[~is_stacked]),
        (f"the first {_N_STACKED} tasks", results[first]),
    ):
        means = part.groupby(["method", "cell"], sort=False)["error"].mean()
        show(title, texts(means, "{:.4f}".format, labels))


def families(store, wanted):
    """Run what is not stored, print the table."""
    cells = [cell for cell in CELLS if not wanted.quick or cell.hidden == HIDDEN[-1]]
    for cell in cells:
        try:
            data = cell.draw(8 if wanted.quick else None)
        except ModuleNotFoundError as missing:
            print(f"{cell.label}: not run, {missing}")
            continue
        if wanted.includes("ours"):
            _run_ours(store, cell, data, wanted.quick)
        for row in peer_rows(wanted.quick):
            if wanted.includes(row.name) and (data[2] or not row.is_stacked):
                _run_peer(store, cell, data, wanted.quick, row)
    show_all(store, cells)
