"""Figure 3: the paper's rule trained from scratch for 20 x 20 pairs of t_l and t_u.

One `GridSearchCV` over the pairs that are not stored yet. As in the paper one half of the
tasks trains and the other judges, and no ground truth is used in training. Smaller than the
paper's so that 400 trainings fit an hour on two cores: see `DATA` and `RECIPE`.
"""

import time

import numpy as np
from sklearn.model_selection import GridSearchCV

from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.metrics import relative_error

from .peers.means import row_column_mean

DATA = {"shape": (20, 20), "rank": 2, "rate": 0.5, "factors": "uniform", "random_state": 31}
N_TRAIN, N_TEST = 16, 16
RECIPE = {
    "rule": "step",
    "optimizer": None,
    "max_iter": 20,
    "n_epochs": 1,
    "batch_size": 2,
    "learning_rate": 1e-2,
    "rule_options": {"n_layers": 1},
    "validation_fraction": 0,
    "n_init": 1,
    "safeguard": "none",
    "random_state": 0,
}
VALUES, QUICK = tuple(range(1, 21)), (1, 4, 10, 20)
CELL = f"figure 3, P, 20 x 20, rank 2, rate 0.5, mean of {N_TEST}"
METHOD = "LSTMStep (paper)"


def settings(t_l, t_u):
    return f"t_l={t_l}, t_u={t_u}"


class Recorder:
    """A scorer of searches that stores the mean error of every candidate once it is judged.

    Parameters
    ----------
    store : Store
    truth : ndarray of shape (n_tasks, n_rows, n_columns)
        Of the tasks that judge.
    """

    def __init__(self, store, truth):
        self.store, self.truth = store, truth
        self.clock = time.perf_counter()

    def __call__(self, completer, X, y=None):
        estimates = completer.reconstruct(X)
        error = _mean(self.truth, estimates)
        seconds, self.clock = time.perf_counter() - self.clock, time.perf_counter()
        pair = settings(completer.t_l, completer.t_u)
        self.store.add(CELL, METHOD, pair, [(0, error, seconds)])
        return -error


def _mean(truth, estimates):
    pairs = zip(truth, estimates, strict=True)
    return float(np.mean([relative_error(t, e) for t, e in pairs]))


def compute(store, quick=False, until=None):
    """Train and judge the pairs that are not stored yet; seconds are those of a training."""
    values = QUICK if quick else VALUES
    X, truth = make_low_rank_tasks(N_TRAIN + N_TEST, **DATA)
    if not store.has(CELL, "row+column mean", "", 0):
        error = _mean(truth[N_TRAIN:], [row_column_mean(x) for x in X[N_TRAIN:]])
        store.add(CELL, "row+column mean", "", [(0, error, 0.0)])
    todo = [
        {"t_l": [t_l], "t_u": [t_u]}
        for t_l in values
        for t_u in values
        if not store.has(CELL, METHOD, settings(t_l, t_u), 0)
    ]
    completer = GSOMatrixCompleter(DATA["rank"], **RECIPE)
    split = [(np.arange(N_TRAIN), np.arange(N_TRAIN, N_TRAIN + N_TEST))]
    while todo and not (until and time.time() > until):
        some, todo = todo[: len(values)], todo[len(values) :]
        recorder = Recorder(store, truth[N_TRAIN:])
        GridSearchCV(
            completer, some, scoring=recorder, cv=split, refit=False, error_score="raise"
        ).fit(list(X))
        print(f"figure 3: {len(todo)} pairs to go", flush=True)


def errors(store):
    """Mean error by ``(t_l, t_u)``, of the pairs that are stored."""
    pairs = ((t_l, t_u) for t_l in VALUES for t_u in VALUES)
    found = {pair: store.errors(CELL, METHOD, settings(*pair)) for pair in pairs}
    return {pair: e[0] for pair, e in found.items() if e}
