"""Benchmarks of paired problems: what they are asked for on the command line, and their loop."""

import argparse
import time


def paired(doc: str, cells, quick, n_quick=3, ways=None, more=()) -> argparse.Namespace:
    """``cells``, ``seeds``, ``fresh`` and, of some, ``ways``; fewer with ``--quick``.

    Parameters
    ----------
    doc : str
        Of the module; its first line is shown.
    cells, quick : list of str
        All cells, and those of ``--quick``, which have ``n_quick`` seeds.
    ways : list of str, optional
    more : list of str
        Cells that run only where they are named.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--cells", nargs="*", default=cells, choices=[*cells, *more])
    if ways is not None:
        parser.add_argument("--ways", nargs="*", default=ways, choices=ways)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--fresh", action="store_true")
    asked = parser.parse_args()
    if asked.quick:
        asked.cells, asked.seeds = quick, n_quick
    return asked


def run_paired(store, cells, ways, seeds, *, draw, settings, solve, judge):
    """Every way on the same problems, as far as the store lacks them; processor seconds.

    Parameters
    ----------
    store : Store
    cells, ways : list of str
    seeds : int
    draw : callable
        From a cell and a seed to a problem.
    settings : callable
        Of a way, as the store has them.
    solve : callable
        From a way, a problem and a seed to an answer.
    judge : callable
        From a problem and an answer to an error.
    """
    for seed in range(seeds):
        for cell in cells:
            problem = draw(cell, seed)
            for way in ways:
                if store.has(cell, way, settings(way), seed):
                    continue
                start = time.process_time()
                answer = solve(way, problem, seed)
                seconds = time.process_time() - start
                store.add(cell, way, settings(way), [(seed, judge(problem, answer), seconds)])
        print(f"seed {seed}: {store.said()}", flush=True)
