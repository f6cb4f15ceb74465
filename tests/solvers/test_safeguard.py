"""Safeguards: what a learned rule may not do, whatever its weights say."""

import pytest
import torch

from sklearn_gso.problems import EmpiricalBayesCompletion, MatrixCompletion
from sklearn_gso.rules import ClosedForm, GradientDescent, LSTMControl, LSTMStep
from sklearn_gso.solvers import alternate, minimize, rules_for


@pytest.fixture
def problem(noisy_values):
    return EmpiricalBayesCompletion(noisy_values, 3)


def control(problem, generator, fill):
    rule = LSTMControl.for_problem(problem, generator=generator)
    with torch.no_grad():
        for parameter in rule.parameters():
            fill(parameter)
    return rules_for(problem, rule)


@pytest.mark.parametrize("safeguard", ["step", "run"])
def test_nan_weights_give_the_classical_answer(problem, generator, safeguard):
    start = problem.init(generator)
    broken = control(problem, generator, lambda p: p.fill_(torch.nan))
    run = minimize(problem, broken, start, 12, safeguard=safeguard)
    classical, _ = alternate(problem, rules_for(problem, ClosedForm()), start, 12)
    torch.testing.assert_close(run.variables, classical)
    assert (run.n_guarded >= 12).all()


@pytest.mark.parametrize("seed", range(8))
def test_random_weights_are_never_worse_than_classical(problem, generator, seed):
    """With safeguard="run", whatever the weights say."""
    weights = torch.Generator().manual_seed(seed)
    start = problem.init(generator)
    random = control(problem, generator, lambda p: p.normal_(std=2.0, generator=weights))
    run = minimize(problem, random, start, 10, safeguard="run")
    classical = minimize(problem, rules_for(problem, ClosedForm()), start, 10)
    assert run.objective.isfinite().all()
    assert (run.objective <= classical.objective).all()
    torch.testing.assert_close(problem.objective(run.variables), run.objective)


@pytest.mark.parametrize("seed", range(8))
def test_cheap_guard_never_ends_above_the_start(problem, generator, seed):
    weights = torch.Generator().manual_seed(seed)
    start = problem.init(generator)
    random = control(problem, generator, lambda p: p.normal_(std=3.0, generator=weights))
    run = minimize(problem, random, start, 10, safeguard="step")
    assert (run.objective < problem.objective(start)).all()


def trajectory(problem, rules, start, max_iter):
    seen = [problem.objective(start)]
    with torch.no_grad():
        alternate(
            problem, rules, start, max_iter, on_sweep=lambda v: seen.append(problem.objective(v))
        )
    return torch.stack(seen)


def test_a_run_that_diverges_returns_its_best_iterate(noisy_values, generator):
    problem = MatrixCompletion(noisy_values, 2, alpha=0.1)
    rules = rules_for(problem, GradientDescent(0.4))
    start = problem.init(generator)
    seen = trajectory(problem, rules, start, 30)
    unguarded = minimize(problem, rules, start, 30, safeguard="none")
    assert not (unguarded.objective < seen[0]).all()
    guarded = minimize(problem, rules, start, 30, safeguard="step")
    best = torch.where(seen.isfinite(), seen, torch.inf).amin(0)
    bound = best + 0.1 * (seen[0] - best)
    assert (guarded.objective <= bound).all()
    torch.testing.assert_close(problem.objective(guarded.variables), guarded.objective)


class Shifted(MatrixCompletion):
    """Another zero point: a negative objective is as good as any."""

    def objective(self, variables):
        return super().objective(variables) - 1e4


@pytest.mark.parametrize("safeguard", ["step", "run"])
def test_the_bound_has_no_zero_point(noisy_values, generator, safeguard):
    rule = LSTMStep(hidden_size=4, scale=3.0, generator=generator)
    runs = []
    for kind in (MatrixCompletion, Shifted):
        problem = kind(noisy_values, 2, alpha=0.1)
        start = problem.init(torch.Generator().manual_seed(1))
        runs.append(minimize(problem, rules_for(problem, rule), start, 8, 3, safeguard=safeguard))
    plain, shifted = runs
    assert plain.n_guarded.any() and (shifted.objective < 0).all()
    assert torch.equal(plain.n_guarded, shifted.n_guarded)
    torch.testing.assert_close(plain.variables, shifted.variables)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_returned_lies_within_the_running_bound(problem, generator, seed):
    weights = torch.Generator().manual_seed(seed)
    start = problem.init(generator)
    random = control(problem, generator, lambda p: p.normal_(std=1.0, generator=weights))
    bests = []
    for max_iter in (3, 6, 12):
        run = minimize(problem, random, start, max_iter)
        first = problem.objective(start)
        bests.append(run.objective)
        best = torch.stack(bests).amin(0)
        assert (run.objective <= first - 0.5 * (first - best)).all()


def test_guard_leaves_a_good_rule_alone(problem, generator):
    start = problem.init(generator)
    run = minimize(problem, rules_for(problem, ClosedForm()), start, 9)
    assert (run.n_guarded == 0).all()


def test_unknown_safeguard(problem, generator):
    with pytest.raises(ValueError, match="safeguard must be one of"):
        minimize(
            problem,
            rules_for(problem, ClosedForm()),
            problem.init(generator),
            1,
            safeguard="no",
        )
