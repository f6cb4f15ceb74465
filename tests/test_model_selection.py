"""scikit-learn's searches and curves, whose samples are tasks."""

import numpy as np
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingGridSearchCV, learning_curve

from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.datasets import make_low_rank_tasks


def tasks(n):
    X, truth = make_low_rank_tasks(n, shape=(12, 10), rank=2, rate=0.6, random_state=0)
    return list(X), list(truth)


def completer():
    return GSOMatrixCompleter(2, optimizer=None, max_iter=3, n_epochs=1, random_state=0)


def test_halving_search_over_tasks():
    """Fewer candidates on more tasks, iteration by iteration."""
    X, truth = tasks(16)
    search = HalvingGridSearchCV(
        completer(),
        {"t_l": [1, 2], "hidden_size": [2, 4]},
        cv=2,
        factor=2,
        min_resources=4,
        random_state=0,
        error_score="raise",
    ).fit(X, truth)
    assert search.n_candidates_ == [4, 2, 1] and search.n_resources_ == [4, 8, 16]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.n_tasks_in_ == 16


def test_learning_curve_over_tasks(monkeypatch):
    X, truth = tasks(12)
    fitted = []
    original = GSOMatrixCompleter.fit

    def fit(self, X, y=None):
        fitted.append(len(X))
        return original(self, X, y)

    monkeypatch.setattr(GSOMatrixCompleter, "fit", fit)
    sizes, train, test = learning_curve(
        completer(), X, truth, train_sizes=[2, 5, 8], cv=3, error_score="raise"
    )
    assert sizes.tolist() == [2, 5, 8] and fitted == [2, 5, 8] * 3
    assert train.shape == test.shape == (3, 3)
    assert np.isfinite(train).all() and np.isfinite(test).all() and (test < 0).all()
