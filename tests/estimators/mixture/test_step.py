"""The paper's own method behind the estimator: equations (15) and (16), Algorithm 2."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_gso import GSOGaussianMixture, LearnedOptimizer
from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.problems import MixtureLikelihood
from sklearn_gso.problems.base import new_generator
from sklearn_gso.rules import LSTMStep, recipe
from sklearn_gso.solvers import alternate, rules_for

STEP = GSOGaussianMixture(3, rule="step", n_epochs=0, n_init=1, max_iter=6, tol=0, random_state=0)
WARNS = pytest.mark.filterwarnings("ignore:Best performing initialization did not converge")
pytestmark = [WARNS, pytest.mark.filterwarnings("ignore:Training has not improved")]


@pytest.fixture(scope="module")
def flowers():
    """Data sets of three components whose covariances are those of all."""
    X, truth = make_mixture_tasks(5, n_components=3, n_samples=60, random_state=0)
    return X, truth.covariances[0]


def test_it_is_algorithm_2_on_equation_15(flowers):
    """The engine's loop on data in units of their root mean square, from the same centres."""
    (X, *_), covariances = flowers
    start = X[[0, 20, 40]]
    fitted = clone(STEP).set_params(means_init=start).fit(X, covariances=covariances)
    centre = X.mean(0)
    unit = np.sqrt(np.mean((X - centre) ** 2))
    known = torch.from_numpy(covariances[None] / unit**2)
    problem = MixtureLikelihood(
        torch.from_numpy((X - centre)[None] / unit), 3, fixed={"covariances": known}
    )
    variables = problem.start_from(torch.from_numpy((start - centre)[None] / unit))
    rules = rules_for(problem, LearnedOptimizer.load_pretrained("mixture_step").rules())
    with torch.no_grad():
        end, _ = alternate(problem, rules, variables, 6, 10)
    np.testing.assert_allclose(fitted.means_, end["means"][0] * unit + centre, rtol=1e-8)
    weights = torch.softmax(end["weights"], 1)[0, :, 0]
    np.testing.assert_allclose(fitted.weights_, weights, rtol=1e-8)
    value = float(problem.objective(end)) + X.shape[1] * np.log(unit)
    assert fitted.lower_bound_ == pytest.approx(-value, rel=1e-8)
    assert fitted.score(X) == pytest.approx(-value, rel=1e-8)


def test_units_do_not_matter_and_weights_sum_to_one(flowers):
    (X, *_), covariances = flowers
    plain = clone(STEP).fit(X, covariances=covariances)
    scaled = clone(STEP).fit(1e3 * X + 5, covariances=1e6 * covariances)
    np.testing.assert_allclose(scaled.means_, 1e3 * plain.means_ + 5, rtol=1e-6)
    assert scaled.weights_.sum() == pytest.approx(1) and (scaled.weights_ > 0).all()


def test_more_starts_are_never_worse(flowers):
    X, covariances = flowers
    scores = [
        clone(STEP).set_params(n_init=n).fit(X, covariances=covariances).score(X) for n in (1, 2, 4)
    ]
    assert scores == sorted(scores)


def test_it_trains_on_collections_and_on_one_data_set(flowers, tmp_path):
    X, covariances = flowers
    new = {"optimizer": None, "n_epochs": 2, "max_iter": 4, "t_l": 2, "t_u": 2}
    trained = clone(STEP).set_params(**new).fit(X, covariances=covariances)
    optimizer = trained.learned_optimizer_
    # A network for each block, trained by the mean of all negative log-likelihoods.
    assert optimizer.description["rule"] == "LSTMStep" and trained.history_.n_steps == 2
    rules = optimizer.rules()
    assert set(rules) == {"weights", "means"} and rules["weights"] is not rules["means"]
    optimizer.save(tmp_path / "mine.safetensors")
    used = clone(STEP).set_params(optimizer=str(tmp_path / "mine.safetensors"), t_l=2, max_iter=4)
    again = used.fit(X, covariances=covariances)
    assert again.score(X) == pytest.approx(trained.score(X), rel=1e-9)
    single = clone(STEP).set_params(**new).fit(X[0], covariances=covariances)
    assert single.learned_optimizer_.description["rule"] == "LSTMStep"


@pytest.mark.slow
def test_a_search_over_inner_steps_and_windows(flowers):
    X, covariances = flowers
    estimator = clone(STEP).set_params(covariances=covariances, n_epochs=1, max_iter=4)
    grid = {"t_l": [1, 3], "t_u": [2, 4]}
    search = GridSearchCV(estimator, grid, cv=2, error_score="raise").fit(list(X))
    assert len(set(search.cv_results_["mean_test_score"])) > 1
    assert np.isfinite(search.predict_proba(list(X))[0]).all()


def test_the_papers_size(flowers):
    (X, *_), covariances = flowers
    large = recipe("step", hidden_size=500)
    small = {"optimizer": None, "n_epochs": 1, "max_iter": 1, "t_l": 1}
    fitted = clone(STEP).set_params(rule=large, **small).fit(X, covariances=covariances)
    assert fitted.learned_optimizer_.description["arguments"]["hidden_size"] == 500


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"max_rounds": 5}, "max_rounds is for rule='moves'"),
        ({"rule": "moves", "t_l": 3}, "t_l is for rule='step'"),
        ({"rule": "moves", "t_u": 3}, "t_u is for rule='step'"),
        ({"rule": "control"}, r"one of \['moves', 'step'\]"),
        ({"rule": LSTMStep(generator=new_generator(0))}, "'moves', 'step' or a Recipe"),
        ({"rule": recipe("step", max_iter=7)}, "max_iter.*would not be used"),
        ({"rule": recipe("moves", t_u=7)}, "t_u.*would not be used"),
        ({"optimizer": "mixture"}, "does not fit"),
        ({"optimizer": None}, "needs a trained optimizer"),
    ],
)
def test_what_does_not_fit_is_refused(flowers, parameters, message):
    (X, *_), covariances = flowers
    with pytest.raises(ValueError, match=message):
        clone(STEP).set_params(**parameters).fit(X, covariances=covariances)


@pytest.mark.parametrize("collection", [False, True])
def test_covariances_must_be_known(flowers, collection):
    X, _ = flowers
    with pytest.raises(ValueError, match="give covariances"):
        clone(STEP).fit(X if collection else X[0])


def test_holes_are_refused(flowers):
    (X, *_), covariances = flowers
    with pytest.raises(ValueError, match="takes no NaN"):
        clone(STEP).fit(np.where(X[0] == X, np.nan, X), covariances=covariances)


def test_other_rules_of_blocks_are_no_rules_of_mixtures():
    with pytest.raises(ValueError, match="must be one of"):
        clone(STEP).set_params(rule=recipe("control")).fit(np.zeros((9, 2)))


@pytest.mark.parametrize("held", ["weights", "means"])
@pytest.mark.parametrize("epochs", [0, 1])
def test_what_is_fixed_stays(flowers, held, epochs):
    (X, *_), covariances = flowers
    values = {"weights": [0.5, 0.3, 0.2], "means": X[[0, 20, 40]]}
    fixed = {"fixed": [held], f"{held}_init": values[held], "n_epochs": epochs, "max_iter": 2}
    fitted = clone(STEP).set_params(**fixed).fit([X, X + 1], covariances=covariances)
    fitted = fitted if epochs else clone(STEP).set_params(**fixed).fit(X, covariances=covariances)
    if not epochs:
        np.testing.assert_array_equal(getattr(fitted, held + "_"), values[held])
    both = {"fixed": ["weights", "means"], "weights_init": values["weights"]}
    with pytest.raises(ValueError, match="nothing to move"):
        clone(STEP).set_params(**both, means_init=X[:3]).fit(X, covariances=covariances)
