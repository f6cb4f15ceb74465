"""Solving a batch: rows without data, and what is said of values that are not finite."""

import numpy as np
import pytest

from sklearn_gso import (
    ALSMatrixCompleter,
    GSOMatrixCompleter,
    LearnedOptimizer,
    SGDMatrixCompleter,
)
from sklearn_gso.estimators.parallel import solve_batch

RIDGE = {
    "als": ALSMatrixCompleter(2, max_iter=5),
    "sgd": SGDMatrixCompleter(2, max_iter=3),
    "batches": SGDMatrixCompleter(2, max_iter=3, batch_fraction=0.5),
    "step": GSOMatrixCompleter(2, rule="step", max_iter=3, n_epochs=1),
    "unguarded": GSOMatrixCompleter(2, rule="step", max_iter=3, n_epochs=1, safeguard="none"),
    "ridge": GSOMatrixCompleter(2, prior="ridge", max_iter=3, n_epochs=0),
}


@pytest.fixture
def holes(easy_tasks):
    X = easy_tasks[0][:2].copy()
    X[:, 4] = np.nan
    X[:, :, 3] = np.nan
    return X


@pytest.mark.filterwarnings("ignore:.*have no observed entry")
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", RIDGE)
def test_rows_without_data_come_from_the_prior(name, seed, holes):
    """Zero under equation (11), whatever the random start was."""
    completer = RIDGE[name].set_params(random_state=seed)
    one = completer.fit(holes[0]).transform(holes[0])
    many = completer.fit(holes).transform(holes)
    for filled in (one, *many):
        assert (filled[4] == 0).all() and (filled[:, 3] == 0).all()
        assert (filled[:4, 4:] != 0).all()


@pytest.mark.filterwarnings("ignore:.*have no observed entry")
def test_objective_is_that_of_what_is_returned(holes):
    found = solve_batch(SGDMatrixCompleter(2, max_iter=3), list(holes), seed=0)
    solution = found.best
    value = found.problem.objective(solution.variables)
    np.testing.assert_allclose(solution.objective, value, rtol=1e-12)
    assert (solution.variables["V"][:, 3] == 0).all()


@pytest.mark.filterwarnings("ignore:.*have no observed entry")
def test_empirical_bayes_fills_with_its_prior_mean(holes):
    completer = GSOMatrixCompleter(2, random_state=0).fit(holes[0])
    prior = completer._fixed[0]["prior_V"]
    np.testing.assert_allclose(completer._fixed[0]["V"].mean[0, 3], prior.mean[0, 0], rtol=1e-9)


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
