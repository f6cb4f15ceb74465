"""Parameters that no data could excuse are refused by name, before any work; none is ignored."""

import inspect

import numpy as np
import pandas as pd
import pytest

import sklearn_gso
from sklearn_gso import (
    ALSMatrixCompleter,
    EMGaussianMixture,
    GSOGaussianMixture,
    GSOMatrixCompleter,
    LearnedOptimizer,
    MetaTraining,
    SGDMatrixCompleter,
)
from sklearn_gso.problems import EmpiricalBayesCompletion, MatrixCompletion
from sklearn_gso.rules import ClosedForm, GradientDescent, LSTMJudge, LSTMStep, Recipe, recipe

pytestmark = pytest.mark.filterwarnings("ignore:Training has not improved")

RULE = "rule of GSOMatrixCompleter must be one of"
WEIGHTS = "loss_weights must be a sequence of numbers"
BAD = [
    ({"n_components": 0}, "n_components of .* must be None or an integer >= 1, got 0"),
    ({"n_components": 2.5}, "n_components of .* integer"),
    ({"n_components": True}, "n_components of .* integer"),
    ({"max_iter": 0}, "max_iter of .* must be None or an integer >= 1"),
    ({"tol": -1.0}, "tol of .* must be None or a number >= 0"),
    ({"tol": np.nan}, "tol of"),
    ({"n_init": 0}, "n_init of .* must be an integer >= 1 or one of \\['auto'\\]"),
    ({"n_init": "many"}, "n_init of"),
    ({"t_l": -1}, "t_l of"),
    ({"t_u": 0}, "t_u of"),
    ({"alpha": -1.0}, "alpha of .* must be None or a positive number"),
    ({"alpha": "large"}, "alpha of .* must be None or a positive number"),
    ({"alpha": np.nan}, "alpha of"),
    ({"rule": "magic"}, RULE),
    ({"rule": ["step"]}, RULE),
    ({"rule": None}, RULE),
    ({"rule": "moves"}, RULE),
    ({"rule": recipe("moves")}, RULE),
    ({"rule": LSTMJudge(2)}, RULE),
    ({"rule": "step", "n_epochs": 0}, "needs a trained optimizer"),
    ({"safeguard": "hope"}, "safeguard of .* must be one of"),
    ({"safeguard": np.array(["step", "run"])}, "safeguard of .* must be one of"),
    ({"optimizer": 3}, "optimizer must be a LearnedOptimizer"),
    ({"n_epochs": -1}, "n_epochs of .* must be an integer >= 0"),
    ({"n_epochs": True}, "n_epochs of"),
    ({"training": {"loss": "global"}}, "training of .* must be None or a MetaTraining"),
]
BAD_TRAINING = [
    ({"loss": "l1"}, "loss of MetaTraining must be None or one of"),
    ({"loss": ["global"]}, "loss of MetaTraining must be None or one of"),
    ({"learning_rate": 0.0}, "learning_rate of MetaTraining must be None or a positive number"),
    ({"learning_rate": "fast"}, "learning_rate of MetaTraining must be"),
    ({"learning_rate": np.nan}, "learning_rate of MetaTraining must be"),
    ({"learning_rate": np.inf}, "learning_rate of MetaTraining must be"),
    ({"learning_rate": True}, "learning_rate of MetaTraining must be"),
    ({"validation_fraction": 1.0}, "validation_fraction of MetaTraining must be"),
    ({"validation_fraction": None}, "validation_fraction of MetaTraining must be"),
    ({"batch_size": 0}, "batch_size of MetaTraining must be an integer >= 1"),
    ({"batches_per_step": 0.5}, "batches_per_step of MetaTraining must be an integer >= 1"),
    ({"checkpoint": 3}, "checkpoint of MetaTraining must be None or a path"),
    ({"loss_weights": 1.0}, WEIGHTS),
    ({"loss_weights": "abc"}, WEIGHTS),
    ({"loss_weights": {1, 2, 3}}, WEIGHTS),
    ({"loss_weights": ["1", "2", "3"]}, WEIGHTS),
    ({"loss_weights": [[1.0], [1.0, 2.0], []]}, WEIGHTS),
    ({"loss_weights": [1.0]}, "loss_weights .*each of 3 outer steps, got 1"),
    ({"loss_weights": [1.0, 2.0]}, "loss_weights .*each of 3 outer steps, got 2"),
    ({"loss_weights": [1.0, -1.0, 1.0]}, "loss_weights must be finite"),
    ({"loss_weights": [1.0, np.nan, 1.0]}, "loss_weights must be finite"),
    ({"loss_weights": [1.0, np.inf, 1.0]}, "loss_weights must be finite"),
]
BAD_BASELINES = [
    (ALSMatrixCompleter, {"max_iter": None}, "max_iter of .*integer >= 1, got None"),
    (ALSMatrixCompleter, {"alpha": 0}, "alpha of .* must be None or a positive number"),
    (ALSMatrixCompleter, {"alpha_start": "ten"}, "alpha_start of .* must be None or a positive"),
    (ALSMatrixCompleter, {"alpha_start": 1e-4}, "alpha_start must be at least alpha=0.001"),
    (ALSMatrixCompleter, {"alpha_start": np.inf}, "alpha_start of .* must be None or a positive"),
    (SGDMatrixCompleter, {"max_iter": None}, "max_iter of .*integer >= 1, got None"),
    (SGDMatrixCompleter, {"t_l": 0}, "t_l of"),
    (SGDMatrixCompleter, {"learning_rate": "fast"}, "learning_rate of SGDMatrixCompleter must be"),
    (SGDMatrixCompleter, {"learning_rate": None}, "learning_rate of SGDMatrixCompleter must be"),
    (SGDMatrixCompleter, {"batch_fraction": "half"}, r"batch_fraction of .* in \(0, 1\]"),
    (SGDMatrixCompleter, {"batch_fraction": 1.5}, r"batch_fraction of .* in \(0, 1\]"),
]
ALL_BAD = [
    *((GSOMatrixCompleter, parameters, message) for parameters, message in BAD),
    *(
        (GSOMatrixCompleter, {"training": MetaTraining(**p)}, message)
        for p, message in BAD_TRAINING
    ),
    *BAD_BASELINES,
]


@pytest.mark.parametrize(
    ("estimator", "parameters", "message"), ALL_BAD, ids=lambda value: str(value)[-50:]
)
def test_bad_parameters_are_named_before_any_work(
    estimator, parameters, message, easy_tasks, monkeypatch
):
    def work(*args, **options):
        raise AssertionError("the parameters should have been refused before")

    monkeypatch.setattr("sklearn_gso.estimators.solving.Plan.solve", work)
    monkeypatch.setattr("sklearn_gso.estimators.learning.Learner.learn", work)
    completer = estimator(**{"n_components": 2, "max_iter": 3, **parameters})
    for X in (easy_tasks[0], easy_tasks[0][0]):
        with pytest.raises((ValueError, TypeError), match=message):
            completer.fit(X)
    assert not [name for name in vars(completer) if name.endswith("_")]


CLASSES = [kind for kind in vars(sklearn_gso.estimators).values() if hasattr(kind, "fit")]
EVERY = [
    (kind, name)
    for kind in CLASSES
    if kind is not sklearn_gso.AlternatingEstimator
    for name in inspect.signature(kind).parameters
]


@pytest.mark.parametrize(("kind", "name"), EVERY, ids=lambda v: getattr(v, "__name__", v))
def test_no_parameter_accepts_anything(kind, name):
    """An object of no kind is refused by the parameter's name, whichever it is."""
    X = np.random.RandomState(0).standard_normal((12, 4))
    few = {"n_components": 2, "max_iter": 2, "kernel_size": 2}
    fixed = {key: few[key] for key in few.keys() & inspect.signature(kind).parameters.keys()}
    with pytest.raises((ValueError, TypeError), match=rf"\b{name}\b"):
        kind(**{**fixed, name: object()}).fit(X)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"random_state": "seed"}, "random_state of .* must be None or an integer from 0"),
        ({"random_state": -1}, "random_state of .* integer from 0 to 4294967295 or a RandomState"),
        ({"random_state": 2**32}, "random_state of .* integer from 0 to 4294967295"),
        ({"n_jobs": 0}, "n_jobs of .* must be None or an integer other than 0, got 0"),
        ({"n_jobs": 1.5}, "n_jobs of"),
        ({"verbose": "loud"}, "verbose of .* must be an integer >= 0 or True or False"),
        ({"verbose": -1}, "verbose of"),
    ],
)
def test_what_all_estimators_have_is_checked_in_all(parameters, message, easy_tasks):
    """Also where one matrix is fitted, which needs no worker."""
    (name,) = parameters
    for kind in CLASSES:
        if name in inspect.signature(kind).parameters:
            with pytest.raises(ValueError, match=message):
                kind(**parameters).fit(easy_tasks[0][0])


def test_seeds_and_flags_of_all_kinds_are_taken(easy_tasks):
    X = easy_tasks[0][0]
    for seed in (None, 3, np.int64(3), np.random.RandomState(3), np.random):
        for verbose in (0, False, np.bool_(False), np.int64(0)):
            als = ALSMatrixCompleter(2, max_iter=1, n_jobs=-1, random_state=seed, verbose=verbose)
            assert als.fit(X).n_iter_ == 1


def test_more_components_than_rows_or_columns_are_clipped(easy_tasks):
    message = r"n_components=19 is more than min\(n_samples, n_features\)=18"
    for X, where in ((easy_tasks[0][0], ": as"), (easy_tasks[0], " of task 0: as")):
        with pytest.warns(UserWarning, match=message + where):
            GSOMatrixCompleter(n_components=19, n_epochs=0, max_iter=2).fit(X)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("magic", {}, "rule must be one of"),
        ("control", {"depth": 2}, r"a recipe of LSTMControl takes .*got \['depth'\]"),
        ("control", {"scale": 0.1}, r"a recipe of LSTMControl takes .*got \['scale'\]"),
        ("control", {"hidden_size": 0}, "hidden_size of a rule must be an integer >= 1, got 0"),
        ("control", {"n_layers": 0}, "n_layers of a rule must be an integer >= 1, got 0"),
        ("control", {"n_layers": 1.5}, "n_layers of a rule must be an integer >= 1"),
        ("control", {"shared": "no"}, "shared of a rule must be True or False"),
        ("step", {"scale": "big"}, "scale of a rule must be a positive number"),
        ("step", {"restart_iterate": 1}, "restart_iterate of a rule must be True or False"),
    ],
)
def test_bad_recipes_are_named(name, changes, message):
    with pytest.raises(ValueError, match=message):
        recipe(name, **changes)


@pytest.mark.parametrize("arguments", [{"hidden_size": 0}, {"n_layers": 1.5}])
def test_recipes_made_by_hand_are_checked_as_well(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"{name} of a rule must be"):
        Recipe(LSTMStep, arguments, shared=False)


def test_numbers_may_be_numpys(easy_tasks):
    rule = recipe(
        "step",
        hidden_size=np.int64(4),
        n_layers=np.int64(1),
        scale=np.float32(0.5),
        shared=np.bool_(True),
    )
    training = MetaTraining(
        learning_rate=np.float32(1e-3),
        loss_weights=pd.Series([0.0, 1.0, 2.0], index=[5, 6, 7]),
        batch_size=np.int8(4),
    )
    completer = GSOMatrixCompleter(
        np.int64(2),
        rule=rule,
        max_iter=np.int32(3),
        n_epochs=np.int64(1),
        alpha=np.float64(0.1),
        training=training,
        random_state=0,
    ).fit(easy_tasks[0])
    plain = GSOMatrixCompleter(
        2,
        rule=recipe("step", hidden_size=4, n_layers=1, scale=0.5, shared=True),
        max_iter=3,
        n_epochs=1,
        alpha=0.1,
        training=MetaTraining(
            learning_rate=float(np.float32(1e-3)), loss_weights=[0.0, 1.0, 2.0], batch_size=4
        ),
        random_state=0,
    ).fit(easy_tasks[0])
    assert completer.learned_optimizer_ == plain.learned_optimizer_


def test_there_are_few_enough_to_read():
    assert len(GSOMatrixCompleter().get_params(deep=False)) <= 22
    assert len(GSOGaussianMixture().get_params(deep=False)) <= 27


# None is ignored ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "alpha", "expected"),
    [
        ("control", None, EmpiricalBayesCompletion),
        (ClosedForm(), None, EmpiricalBayesCompletion),
        ("control", 0.1, MatrixCompletion),
        ("step", None, MatrixCompletion),
        ("step", 0.1, MatrixCompletion),
        (GradientDescent(1e-4), None, MatrixCompletion),
        (recipe("step", hidden_size=2), None, MatrixCompletion),
    ],
    ids=lambda value: getattr(value, "__name__", None) or type(value).__name__ + str(value)[:7],
)
def test_rule_and_alpha_say_what_is_minimised(rule, alpha, expected, easy_tasks):
    """Gradients minimise equation (11), with 1e-3 where nothing is said, as the text has it."""
    settings = {"optimizer": None, "n_epochs": 1, "n_init": 1, "random_state": 0}
    completer = GSOMatrixCompleter(2, rule=rule, alpha=alpha, max_iter=2, **settings)
    completer.fit(easy_tasks[0][0])
    answer = completer.trace(easy_tasks[0][0])
    assert type(answer.problem) is expected
    assert completer.objective_ == pytest.approx(float(answer.best.objective), rel=1e-12)
    if expected is MatrixCompletion:
        variables = answer.best.variables
        squares = sum(float(block.square().sum()) for block in variables.values())
        misfit = float(answer.problem.observed.residual(*variables.values()).square().sum())
        by_hand = (misfit + (alpha or 1e-3) * squares) / 2
        assert completer.objective_ == pytest.approx(by_hand, rel=1e-9)


def test_the_text_says_so():
    text = " ".join(GSOMatrixCompleter.__doc__.split())
    assert 'rules that use gradients, as "step", minimise equation (11) with 1e-3' in text


@pytest.mark.parametrize(
    "setting", [{"loss": "heldout"}, {"loss_weights": [1.0]}, {"batches_per_step": 2}]
)
def test_what_a_judge_does_not_learn_from_is_refused(setting):
    """Of a loss of whole runs it knows nothing."""
    mixture = GSOGaussianMixture(2, max_iter=1, training=MetaTraining(**setting))
    (name,) = setting
    for X in (np.eye(4), [np.eye(4), np.eye(4)]):
        with pytest.raises(ValueError, match=f"{name} of MetaTraining is for rules that move"):
            mixture.fit(X)


def test_an_optimizer_for_a_rule_that_learns_nothing_is_refused(easy_tasks):
    trained = LearnedOptimizer.load_pretrained()
    for X in (easy_tasks[0], easy_tasks[0][0]):
        with pytest.raises(ValueError, match="optimizer of GSOMatrixCompleter must be None"):
            GSOMatrixCompleter(2, rule=ClosedForm(), optimizer=trained).fit(X)


@pytest.mark.parametrize(
    ("estimator", "name"),
    [(EMGaussianMixture, "optimizer"), (ALSMatrixCompleter, "rule"), (SGDMatrixCompleter, "tol")],
)
def test_what_does_not_act_is_no_parameter(estimator, name):
    assert name not in estimator().get_params(deep=False)
    with pytest.raises(TypeError, match=name):
        estimator(**{name: None})
