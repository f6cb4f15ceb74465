"""The figures of the paper redrawn from stored results, as SVG in doc/figures/."""

from pathlib import Path

import numpy as np
import pandas as pd

from sklearn_gso.plotting import ConvergenceDisplay, SearchGridDisplay

from . import figures, grid, matrices, mixture_table, paper
from .cells import K_3, TABLES

FOLDER = Path(__file__).parents[1] / "doc" / "figures"
_STYLE = {"svg.hashsalt": "figures", "svg.fonttype": "none", "font.size": 9}
_COLOURS = {"EM": "k", "GSO": "tab:red", mixture_table.STEP: "tab:purple"}
_MARKERS = {"GSO": "s", "SGD": "^", "ALS": "v"}
# Rows of table 3 that figure 5 shows; peers that the paper knows, and what leads.
_FIGURE_5 = {
    "row+column mean": "0.5",
    "ALS": "tab:orange",
    "SGD, as in the paper": "tab:blue",
    "BPMF 300+200": "tab:green",
    "LSTMStep (paper)": "tab:purple",
    "closed form, untrained": "tab:brown",
    "LSTMControl": "tab:red",
}


def figure3(store, plt):
    """Mean error of each pair of t_l and t_u."""
    table = grid.table(store)
    if table.empty:
        return None
    t_l, t_u = list(table.index), list(table.columns)
    display = SearchGridDisplay(table.to_numpy(), t_u, t_l, "t_u", "t_l").plot()
    for text in display.texts_:
        text.remove()
    display.image_.set_norm("log")
    display.image_.colorbar.set_label("mean relative error")
    return display.figure_


def figure4(store, plt):
    """Loss and error against sweeps, geometric means over matrices."""
    curves: dict = {"loss": {}, "error": {}}
    for what, by_row in curves.items():
        for name, (_, settings) in figures.curve_rows().items():
            noted = figures.curve(store, what, name, settings).sort_index()
            if len(noted):
                sweeps = np.arange(noted.index[-1] + 1)
                by_row[name] = np.exp(np.interp(sweeps, noted.index, np.log(noted)))
    if not curves["loss"]:
        return None
    axes = plt.subplots(figsize=(7, 4.5), layout="constrained")[1]
    display = ConvergenceDisplay(**curves).plot(axes)
    axes.legend(fontsize=7, ncols=2)
    axes.set(ylim=(1e-10, 4))
    return display.figure_


def figure5(store, plt):
    """Table 3 as curves: error against the number of components asked for."""
    axes = plt.subplots(figsize=(6, 4), layout="constrained")[1]
    for name, printed in paper.MATRICES["table3"].items():
        style = {"color": "0.2", "label": f"paper: {name}"}
        axes.semilogy(K_3, list(printed.values()), _MARKERS[name] + ":", **style)
    cells = [i for i, cell in enumerate(TABLES["table3"]) if cell.factors == "P"]
    means = matrices.summary(matrices.results(store, "table3"))["mean"].unstack("number")
    means = means.reindex(index=list(_FIGURE_5), columns=cells).dropna()
    for name, values in means.iterrows():
        axes.semilogy(K_3, values, "o-", color=_FIGURE_5[name], label=name)
    axes.set(xlabel="components asked for, k_m; the rank is 10", ylabel="mean relative error")
    axes.legend(fontsize=7)
    return axes.figure if len(means) else None


def figure6(store, plt):
    """Where EM and GSO end on every problem, from the same start."""
    names = {"EM": mixture_table.EM, "GSO": mixture_table.GSO}
    names[mixture_table.STEP] = mixture_table.STEP
    values = mixture_table.values(mixture_table.results(store), 2)
    if not set(names.values()) <= set(values):
        return None
    both = values.sort_values(names["EM"], kind="stable").reset_index(drop=True)
    axes = plt.subplots(figsize=(7, 3.2), layout="constrained")[1]
    axes.vlines(both.index, both[names["GSO"]], both[names["EM"]], color="0.8", zorder=1)
    styles = {"mfc": "w", "ms": 6}, {"ms": 4}, {"ms": 4, "marker": "x"}
    for (name, column), style in zip(names.items(), styles, strict=True):
        label = f"{name}, mean {both[column].mean():.2f}"
        style = {"marker": "o", "ls": "", "color": _COLOURS[name], "label": label, **style}
        axes.plot(both[column], **style)
    axes.set(xlabel="problem, sorted by EM's result", ylabel="NLL per sample")
    axes.legend(loc="upper left")
    return axes.figure


def _ellipses(axes, means, covariances, **style):
    """Of two standard deviations."""
    from matplotlib.patches import Ellipse

    for mean, covariance in zip(means, covariances, strict=True):
        (small, large), vectors = np.linalg.eigh(covariance)
        size, angle = 4 * np.sqrt([large, small]), np.degrees(np.arctan2(*vectors[::-1, 1]))
        axes.add_patch(Ellipse(mean, *size, angle=angle, fill=False, zorder=2, **style))


def figure7(store, plt):
    """The clusters that each finds from the same start, and EM's way."""
    problem = figures.ends(store, f"{figures.WAY}, problem", "EM")
    values = pd.Series({name: figures.ends(store, figures.WAY, name).get(0) for name in _COLOURS})
    if problem.empty or values.isna().any():
        return None
    X, covariances = (a[int(problem[0])] for a in figures.way_tasks())
    way = figures.centres(store, f"{figures.WAY}, way", "EM", 4)
    size = {"figsize": (10, 4), "layout": "constrained"}
    each = plt.subplots(1, len(_COLOURS), sharex=True, sharey=True, **size)[1]
    for axes, name in zip(each, _COLOURS, strict=True):
        means = figures.centres(store, f"{figures.WAY}, centres", name)
        axes.plot(*X.T, ".", color="0.75", ms=3, zorder=1, rasterized=True)
        _ellipses(axes, means, covariances, color=_COLOURS[name])
        axes.plot(*means.T, "*", color=_COLOURS[name], ms=9)
        axes.plot(*way[0].T, "s", mfc="none", color="tab:blue", label="start of all")
        axes.set(xlabel="feature 1", aspect="equal", title=f"{name}: NLL {values[name]:.2f}")
    for path in way.swapaxes(0, 1):
        each[0].plot(*path.T, ".-", color="tab:blue", lw=0.8, ms=2)
    each[0].set_ylabel("feature 2")
    each[0].legend(fontsize=7)
    return each[0].figure


def figure8(store, plt):
    """Ten flowers: EM dashed, GSO red, as in the paper, and crosses at the paper's centres."""
    ends = {name: figures.ends(store, figures.FLOWERS, name) for name in _COLOURS}
    if any(values.empty for values in ends.values()):
        return None
    X, covariances = figures.flower_tasks()
    grid_of = plt.subplots(2, 5, figsize=(10, 4.4), sharex=True, sharey=True, layout="constrained")
    for i, axes in enumerate(grid_of[1].flat):
        axes.set(aspect="equal", xticks=[], yticks=[])
        if i not in ends["GSO"].index:
            continue
        axes.plot(*X[i, ::20].T, ",", color="0.6", zorder=1, rasterized=True)
        for name, line in (("GSO", "-"), ("EM", "--")):
            means = figures.centres(store, f"{figures.FLOWERS}, centres {i}", name)
            _ellipses(axes, means, covariances[i], color=_COLOURS[name], ls=line, lw=1.2)
        step = figures.centres(store, f"{figures.FLOWERS}, centres {i}", mixture_table.STEP)
        axes.plot(*step.T, "x", color=_COLOURS[mixture_table.STEP], ms=5)
        axes.set_title(", ".join(f"{v[i]:.2f}" for v in ends.values()), fontsize=8)
    return grid_of[0]


FIGURES = {f.__name__: f for f in (figure3, figure4, figure5, figure6, figure7, figure8)}


def draw(store, name, folder=FOLDER) -> Path | None:
    """Draw one figure; the path of the file, or None where nothing is stored."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with plt.rc_context(_STYLE):
        figure = FIGURES[name](store, plt)
        if figure is not None:
            folder.mkdir(parents=True, exist_ok=True)
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, dpi=72)
        plt.close("all")
    return None if figure is None else folder / f"{name}.svg"
