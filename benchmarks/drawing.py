"""The figures of the paper redrawn from stored results, as SVG in doc/figures/."""

from pathlib import Path

import numpy as np

from sklearn_gso.plotting import ConvergenceDisplay, SearchGridDisplay

from . import figures, grid, mixture_table, paper
from .cells import K_3, TABLES
from .methods import methods

FOLDER = Path(__file__).parents[1] / "doc" / "figures"
_STYLE = {"svg.hashsalt": "figures", "svg.fonttype": "none", "font.size": 9}
_COLOURS = {"EM": "k", "GSO": "tab:red"}
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
    found = grid.errors(store)
    if not found:
        return None
    t_l, t_u = (sorted({pair[i] for pair in found}) for i in (0, 1))
    values = np.array([[found.get((a, b), np.nan) for b in t_u] for a in t_l])
    display = SearchGridDisplay(values, t_u, t_l, "t_u", "t_l").plot()
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
            noted = figures.curve(store, what, name, settings)
            if noted:
                sweeps = sorted(noted)
                logs = np.log([noted[i] for i in sweeps])
                by_row[name] = np.exp(np.interp(np.arange(sweeps[-1] + 1), sweeps, logs))
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
    cells = [cell for cell in TABLES["table3"] if cell.factors == "P"]
    for name, figures_ in paper.MATRICES["table3"].items():
        marker = {"GSO": "s", "SGD": "^", "ALS": "v"}[name]
        axes.semilogy(
            K_3, list(figures_.values()), marker + ":", color="0.2", label=f"paper: {name}"
        )
    rows, drawn = methods(), False
    for name, colour in _FIGURE_5.items():
        found = [store.errors(c.data, name, rows[name].settings(c)) for c in cells]
        if all(found):
            means = [np.mean(list(e.values())) for e in found]
            axes.semilogy(K_3, means, "o-", color=colour, label=name)
            drawn = True
    axes.set(xlabel="components asked for, k_m; the rank is 10", ylabel="mean relative error")
    axes.legend(fontsize=7)
    return axes.figure if drawn else None


def figure6(store, plt):
    """Where EM and GSO end on every problem, from the same start."""
    found = mixture_table.found(store, 2)
    if mixture_table.EM not in found or mixture_table.GSO not in found:
        return None
    both = {"EM": found[mixture_table.EM], "GSO": found[mixture_table.GSO]}
    axes = plt.subplots(figsize=(7, 3.2), layout="constrained")[1]
    order = np.argsort(both["EM"], kind="stable")
    axes.vlines(np.arange(len(order)), both["GSO"][order], both["EM"][order], color="0.8", zorder=1)
    for (name, values), fill, size in zip(both.items(), ("w", "tab:red"), (6, 4), strict=True):
        label = f"{name}, mean {values.mean():.2f}"
        axes.plot(values[order], "o", color=_COLOURS[name], mfc=fill, ms=size, label=label)
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
    """The clusters that EM and GSO find from the same start, and EM's way."""
    problem = store.errors(f"{figures.WAY}, problem", "EM", figures.PLAIN)
    if not problem or not store.errors(figures.WAY, "GSO", figures.mixture_settings("GSO")):
        return None
    X, covariances = (a[int(problem[0])] for a in figures.way_tasks())
    way = figures.centres(store, f"{figures.WAY}, way", "EM", 4)
    both = plt.subplots(1, 2, figsize=(8, 4), sharex=True, sharey=True, layout="constrained")[1]
    for axes, name in zip(both, _COLOURS, strict=True):
        means = figures.centres(store, f"{figures.WAY}, centres", name)
        value = store.errors(figures.WAY, name, figures.mixture_settings(name))[0]
        axes.plot(*X.T, ".", color="0.75", ms=3, zorder=1, rasterized=True)
        _ellipses(axes, means, covariances, color=_COLOURS[name])
        axes.plot(*means.T, "*", color=_COLOURS[name], ms=9)
        axes.plot(*way[0].T, "s", mfc="none", color="tab:blue", label="start of both")
        axes.set(xlabel="feature 1", aspect="equal", title=f"{name}: NLL {value:.2f}")
    for path in way.swapaxes(0, 1):
        both[0].plot(*path.T, ".-", color="tab:blue", lw=0.8, ms=2)
    both[0].set_ylabel("feature 2")
    both[0].legend(fontsize=7)
    return both[0].figure


def figure8(store, plt):
    """Ten flowers: EM dashed, GSO red, as in the paper."""
    ends = {
        name: store.errors(figures.FLOWERS, name, figures.mixture_settings(name))
        for name in _COLOURS
    }
    if not ends["GSO"]:
        return None
    X, covariances = figures.flower_tasks()
    grid_of = plt.subplots(2, 5, figsize=(10, 4.4), sharex=True, sharey=True, layout="constrained")
    for i, axes in enumerate(grid_of[1].flat):
        axes.set(aspect="equal", xticks=[], yticks=[])
        if i not in ends["GSO"]:
            continue
        axes.plot(*X[i, ::20].T, ",", color="0.6", zorder=1, rasterized=True)
        for name, line in (("GSO", "-"), ("EM", "--")):
            means = figures.centres(store, f"{figures.FLOWERS}, centres {i}", name)
            _ellipses(axes, means, covariances[i], color=_COLOURS[name], ls=line, lw=1.2)
        axes.set_title(f"EM {ends['EM'][i]:.2f}, GSO {ends['GSO'][i]:.2f}", fontsize=8)
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
