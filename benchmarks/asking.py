"""What a benchmark of paired problems is asked for on the command line."""

import argparse


def paired(doc: str, cells, quick, n_quick=3, ways=None) -> argparse.Namespace:
    """``cells``, ``seeds``, ``fresh`` and, of some, ``ways``; fewer with ``--quick``.

    Parameters
    ----------
    doc : str
        Of the module; its first line is shown.
    cells, quick : list of str
        All cells, and those of ``--quick``, which have ``n_quick`` seeds.
    ways : list of str, optional
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--cells", nargs="*", default=cells, choices=cells)
    if ways is not None:
        parser.add_argument("--ways", nargs="*", default=ways, choices=ways)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--fresh", action="store_true")
    asked = parser.parse_args()
    if asked.quick:
        asked.cells, asked.seeds = quick, n_quick
    return asked
