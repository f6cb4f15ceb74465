"""Dictionaries, kernels and sources: what all of them share with every estimator."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_gso import (
    GSOBlindDeconvolution,
    GSODictionaryLearning,
    GSOSourceSeparation,
    LearnedOptimizer,
    MetaTraining,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:Training has not improved"),
    pytest.mark.filterwarnings("ignore:every source is 0"),
]
SMALL = {"optimizer": None, "random_state": 0, "max_iter": 4, "n_init": 1, "n_epochs": 1}
ESTIMATORS = {
    "dictionary": GSODictionaryLearning(4, alpha=0.1, transform_algorithm="lasso_lars", **SMALL),
    "deconvolution": GSOBlindDeconvolution(3, **SMALL),
    "sparse sources": GSOSourceSeparation(2, sources="sparse", **SMALL),
    "nonnegative sources": GSOSourceSeparation(2, sources="nonnegative", **SMALL),
}


@pytest.fixture(params=list(ESTIMATORS))
def estimator(request):
    return clone(ESTIMATORS[request.param])


@pytest.fixture(scope="module")
def tasks():
    rng = np.random.RandomState(0)
    return [rng.exponential(size=(20, 2)) @ rng.rand(2, 8) for _ in range(4)]


def test_a_search_over_inner_steps_and_windows(estimator, tasks):
    grid = {"t_l": [1, 2], "t_u": [1, 4]}
    search = GridSearchCV(estimator, grid, cv=2, error_score="raise").fit(tasks)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all() and len(set(scores)) > 1
    assert search.best_params_.keys() == grid.keys()


def test_a_fit_on_one_is_the_same_after_pickling(estimator, tasks):
    one = estimator.set_params(n_epochs=0).fit(tasks[0])
    again = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(again.transform(tasks[0]), one.transform(tasks[0]))


def test_a_fit_on_one_goes_on_learning_on_it(estimator, tasks):
    plain = clone(estimator).set_params(n_epochs=0).fit(tasks[0])
    estimator.set_params(n_epochs=0, training=MetaTraining(instance_epochs=2))
    learning = estimator.fit(tasks[0])
    assert not hasattr(plain, "history_") and learning.history_.n_steps == 2
    assert learning.history_.after <= learning.history_.before
    # What was learned travels: with it and no more passes the same answer.
    settings = {"optimizer": learning.learned_optimizer_, "training": None}
    again = clone(estimator).set_params(**settings).fit(tasks[0])
    np.testing.assert_array_equal(again.transform(tasks[0]), learning.transform(tasks[0]))


def test_bars_are_shown_on_demand_and_change_nothing(estimator, tasks, capfd):
    quiet = clone(estimator).fit(tasks).transform(tasks)
    assert capfd.readouterr().err == ""
    loud = clone(estimator).set_params(verbose=1).fit(tasks).transform(tasks)
    shown = capfd.readouterr()
    assert "meta-training" in shown.err and "solving" in shown.err and shown.out == ""
    for one, other in zip(loud, quiet, strict=True):
        np.testing.assert_array_equal(one, other)


def test_each_has_weights_that_ship(estimator):
    names = LearnedOptimizer.pretrained_names()
    wanted = {"dictionary", "deconvolution", "sparse_sources", "nonnegative_sources"}
    assert wanted <= set(names)
    kind = estimator.problem_class.__name__
    assert any(LearnedOptimizer.load_pretrained(n).description["problem"] == kind for n in wanted)
