"""Many starts: how many, and what each counts for."""

import numpy as np
import pytest
import torch

from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.estimators.parallel import solve_batch
from sklearn_gso.solvers.alternating import alternate, rules_for
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.learned_optimizers.learned_optimizer import LearnedOptimizer
from sklearn_gso.metrics import relative_error
from sklearn_gso.problems import EmpiricalBayesCompletion, MatrixCompletion
from sklearn_gso.problems.base import map_tensors
from sklearn_gso.rules import ClosedForm, LSTMControl
from sklearn_gso.solvers.run import Solution, minimize
from sklearn_gso.solvers.multistart import _joined, _shares, minimize_from_starts


@pytest.fixture
def problem(noisy_values):
    return EmpiricalBayesCompletion(noisy_values, 3)


def solve(problem, rules, n_init, max_iter=40, **options):
    generator = torch.Generator().manual_seed(0)
    return minimize_from_starts(problem, rules, n_init, generator, max_iter, **options)


@pytest.fixture
def pretrained():
    return LearnedOptimizer.load_pretrained("completer").rules()["U"]


def test_more_starts_are_never_worse(noisy_values):
    problem = MatrixCompletion(noisy_values, 3, alpha=1e-3)
    rules = rules_for(problem, ClosedForm())
    generator = torch.Generator().manual_seed(0)
    many = problem.repeat(5)
    starts = many.init(generator)
    each = minimize(many, rules, starts, 8).objective.reshape(5, 3)
    found = solve(problem, rules, 5, 8).best
    torch.testing.assert_close(found.objective, each.amin(0))
    torch.testing.assert_close(problem.objective(found.variables), found.objective)
    shapes = map_tensors(lambda t: t.shape[0], found.variables)
    assert set(shapes.values()) == {3}


@pytest.mark.parametrize(
    "n_guarded, first_counts", [((11, 0), False), ((10, 0), True), ((11, 11), True)]
)
def test_runs_that_were_held_back_often_do_not_count(problem, n_guarded, first_counts):
    """They explain the entries that they saw better than they should."""
    n_tasks = problem.n_tasks
    runs = [
        Solution({}, torch.zeros(n_tasks), torch.full((n_tasks,), n), torch.full((n_tasks,), 40))
        for n in n_guarded
    ]
    left = torch.tensor([[1e-4], [1.0]]).expand(2, n_tasks)
    shares, least = _shares(runs, left, torch.ones(2, n_tasks, dtype=torch.bool), 40)
    assert ((shares[0] > 0.99) == first_counts).all()
    torch.testing.assert_close(shares.sum(0), torch.ones(n_tasks))
    assert (least == (1e-4 if first_counts else 1.0)).all()


def test_a_classical_run_counts_as_one_opinion_and_only_where_it_explains_as_much():
    shares, made = torch.full((3, 1), 1 / 3), torch.ones(1, dtype=torch.bool)

    def share(left):
        joined = _joined(shares, torch.tensor([0.5]), torch.tensor([left]), made)
        torch.testing.assert_close(joined.sum(0), torch.ones(1))
        assert joined[0] == joined[2]
        return float(joined[3])

    assert share(0.01) == share(0.5) == 0.5
    assert 0.5 > share(0.51) > share(0.55) > share(1.0) > 0
    assert share(1.0) < 1e-4
    assert float(_joined(shares, torch.ones(1), torch.ones(1), ~made)[3]) == 0


@pytest.mark.parametrize(
    "n_init, safeguard, learned, n_runs",
    [(3, "step", True, 4), (3, "step", False, 3), (1, "step", True, 1), (3, "run", True, 3)]
    + [(3, "none", True, 3)],
)
def test_several_starts_of_a_learned_rule_may_have_a_classical_companion(
    problem, generator, n_init, safeguard, learned, n_runs
):
    rules = rules_for(problem, ClosedForm())
    if learned:
        rule = LSTMControl(8, problem.control_names, generator=generator)
        with torch.no_grad():
            rule.output.weight.normal_(std=0.1, generator=generator)
        rules = rules_for(problem, rule)
    found = solve(problem, rules, n_init, 6, safeguard=safeguard, companion=True)
    assert len(found.runs) == len(found.shares) == n_runs
    if n_runs > n_init:
        start = problem.repeat(n_init).init(torch.Generator().manual_seed(0))
        classical, _ = alternate(
            problem, rules_for(problem, ClosedForm()), map_tensors(lambda t: t[:3], start), 6
        )
        torch.testing.assert_close(found.runs[-1].variables, classical)
        assert (found.shares[-1] > 0).all()


def test_what_is_recovered_needs_one_run(easy_tasks, pretrained):
    problem = EmpiricalBayesCompletion(torch.from_numpy(np.stack(easy_tasks[0])), 2)
    for n_init in (2, "auto"):
        found = solve(problem, rules_for(problem, pretrained), n_init)
        assert (found.shares == 1).all() and len(found.runs) == 1


@pytest.fixture(scope="module")
def lucky_tasks():
    """Matrices whose entries hardly determine them: it depends on the start who is found."""
    X, truth = make_low_rank_tasks(
        4, shape=(40, 40), rank=5, rate=0.26, factors="gaussian", random_state=3
    )
    return torch.from_numpy(X), truth


def test_starts_are_added_until_two_agree(lucky_tasks, pretrained):
    problem = EmpiricalBayesCompletion(lucky_tasks[0], 5)
    found = solve(problem, rules_for(problem, pretrained), "auto")
    runs, shares = found.runs, found.shares
    assert 4 < len(runs) <= 20 and len(runs) % 4 == 0
    left = torch.stack([problem.unexplained(run.variables) for run in runs])
    best = take_runs(runs, left.argmin(0))
    agree = sum(problem.difference(run.variables, best) < 0.02 for run in runs)
    made = (shares > 0).sum(0)
    assert ((agree >= 2) | (made > 16)).all() and made.min() == 4
    # A task that is done is left out of later rounds, without a share for what stands in.
    first_four = solve(problem, rules_for(problem, pretrained), 4)
    for task in range(4):
        few, many = first_four.shares[:, task], shares[:, task]
        if (many[4:] == 0).all():
            torch.testing.assert_close(many[:4], few)


def take_runs(runs, numbers):
    return map_tensors(
        lambda *tensors: torch.stack([tensors[n][t] for t, n in enumerate(numbers.tolist())]),
        *(run.variables for run in runs),
    )


def test_starts_that_agree_need_no_others(pretrained):
    X, _ = make_low_rank_tasks(3, shape=(40, 30), rank=2, rate=0.6, noise=0.2, random_state=3)
    problem = EmpiricalBayesCompletion(torch.from_numpy(X), 3)
    found, four = (solve(problem, rules_for(problem, pretrained), n) for n in ("auto", 4))
    assert len(found.runs) == len(four.runs) == 4
    assert torch.equal(found.shares, four.shares)


def test_more_starts_find_what_four_do_not():
    X, truth = make_low_rank_tasks(
        12, shape=(40, 40), rank=5, rate=0.25, factors="gaussian", random_state=5
    )
    errors = []
    for n_init in (4, "auto"):
        completer = GSOMatrixCompleter(5, n_init=n_init, n_epochs=0, random_state=0).fit(X)
        estimates = completer.reconstruct(X)
        errors.append([relative_error(t, e) for t, e in zip(truth, estimates, strict=True)])
    four, auto = np.array(errors)
    assert auto.mean() < 0.9 * four.mean()


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_difference_is_that_of_the_completed_matrices(problem, generator, scale):
    one, other = (problem.init(generator) for _ in range(2))
    one = {**one, "U": one["U"]._replace(mean=other["U"].mean + scale * one["U"].mean)}
    a, b = problem.reconstruct(one), problem.reconstruct(other)
    expected = (a - b).square().sum((1, 2)).sqrt() / b.square().sum((1, 2)).sqrt()
    torch.testing.assert_close(problem.difference(one, other), expected)
    assert (problem.difference(other, other) < 1e-7).all()


@pytest.mark.parametrize("n_init", [0, 1.5, "four", None])
def test_n_init_is_a_number_or_auto(easy_tasks, n_init):
    with pytest.raises(ValueError, match="n_init of GSOMatrixCompleter must be an integer >= 1"):
        GSOMatrixCompleter(n_init=n_init).fit(easy_tasks[0][0])


def test_general_optimizers_have_the_companion(noisy_values):
    """Not those that were trained on the tasks of a fit."""
    X = list(noisy_values.numpy())
    settings = {"n_components": 3, "max_iter": 6, "n_init": 2, "random_state": 0}
    general = GSOMatrixCompleter(**settings).fit(X[0])
    trained = GSOMatrixCompleter(n_epochs=2, **settings).fit(X)
    assert general.learned_optimizer_.is_general
    own = trained.learned_optimizer_
    assert own.is_general == own.has_weights_of(general.learned_optimizer_)
    for is_general, n_runs in ((True, 3), (False, 2)):
        description = {**own.description, "general": is_general}
        completer = GSOMatrixCompleter(
            optimizer=LearnedOptimizer(own.weights, description), **settings
        )
        assert len(solve_batch(completer.fit(X[0]), [X[0]], 0).runs) == n_runs
