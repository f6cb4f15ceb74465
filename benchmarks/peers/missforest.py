"""MissForest: each column by a random forest of all others, by turns, until it gets no better.

Stekhoven and Bühlmann, MissForest: non-parametric missing value imputation for mixed-type data,
Bioinformatics 28, 2012: columns in the order of their missing entries, starting from means and most
frequent categories, 100 trees, at most 10 rounds; the answer is that of the round before the first
one in which the changes of numbers and of categories both grew.
"""

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor


def missforest(frame: pd.DataFrame, n_trees=100, n_rounds=10, seed=0) -> pd.DataFrame:
    """A completed frame; columns that are no numbers hold categories."""
    holes = frame.isna()
    is_number = {name: pd.api.types.is_numeric_dtype(frame[name]) for name in frame}
    filled = frame.copy()
    for name in frame:
        column = frame[name]
        filled[name] = column.fillna(column.mean() if is_number[name] else column.mode()[0])
    order = [name for name in holes.sum().sort_values(kind="stable").index if holes[name].any()]
    before = {True: np.inf, False: np.inf}
    for _ in range(n_rounds):
        new = _round(filled, holes, order, is_number, n_trees, seed)
        changes = {kind: _change(filled, new, holes, is_number, kind) for kind in before}
        known = [kind for kind, change in changes.items() if change is not None]
        if all(changes[kind] >= before[kind] for kind in known):
            return filled
        before |= {kind: changes[kind] for kind in known}
        filled = new
    return filled


def _round(filled, holes, order, is_number, n_trees, seed):
    filled = filled.copy()
    for name in order:
        others = pd.get_dummies(filled.drop(columns=name)).to_numpy(float)
        kind = RandomForestRegressor if is_number[name] else RandomForestClassifier
        forest = kind(n_trees, random_state=seed, max_features="sqrt")
        hidden = holes[name].to_numpy()
        target = filled[name].to_numpy()
        forest.fit(others[~hidden], target[~hidden])
        filled.loc[hidden, name] = forest.predict(others[hidden])
    return filled


def _change(old, new, holes, is_number, kind):
    """Of numbers the relative squared change, of categories the share that changed."""
    names = [name for name in old if is_number[name] is kind]
    if not names:
        return None
    if kind:
        a, b = old[names].to_numpy(float), new[names].to_numpy(float)
        return float(np.square(b - a).sum() / np.square(b).sum())
    n_holes = max(1, int(holes[names].to_numpy().sum()))
    return float(
        (old[names].astype(object) != new[names].astype(object)).to_numpy().sum() / n_holes
    )
