"""How tables and verdicts are printed."""

import numpy as np
import pandas as pd


def number(value) -> str:
    """Three digits below one, scientific below a thousandth."""
    if not np.isfinite(value):
        return "–"
    return f"{value:.3f}" if value >= 1e-3 else f"{value:.0e}"


def texts(figures: pd.Series, form=number, columns=None, rows=None) -> pd.DataFrame:
    """A table of texts from figures by method and column; – where there is none.

    Parameters
    ----------
    figures : Series
        With two levels of the index, the method first.
    form : callable
        From a number to a text.
    columns : dict, optional
        Names of the second level's values that are shown, in this order.
    rows : DataFrame, optional
        To stand before those of the methods, which keep their order.
    """
    figures = figures[figures.index.isin(columns, level=1)]
    table = figures.unstack().reindex(figures.index.unique(0), columns=list(columns))
    table = pd.concat([rows, table]) if rows is not None and len(rows) else table
    table = table.map(lambda value: "–" if pd.isna(value) else form(value))
    return table.rename(columns=columns).rename_axis(index=None, columns=None)


def show(title, table: pd.DataFrame):
    """Print a table."""
    print(f"\n{title}\n{table.to_string()}", flush=True)


def markdown(table: pd.DataFrame) -> str:
    """The same for a page."""
    header = [table.index.name or "", *table.columns]
    body = [[name, *row] for name, row in zip(table.index, table.to_numpy(), strict=True)]
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def verdict(met: bool | None) -> str:
    """What is said of a bar; nothing where there is none."""
    return "" if met is None else "met" if met else "MISSED"


def show_bar(name, reached, bar="", met=None):
    """Print what was reached beside the bar, and the verdict."""
    print(f"{name:58} {reached:46} {bar:34} {verdict(met)}".rstrip(), flush=True)
