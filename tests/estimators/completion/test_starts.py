"""Random starts of completers: how many, and whether the classical run stands beside them."""

import warnings

import numpy as np
import pytest

from sklearn_gso import GSOMatrixCompleter, LearnedOptimizer
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.metrics import relative_error


@pytest.mark.slow
def test_more_starts_recover_what_one_does_not():
    X, truth = make_low_rank_tasks(
        6, shape=(40, 40), rank=5, rate=0.25, factors="gaussian", random_state=5
    )
    errors = []
    for n_init in (1, "auto"):
        completer = GSOMatrixCompleter(5, n_init=n_init, n_epochs=0, random_state=0).fit(X)
        estimates = completer.reconstruct(X)
        errors.append([relative_error(t, e) for t, e in zip(truth, estimates, strict=True)])
    one, auto = np.array(errors)
    assert auto.mean() < 0.9 * one.mean()


@pytest.mark.parametrize("n_init", [0, 1.5, "four", None])
def test_n_init_is_a_number_or_auto(easy_tasks, n_init):
    with pytest.raises(ValueError, match="n_init of GSOMatrixCompleter must be an integer >= 1"):
        GSOMatrixCompleter(n_init=n_init).fit(easy_tasks[0][0])


def n_runs(completer, X):
    return len(completer.fit(X).trace(X).runs)


def test_general_optimizers_have_the_companion(noisy_values):
    """Not those that were trained on the tasks of a fit."""
    X = list(noisy_values.numpy())
    settings = {"n_components": 3, "max_iter": 6, "n_init": 2, "random_state": 0}
    general = LearnedOptimizer.load_pretrained()
    assert general.is_general and n_runs(GSOMatrixCompleter(**settings), X[0]) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so little training brings nothing
        own = GSOMatrixCompleter(n_epochs=2, **settings).fit(X).learned_optimizer_
    assert own.is_general == own.has_weights_of(general)
    for is_general, n in ((True, 3), (False, 2)):
        description = {**own.description, "general": is_general}
        optimizer = LearnedOptimizer(own.weights, description)
        assert n_runs(GSOMatrixCompleter(optimizer=optimizer, **settings), X[0]) == n


def test_the_trace_of_an_estimator_is_its_fit_once_more(easy_tasks):
    X = easy_tasks[0][0]
    completer = GSOMatrixCompleter(2, max_iter=5, n_init=2, safeguard="none", random_state=0)
    best = completer.fit(X).trace(X).best
    assert float(best.objective[0]) == completer.objective_
    assert int(best.n_iter[0]) == completer.n_iter_ <= 5
