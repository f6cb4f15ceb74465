"""The bars that were set before anything was measured, and what the results say of them."""

import numpy as np

from . import paper
from .cells import TABLES, Cell
from .methods import methods
from .peers import PEERS
from .speed import SIZES, power

_OURS = "LSTMControl"
# Entries of a phase transition, least shares of success.
_PHASE = {1.2: 0.3, 1.5: 0.97, 2.0: 1.0, 2.5: 1.0}


class Errors:
    """Errors of every row of a cell, on the instances that ours has too."""

    def __init__(self, store, cell):
        rows = methods()
        self.found = {
            name: store.errors(cell.data, name, rows[name].settings(cell))
            for name in (_OURS, *PEERS)
        }
        self.ours = self.found.pop(_OURS)

    @property
    def values(self):
        return np.array(list(self.ours.values()))

    def best_peer(self):
        """Name, its mean and ours on the same instances; of peers with three at least."""
        pairs = []
        for name, found in self.found.items():
            both = sorted(set(found) & set(self.ours))
            if len(both) >= 2:
                theirs = np.mean([found[i] for i in both])
                pairs.append((theirs, np.mean([self.ours[i] for i in both]), name))
        if not pairs:
            return None
        # The one that leaves us furthest behind, not the lowest mean: instances differ.
        theirs, ours, name = min(pairs, key=lambda p: p[0] / max(p[1], 1e-12))
        return name, theirs, ours


def _line(cell, bar, reached, met):
    return cell, bar, reached, "met" if met else "MISSED"


def _not_run(cell, bar):
    return cell, bar, "not run", "–"


def _exact(store):
    for cell in TABLES["table1"]:
        name, bar = f"table 1, {cell.data}", "1e-6, all recovered"
        values = Errors(store, cell).values
        if not len(values):
            yield _not_run(name, bar)
            continue
        met = values.mean() <= 1e-6 and (values < 1e-4).all()
        yield _line(name, bar, f"{values.mean():.0e}, {np.mean(values < 1e-4):.0%}", met)


def _against_peers(store, table, cells, slack=1.0, limit=None, floor=1e-8):
    for cell in cells:
        name = f"{table}, {cell.data}, k={cell.k}"
        errors = Errors(store, cell)
        best = errors.best_peer()
        bar = f"{'best peer' if slack == 1 else f'{slack:g} x best peer'}"
        if best is None or not len(errors.values):
            yield _not_run(name, bar)
            continue
        peer, theirs, ours = best
        met = ours <= max(slack * theirs, floor)
        reached = f"{ours:.4f} beside {theirs:.4f} ({peer})"
        if limit:
            most = limit(cell)
            bar += f", {most:.4f}"
            met = met and errors.values.mean() <= most
            reached += f"; all {len(errors.values)}: {errors.values.mean():.4f}"
        yield _line(name, bar, reached, met)


def _table_3(store):
    for cell in TABLES["table3"]:
        if cell.factors == "P":
            values = Errors(store, cell).values
            name, bar = f"table 3, P, k_m={cell.k}", ".03"
            if not len(values):
                yield _not_run(name, bar)
            else:
                yield _line(name, bar, f"{values.mean():.4f}", values.mean() <= 0.03)


def _phase(store):
    for cell, (rho, least) in zip(TABLES["phase"], _PHASE.items(), strict=True):
        values = Errors(store, cell).values
        name, bar = f"phase, ρ={rho:g}", f"{least:.0%} recovered"
        if not len(values):
            yield _not_run(name, bar)
        else:
            share = np.mean(values < 1e-4)
            yield _line(name, bar, f"{share:.0%} of {len(values)}", share >= least)


def _time(store):
    label = "time, 100 instances"
    ours = store.seconds(label, _OURS)
    peers = {n: store.seconds(label, n) for n in ("R2RILS", "LRGeomCG", "ScaledGD", "BPMF")}
    reached = {n: s for n, s in peers.items() if np.isfinite(s)}
    name, bar = "time to 1e-4, G rank 5, 20 %", "a quarter of the fastest peer"
    if not np.isfinite(ours) or not reached:
        yield _not_run(name, bar)
        return
    fastest = min(reached, key=reached.get)
    ratio = ours / reached[fastest]
    figure = f"{ratio:.2f} of {fastest}'s {1e3 * reached[fastest]:.0f} ms"
    yield _line(name, bar, figure, ratio <= 0.25)


def _growth(store):
    labels = [f"growth, {n} square" for n in SIZES]
    seconds = [store.seconds(label, _OURS) for label in labels]
    memory = store.errors(labels[2], "memory over input")
    if not np.isfinite(seconds).all() or not memory:
        yield _not_run("growth, 100 to 3000 square", "power 1.2")
        return
    p = power(SIZES, seconds)
    yield _line("growth, 100 to 3000 square", "power 1.2", f"{p:.2f}", p <= 1.2)
    times = memory[0]
    yield _line("peak memory at 1000 square", "20 x input", f"{times:.1f} x", times <= 20)


def _families(store):
    cells = sorted({row["cell"] for row in store.rows if row["cell"].startswith("family")})
    if not cells:
        yield _not_run("real collections", "lowest of all rows")
    for cell in cells:
        names = {row["method"] for row in store.rows if row["cell"] == cell}
        means = {n: np.mean(list(store.errors(cell, n).values())) for n in names}
        tuned, plain, untrained = (
            means.pop(n, np.nan) for n in ("fine-tuned", "pretrained", "untrained")
        )
        others = {n: m for n, m in means.items() if "stacked" not in n}
        best = min(others, key=others.get)
        figure = f"{tuned:.4f} beside {others[best]:.4f} ({best}), untrained {untrained:.4f}"
        met = tuned <= min(others[best], untrained, plain)
        yield _line(cell, "lowest of all rows", figure, met)
        figure = f"{plain:.4f}, untrained {untrained:.4f}"
        yield _line(f"{cell}, pretrained", "1.01 x untrained", figure, plain <= 1.01 * untrained)


def bars(store):
    """Lines ``(cell, bar, reached, verdict)``."""
    two, four = TABLES["table2"], TABLES["table4"]
    printed = paper.MATRICES["table4"]["GSO"]

    def most(cell: Cell):
        return 0.9 * printed[("P", cell.rate, cell.rank, cell.k)]

    yield from _exact(store)
    yield from _against_peers(store, "table 2", [c for c in two if c.rank >= 10])
    yield from _table_3(store)
    yield from _against_peers(store, "table 4", [c for c in four if c.factors == "P"], limit=most)
    yield from _phase(store)
    yield from _against_peers(store, "noise", TABLES["noise"], slack=1.01)
    yield from _families(store)
    yield from _time(store)
    yield from _growth(store)


def show(store):
    found = list(bars(store))
    for cell, bar, reached, verdict in found:
        print(f"{cell:44} {bar:30} {reached:64} {verdict}")
    counts = {v: sum(line[3] == v for line in found) for v in ("met", "MISSED", "–")}
    print(f"{counts['met']} met, {counts['MISSED']} missed, {counts['–']} not run")
