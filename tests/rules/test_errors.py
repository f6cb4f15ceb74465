"""Mistakes in rules, controls, sources and recipes: each error names the culprit."""

import pytest
import torch

from sklearn_gso import LearnedOptimizer
from sklearn_gso.problems import MixtureLikelihood
from sklearn_gso.rules import (
    Clock,
    ClosedForm,
    GeometricContinuation,
    GradientDescent,
    LSTMControl,
    LSTMStep,
    Recipe,
    UpdateRule,
    recipe,
)
from sklearn_gso.solvers import Fixed, Multistart, alternate, minimize, rules_for
from sklearn_gso.training import Episode, make_episode, meta_train, validate
from tests.problems.three_blocks import TensorFactorisation


@pytest.fixture
def problem():
    return TensorFactorisation.random(seed=0)


@pytest.fixture
def start(problem, generator):
    return problem.init(generator)


# Rules ---------------------------------------------------------------------------------


def test_a_misspelt_block(problem, start):
    with pytest.raises(ValueError, match=r"\('A', 'B', 'C'\).*\['a'\] are no blocks"):
        rules_for(problem, {"a": ClosedForm()})
    rules = {"A": ClosedForm(), "B": ClosedForm(), "c": ClosedForm()}
    for run in (alternate, minimize):
        with pytest.raises(ValueError, match=r"\['C'\] lack one, \['c'\] are no blocks"):
            run(problem, rules, start, 1)


CALLERS = {
    "alternate": lambda p, rules, g: alternate(p, rules, p.init(g), 1),
    "minimize": lambda p, rules, g: minimize(p, rules, p.init(g), 1),
    "minimize without safeguard": lambda p, rules, g: minimize(
        p, rules, p.init(g), 1, safeguard="none"
    ),
    "solve": lambda p, rules, g: Multistart(Fixed(1), 1).solve(p, rules, g),
    "an episode that is judged": lambda p, rules, g: make_episode(p, rules, g, 1, judge=p),
    "meta_train": lambda p, rules, g: meta_train(
        lambda step: [Episode(p, None, p.init(g), 1)], rules, 1
    ),
}


@pytest.mark.parametrize("caller", CALLERS)
def test_one_rule_where_there_must_be_one_for_each_block(caller, problem, generator):
    with pytest.raises(TypeError, match="one rule for each block, got LSTMStep; rules_for"):
        CALLERS[caller](problem, LSTMStep(), generator)


def test_rules_that_cannot_be_frozen_together(problem):
    with pytest.raises(TypeError, match="rules must be a dict of networks by block, got LSTMStep"):
        LearnedOptimizer.from_rules(LSTMStep(), problem)
    with pytest.raises(TypeError, match="rules must be a dict of networks by block, got {}"):
        LearnedOptimizer.from_rules({}, problem)
    mixed = {"A": LSTMStep(), "B": LSTMControl(2, ("ridge",))}
    with pytest.raises(ValueError, match=r"one class, got \['LSTMControl', 'LSTMStep'\]"):
        LearnedOptimizer.from_rules(mixed, problem)
    with pytest.raises(ValueError, match=r"one class, got \['ClosedForm', 'LSTMStep'\]"):
        LearnedOptimizer.from_rules({"A": LSTMStep(), "B": ClosedForm()}, problem)


def test_a_rule_without_a_step(problem, start):
    class Idle(UpdateRule):
        pass

    with pytest.raises(NotImplementedError, match="Idle has no step"):
        alternate(problem, rules_for(problem, Idle()), start, 1)


# Controls ------------------------------------------------------------------------------


def test_a_misspelt_control(problem, start):
    schedule = GeometricContinuation(1.0, 0.1, control="rigde")
    for rule in (ClosedForm(schedule), LSTMControl(2, ("rigde",))):
        with pytest.raises(
            ValueError, match=r"TensorFactorisation has no control \['rigde'\]; it has \('ridge',\)"
        ):
            alternate(problem, rules_for(problem, rule), start, 1)


# Training ------------------------------------------------------------------------------


def test_a_source_of_one_episode(problem, generator):
    rules = rules_for(problem, LSTMStep(generator=generator))
    episode = make_episode(problem, rules, generator, 2)
    with pytest.raises(TypeError, match="source must return a list of episodes, got one Episode"):
        meta_train(lambda step: episode, rules, 1)


def test_an_error_without_a_root(generator):
    """Objectives may be negative; a held-out loss takes the root of an error."""

    class Negative(TensorFactorisation):
        def error(self, variables):
            return super().error(variables) - 1e3

    problem = Negative.random(seed=0)
    rules = rules_for(problem, ClosedForm())
    message = r"Negative\.error is negative \(-\d.*root. Override error, or train on the global"
    with pytest.raises(ValueError, match=message):
        make_episode(problem, rules, generator, 2, judge=problem)
    assert make_episode(problem, rules, generator, 2).reference is None  # the global loss has none
    # A density above 1 gives a negative log-likelihood below 0, with nobody's mistake.
    narrow = 1e-3 * torch.randn(2, 20, 2, generator=generator, dtype=torch.float64)
    mixture = MixtureLikelihood(narrow, 2)
    assert (mixture.objective(mixture.init(generator)) < 0).all()
    with pytest.raises(ValueError, match="MixtureLikelihood.error is negative"):
        rules = dict.fromkeys(mixture.block_names, GradientDescent(0.0))
        make_episode(mixture, rules, generator, 1, judge=mixture)


def test_a_negative_error_that_shows_only_later(problem, generator):
    """The classical rule stays above 0, the learned one does not."""
    rules = rules_for(problem, LSTMStep(generator=generator))
    episode = make_episode(problem, rules, generator, 2, judge=problem)

    class Negative(TensorFactorisation):
        def error(self, variables):
            return super().error(variables) - 1e3

    judge = Negative(problem.data, problem.rank)
    with pytest.raises(ValueError, match=r"Negative\.error is negative"):
        meta_train(lambda step: [episode._replace(judge=judge)], rules, 1)
    with pytest.raises(ValueError, match=r"Negative\.error is negative"):
        validate([episode._replace(judge=judge)], rules)


# Recipes -------------------------------------------------------------------------------


def test_unknown_recipes_and_arguments():
    with pytest.raises(ValueError, match=r"one of \['control', 'moves', 'step'\], got 'stepp'"):
        recipe("stepp")
    with pytest.raises(ValueError, match=r"a recipe of LSTMStep takes .*got \['nonsense'\]"):
        recipe("step", nonsense=1)
    # What the problem decides is not the recipe's.
    with pytest.raises(ValueError, match=r"recipe of LSTMControl takes .*got \['n_features'\]"):
        recipe("control", n_features=3)
    with pytest.raises(ValueError, match=r"recipe of LSTMControl takes .*got \['scale'\]"):
        recipe("control", scale=0.1)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("hidden_size", 0, "an integer >= 1, got 0"),
        ("hidden_size", "big", "an integer >= 1, got 'big'"),
        ("n_layers", 1.5, "an integer >= 1, got 1.5"),
        ("n_layers", True, "an integer >= 1, got True"),
        ("scale", -1, "a positive number, got -1"),
        ("scale", float("inf"), "a positive number, got inf"),
        ("restart_iterate", 1, "True or False, got 1"),
    ],
)
def test_arguments_that_no_network_takes(name, value, wanted):
    for make in (lambda: recipe("step", **{name: value}), lambda: Recipe(LSTMStep, {name: value})):
        with pytest.raises(ValueError, match=f"{name} of a rule must be {wanted}"):
            make()


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("shared", "yes", "True or False, got 'yes'"),
        ("max_iter", 0, "an integer >= 1, got 0"),
        ("t_u", 0, "None or an integer >= 1, got 0"),
        ("loss", "truth", r"one of \('heldout', 'global'\), got 'truth'"),
        ("learning_rate", 0.0, "a positive number, got 0.0"),
        ("anneal", None, "True or False, got None"),
    ],
)
def test_settings_that_no_training_takes(name, value, wanted):
    for make in (recipe, lambda _, **options: Recipe(LSTMStep, **options)):
        with pytest.raises(ValueError, match=f"{name} of a rule must be {wanted}"):
            make("step", **{name: value})


def test_a_recipe_is_changed_without_changing_the_packages():
    ours = recipe("step", hidden_size=7, shared=True, max_iter=3)
    assert dict(ours.arguments) == {"hidden_size": 7}
    assert (ours.shared, ours.max_iter, ours.t_u) == (True, 3, 10)
    assert recipe(ours, n_layers=1).arguments == {"hidden_size": 7, "n_layers": 1}
    assert dict(recipe("step").arguments) == {"hidden_size": 20} and not recipe("step").shared


# The clock -----------------------------------------------------------------------------


def test_the_clock_says_how_much_is_done():
    assert [Clock(sweep, 4).fraction for sweep in range(4)] == [0, 0.25, 0.5, 0.75]
