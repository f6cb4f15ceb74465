"""Every peer beside the figure it is known to reach: ``python -m benchmarks.peers.check``.

Mean relative errors over all entries of 100x100 matrices, 20 % observed, from an
independent implementation of each; P: uniform factors, G: Gaussian ones.
"""

from functools import partial

import numpy as np
import pandas as pd

from sklearn_gso.datasets import make_low_rank_tasks

from ..measuring import errors, one_thread, timed
from ..showing import show
from . import PEERS

CELLS = {
    "P5": ("uniform", 5),
    "P10": ("uniform", 10),
    "P40": ("uniform", 40),
    "G5": ("gaussian", 5),
    "G10": ("gaussian", 10),
}
KNOWN = {
    "row+column mean": {"P5": 0.141, "P10": 0.105, "P40": 0.054, "G5": 1.04},
    "rank-1 ALS": {"P5": 0.127, "P10": 0.100, "P40": 0.053, "G5": 0.92},
    "ALS": {"P5": 0.160, "P10": 0.552, "P40": 0.098},
    "ALS, λ and k validated": {"P5": 0.025, "P10": 0.058, "P40": 0.053, "G5": 0.001},
    "continuation ALS": {"P5": 3e-4, "P10": 0.024, "G5": 6e-4},
    "SoftImpute, validated": {"P5": 0.021, "P10": 0.069, "P40": 0.053, "G5": 0.22},
    "BPMF 300+200": {"P5": 1e-5, "P10": 0.019, "P40": 0.051, "G5": 1e-5, "G10": 0.27},
    "ScaledGD": {},
    "R2RILS": {"P5": 3e-10, "P10": 0.70, "G5": 6e-11},
    "MatrixIRLS": {"P5": 3e-10, "P10": 0.011, "P40": 0.064, "G5": 6e-11, "G10": 0.38},
    "LRGeomCG": {"P5": 0.34, "P10": 0.74, "G5": 3e-7},
    "cmfrec, λ validated": {"P5": 0.024, "P10": 0.073, "G5": 0.93},
    "IterativeImputer": {"P5": 0.10, "P10": 0.11, "G5": 0.51},
    "KNNImputer, validated": {"P5": 0.18, "G5": 0.80},
}


def rows(n_tasks=4, only=""):
    """Peer and cell, and the figures known and measured."""
    for name, peer in PEERS.items():
        for cell, known in KNOWN[name].items() or {"G5": np.nan}.items():
            if only not in name:
                continue
            factors, rank = CELLS[cell]
            data = {"shape": (100, 100), "rank": rank, "rate": 0.2, "factors": factors}
            X, truth = make_low_rank_tasks(n_tasks, random_state=8100, **data)

            solve = [partial(peer, x, min(rank, 10), random_state=i) for i, x in enumerate(X)]
            estimates, seconds = timed(lambda runs=solve: [run() for run in runs])
            reached = errors(truth, estimates)
            yield name, cell, known, reached.mean(), np.median(reached), seconds / n_tasks


def main():
    with one_thread():
        columns = ["peer", "cell", "known", "mean", "median", "seconds"]
        table = pd.DataFrame(rows(), columns=columns).set_index("peer")
    show("mean relative errors", table.map(lambda v: v if isinstance(v, str) else f"{v:.1e}"))


if __name__ == "__main__":
    main()
