"""Figure 3: the paper's rule trained from scratch for 20 x 20 pairs of t_l and t_u.

As in the paper one half of the tasks trains and the other judges, and no ground truth is
used in training. Smaller than the paper's so that 400 trainings fit an hour on two cores: see
`DATA` and `RECIPE`.
"""

from itertools import product

from sklearn_gso import GSOMatrixCompleter, MetaTraining
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.rules import recipe

from .measuring import errors, timed
from .peers.means import row_column_mean

DATA = {"shape": (20, 20), "rank": 2, "rate": 0.5, "factors": "uniform", "random_state": 31}
N_TRAIN, N_TEST = 16, 16
RECIPE = {
    "rule": recipe("step", n_layers=1),
    "optimizer": None,
    "max_iter": 20,
    "n_epochs": 1,
    "training": MetaTraining(batch_size=2, learning_rate=1e-2, validation_fraction=0),
    "n_init": 1,
    "safeguard": "none",
    "tol": None,
    "scaling": "matrix",
    "random_state": 0,
}
VALUES, QUICK = tuple(range(1, 21)), (1, 4, 10, 20)
CELL = f"figure 3, P, 20 x 20, rank 2, rate 0.5, mean of {N_TEST}"
METHOD, MEANS = "LSTMStep (paper)", "row+column mean"


def settings(t_l, t_u):
    return f"t_l={t_l}, t_u={t_u}"


def compute(store, wanted):
    """Train and judge the pairs that are not stored yet; seconds are those of a training."""
    X, truth = make_low_rank_tasks(N_TRAIN + N_TEST, **DATA)
    train, test, truth = list(X[:N_TRAIN]), list(X[N_TRAIN:]), truth[N_TRAIN:]
    if not store.has(CELL, MEANS, "", 0):
        error = errors(truth, [row_column_mean(x) for x in test]).mean()
        store.add(CELL, MEANS, "", [(0, error, 0.0)])
    for t_l, t_u in product(QUICK if wanted.quick else VALUES, repeat=2):
        if not store.has(CELL, METHOD, settings(t_l, t_u), 0):
            completer = GSOMatrixCompleter(DATA["rank"], t_l=t_l, t_u=t_u, **RECIPE)
            _, seconds = timed(completer.fit, train)
            error = errors(truth, completer.reconstruct(test)).mean()
            store.add(CELL, METHOD, settings(t_l, t_u), [(0, error, seconds)])


def table(store):
    """Mean errors, a row for each t_l and a column for each t_u; NaN where nothing is stored."""
    lines = store.frame[(store.frame["cell"] == CELL) & (store.frame["method"] == METHOD)]
    pairs = lines["settings"].str.extract(r"t_l=(?P<t_l>\d+), t_u=(?P<t_u>\d+)").astype(int)
    pairs["error"] = lines["error"]
    return pairs.pivot(index="t_l", columns="t_u", values="error").sort_index().sort_index(axis=1)
