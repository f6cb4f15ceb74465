"""``doc/reproduction.md`` from the stored results: ``python -m benchmarks report``.

Every number on the page is in the store, or printed in the paper (`benchmarks.paper`).
"""

from . import bars, drawing, matrices, mixture_table
from .cells import K_4
from .claims import CLAIMS, NotRun, Results
from .showing import markdown, texts
from .speed import MEMORY, SIZES, TIMED

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
_FIGURES = {
    "figure3": "Mean error of the paper's rule trained from scratch for each pair of t_l and t_u: "
    "20 x 20 matrices (P) of rank 2, half observed, 16 to train, 16 to judge, 20 outer steps, one "
    "layer of 20 units, one pass, batches of two, rate .01. The paper has 100 x 100, rank 5, "
    "100 to train.",
    "figure4": "Relative error on observed entries (loss, dashed) and on hidden ones (error, "
    "solid) against sweeps: geometric means over matrices of rank 5, 20 % observed, P.",
    "figure5": "Table 3 as curves.",
    "figure6": "50 problems of D = 2: EM and the judge of moves from the same start, the paper's "
    "rule from one of its own.",
    "figure7": "The first of the 50 problems on which EM ends more than .1 above GSO from the "
    "same start, which the paper's rule has, too; circles of two standard deviations, in blue EM's "
    "way.",
    "figure8": "Flowers: EM dashed, GSO red, from the same start, crosses at the paper's "
    "centres; in this order their negative log-likelihoods.",
}
_TRIED = """### What was tried on those that are missed

Figures are in `benchmarks/LOG.md`, in the chapters named here.

- *Table 2, G, ranks 20 to 100.* Four fifths of the entries are hidden, and what is seen
  determines ten components at most. Posteriors that take the two factors as independent are too
  sure there, and starts differ by luck. Tried: lower powers of what runs leave unexplained where
  no two starts agree (shipped, "Where no two starts agree"; rank 20 ended above the zero matrix
  before); the convex solution as one more run, with weights of several kinds, and with forty
  components ("The convex answer where no two starts agree"), also weighted by entries that were
  really hidden. It helps on these matrices and loses on matrices of low rank whose starts
  disagree, whatever its weight; so it is not shipped. Gibbs samples of the very model that drew
  rank 20 end where the validated nuclear norm does: there is no more to be had
  ("Ranks beyond counting, once more"). From rank 40 on it is ahead on all entries by taking what
  the seen ones have left for rank, not noise, which hidden entries cannot tell apart.
- *Table 2, P, ranks 80 and 100, filled.* Little beside the mean component can be told, and rank-1
  ALS has no other. Closed forms by themselves prune the rest; the shipped rule, trained on errors
  of all entries, seen ones included, keeps ten. A classical run beside it that weighs by left-out
  entries lowers the error there and raises it on real tables ("A classical run that weighs
  more").
- *Table 4, P, ranks 40 to 70, k = 10.* `reconstruct` estimates every entry, seen ones too. All
  rows, Gibbs samples among them, end above .9 of the printed figure there; it is met where seen
  entries are kept ("filled").
- *Time to 1e-4.* Joint steps, which bring the error from 1e-3 to rounding, are half of it ("Time to
  1e-4, after joint steps"). Looser ends of them save nothing. Offered before a run's end they
  shorten a default fit ("Joint steps beside the sweeps"), not one of the fewest sweeps.
"""


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
    parts, summary = [], matrices.summary(matrices.results(store, name))
    for factors in "PG":
        for k in K_4 if name == "table4" else (None,):
            shown = matrices.shown(summary, name, factors, k)
            if shown:
                shown = {w: f"{matrices.WHATS[w]}\n\n{markdown(t)}" for w, t in shown.items()}
                title = f"{factors}, k_m = {k}" if k else factors
                parts.append(f"{title}: {shown.pop('mean')}")
                title += ": filled, median, recovered, seconds, instances"
                parts.append(_hidden(title, "\n".join(shown.values())))
    return parts or ["Not run.\n"]


def _mixtures(store) -> list[str]:
    shown = {
        what: f"{mixture_table.WHATS[what]}\n\n{markdown(table)}"
        for what, table in mixture_table.shown(store).items()
    }
    rest = "\n".join(shown[what] for what in ("within", "seconds", "n"))
    return [shown["mean"], shown["gap"], _hidden("within .01, seconds, problems", rest)]


def _plain(latest, cells, what="error") -> str:
    """Means, or seconds, of every method on cells that are asked for by name."""
    return markdown(texts(latest[what], columns={cell: cell for cell in cells}))


def _families(latest) -> list[str]:
    cells = sorted(c for c in latest.index.unique("cell") if c.startswith("family"))
    if not cells:
        return ["## Real collections\n", "Not run.\n"]
    seconds = _hidden("seconds a task", _plain(latest, cells, "seconds"))
    means = _plain(latest, cells)
    return ["## Real collections\n", "mean error on hidden entries\n", means, seconds]


def _time_and_growth(latest) -> list[str]:
    there = set(latest.index.unique("cell"))
    parts = ["## Time and memory\n"]
    timed = [f"time, {TIMED} instances"]
    if there.issuperset(timed):
        note = (
            "Seconds an instance to a mean error of 1e-4, G, rank 5, 20 %; each at its cheapest.\n"
        )
        parts += [note, _plain(latest, timed, "seconds")]
    grown = [f"growth, {n} square" for n in SIZES]
    if there.issuperset(grown):
        fits = latest.drop(MEMORY, level="method")
        parts += ["Seconds of a fit by size.\n", _plain(fits, grown, "seconds")]
        note = "Error, and peak memory above what was in use, over that of the matrix.\n"
        parts += [note, _plain(latest, grown)]
    return parts if len(parts) > 1 else [*parts, "Not run.\n"]


def _figure(name, folder) -> list[str]:
    drawn = (folder / f"{name}.svg").exists()
    image = f"![{name}](figures/{name}.svg)\n" if drawn else "Not run.\n"
    title = name.replace("figure", "Figure ")
    return [f"## {title}\n", _FIGURES[name] + "\n", image]


def _bars(store) -> list[str]:
    frame = bars.bars(store)
    return ["## Bars met and missed\n", f"{bars.counts(frame)}.\n", markdown(frame), _TRIED]


def _provenance(frame) -> list[str]:
    if not len(frame):
        return ["## Where it ran\n", "Nothing is stored.\n"]
    days = frame["when"].str[:10]
    parts = ["## Where it ran\n", f"{len(frame)} results, {days.min()} to {days.max()}.\n"]
    for what in ("machine", "threads", "versions"):
        listed = "; ".join(f"{value} ({n})" for value, n in frame[what].value_counts().items())
        parts.append(f"- {what}: {listed}")
    return [*parts, ""]


def page(store, folder=drawing.FOLDER) -> str:
    """The page for the results in a store and the figures in a folder."""
    results, latest = Results(store), matrices.latest(store)
    parts = [_INTRO, "## What of the paper holds\n"]
    parts.append("\n".join(_claim(results, claim) for claim in CLAIMS) + "\n")
    for name, title in _TITLES.items():
        parts += [f"## {title}\n", *([_NOTES[name] + "\n"] if name in _NOTES else [])]
        parts += _matrices(store, name)
    parts += ["## Table 5: mixtures with given covariances\n", *_mixtures(store)]
    for name in _FIGURES:
        parts += _figure(name, folder)
    parts += [*_families(latest), *_time_and_growth(latest)]
    return "\n".join([*parts, *_bars(store), *_provenance(store.frame)])


def write(store, path=PAGE):
    """Redraw the figures and write the page."""
    folder = path.parent / "figures"
    for name in drawing.FIGURES:
        drawing.draw(store, name, folder)
    path.write_text(page(store, folder))
    print(f"{path}: {len(store.frame)} results")
