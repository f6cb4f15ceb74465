"""Imputers before a classifier, side by side: ``python -m benchmarks.pipelines``.

Breast cancer, wine and digits of scikit-learn with 10, 30 and 50 % of the entries removed at
random; ``make_pipeline(StandardScaler(), imputer, LogisticRegression(max_iter=1000))``. Every
imputer sees the same masks and folds. Its own parameters are chosen for each cell by accuracy
on masks and folds of other seeds, among at most four settings (``IMPUTERS``); what is printed
was measured on seeds that chose nothing. Accuracy is the mean over masks and five folds;
"gain" is the paired difference to the better peer with its standard error over folds, which
share rows and are not independent. Seconds are those of one cross-validation of the chosen
setting, with one thread, without the choosing. A cell is met where the gain is at least 0.
``--defaults`` chooses nothing and takes all imputers as they come.
"""

import argparse
from itertools import product

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.datasets import hide_entries

from .measuring import one_thread, timed
from .peers.validation import choose
from .showing import show_bar, verdict

DATA = {"wine": load_wine, "breast cancer": load_breast_cancer, "digits": load_digits}
RATES = (0.1, 0.3, 0.5)
# Of masks and folds: to measure on, to choose on.
SEEDS = {"wine": (10, 3), "breast cancer": (10, 3), "digits": (2, 1)}
FIRST_TO_CHOOSE = 100
IMPUTERS = {
    "KNNImputer": [KNNImputer(n_neighbors=n) for n in (3, 5, 10, 20)],
    "IterativeImputer": [IterativeImputer(max_iter=n, random_state=0) for n in (3, 10)],
    "GSOMatrixCompleter": [
        GSOMatrixCompleter(n, n_init=1, optimizer=optimizer, max_iter=10, random_state=0)
        for n, optimizer in ((3, "pretrained"), (10, "pretrained"), (10, None), (30, None))
    ],
}
DEFAULTS = {
    "KNNImputer": [KNNImputer()],
    "IterativeImputer": [IterativeImputer(random_state=0)],
    "GSOMatrixCompleter": [GSOMatrixCompleter(random_state=0)],
}
OURS, SLOW = "GSOMatrixCompleter", "IterativeImputer"


def fits(imputer, n_features):
    """Whether the data have enough columns for a setting."""
    return (getattr(imputer, "n_components", None) or 0) <= n_features


def accuracies(imputer, X, y, rate, seeds):
    """Accuracy in each fold of each mask."""
    pipeline = make_pipeline(StandardScaler(), imputer, LogisticRegression(max_iter=1000))
    scores = []
    for seed in seeds:
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        masked = hide_entries(X, rate, seed)
        scores.append(cross_val_score(pipeline, masked, y, cv=folds, error_score="raise"))
    return np.concatenate(scores)


def run(data, rate, imputers):
    """One cell of the table; whether we are as accurate as the better peer, and faster."""
    X, y = DATA[data](return_X_y=True)
    n_masks, n_to_choose = SEEDS[data]
    to_choose = range(FIRST_TO_CHOOSE, FIRST_TO_CHOOSE + n_to_choose)
    accuracy, seconds = {}, {}
    for name, settings in imputers.items():
        settings = [s for s in settings if fits(s, X.shape[1])]
        # The setting that classifies best on other masks and folds.
        setting = choose(settings, lambda s: -accuracies(s, X, y, rate, to_choose))
        accuracy[name], whole = timed(accuracies, setting, X, y, rate, range(n_masks))
        seconds[name] = whole / n_masks
        print(f"  {data} {rate:.0%} {seconds[name]:7.2f} s  {setting}", flush=True)
    peers = {name: scores for name, scores in accuracy.items() if name != OURS}
    best = max(peers, key=lambda name: peers[name].mean())
    gain = accuracy[OURS] - peers[best]
    error = gain.std(ddof=1) / len(gain) ** 0.5
    good, fast = gain.mean() >= 0, seconds[OURS] < seconds[SLOW]
    means = "  ".join(f"{name} {scores.mean():.4f}" for name, scores in accuracy.items())
    print(
        f"{data:14} {rate:4.0%}  {means}  gain {gain.mean():+.4f} ± {error:.4f} {verdict(good)}; "
        f"{seconds[OURS]:.2f} s to {seconds[SLOW]:.2f} s {verdict(fast)}",
        flush=True,
    )
    return good, fast


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipelines", description=__doc__)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--defaults", action="store_true", help="imputers as they come")
    arguments = parser.parse_args()
    imputers = DEFAULTS if arguments.defaults else IMPUTERS
    with one_thread():
        cells = list(product(arguments.data, RATES))
        good, fast = np.sum([run(data, rate, imputers) for data, rate in cells], axis=0)
    whole = len(arguments.data) == len(DATA)  # the bars are of the whole table
    show_bar("as accurate", f"{good} of {len(cells)}", "8 of 9", good >= 8 if whole else None)
    show_bar("faster", f"{fast} of {len(cells)}", "9 of 9", fast == 9 if whole else None)


if __name__ == "__main__":
    main()
