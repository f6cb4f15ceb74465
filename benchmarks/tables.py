"""Running and printing the tables of matrices."""

import time

import numpy as np

from . import paper
from .cells import TABLES
from .methods import N_FULL, N_PHASE, N_QUICK, methods, run_cell

# On Gaussian tasks of ranks that cannot be recovered everybody is lost, and so is the paper's
# step with many components, where it takes ten seconds a task: fewer will do.
_N_HOPELESS = 4
_MANY_COMPONENTS = 20
_QUICK_CELLS = 4


def is_hopeless(cell, name):
    beyond = cell.factors == "G" and cell.rank > 10
    return beyond or (name == "LSTMStep (paper)" and cell.k > _MANY_COMPONENTS)


def run_table(store, table, *, quick=False, only=(), skip=(), n_instances=None, until=None):
    """Every cell by every method, the cheap ones first."""
    cells = TABLES[table]
    if quick:
        cells = cells[:: max(1, len(cells) // _QUICK_CELLS)]
    for name, method in methods().items():
        if (only and not any(o in name for o in only)) or any(s in name for s in skip):
            continue
        for cell in cells:
            if until and time.time() > until:
                return
            n = n_instances or _n_instances(method, table, quick)
            if is_hopeless(cell, name):
                n = min(n, _N_HOPELESS)
            run_cell(store, name, method, cell, n)


def _n_instances(method, table, quick):
    if quick:
        return min(N_QUICK, method.n_instances)
    return N_PHASE if table == "phase" and method.n_instances == N_FULL else method.n_instances


def summary(store, cell, name, method) -> dict | None:
    """Mean, median, share recovered and seconds of one method on one cell."""
    settings = method.settings(cell)
    found = store.errors(cell.data, name, settings)
    if not found:
        return None
    errors = np.array(list(found.values()))
    return {
        "n": len(errors),
        "mean": errors.mean(),
        "filled": np.mean([*store.errors(cell.data, name, settings, "filled").values()] or np.nan),
        "median": np.median(errors),
        "recovered": np.mean(errors < 1e-4),
        "seconds": store.seconds(cell.data, name, settings),
    }


def number(value) -> str:
    """Three digits below one, scientific below a thousandth."""
    if not np.isfinite(value):
        return "–"
    return f"{value:.3f}" if value >= 1e-3 else f"{value:.0e}"


def column(cell, table) -> str:
    if table == "table1":
        return f"{cell.factors} {cell.rate:g}"
    if table in ("table2", "table4"):
        return f"{cell.factors} r{cell.rank}" + (f" k{cell.k}" if table == "table4" else "")
    if table == "table3":
        return f"{cell.factors} k{cell.k}"
    if table == "noise":
        return f"{cell.factors} {cell.noise:g}"
    return f"ρ {cell.rate * 1e4 / 975:.1f}"


def lines(store, table, what="mean", factors=None, k=None) -> list[list[str]]:
    """A header and one line for each method that has been run, for some of the cells."""
    cells = [c for c in TABLES[table] if factors in (None, c.factors) and k in (None, c.k)]
    show_one = {"recovered": "{:.0%}".format, "n": str}.get(what, number)
    printed = paper.MATRICES.get(table, {})
    out = [["", *(column(cell, table) for cell in cells)]]
    for name, figures in printed.items():
        own = [figures.get((c.factors, c.rate, c.rank, c.k)) for c in cells]
        if what == "mean" and any(f is not None for f in own):
            out.append([f"paper: {name}", *("–" if f is None else number(f) for f in own)])
    for name, method in methods().items():
        found = [summary(store, cell, name, method) for cell in cells]
        if any(found):
            out.append([name, *("–" if f is None else show_one(f[what]) for f in found)])
    return out


def show(store, table):
    for factors in "PG":
        for what in ("mean", "filled", "median", "recovered", "seconds"):
            if what == "filled" and table == "noise":
                continue  # what is kept there is not the truth
            found = lines(store, table, what, factors)
            if len(found) > 1 and len(found[0]) > 1:
                print(f"\n{table}, {factors}: {what}")
                for line in found:
                    print(f"{line[0]:34}" + "".join(f"{cell:>10}" for cell in line[1:]))
