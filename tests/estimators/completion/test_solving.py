"""Solving a batch: rows without data, and what is said of values that are not finite."""

import numpy as np
import pytest

from sklearn_gso import (
    ALSMatrixCompleter,
    GSOMatrixCompleter,
    LearnedOptimizer,
    SGDMatrixCompleter,
)
from sklearn_gso.estimators.reporting import Progress
from sklearn_gso.estimators.solving import Plan
from sklearn_gso.problems import MatrixCompletion
from sklearn_gso.rules import GradientDescent
from sklearn_gso.solvers import Multistart

pytestmark = pytest.mark.filterwarnings("ignore:Training has not improved")

STEP = {"rule": "step", "scaling": "matrix", "max_iter": 3, "n_epochs": 1, "n_init": 2}
RIDGE = {
    "als": ALSMatrixCompleter(2, scaling="matrix", max_iter=5),
    "sgd": SGDMatrixCompleter(2, scaling="matrix", max_iter=3),
    "batches": SGDMatrixCompleter(2, scaling="matrix", max_iter=3, batch_fraction=0.5),
    "step": GSOMatrixCompleter(2, **STEP),
    "unguarded": GSOMatrixCompleter(2, safeguard="none", **STEP),
    "ridge": GSOMatrixCompleter(2, alpha=1e-3, scaling="matrix", max_iter=3, n_epochs=0),
}


@pytest.fixture
def holes(easy_tasks):
    X = easy_tasks[0][:2].copy()
    X[:, 4] = np.nan
    X[:, :, 3] = np.nan
    return X


@pytest.mark.filterwarnings("ignore:.*have no observed entry")
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", RIDGE)
def test_rows_without_data_come_from_the_prior(name, seed, holes):
    """Zero under equation (11), whatever the random start was; columns are the mean of all."""
    completer = RIDGE[name].set_params(random_state=seed)
    one = completer.fit(holes[0]).transform(holes[0])
    many = completer.fit(holes).transform(holes)
    others = np.arange(holes.shape[2]) != 3
    for X, filled in zip([holes[0], *holes], [one, *many], strict=True):
        assert (filled[4, others] == 0).all()
        np.testing.assert_allclose(filled[:, 3], np.nanmean(X), rtol=1e-12)
        assert (filled[:4, 4:] != 0).all()


@pytest.mark.filterwarnings("ignore:.*have no observed entry")
def test_objective_is_that_of_what_is_returned(holes):
    """That is: after rows without data were put to their minimisers."""
    plan = Plan(MatrixCompletion, GradientDescent(), Multistart(max_iter=3))
    answer = plan.solve(list(holes), {"n_components": 2}, 0, Progress())
    value = answer.problem.objective(answer.best.variables)
    np.testing.assert_allclose(answer.best.objective, value, rtol=1e-12)
    assert (answer.best.variables["V"][:, 3] == 0).all()


@pytest.mark.filterwarnings("ignore:.*have no observed entry")
def test_empirical_bayes_fills_with_its_prior_mean(holes):
    completer = GSOMatrixCompleter(2, max_iter=8, n_init=1, random_state=0).fit(holes[0])
    variables = completer.trace(holes[0]).best.variables
    prior = variables["prior_U"].mean[0, 0]
    np.testing.assert_allclose(variables["U"].mean[0, 4], prior, rtol=1e-9)
    filled = completer.transform(holes[0])
    others = np.arange(holes.shape[2]) != 3
    np.testing.assert_allclose(filled[4, others], (prior @ completer.components_)[others])
    np.testing.assert_allclose(filled[:, 3], np.nanmean(holes[0]), rtol=1e-12)


@pytest.mark.parametrize("shape", ["one", "many"])
def test_a_rule_that_breaks_is_blamed_itself(shape, easy_tasks):
    X = easy_tasks[0][:2]
    good = LearnedOptimizer.load_pretrained()
    nan = LearnedOptimizer(
        {k: np.full(v.shape, np.nan) for k, v in good.weights.items()}, good.description
    )
    completer = GSOMatrixCompleter(2, optimizer=nan, n_epochs=0, safeguard="none", random_state=0)
    with pytest.raises(ValueError, match="learned rule produced them") as caught:
        completer.fit(X[0]) if shape == "one" else completer.fit(X).transform(X)
    assert "too large" not in str(caught.value)


def test_large_entries_are_blamed_where_they_are_the_cause():
    with pytest.raises(ValueError, match="too large"), np.errstate(all="ignore"):
        ALSMatrixCompleter(1, random_state=0).fit(np.full((4, 4), 1e200))
