"""The tables of matrices: run, joined with what is stored, shown."""

import pandas as pd

from . import paper
from .cells import TABLES
from .methods import N_FULL, N_PHASE, N_QUICK, methods, run_cell
from .showing import number, show, texts

RECOVERED = 1e-4
# On Gaussian tasks of ranks that cannot be recovered everybody is lost, and so is the paper's
# step with many components, where it takes ten seconds a task: fewer will do.
_N_HOPELESS = 4
_MANY_COMPONENTS = 20
_QUICK_CELLS = 4
WHATS = {
    "mean": "mean error",
    "filled": "mean error of the filled matrix, observed entries kept",
    "median": "median error",
    "recovered": "share of instances with an error under 1e-4",
    "seconds": "seconds an instance, median, one thread",
    "n": "instances",
}
_FORMATS = {"recovered": "{:.0%}".format, "n": "{:.0f}".format}


def run(store, table, wanted):
    """Every cell by every method, the cheap ones first."""
    cells = TABLES[table]
    if wanted.quick:
        cells = cells[:: max(1, len(cells) // _QUICK_CELLS)]
    for name, method in methods().items():
        for cell in cells if wanted.includes(name) else ():
            n = N_PHASE if table == "phase" and method.n_instances == N_FULL else method.n_instances
            n = min(n, N_QUICK) if wanted.quick else n
            run_cell(
                store, name, method, cell, min(n, _N_HOPELESS) if _is_hopeless(cell, name) else n
            )


def _is_hopeless(cell, name):
    beyond = cell.factors == "G" and cell.rank > 10
    return beyond or (name == "LSTMStep (paper)" and cell.k > _MANY_COMPONENTS)


def results(store, table) -> pd.DataFrame:
    """Stored results of a table's rows as they are set now; ``number`` counts its cells."""
    asked = [
        (number, cell.data, name, method.settings(cell))
        for name, method in methods().items()
        for number, cell in enumerate(TABLES[table])
    ]
    return store.joined(asked, "number")


def summary(results) -> pd.DataFrame:
    """The figures of `WHATS` by method and number of the cell."""
    results = results.assign(recovered=results["error"] < RECOVERED)
    return results.groupby(["method", "number"], sort=False).agg(
        mean=("error", "mean"),
        filled=("filled", "mean"),
        median=("error", "median"),
        recovered=("recovered", "mean"),
        seconds=("seconds", "median"),
        n=("error", "size"),
    )


def column(cell, table) -> str:
    ranks = f"{cell.factors} r{cell.rank}"
    return {
        "table1": f"{cell.factors} {cell.rate:g}",
        "table2": ranks,
        "table3": f"{cell.factors} k{cell.k}",
        "table4": f"{ranks} k{cell.k}",
        "noise": f"{cell.factors} {cell.noise:g}",
        "phase": f"ρ {cell.rate * 1e4 / 975:.1f}",
    }[table]


def shown(summary, table, factors, k=None) -> dict[str, pd.DataFrame]:
    """Each figure of some cells of a table as texts; of means the paper's come first.

    Empty where no method has been run.

    Parameters
    ----------
    summary : DataFrame
        Of `summary`.
    factors, k
        Of the cells; by default of any k.
    """
    cells = {
        i: cell
        for i, cell in enumerate(TABLES[table])
        if cell.factors == factors and k in (None, cell.k)
    }
    if not summary.index.isin(cells, level="number").any():
        return {}
    printed = {
        f"paper: {name}": {i: own.get((c.factors, c.rate, c.rank, c.k)) for i, c in cells.items()}
        for name, own in paper.MATRICES.get(table, {}).items()
    }
    printed = pd.DataFrame(printed, dtype=float).T.dropna(how="all")
    names = {i: column(cell, table) for i, cell in cells.items()}
    return {
        what: texts(
            summary[what], _FORMATS.get(what, number), names, printed if what == "mean" else None
        )
        for what in WHATS
        if (what, table) != ("filled", "noise")  # what is kept of noisy entries is not the truth
    }


def show_all(store, table):
    """Print every figure of a table."""
    of_all = summary(results(store, table))
    for factors in "PG":
        for what, frame in shown(of_all, table, factors).items():
            show(f"{table}, {factors}: {what}", frame)


def latest(store) -> pd.DataFrame:
    """Mean error and median seconds by method and cell, of what was stored last."""
    groups = store.latest.groupby(["method", "cell"], sort=False)
    return groups.agg(error=("error", "mean"), seconds=("seconds", "median"))
