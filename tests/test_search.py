"""Safeguards and many starts."""

import numpy as np
import pytest
import torch

from sklearn_gso.alternating import alternate, rules_for
from sklearn_gso.learned_optimizer import LearnedOptimizer
from sklearn_gso.problems import EmpiricalBayesCompletion, MatrixCompletion
from sklearn_gso.problems.base import map_tensors
from sklearn_gso.rules import ClosedForm, GradientDescent, LSTMControl
from sklearn_gso.search import Solution, _shares, minimize, minimize_from_starts


@pytest.fixture
def problem(noisy_values):
    return EmpiricalBayesCompletion(noisy_values, 3)


def control(problem, generator, fill):
    rule = LSTMControl(8, problem.control_names, generator=generator)
    with torch.no_grad():
        for parameter in rule.parameters():
            fill(parameter)
    return rules_for(problem, rule)


@pytest.mark.parametrize("safeguard", ["step", "run"])
def test_nan_weights_give_the_classical_answer(problem, generator, safeguard):
    start = problem.init(generator)
    broken = control(problem, generator, lambda p: p.fill_(torch.nan))
    found = minimize(problem, broken, start, 12, safeguard=safeguard)
    classical, _ = alternate(problem, rules_for(problem, ClosedForm()), start, 12)
    torch.testing.assert_close(found.variables, classical)
    assert (found.n_guarded >= 12).all()


@pytest.mark.parametrize("seed", range(8))
def test_random_weights_are_never_worse_than_classical(problem, generator, seed):
    """With safeguard="run", whatever the weights say."""
    weights = torch.Generator().manual_seed(seed)
    start = problem.init(generator)
    random = control(problem, generator, lambda p: p.normal_(std=2.0, generator=weights))
    found = minimize(problem, random, start, 10, safeguard="run")
    classical = minimize(problem, rules_for(problem, ClosedForm()), start, 10)
    assert found.objective.isfinite().all()
    assert (found.objective <= classical.objective).all()
    torch.testing.assert_close(problem.objective(found.variables), found.objective)


@pytest.mark.parametrize("seed", range(8))
def test_cheap_guard_never_ends_above_the_start(problem, generator, seed):
    weights = torch.Generator().manual_seed(seed)
    start = problem.init(generator)
    random = control(problem, generator, lambda p: p.normal_(std=3.0, generator=weights))
    found = minimize(problem, random, start, 10, safeguard="step")
    assert (found.objective < problem.objective(start)).all()


def trajectory(problem, rules, start, n_outer):
    seen = [problem.objective(start)]
    with torch.no_grad():
        alternate(
            problem, rules, start, n_outer, on_sweep=lambda v: seen.append(problem.objective(v))
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


@pytest.mark.parametrize("seed", range(4))
def test_what_is_returned_lies_within_the_running_bound(problem, generator, seed):
    weights = torch.Generator().manual_seed(seed)
    start = problem.init(generator)
    random = control(problem, generator, lambda p: p.normal_(std=1.0, generator=weights))
    bests = []
    for n_outer in (3, 6, 12):
        found = minimize(problem, random, start, n_outer)
        first = problem.objective(start)
        bests.append(found.objective)
        best = torch.stack(bests).amin(0)
        assert (found.objective <= first - 0.5 * (first - best)).all()


def test_guard_leaves_a_good_rule_alone(problem, generator):
    start = problem.init(generator)
    found = minimize(problem, rules_for(problem, ClosedForm()), start, 9)
    assert (found.n_guarded == 0).all()


def test_more_starts_are_never_worse(noisy_values):
    problem = MatrixCompletion(noisy_values, 3, alpha=1e-3)
    rules = rules_for(problem, ClosedForm())
    generator = torch.Generator().manual_seed(0)
    many = problem.repeat(5)
    starts = many.init(generator)
    each = minimize(many, rules, starts, 8).objective.reshape(5, 3)
    generator = torch.Generator().manual_seed(0)
    found = minimize_from_starts(problem, rules, 5, generator, 8).best
    torch.testing.assert_close(found.objective, each.amin(0))
    torch.testing.assert_close(problem.objective(found.variables), found.objective)
    shapes = map_tensors(lambda t: t.shape[0], found.variables)
    assert set(shapes.values()) == {3}


def test_unknown_safeguard(problem, generator):
    with pytest.raises(ValueError, match="safeguard must be one of"):
        minimize(problem, rules_for(problem, ClosedForm()), problem.init(generator), 1, None, "no")


def _ended(problem, noises, n_guarded):
    """Runs of 40 outer steps that ended at some noise precision."""
    variables = problem.init(torch.Generator().manual_seed(0))
    return [
        Solution(
            {**variables, "noise": torch.full_like(variables["noise"], noise)},
            torch.zeros(problem.n_tasks, dtype=torch.float64),
            torch.full((problem.n_tasks,), n),
            torch.full((problem.n_tasks,), 40),
        )
        for noise, n in zip(noises, n_guarded, strict=True)
    ]


@pytest.mark.parametrize(
    "n_guarded, first_counts", [((11, 0), False), ((10, 0), True), ((11, 11), True)]
)
def test_runs_that_were_held_back_often_do_not_count(problem, n_guarded, first_counts):
    """They explain the entries that they saw better than they should."""
    shares = _shares(problem, _ended(problem, (1e4, 1.0), n_guarded), [], 40)
    assert ((shares[0] > 0.99) == first_counts).all()
    torch.testing.assert_close(shares.sum(0), torch.ones_like(shares[0]))


def test_a_classical_run_counts_as_one_opinion_and_only_where_it_explains_as_much(problem):
    runs = _ended(problem, (2.0, 2.0, 2.0), (0, 0, 0))

    def share(noise):
        shares = _shares(problem, runs, _ended(problem, (noise,), (0,)), 40)
        torch.testing.assert_close(shares.sum(0), torch.ones_like(shares[0]))
        assert torch.equal(shares[0], shares[2])
        return float(shares[3, 0])

    assert share(200.0) == share(2.0) == 0.5
    assert 0.5 > share(1.9) > share(1.8) > share(1.0) > 0
    assert share(1.0) < 1e-4


@pytest.mark.parametrize(
    "n_init, safeguard, learned, n_runs",
    [(3, "step", True, 4), (3, "step", False, 3), (1, "step", True, 1), (3, "run", True, 3)]
    + [(3, "none", True, 3)],
)
def test_several_starts_of_a_learned_rule_have_a_classical_companion(
    problem, generator, n_init, safeguard, learned, n_runs
):
    rules = rules_for(problem, ClosedForm())
    if learned:
        rules = control(problem, generator, lambda p: p.normal_(std=0.1, generator=generator))
    found = minimize_from_starts(
        problem, rules, n_init, torch.Generator().manual_seed(0), 6, safeguard=safeguard
    )
    assert len(found.runs) == len(found.shares) == n_runs
    if n_runs > n_init:
        start = problem.repeat(n_init).init(torch.Generator().manual_seed(0))
        classical, _ = alternate(
            problem, rules_for(problem, ClosedForm()), map_tensors(lambda t: t[:3], start), 6
        )
        torch.testing.assert_close(found.runs[-1].variables, classical)
        assert (found.shares[-1] > 0).all()


def test_what_is_recovered_needs_no_companion(easy_tasks):
    problem = EmpiricalBayesCompletion(torch.from_numpy(np.stack(easy_tasks[0])), 2)
    rules = rules_for(problem, LearnedOptimizer.load_pretrained("completer").rules()["U"])
    found = minimize_from_starts(problem, rules, 2, torch.Generator().manual_seed(0), 40)
    assert (found.shares[0] == 1).all() and len(found.runs) == 2
