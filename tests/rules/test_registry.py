"""Rules of a user's own: registered, trained, frozen, and loaded in another process."""

import os
import subprocess
import sys
from importlib import util
from pathlib import Path

import numpy as np
import pytest
import torch

from sklearn_gso import LearnedOptimizer
from sklearn_gso.learned_optimizers import mismatch
from sklearn_gso.rules import (
    ClosedForm,
    LSTMControl,
    LSTMStep,
    Network,
    Recipe,
    UpdateRule,
    base,
    recipe,
    recipes,
    register_recipe,
    register_rule,
    registered_rule,
)
from sklearn_gso.solvers import alternate, minimize, rules_for
from sklearn_gso.training import make_episode, meta_train
from tests.problems.three_blocks import TensorFactorisation

MODULE = '''
"""A module of a user's: two rules that the package does not know."""

import torch
from torch import nn

from sklearn_gso.problems import point, with_point
from sklearn_gso.rules import ClosedForm, Network, UpdateRule, register_rule


@register_rule
class Nudge(Network, UpdateRule):
    """An LSTM reads how large a row is, and says how far it goes towards the minimiser."""

    argument_names = ("hidden_size", "reach")

    def __init__(self, hidden_size=4, reach=1.0, generator=None):
        super().__init__(1, 1, hidden_size, 1, generator)
        self.reach = reach

    @classmethod
    def untrained(cls):
        return ClosedForm()

    def init_state(self, block):
        return self.memory(*point(block).shape[:2])

    def step(self, problem, variables, name, state, clock):
        old = point(variables[name])
        output, state = self.think(old.detach().norm(dim=2, keepdim=True), state)
        target = problem.minimize_block(variables, name)
        share = 1 + self.reach * torch.tanh(output.to(old.dtype))
        new = old + share * (point(target) - old)
        return problem.project(name, with_point(target, new)), state

    def fallback(self):
        return ClosedForm()


@register_rule
class Stretch(nn.Module, UpdateRule):
    """A single number says how far all rows go: no LSTM, no arguments."""

    def __init__(self, generator=None):
        super().__init__()
        self.share = nn.Parameter(torch.ones(1))

    def arguments(self):
        return {}

    def step(self, problem, variables, name, state, clock):
        old, target = point(variables[name]), problem.minimize_block(variables, name)
        new = old + self.share.double() * (point(target) - old)
        return problem.project(name, with_point(target, new)), state

    def fallback(self):
        return ClosedForm()
'''

ELSEWHERE = """
import sys
import torch
from sklearn_gso import LearnedOptimizer
from sklearn_gso.solvers import minimize, rules_for
from tests.problems.three_blocks import TensorFactorisation

for name in sys.argv[1:]:
    try:
        LearnedOptimizer.load(f"{name}.safetensors")
    except ValueError as error:
        print(error)
import users_rules
for name in sys.argv[1:]:
    optimizer = LearnedOptimizer.load(f"{name}.safetensors")
    problem = TensorFactorisation.random(seed=5)
    start = problem.init(torch.Generator().manual_seed(0))
    rules = rules_for(problem, optimizer.rules())
    assert type(rules["A"]) is getattr(users_rules, name)
    print(minimize(problem, rules, start, 5).objective.tolist())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("user")
    (folder / "users_rules.py").write_text(MODULE)
    return folder


@pytest.fixture(scope="module")
def users_rules(folder):
    """The user's module, imported; the registry is as before afterwards."""
    before = dict(base._REGISTERED)
    spec = util.spec_from_file_location("users_rules", folder / "users_rules.py")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    base._REGISTERED.clear()
    base._REGISTERED.update(before)


@pytest.fixture
def registry(monkeypatch):
    """Registries that forget afterwards what a test has put there."""
    monkeypatch.setattr(base, "_REGISTERED", dict(base._REGISTERED))
    monkeypatch.setattr(recipes, "RECIPES", recipes.RECIPES)
    before = dict(recipes.RECIPES)
    yield
    recipes.RECIPES.clear()
    recipes.RECIPES.update(before)


def trained(kind, **arguments):
    """A rule for all blocks after eight meta-steps on tensors, and how that went."""
    generator = torch.Generator().manual_seed(0)

    def episode(seed):
        problem = TensorFactorisation.random(seed, n_tasks=4)
        return make_episode(problem, rules, generator, 5)

    problem = TensorFactorisation.random(seed=0)
    rules = rules_for(problem, kind(**arguments, generator=generator))
    history = meta_train(
        lambda step: [episode(seed=10 + step)],
        rules,
        8,
        validation=[episode(seed=1)],
        validate_every=2,
        learning_rate=3e-2,
    )
    return rules, history


def objective_after(optimizer):
    problem = TensorFactorisation.random(seed=5)
    start = problem.init(torch.Generator().manual_seed(0))
    return minimize(problem, rules_for(problem, optimizer.rules()), start, 5).objective


@pytest.mark.slow
def test_a_rule_of_ones_own_is_trained_and_goes_on_in_another_process(users_rules, folder):
    expected = []
    for name in ("Nudge", "Stretch"):
        rules, history = trained(getattr(users_rules, name))
        assert history.after < history.before
        optimizer = LearnedOptimizer.from_rules(rules, TensorFactorisation.random(seed=0))
        assert optimizer.description["rule_module"] == "users_rules"
        assert optimizer.description["shared"]
        optimizer.save(folder / f"{name}.safetensors")
        assert LearnedOptimizer.load(folder / f"{name}.safetensors") == optimizer
        expected.append(objective_after(optimizer).tolist())
    root = Path(__file__).parents[2]
    output = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, "Nudge", "Stretch"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(root)])},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    for name, message in zip(("Nudge", "Stretch"), output[:2], strict=True):
        assert f"{name}.safetensors" in message
        assert f"no rule '{name}' is registered (register_rule)" in message
        assert "import users_rules, which defines it, first" in message
    for line, values in zip(output[2:], expected, strict=True):
        np.testing.assert_allclose(np.fromstring(line.strip("[]"), sep=","), values, rtol=1e-12)


def test_a_rule_of_ones_own_starts_as_the_rule_it_learns_from(users_rules):
    problem = TensorFactorisation.random(seed=0)
    start = problem.init(torch.Generator().manual_seed(0))
    rule = users_rules.Nudge(generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        own, _ = alternate(problem, rules_for(problem, rule), start, 4)
    plain, _ = alternate(problem, rules_for(problem, ClosedForm()), start, 4)
    torch.testing.assert_close(own, plain)


def test_arguments_and_weights_come_back(users_rules):
    problem = TensorFactorisation.random(seed=0)
    rules = {
        name: users_rules.Nudge(hidden_size, 0.25, torch.Generator().manual_seed(hidden_size))
        for name, hidden_size in (("A", 3), ("C", 3))
    }
    again = LearnedOptimizer.from_rules(rules, problem).rules()
    assert list(again) == ["A", "C"]
    for name, rule in again.items():
        assert rule.arguments() == {"hidden_size": 3, "reach": 0.25}
        assert not any(p.requires_grad for p in rule.parameters())
        for key, value in rules[name].state_dict().items():
            assert torch.equal(rule.state_dict()[key], value)


def test_recipes_of_ones_own_stand_beside_the_packages(users_rules, registry):
    register_recipe("nudge", Recipe(users_rules.Nudge, {"reach": 0.5}, max_iter=7))
    smaller = recipe("nudge", hidden_size=2, learning_rate=0.1)
    assert (smaller.max_iter, smaller.learning_rate) == (7, 0.1)
    problem = TensorFactorisation.random(seed=0)
    networks = smaller.networks(problem, torch.Generator())
    assert networks["A"] is networks["C"] and len(networks) == 3
    assert networks["A"].arguments() == {"hidden_size": 2, "reach": 0.5}


def test_two_rules_of_one_name(users_rules, registry):
    assert registered_rule("Nudge") is register_rule(users_rules.Nudge)

    class Nudge(Network, UpdateRule):
        pass

    with pytest.raises(ValueError, match="a rule 'Nudge' of users_rules is registered already"):
        register_rule(Nudge)
    with pytest.raises(ValueError, match="'LSTMStep' of sklearn_gso.* is registered already"):
        register_rule(type("LSTMStep", (LSTMStep,), {"__module__": "elsewhere"}))
    assert registered_rule("Nudge") is users_rules.Nudge
    assert registered_rule("LSTMStep") is LSTMStep


def test_a_module_that_is_imported_anew_replaces_its_own_rules(users_rules, registry):
    """As in a notebook."""
    again = type("Nudge", (users_rules.Nudge,), {"__module__": "users_rules"})
    assert register_rule(again) is registered_rule("Nudge") is again


def test_what_is_not_registered_cannot_be_frozen(registry):
    problem = TensorFactorisation.random(seed=0)

    class Unknown(LSTMStep):
        pass

    with pytest.raises(ValueError, match="no rule 'Unknown' is registered.*is it decorated"):
        LearnedOptimizer.from_rules({"A": Unknown()}, problem)
    # Another rule of the name of a registered one would come back as that.
    double = type("LSTMStep", (LSTMStep,), {"__module__": "elsewhere"})
    with pytest.raises(ValueError, match="'LSTMStep' of elsewhere is not registered"):
        LearnedOptimizer.from_rules({"A": double()}, problem)
    with pytest.raises(ValueError, match="no rule 'ClosedForm' is registered"):
        LearnedOptimizer.from_rules({"A": ClosedForm()}, problem)


def test_an_optimizer_tells_which_rule_it_holds(users_rules):
    problem = TensorFactorisation.random(seed=0)
    optimizer = LearnedOptimizer.from_rules({"A": users_rules.Nudge()}, problem)
    assert mismatch(optimizer, users_rules.Nudge, TensorFactorisation) == ""
    wrong = mismatch(optimizer, LSTMControl, TensorFactorisation)
    assert wrong == "its rule is 'Nudge', wanted 'LSTMControl'"
