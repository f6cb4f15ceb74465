"""The paper's tables and figures beside every peer: ``python -m benchmarks table1 … all``.

Results are kept in benchmarks/results/results.csv (results-quick.csv with ``--quick``);
what is there is not run again, so a killed run goes on where it was. ``report`` writes
doc/reproduction.md and doc/figures/ from them (beside the results with ``--quick``).
"""

import argparse
import time
import warnings

import torch
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from . import bars, drawing, families, figures, grid, mixture_table, report, speed
from .cells import TABLES
from .store import RESULTS, Store
from .tables import run_table, show


def _table(name):
    def run(store, arguments):
        run_table(
            store,
            name,
            quick=arguments.quick,
            only=arguments.only,
            skip=arguments.skip,
            n_instances=arguments.instances,
            until=arguments.until,
        )
        show(store, name)

    return run


def _table_5(store, arguments):
    mixture_table.run(store, arguments.quick, until=arguments.until)
    mixture_table.show(store)


# What a figure needs; figure 5 shows table 3, figure 6 a column of table 5.
COMPUTE = {
    "figure3": lambda store, a: grid.compute(store, a.quick, a.until),
    "figure4": lambda store, a: figures.curves(store, a.quick, a.until),
    "figure5": _table("table3"),
    "figure6": lambda store, a: mixture_table.run(store, a.quick, (2,), a.until),
    "figure7": lambda store, a: figures.way(store),
    "figure8": lambda store, a: figures.flowers(store, a.quick, a.until),
}


def _figure(name):
    def run(store, arguments):
        COMPUTE[name](store, arguments)
        print(drawing.draw(store, name, _page(arguments).parent / "figures"))

    return run


def _page(arguments):
    return RESULTS / "quick" / report.PAGE.name if arguments.quick else report.PAGE


COMMANDS = {name: _table(name) for name in TABLES}
COMMANDS["table5"] = _table_5
COMMANDS |= {name: _figure(name) for name in COMPUTE}
COMMANDS["time"] = lambda store, arguments: speed.time_to_target(store, arguments.quick)
COMMANDS["growth"] = lambda store, arguments: speed.growth(store, arguments.quick)
COMMANDS["families"] = lambda store, arguments: families.families(
    store, arguments.quick, arguments.until, arguments.only, arguments.skip
)
COMMANDS["report"] = lambda store, arguments: report.write(store, _page(arguments))
COMMANDS["bars"] = lambda store, arguments: bars.show(store)


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", choices=[*COMMANDS, "all"])
    parser.add_argument("--quick", action="store_true", help="few instances and cells")
    parser.add_argument("--instances", type=int, help="of each cell")
    parser.add_argument("--only", nargs="+", default=(), help="methods, by part of their name")
    parser.add_argument("--skip", nargs="+", default=())
    parser.add_argument("--minutes", type=float, help="no new cell is begun after so many")
    arguments = parser.parse_args()
    arguments.until = arguments.minutes and time.time() + 60 * arguments.minutes
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    store = Store(RESULTS / ("results-quick.csv" if arguments.quick else "results.csv"))
    with threadpool_limits(1):
        for name in COMMANDS if arguments.what == "all" else [arguments.what]:
            start = time.perf_counter()
            COMMANDS[name](store, arguments)
            print(f"-- {name}: {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
