"""The paper's tables and figures beside every peer: ``python -m benchmarks table1 … all``.

Results are kept in benchmarks/results/results.csv (results-quick.csv with ``--quick``);
what is there is not run again, so a killed run goes on where it was. ``report`` writes
doc/reproduction.md and doc/figures/ from them (beside the results with ``--quick``).
"""

import argparse

from . import bars, drawing, families, figures, grid, matrices, mixture_table, report, speed
from .cells import TABLES, Wanted
from .measuring import one_thread, timed
from .store import RESULTS, Store


def _page(wanted):
    return RESULTS / "quick" / report.PAGE.name if wanted.quick else report.PAGE


def _table(name):
    def run(store, wanted):
        matrices.run(store, name, wanted)
        matrices.show_all(store, name)

    return run


def _table_5(store, wanted):
    mixture_table.run(store, wanted)
    mixture_table.show_all(store)


def _figure(name, compute):
    def run(store, wanted):
        compute(store, wanted)
        print(drawing.draw(store, name, _page(wanted).parent / "figures"))

    return run


COMMANDS = {name: _table(name) for name in TABLES} | {
    "table5": _table_5,
    "figure3": _figure("figure3", grid.compute),
    "figure4": _figure("figure4", figures.curves),
    # Figure 5 shows table 3, figure 6 a column of table 5.
    "figure5": _figure("figure5", lambda store, wanted: matrices.run(store, "table3", wanted)),
    "figure6": _figure("figure6", lambda store, wanted: mixture_table.run(store, wanted, (2,))),
    "figure7": _figure("figure7", figures.way),
    "figure8": _figure("figure8", figures.flowers),
    "time": speed.time_to_target,
    "growth": speed.growth,
    "families": families.families,
    "report": lambda store, wanted: report.write(store, _page(wanted)),
    "bars": lambda store, wanted: bars.show_all(store),
}
READERS = ("report", "bars")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", choices=[*COMMANDS, "all"])
    parser.add_argument("--quick", action="store_true", help="few instances and cells")
    parser.add_argument("--fresh", action="store_true", help="run again what is stored")
    parser.add_argument("--only", nargs="+", default=(), help="methods, by part of their name")
    parser.add_argument("--skip", nargs="+", default=())
    given = parser.parse_args(arguments)
    wanted = Wanted(given.quick, tuple(given.only), tuple(given.skip))
    store = Store(RESULTS / f"results{'-quick' if given.quick else ''}.csv", given.fresh)
    with one_thread():
        for name in COMMANDS if given.what == "all" else [given.what]:
            _, seconds = timed(COMMANDS[name], store, wanted)
            print(f"-- {name}: {seconds:.0f} s; {store.said(name in READERS)}", flush=True)


if __name__ == "__main__":
    main()
