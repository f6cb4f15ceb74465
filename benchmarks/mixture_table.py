"""Table 5 and figure 6: mixtures with given covariances, EM beside what is learned.

The error of a row is the negative log-likelihood per sample, natural logarithm.
"""

import pandas as pd

from . import mixture_rows, paper
from .methods import pretrained
from .mixture_rows import MAX_ITER, TABLE_5, TOL, WITHIN, by, em, learned, stepped
from .showing import show, texts

N_FULL, N_QUICK = 50, 10
SEED = 9000
TRUTH, BEST = "EM from the truth", "best known"
EM, GSO = "EM, one random start", "GSOGaussianMixture, that start"
OURS, STEP = "GSOGaussianMixture", "LSTMStep (paper)"
WHATS = {
    "mean": "mean negative log-likelihood",
    "gap": "mean gap to the best known",
    "within": "share within .01 of it",
    "seconds": "seconds a problem, in one batch, one thread",
    "n": "problems",
}
_FORMATS = {"mean": ".2f", "gap": ".4f", "within": ".0%", "seconds": ".4f", "n": ".0f"}


def cell(n_features) -> str:
    return f"table 5, D={n_features}"


def draw(n_features, n_tasks):
    """Samples, covariances, number of components, objective of EM from the truth."""
    name = cell(n_features)
    return mixture_rows.problems(TABLE_5[name], n_tasks, SEED + list(TABLE_5).index(name))


def rows() -> dict:
    """By name ``(solve, settings)``; ``solve(X, covariances, k) -> objectives, seconds``."""
    plain = f"tol={TOL:g}, max_iter={MAX_ITER}"
    judge = f"{plain}, {pretrained('mixture')}"
    step = f"T=100, t_l=10, {pretrained('mixture_step')}"
    return {
        EM: (by(em, n_init=1), plain),
        "EM, 10 restarts": (by(em, n_init=10), plain),
        "EM, 20 restarts": (by(em, n_init=20), plain),
        "EM, 10 k-means++ starts": (by(em, n_init=10, kind="k-means++"), plain),
        STEP: (by(stepped), step),
        GSO: (by(learned, n_init=1), judge),
        OURS: (by(learned), judge),
    }


def _add(store, d, name, settings, values, seconds=0.0):
    own = [(i, value, seconds / len(values)) for i, value in enumerate(values)]
    store.add(cell(d), name, settings, own)


def run(store, wanted, dimensions=tuple(paper.TABLE_5["EM"])):
    """Every dimension by every row, what is not stored yet."""
    n = N_QUICK if wanted.quick else N_FULL
    for d in dimensions:
        todo = {k: v for k, v in rows().items() if not store.has(cell(d), k, v[1], n - 1)}
        if not todo:
            continue
        *data, from_truth = draw(d, n)
        if not store.has(cell(d), TRUTH, "", n - 1):
            _add(store, d, TRUTH, "", from_truth)
        for name, (solve, settings) in todo.items():
            _add(store, d, name, settings, *solve(*data))


def results(store) -> pd.DataFrame:
    """Stored results by dimension ``D``, method and instance, with the best known of all."""
    own = {name: settings for name, (_, settings) in rows().items()} | {TRUTH: ""}
    asked = [(d, cell(d), *row) for d in paper.TABLE_5["EM"] for row in own.items()]
    frame = store.joined(asked, "D")
    best = frame.groupby(["D", "instance"], as_index=False)["error"].min()
    frame = pd.concat([frame, best.assign(method=BEST)])
    return frame.merge(best.rename(columns={"error": "best"}), on=["D", "instance"])


def values(results, d) -> pd.DataFrame:
    """Objectives in one dimension, a row for each problem and a column for each method."""
    return results[results["D"] == d].pivot(index="instance", columns="method", values="error")


def summary(results) -> pd.DataFrame:
    """The figures of `WHATS` by method and dimension."""
    gap = results["error"] - results["best"]
    results = results.assign(gap=gap, within=gap <= WITHIN)
    return results.groupby(["method", "D"], sort=False).agg(
        mean=("error", "mean"),
        gap=("gap", "mean"),
        within=("within", "mean"),
        seconds=("seconds", "median"),
        n=("error", "size"),
    )


def shown(store) -> dict[str, pd.DataFrame]:
    """Each figure of the table as texts, of means the paper's first."""
    figures, names = summary(results(store)), {d: f"D={d}" for d in paper.TABLE_5["EM"]}
    printed = {"mean": pd.DataFrame(paper.TABLE_5).T.rename("paper: {}".format)}
    return {
        what: texts(figures[what], f"{{:{_FORMATS[what]}}}".format, names, printed.get(what))
        for what in WHATS
    }


def show_all(store):
    """Print the table."""
    for what, table in shown(store).items():
        show(f"table 5: {what}", table)
