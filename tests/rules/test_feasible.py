"""Rules keep the blocks of a problem in its feasible set, whatever step they want."""

import pytest
import torch

from sklearn_gso.problems import Problem
from sklearn_gso.rules import ClosedForm, GradientDescent, LSTMControl, LSTMStep
from sklearn_gso.solvers import alternate, minimize, rules_for
from tests.problems.known_densities import on_simplex
from tests.problems.nonnegative import NonnegativeFactorisation


def bold(network):
    """The same network with outputs that are not small."""
    with torch.no_grad():
        network.output.weight.uniform_(-2, 2, generator=torch.Generator().manual_seed(1))
    return network


def generator():
    return torch.Generator().manual_seed(0)


RULES = {
    "closed form": lambda problem: ClosedForm(),
    "gradient": lambda problem: GradientDescent(0.03),
    "gradient, too fast": lambda problem: GradientDescent(0.3),
    "backtracking": lambda problem: GradientDescent(3.0, backtrack=True),
    "control": lambda problem: bold(LSTMControl.for_problem(problem, generator=generator())),
    "step": lambda problem: bold(LSTMStep(scale=0.5, generator=generator())),
    "step from random iterates": lambda problem: bold(
        LSTMStep(scale=0.5, restart_iterate=True, generator=generator())
    ),
}
each_rule = pytest.mark.parametrize("name", RULES)


class Unbounded(NonnegativeFactorisation):
    """The same without its feasible set: where the rules would go."""

    def project(self, name, block):
        return block


def smallest_after_each_sweep(problem, rule):
    start, smallest = problem.init(generator()), []

    def note(variables):
        smallest.append(min(float(block.min()) for block in variables.values()))

    with torch.no_grad():
        alternate(problem, rules_for(problem, rule), start, 6, t_l=3, on_sweep=note)
    return smallest


@each_rule
def test_no_factor_is_ever_negative(name):
    problem = NonnegativeFactorisation.random(seed=0)
    found = smallest_after_each_sweep(problem, RULES[name](problem))
    assert len(found) == 6 and min(found) >= 0
    if name != "closed form":  # its minimisers are feasible by themselves
        without = Unbounded(problem.values)
        assert not min(smallest_after_each_sweep(without, RULES[name](without))) >= 0


@each_rule
@pytest.mark.parametrize("safeguard", ["none", "step", "run"])
def test_what_a_run_returns_is_feasible(name, safeguard):
    problem = NonnegativeFactorisation.random(seed=1)
    start = problem.init(generator())
    rules = rules_for(problem, RULES[name](problem))
    run = minimize(problem, rules, start, 5, t_l=3, safeguard=safeguard)
    assert all((block >= 0).all() for block in run.variables.values())
    if safeguard != "none":
        assert (run.objective <= problem.objective(start)).all()


class Blends(Problem):
    """F = ½‖X - W H‖², rows of W on the simplex, H free; no closed forms."""

    block_names = ("W", "H")

    def __init__(self, values):
        self.values, self.n_tasks = values, len(values)

    def init(self, generator):
        n_tasks, p, q = self.values.shape
        W = torch.rand(n_tasks, p, 3, generator=generator, dtype=torch.float64)
        H = torch.randn(n_tasks, 3, q, generator=generator, dtype=torch.float64)
        return {"W": on_simplex(W), "H": H}

    def project(self, name, block):
        return on_simplex(block) if name == "W" else block

    def objective(self, variables):
        return 0.5 * (self.values - variables["W"] @ variables["H"]).square().sum((1, 2))


@pytest.mark.parametrize("name", ["gradient", "backtracking", "step", "step from random iterates"])
def test_rows_stay_on_the_simplex(name):
    problem = Blends(NonnegativeFactorisation.random(seed=0).values)
    n_on_the_bound = []

    def check(variables):
        assert (variables["W"] >= 0).all()
        torch.testing.assert_close(variables["W"].sum(2), torch.ones(2, 8, dtype=torch.float64))
        n_on_the_bound.append(int((variables["W"] == 0).sum()))

    with torch.no_grad():
        rules = rules_for(problem, RULES[name](problem))
        alternate(problem, rules, problem.init(generator()), 6, on_sweep=check)
    assert max(n_on_the_bound) > 0


def test_momentum_counts_what_was_moved_and_not_what_was_wanted():
    """At the bound a row stands still: no speed is gathered against the wall."""
    problem = NonnegativeFactorisation.random(seed=0)
    rule = RULES["control"](problem)
    variables, states = problem.init(generator()), {}
    rules = rules_for(problem, rule)
    with torch.no_grad():
        for sweep in range(4):
            before = variables
            variables, states = alternate(
                problem, rules, before, 1, states=states, start=sweep, n_total=4
            )
            for name, (_, (last, _)) in states.items():
                torch.testing.assert_close(last, variables[name] - before[name], rtol=0, atol=0)
