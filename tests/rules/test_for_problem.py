"""New networks fit the problem that they are made for."""

import pytest
import torch

from sklearn_gso.problems import MixtureFreeEnergy, has_role
from sklearn_gso.rules import LSTMControl, LSTMJudge, LSTMStep, recipe
from sklearn_gso.solvers import alternate, rules_for
from tests.problems.every import PROBLEMS
from tests.problems.nonnegative import NonnegativeFactorisation
from tests.problems.sparse_coding import SparseCoding
from tests.problems.three_blocks import TensorFactorisation

STEERED = {
    **{name: make for name, make in PROBLEMS.items() if has_role(type(make()), "row_features")},
    "tensor": lambda: TensorFactorisation.random(seed=0),
    "sparse coding": lambda: SparseCoding.random(seed=0),
    "non-negative": lambda: NonnegativeFactorisation.random(seed=0),
}


@pytest.mark.parametrize("kind", STEERED)
def test_a_control_counts_the_features_of_its_problem(kind, generator):
    problem = STEERED[kind]()
    rule = LSTMControl.for_problem(problem, hidden_size=5, n_layers=1, generator=generator)
    variables = problem.init(generator)
    for name in problem.moved_names:
        assert rule.n_features == problem.row_features(variables, name).shape[2]
    assert rule.control_names == problem.control_names
    assert rule.arguments()["hidden_size"] == 5 and len(rule.cells) == 1
    with torch.no_grad():
        end, _ = alternate(problem, rules_for(problem, rule), variables, 2)
    assert problem.objective(end).isfinite().all()


def test_a_judge_counts_the_features_of_the_moves():
    problem = PROBLEMS["free energy"]()
    rule = LSTMJudge.for_problem(problem, hidden_size=5)
    features = problem.move_features(problem.init(torch.Generator().manual_seed(0)))
    assert rule.n_features == features.shape[2] and rule.hidden_size == 5
    assert isinstance(problem, MixtureFreeEnergy) and features.shape[1] == problem.n_moves


def test_the_same_seed_gives_the_same_network():
    problem = TensorFactorisation.random(seed=0)

    def weights(seed):
        generator = torch.Generator().manual_seed(seed)
        return LSTMControl.for_problem(problem, generator=generator).cells[0].weight_ih

    assert torch.equal(weights(1), weights(1)) and not torch.equal(weights(1), weights(2))


@pytest.mark.parametrize(("name", "shared"), [("step", False), ("control", True)])
def test_recipes_make_networks_for_the_blocks_that_rules_move(name, shared, generator):
    problem = SparseCoding.random(seed=0)  # its weights are no rule's business
    networks = recipe(name, hidden_size=3).networks(problem, generator)
    assert list(networks) == ["codes", "atoms"]
    assert (networks["codes"] is networks["atoms"]) == shared
    kind = {"step": LSTMStep, "control": LSTMControl}[name]
    assert all(type(network) is kind and network.hidden_size == 3 for network in networks.values())
