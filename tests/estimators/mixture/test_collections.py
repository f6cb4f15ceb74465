"""Many data sets at once, each solved like one."""

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score

from tests.estimators.mixture.mixtures import each_mixture, em, learned_nothing


@each_mixture
def test_one_data_set_after_a_collection_and_back(mixture, tasks):
    X = tasks[0]
    model = learned_nothing(mixture).fit(X[0])
    with pytest.raises(ValueError, match="was fitted on one data set"):
        model.predict(X)
    model.fit(list(X))
    assert model.n_tasks_in_ == 5
    assert not any(hasattr(model, n) for n in ("n_features_in_", "means_", "n_iter_"))
    assert model.predict(X[0]).shape == (120,)
    assert model.predict(X[0][:, :1]).shape == (120,)  # another width
    with pytest.raises(NotFittedError, match="after a fit on one data set only"):
        model.sample()
    with pytest.raises(ValueError, match="not of a collection"):
        model.bic(X)
    model.fit(X[0])
    assert not hasattr(model, "n_tasks_in_") and model.means_.shape == (3, 2)


@each_mixture
def test_each_of_a_collection_is_solved_like_one(mixture, tasks):
    """With distinct components every start that converges ends in the same optimum."""
    X, known = tasks[0][:3], tasks[1].covariances[:3]
    model = learned_nothing(mixture, init_params="matched", n_init=6).fit(X, covariances=known)
    scores = [s.mean() for s in model.score_samples(X, covariances=known)]
    alone = [
        clone(model).fit(data, covariances=c).lower_bound_ for data, c in zip(X, known, strict=True)
    ]
    np.testing.assert_allclose(scores, alone, atol=1e-3)
    assert model.score(X, covariances=known) == pytest.approx(np.mean(scores))


@each_mixture
def test_containers_of_collections(mixture, tasks):
    X = tasks[0][:3]
    model = learned_nothing(mixture).fit(X)
    as_array, as_list = model.predict_proba(X), model.predict_proba(list(X))
    assert isinstance(as_array, np.ndarray) and as_array.shape == (3, 120, 3)
    assert isinstance(as_list, list) and isinstance(model.predict(tuple(X)), list)
    np.testing.assert_array_equal(as_array, np.stack(as_list))
    np.testing.assert_array_equal(model.predict(X), as_array.argmax(2))
    np.testing.assert_array_equal(learned_nothing(mixture).fit_predict(X), model.predict(X))


@each_mixture
def test_unequal_shapes(mixture, tasks):
    X, truth = tasks
    unequal = [X[0], X[1][:70], X[2], X[3][:, :1], X[4].round()]
    model = learned_nothing(mixture).fit(unequal)
    assert [p.shape for p in model.predict_proba(unequal)] == [(len(x), 3) for x in unequal]
    known = [c[:, : x.shape[1], : x.shape[1]] for c, x in zip(truth.covariances, unequal,
                                                              strict=True)]  # fmt: skip
    assert len(model.fit_predict(unequal, covariances=known)) == 5


@each_mixture
@pytest.mark.slow
def test_covariances_of_collections(mixture, tasks):
    X, truth = tasks
    each, shared = truth.covariances, truth.covariances[0]
    model = learned_nothing(mixture).fit(X, covariances=each)
    with pytest.raises(ValueError, match="give those of the new ones"):
        model.predict(X)
    with pytest.raises(ValueError, match="one array for each of 5 tasks, got 4"):
        model.predict(X, covariances=each[:4])
    from_list = model.score_samples(X, covariances=list(each))
    np.testing.assert_array_equal(from_list, model.score_samples(X, covariances=each))
    broken = each.copy()
    broken[2, 1] = 0
    with pytest.raises(ValueError, match="Task 2 of the collection: covariances of component 1"):
        model.predict(X, covariances=broken)
    model.fit(X, covariances=shared)
    kept = model.score_samples(X)
    np.testing.assert_array_equal(kept, model.score_samples(X, covariances=[shared] * 5))
    constructed = learned_nothing(mixture).set_params(covariances=shared).fit(X)
    np.testing.assert_array_equal(kept, constructed.score_samples(X))
    assert model.score(X) < model.score(X, covariances=each)
    single = learned_nothing(mixture).fit(X[0])
    with pytest.raises(ValueError, match="data sets that are solved anew"):
        single.predict(X[0], covariances=shared)


def test_one_broken_member_is_named_when_it_is_solved(tasks):
    X = tasks[0]
    model = em(reg_covar=0.0).fit(X)
    with pytest.raises(ValueError, match="Task 1 of the collection: Fitting the mixture model"):
        model.predict([X[0], np.ones((9, 2)), X[2]])


@each_mixture
@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_jobs_do_not_matter(mixture, backend, tasks, monkeypatch):
    monkeypatch.setattr("sklearn_gso.estimators.tasks.MEMORY_BOUND", 3000)  # a chunk for each
    X = tasks[0]
    with joblib.parallel_config(backend=backend):
        one, two = (learned_nothing(mixture, n_jobs=n).fit(X).predict_proba(X) for n in (None, 2))
    np.testing.assert_array_equal(one, two)


def test_batches_do_not_matter(X, rng, monkeypatch):
    """Where no start is drawn a task does not feel who is solved beside it."""
    means, X = X[:3], np.stack([X[rng.permutation(120)[:100]] for _ in range(5)])
    model = em(means_init=means).fit(X)
    whole = model.score_samples(X)
    monkeypatch.setattr("sklearn_gso.estimators.tasks.MEMORY_BOUND", 3000)  # a chunk for each
    np.testing.assert_allclose(model.score_samples(X), whole, rtol=1e-10)


@each_mixture
@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_grid_search_over_components(mixture, n_jobs, tasks, rng):
    X = tasks[0]
    search = GridSearchCV(mixture(), {"n_components": [1, 2, 3]}, cv=3, n_jobs=n_jobs)
    search.fit(X[0][rng.permutation(120)])
    assert search.best_params_["n_components"] == 3
    over_tasks = GridSearchCV(
        learned_nothing(mixture), {"n_components": [1, 3]}, cv=2, n_jobs=n_jobs, error_score="raise"
    )
    over_tasks.fit(list(X))
    assert over_tasks.best_params_["n_components"] == 3
    assert over_tasks.best_estimator_.n_tasks_in_ == 5
    of_three = cross_val_score(learned_nothing(mixture), X, cv=2).mean()
    assert of_three == pytest.approx(over_tasks.cv_results_["mean_test_score"][1])
