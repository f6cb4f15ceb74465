"""Recovery near the counting limit: ours is not told the rank, the peers are.

``python -m benchmarks.limit`` (``--quick``: three matrices of two cells) draws matrices of 100 x
100 and rank 5 from random orthogonal factors, with singular values that fall geometrically by a
factor κ; ``ρ r (2 n - r)`` entries are seen, masks being drawn until every row and column has r
(the protocol of MatrixIRLS). ``--cells`` names others, of 300 and 1000 square, where such masks
can be drawn. It prints for each way the share of matrices that are recovered, of 100 square ones
also the share of those that can be, the median error, and seconds of one thread: recovered is a
relative error below 1e-4, where κ is 1e5 below 1e-6, a tenth of what the smallest component
weighs. Nobody can recover a matrix that moves, with its rank and its entries, along a direction
(`is_unique`). Results are kept in ``benchmarks/results/limit.csv``; ``--fresh`` runs them again.
"""

import dataclasses

import numpy as np
import pandas as pd

from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.learned_optimizers import LearnedOptimizer
from sklearn_gso.metrics import relative_error

from .asking import paired, run_paired
from .measuring import quietly
from .peers import PEERS
from .showing import number, show, texts
from .store import RESULTS, Store

RANK, SMALL = 5, 100
# By size: of large matrices hardly a mask near the limit has enough entries everywhere.
OVERSAMPLING = {
    SMALL: (1.05, 1.1, 1.2, 1.5, 2.0),
    300: (1.1, 1.2, 1.5, 2.0),
    1000: (1.5, 2.0),
}
# Condition numbers, and errors of what is recovered.
RECOVERED = {10: 1e-4, 100_000: 1e-6}
CELLS = {
    ("" if n == SMALL else f"{n} square, ") + f"κ={kappa:g}, ρ={rho:g}": (n, kappa, rho)
    for n, shares in OVERSAMPLING.items()
    for kappa in RECOVERED
    for rho in shares
}
QUICK = ["κ=10, ρ=1.2", "κ=100000, ρ=1.5"]


class Alternating(GSOMatrixCompleter):
    """Without joint steps."""

    def _plan(self, optimizer):
        plan = super()._plan(optimizer)
        settings = dataclasses.replace(plan.settings, exact=False)
        return dataclasses.replace(plan, settings=settings)


def of_ours(kind):
    return lambda X, seed: kind(random_state=seed).fit(X).reconstruct(X)


def of_peer(name):
    return lambda X, seed: PEERS[name](X, RANK, random_state=seed)


OURS, ALTERNATING = "GSOMatrixCompleter", "alternation alone"
WAYS = {
    OURS: of_ours(GSOMatrixCompleter),
    ALTERNATING: of_ours(Alternating),
    **{name: of_peer(name) for name in ("R2RILS", "MatrixIRLS")},
}


def draw(cell, seed) -> tuple[np.ndarray, np.ndarray]:
    """A matrix with holes, and the whole one."""
    n, kappa, rho = CELLS[cell]
    rng = np.random.RandomState(seed)
    left, right = (np.linalg.qr(rng.standard_normal((n, RANK)))[0] for _ in range(2))
    truth = left * np.geomspace(kappa, 1, RANK) @ right.T
    n_observed = int(rho * RANK * (2 * n - RANK))
    while True:
        seen = np.zeros(n * n, dtype=bool)
        seen[rng.choice(n * n, n_observed, replace=False)] = True
        seen = seen.reshape(n, n)
        if min(seen.sum(0).min(), seen.sum(1).min()) >= RANK:
            return np.where(seen, truth, np.nan), truth


def is_unique(cell, seed) -> bool:
    """Whether all moves in the tangent space at the truth change some observed entry."""
    X, truth = draw(cell, seed)
    n, (rows, columns) = len(X), np.nonzero(~np.isnan(X))
    left, _, right = np.linalg.svd(truth)
    left, right = left[:, :RANK], right[:RANK].T
    change = np.zeros((len(rows), 2 * n, RANK))
    entries = np.arange(len(rows))
    change[entries, rows], change[entries, n + columns] = right[columns], left[rows]
    freedom = RANK * (2 * n - RANK)
    return np.linalg.matrix_rank(change.reshape(len(rows), -1)) == freedom


def settings(way) -> str:
    if way not in (OURS, ALTERNATING):
        return "told the rank"
    return "weights " + LearnedOptimizer.load_pretrained("completer").digest()[:8]


def run(store, cells, ways, seeds):
    run_paired(
        store,
        cells,
        ways,
        seeds,
        draw=draw,
        settings=settings,
        solve=lambda way, problem, seed: WAYS[way](problem[0], seed),
        judge=lambda problem, found: relative_error(problem[-1], found),
    )


def results(store, cells, ways, seeds) -> pd.DataFrame:
    """Of each cell and way the share recovered and medians."""
    frame = store.joined([(cell, way, settings(way)) for cell in cells for way in ways])
    frame = frame[frame["instance"] < seeds]
    bounds = frame["cell"].map(lambda cell: RECOVERED[CELLS[cell][1]])
    frame["recovered"] = frame["error"] < bounds
    frame["possible"] = _possible(frame)
    groups = frame.groupby(["method", "cell"], sort=False)
    table = groups[["error", "seconds"]].median()
    recovered, matrices = groups["recovered"].mean(), groups.size()
    return table.assign(
        recovered=recovered,
        of_possible=recovered * matrices / groups["possible"].sum(),
        matrices=matrices,
    )


def _possible(frame) -> pd.Series:
    """Of each row whether its matrix can be recovered; of large ones it is not asked.

    What somebody has recovered could be.
    """
    each = frame.groupby(["cell", "instance"])["recovered"].max()
    told = {
        key: bool(done) or CELLS[key[0]][0] > SMALL or is_unique(*key) for key, done in each.items()
    }
    return pd.Series(
        [told[key] for key in zip(frame["cell"], frame["instance"], strict=True)], frame.index
    )


def main():
    usual = [cell for cell in CELLS if CELLS[cell][0] == SMALL]
    more = [cell for cell in CELLS if cell not in usual]
    asked = paired(__doc__, usual, QUICK, ways=list(WAYS), more=more)
    store = Store(RESULTS / "limit.csv", fresh=asked.fresh)
    with quietly():
        run(store, asked.cells, asked.ways, asked.seeds)
    table = results(store, asked.cells, asked.ways, asked.seeds)
    columns = dict(zip(asked.cells, asked.cells, strict=True))
    small = {cell: cell for cell in asked.cells if cell in usual}
    for name, form in (
        ("recovered", "{:.0%}".format),
        ("error", number),
        ("seconds", "{:.2f}".format),
        ("matrices", "{:.0f}".format),
    ):
        show(name, texts(table[name], form, columns))
    if small:
        own = table["of_possible"].dropna()
        show("recovered, of those that can be", texts(own, "{:.0%}".format, small))


if __name__ == "__main__":
    main()
