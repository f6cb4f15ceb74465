"""The bars that were set before anything was measured, and what the results say of them.

A bar is a function from the errors of a cell, where there are any, to what was reached and
whether that is enough.
"""

from functools import partial

import numpy as np
import pandas as pd

from . import families, matrices, paper, speed
from .cells import TABLES
from .matrices import RECOVERED
from .methods import OURS
from .peers import PEERS
from .showing import show, verdict

IMPUTERS = ("IterativeImputer", "KNNImputer, validated")
NOT_RUN = "–"
# Entries of a phase transition, least shares of success.
_PHASE = {1.2: 0.3, 1.5: 0.97, 2.0: 1.0, 2.5: 1.0}


class Errors:
    """Errors of the rows of a cell by instance.

    Parameters
    ----------
    results : DataFrame
        Of `matrices.results`.
    number : int
        Of the cell in its table.
    what : {"error", "filled"}
        "error", of the estimate of all entries, which imputers do not give, or "filled", of
        the matrix in which observed entries are kept, where these are exact: what an imputer
        returns, and all that a user of ``fit_transform`` sees.

    Attributes
    ----------
    ours, filled : Series
        ``filled`` is ours of the filled matrix, whatever ``what`` is.
    peers : DataFrame
        A column for each of those that were run.
    """

    def __init__(self, results, number, what="error"):
        cell = results[results["number"] == number]
        errors = cell.pivot(index="instance", columns="method", values=what)
        names = [n for n in PEERS if n in errors and (what == "filled" or n not in IMPUTERS)]
        self.ours, self.peers = errors.get(OURS, pd.Series(dtype=float)).dropna(), errors[names]
        self.filled = cell.loc[cell["method"] == OURS, "filled"]

    def best_peer(self):
        """Name, its mean and ours on the same instances; of peers with two at least."""
        pairs = []
        for name, theirs in self.peers.items():
            theirs, ours = theirs.dropna().align(self.ours, join="inner")
            if len(ours) >= 2:
                pairs.append((theirs.mean(), ours.mean(), name))
        if not pairs:
            return None
        # The one that leaves us furthest behind, not the lowest mean: instances differ.
        theirs, ours, name = min(pairs, key=lambda p: p[0] / max(p[1], 1e-12))
        return name, theirs, ours


def _line(name, bar, judged):
    """Of the table, from what was reached and whether it is enough; None: not run."""
    if judged is None:
        return name, bar, "not run", NOT_RUN
    reached, met = judged
    return name, bar, reached, verdict(met)


def _each(store, table, bar, judge, include=lambda cell: True, name=None, what="error"):
    """A line for each cell of a table that is included.

    ``judge(cell, errors)`` is what was reached and whether it is enough, or None.
    """
    results, title = matrices.results(store, table), table.replace("table", "table ")
    for i, cell in enumerate(TABLES[table]):
        if include(cell):
            errors = Errors(results, i, what)
            judged = judge(cell, errors) if len(errors.ours) else None
            own = name(cell) if name else f"{cell.data}, k={cell.k}"
            yield _line(f"{title}, {own}", bar if isinstance(bar, str) else bar(cell), judged)


def _exact(cell, errors):
    shown = f"{errors.ours.mean():.0e}, {(errors.ours < RECOVERED).mean():.0%}"
    return shown, errors.ours.mean() <= 1e-6 and (errors.ours < RECOVERED).all()


def _least(cell, errors):
    return f"{errors.ours.mean():.4f}", errors.ours.mean() <= 0.03


def _best_peer(cell, errors, slack=1.0):
    best = errors.best_peer()
    if best is None:
        return None
    peer, theirs, own = best
    return f"{own:.4f} beside {theirs:.4f} ({peer})", own <= max(slack * theirs, 1e-8)


def _most(cell):
    return 0.9 * paper.MATRICES["table4"]["GSO"][cell.factors, cell.rate, cell.rank, cell.k]


def _below_paper(cell, errors):
    own = errors.ours.mean()
    return f"{own:.4f}; filled {errors.filled.mean():.4f}", own <= _most(cell)


def can_be_recovered(cell, instance) -> bool:
    """Whether every row and column has as many observed entries as it has unknowns."""
    seen = ~np.isnan(cell.draw(instance)[0])
    return min(seen.sum(0).min(), seen.sum(1).min()) >= cell.rank


def _recovered(share, cell, errors):
    recovered = (errors.ours < RECOVERED).sum()
    possible = sum(can_be_recovered(cell, instance) for instance in errors.ours.index)
    shown = f"{recovered} of {possible} that can be recovered, {len(errors.ours)} drawn"
    return shown, recovered >= share * possible


def _matrices(store):
    def is_uniform(cell):
        return cell.factors == "P"

    each = partial(_each, store)
    yield from each("table1", "1e-6, all recovered", _exact, name=lambda c: c.data)
    yield from each("table2", "best peer", _best_peer, _is_high)
    yield from each("table3", ".03", _least, is_uniform, lambda c: f"P, k_m={c.k}")
    yield from each("table4", "best peer", _best_peer, is_uniform)
    bar = ".9 of the paper's: {:.4f}"
    yield from each("table4", lambda c: bar.format(_most(c)), _below_paper, is_uniform)
    for cell, (rho, share) in zip(TABLES["phase"], _PHASE.items(), strict=True):
        bar, judge = f"{share:.0%} of those that can be", partial(_recovered, share)
        yield from each("phase", bar, judge, cell.__eq__, lambda _, rho=rho: f"ρ={rho:g}")
    yield from each("noise", "1.01 x best peer", partial(_best_peer, slack=1.01))


def _is_high(cell):
    return cell.rank >= 10


def _of(latest, cell, what):
    """One figure of a cell by method."""
    return latest[what][latest.index.isin([cell], level="cell")].droplevel("cell")


def _families(latest):
    ours = list(families.OURS)
    for cell in (cell.label for cell in families.CELLS):
        means = _of(latest, cell, "error")
        own, others = means.reindex(ours), means.drop(ours, errors="ignore")
        others = others[[name for name in others.index if "stacked" not in name]]
        if own.isna().any() or others.empty:
            yield _line(cell, "lowest of all rows", None)
            continue
        untrained, plain, tuned = own
        best, least = others.idxmin(), others.min()
        reached = f"{tuned:.4f} beside {least:.4f} ({best}, best of {len(others)})"
        yield _line(cell, "lowest of all rows", (reached, tuned <= min(least, untrained, plain)))
        reached = f"{plain:.4f}, untrained {untrained:.4f}", plain <= 1.01 * untrained
        yield _line(f"{cell}, pretrained", "1.01 x untrained", reached)


def _time(latest):
    seconds = _of(latest, f"time, {speed.TIMED} instances", "seconds")
    ours, peers = seconds.get(OURS, np.inf), seconds.drop(OURS, errors="ignore")
    peers, judged = peers[np.isfinite(peers)], None
    if np.isfinite(ours) and len(peers):
        fastest, ratio = peers.idxmin(), ours / peers.min()
        judged = f"{ratio:.2f} of {fastest}'s {1e3 * peers.min():.0f} ms", ratio <= 0.25
    yield _line("time to 1e-4, G rank 5, 20 %", "a quarter of the fastest peer", judged)


def _growth(latest):
    cells = [f"growth, {n} square" for n in speed.SIZES]
    seconds = latest["seconds"].reindex([(OURS, cell) for cell in cells])
    memory = latest["error"].get((speed.MEMORY, cells[2]), np.nan)
    if not np.isfinite([*seconds, memory]).all():
        yield _line("growth, 100 to 3000 square", "power 1.2", None)
        return
    power = speed.power(speed.SIZES, seconds)
    yield _line("growth, 100 to 3000 square", "power 1.2", (f"{power:.2f}", power <= 1.2))
    yield _line("peak memory at 1000 square", "20 x input", (f"{memory:.1f} x", memory <= 20))


def bars(store) -> pd.DataFrame:
    """Bar, what was reached, and the verdict of each cell."""
    latest = matrices.latest(store)
    lines = [*_matrices(store), *_families(latest), *_time(latest), *_growth(latest)]
    # Asked by nobody, and harder where the rank is beyond reach: to follow the observed
    # entries closely is no merit there.
    bar = "best peer, filled (ours)"
    lines += _each(store, "table2", bar, _best_peer, _is_high, what="filled")
    return pd.DataFrame(lines, columns=["cell", "bar", "reached", ""]).set_index("cell")


def counts(frame) -> str:
    """How many were met."""
    n = frame[""].value_counts()
    met, missed, others = (n.get(said, 0) for said in (verdict(True), verdict(False), NOT_RUN))
    return f"{met} met, {missed} missed, {others} not run"


def show_all(store):
    """Print every bar."""
    frame = bars(store)
    show("bars", frame)
    print(counts(frame))
