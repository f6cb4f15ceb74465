"""``doc/reproduction.md`` from the stored results: ``python -m benchmarks report``.

Every number on the page is in the store, or printed in the paper (`benchmarks.paper`).
"""

from collections import Counter

import numpy as np

from . import bars, drawing, mixture_table
from .cells import K_4, TABLES
from .claims import CLAIMS, NotRun, Results
from .speed import SIZES, TIMED
from .tables import lines, number

PAGE = drawing.FOLDER.parent / "reproduction.md"
_INTRO = """# Reproduction

The tables and figures of the paper (Xia, Huang and Jaimoukha) beside every peer. This page
is made by `python -m benchmarks report` from `benchmarks/results/results.csv`; edit neither.
A row of a table is completed by `python -m benchmarks table1` and so on, `all` runs everything.

Errors are relative, ‖R−R̂‖/‖R‖ over all entries, which the paper calls RMSE; of mixtures
negative log-likelihoods per sample, natural logarithm. Matrices are 100 x 100, 20 % observed
unless said; P: factors uniform on [0, 1], as the paper's; G: standard normal. Peers get no more
components than the observed entries can determine, as ours does; ALS and SGD get what the
paper gave them. Peers that take seconds ran on less instances, the first ones; how many is below
each table. Rows named `LSTMControl` are one set of weights; "as short a training", "no memory"
and "no features" are trained by one recipe, to be compared with one another.
"""
_TITLES = {
    "table1": "Table 1: rank 5 at four rates",
    "table2": "Table 2: ranks 5 to 100, 20 % observed",
    "table3": "Table 3: rank 10, k_m components asked for",
    "table4": "Table 4: ranks 10 to 100, k_m of 10, 50 and 100",
    "phase": "Recovery near the counting limit",
    "noise": "Noise",
}
_NOTES = {
    "phase": "Rank 5, ρ = entries observed over 975 degrees of freedom, 200 sweeps at most.",
    "noise": "Rank 5, standard deviation of the noise over that of the matrix.",
}
_WHATS = {
    "mean": "mean error",
    "filled": "mean error of the filled matrix, observed entries kept",
    "median": "median error",
    "recovered": "share of instances with an error under 1e-4",
    "seconds": "seconds an instance, median, one thread",
    "n": "instances",
}
_FIGURES = {
    "figure3": "Mean error of the paper's rule trained from scratch for each pair of t_l and t_u: "
    "20 x 20 matrices (P) of rank 2, half observed, 16 to train, 16 to judge, 20 outer steps, one "
    "layer of 20 units, one pass, batches of two, rate .01. The paper has 100 x 100, rank 5, "
    "100 to train.",
    "figure4": "Relative error on observed entries (loss, dashed) and on hidden ones (error, "
    "solid) against sweeps: geometric means over matrices of rank 5, 20 % observed, P.",
    "figure5": "Table 3 as curves.",
    "figure6": "50 problems of D = 2: EM and the judge of moves from the same start.",
    "figure7": "The first of the 50 problems on which EM ends more than .1 above GSO from the "
    "same start; circles of two standard deviations, in blue EM's way.",
    "figure8": "Flowers: EM dashed, GSO red, from the same start; negative log-likelihoods.",
}


def table(rows) -> str:
    """Markdown of a header and lines."""
    header, *body = rows
    ruled = [header, ["---", *["--:"] * (len(header) - 1)], *body]
    return "\n".join("| " + " | ".join(row) + " |" for row in ruled) + "\n"


def _hidden(title, text) -> str:
    return f"<details>\n<summary>{title}</summary>\n\n{text}\n</details>\n"


def _claim(results, claim) -> str:
    said = claim.__doc__.rstrip(".")
    try:
        holds, text = claim(results)
    except NotRun as missing:
        return f"- *{said}.* Not run: {missing}."
    return f"- *{said}.* **{'Holds' if holds else 'Does not hold'}**: {text}."


def _matrices(store, name) -> list[str]:
    parts = []
    for factors in "PG":
        for k in K_4 if name == "table4" else (None,):
            if not any(c.factors == factors and k in (None, c.k) for c in TABLES[name]):
                continue
            # What is kept of noisy entries is not the truth.
            whats = [w for w in _WHATS if (w, name) != ("filled", "noise")]
            shown = {w: lines(store, name, w, factors, k) for w in whats}
            if len(shown["median"]) < 2:  # nothing but what the paper prints
                continue
            title = f"{factors}, k_m = {k}" if k else factors
            parts.append(f"{title}: {_WHATS['mean']}\n\n{table(shown['mean'])}")
            rest = [f"{_WHATS[w]}\n\n{table(shown[w])}" for w in whats if w != "mean"]
            parts.append(
                _hidden(f"{title}: filled, median, recovered, seconds, instances", "\n".join(rest))
            )
    return parts or ["Not run.\n"]


def _mixtures(store) -> list[str]:
    whats = {
        "mean": "mean negative log-likelihood",
        "gap": "mean gap to the best known",
        "within": "share within .01 of it",
        "seconds": "seconds a problem, in one batch, one thread",
        "n": "problems",
    }
    shown = {what: table(mixture_table.lines(store, what)) for what in whats}
    text = [f"{whats[w]}\n\n{shown[w]}" for w in ("mean", "gap")]
    rest = [f"{whats[w]}\n\n{shown[w]}" for w in ("within", "seconds", "n")]
    return [*text, _hidden("within .01, seconds, problems", "\n".join(rest))]


def _plain(store, cells, what="error") -> str:
    """Means, or seconds, of every method on cells that are asked for by name."""
    names = list(dict.fromkeys(row["method"] for row in store.rows if row["cell"] in cells))
    body = []
    for name in names:
        if what == "seconds":
            values = [store.seconds(cell, name) for cell in cells]
        else:
            found = [store.errors(cell, name) for cell in cells]
            values = [np.mean(list(f.values())) if f else np.nan for f in found]
        body.append([name, *map(number, values)])
    return table([["", *cells], *body])


def _families(store) -> list[str]:
    cells = sorted({row["cell"] for row in store.rows if row["cell"].startswith("family")})
    if not cells:
        return ["## Real collections\n", "Not run.\n"]
    seconds = _hidden("seconds a task", _plain(store, cells, "seconds"))
    return [
        "## Real collections\n",
        "mean error on hidden entries\n",
        _plain(store, cells),
        seconds,
    ]


def _time_and_growth(store) -> list[str]:
    cells = {row["cell"] for row in store.rows}
    parts = ["## Time and memory\n"]
    timed = [f"time, {TIMED} instances"]
    if cells.issuperset(timed):
        note = (
            "Seconds an instance to a mean error of 1e-4, G, rank 5, 20 %; each at its cheapest.\n"
        )
        parts += [note, _plain(store, timed, "seconds")]
    grown = [f"growth, {n} square" for n in SIZES]
    if cells.issuperset(grown):
        parts += ["Seconds of a fit by size.\n", _plain(store, grown, "seconds")]
        parts += ["Error, and peak memory over that of the matrix.\n", _plain(store, grown)]
    return parts if len(parts) > 1 else [*parts, "Not run.\n"]


def _figure(name, folder) -> list[str]:
    drawn = (folder / f"{name}.svg").exists()
    image = f"![{name}](figures/{name}.svg)\n" if drawn else "Not run.\n"
    title = name.replace("figure", "Figure ")
    return [f"## {title}\n", _FIGURES[name] + "\n", image]


def _bars(store) -> list[str]:
    found = list(bars.bars(store))
    counts = Counter(line[3] for line in found)
    head = f"{counts['met']} met, {counts['MISSED']} missed, {counts['–']} not run.\n"
    return [
        "## Bars met and missed\n",
        head,
        table([["cell", "bar", "reached", ""], *map(list, found)]),
    ]


def _provenance(store) -> list[str]:
    rows = store.rows
    if not rows:
        return ["## Where it ran\n", "Nothing is stored.\n"]
    days = sorted(row["when"][:10] for row in rows)
    found = ["## Where it ran\n", f"{len(rows)} results, {days[0]} to {days[-1]}.\n"]
    for what in ("machine", "threads", "versions"):
        counts = Counter(row[what] for row in rows)
        listed = "; ".join(f"{value} ({n})" for value, n in counts.most_common())
        found.append(f"- {what}: {listed}")
    return [*found, ""]


def page(store, folder=drawing.FOLDER) -> str:
    """The page for the results in a store and the figures in a folder."""
    results = Results(store)
    parts = [_INTRO, "## What of the paper holds\n"]
    parts.append("\n".join(_claim(results, claim) for claim in CLAIMS) + "\n")
    for name, title in _TITLES.items():
        parts += [f"## {title}\n", *([_NOTES[name] + "\n"] if name in _NOTES else [])]
        parts += _matrices(store, name)
    parts += ["## Table 5: mixtures with given covariances\n", *_mixtures(store)]
    for name in _FIGURES:
        parts += _figure(name, folder)
    parts += [*_families(store), *_time_and_growth(store)]
    return "\n".join([*parts, *_bars(store), *_provenance(store)])


def write(store, path=PAGE):
    """Redraw the figures and write the page."""
    folder = path.parent / "figures"
    for name in drawing.FIGURES:
        drawing.draw(store, name, folder)
    path.write_text(page(store, folder))
    print(f"{path}: {len(store.rows)} results")
