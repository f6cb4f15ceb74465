"""Roles of problems: what is missing is named, copies lose nothing."""

import inspect

import pytest
import torch

from sklearn_gso.learned_optimizers import LearnedOptimizer
from sklearn_gso.problems import MatrixCompletion, MixtureLikelihood, Problem, has_role, optional
from sklearn_gso.problems.trees import take_tasks, where_tasks
from sklearn_gso.rules import ClosedForm, GradientDescent, LSTMControl, LSTMStep
from sklearn_gso.solvers import Fixed, Multistart, alternate, rules_for
from tests.problems.bare import Bare
from tests.problems.every import PROBLEMS
from tests.problems.three_blocks import TensorFactorisation

OPTIONAL = [name for name, member in vars(Problem).items() if hasattr(member, "role")]


# What is missing -----------------------------------------------------------------------


@pytest.mark.parametrize("member", OPTIONAL)
def test_a_missing_member_is_named_with_the_role_that_asks_for_it(member):
    method = getattr(Problem, member)
    arguments = [None] * (len(inspect.signature(method).parameters) - 1)
    with pytest.raises(NotImplementedError) as caught:
        getattr(Bare(), member)(*arguments)
    assert str(caught.value) == f"Bare has no {member}, which {method.role} need."


@pytest.mark.parametrize(
    ("member", "rule"),
    [
        ("minimize_block", lambda problem: ClosedForm()),
        ("split", lambda problem: GradientDescent(batch_fraction=0.5)),
        ("row_features", LSTMControl.for_problem),
    ],
)
def test_rules_name_what_they_miss(member, rule, generator):
    problem = Bare()
    with pytest.raises(NotImplementedError, match=f"Bare has no {member}, which .* need"):
        rules = rules_for(problem, rule(problem))
        alternate(problem, rules, problem.init(generator), 1)


def test_several_starts_name_what_they_miss(generator):
    problem = Bare()
    rules = rules_for(problem, GradientDescent(1e-2))
    assert Multistart(Fixed(1), 3).solve(problem, rules, generator).weights.tolist() == [[1, 1]]
    with pytest.raises(NotImplementedError, match="Bare has no take, which several starts"):
        Multistart(Fixed(3), 3).solve(problem, rules, generator)


def test_members_that_a_user_declares_optional():
    class Kind(Bare):
        @optional("plots")
        def drawn(self, variables):
            """A picture."""

    class Drawing(Kind):
        def drawn(self, variables):
            return "picture"

    assert Kind.drawn.__doc__ == "A picture."
    assert not has_role(Kind, "drawn") and has_role(Drawing, "drawn")
    with pytest.raises(NotImplementedError, match="Kind has no drawn, which plots need"):
        Kind().drawn({})


def test_has_role():
    tensor = TensorFactorisation.random(seed=0)
    for problem in (tensor, TensorFactorisation):
        assert has_role(problem, "minimize_block", "row_features", "take")
        assert has_role(problem, "objective", "gradient", "error")  # all problems have these
        assert not has_role(problem, "split")
        assert not has_role(problem, "take", "split")
    assert not any(has_role(Bare, member) for member in OPTIONAL)

    class Without(TensorFactorisation):
        take = Problem.take

    assert has_role(TensorFactorisation, "take") and not has_role(Without, "take")


def test_the_least_that_a_problem_needs_runs_trains_and_saves(generator, tmp_path):
    """No role: gradients, the paper's rule and its file, with a `feature_version` of 1."""
    problem = Bare()
    start = problem.init(generator)
    end, _ = alternate(problem, rules_for(problem, GradientDescent(1e-2)), start, 5)
    assert (problem.objective(end) < problem.objective(start)).all()
    assert torch.equal(problem.error(end), problem.objective(end))
    assert problem.settled(end) is end and problem.project("x", end["x"]) is end["x"]
    assert problem.moved_names == problem.block_names and problem.units == {}
    assert (problem.feature_version, problem.n_moves, problem.weighs_runs) == (1, 0, False)
    optimizer = LearnedOptimizer.from_rules({"x": LSTMStep(generator=generator)}, problem)
    optimizer.save(tmp_path / "bare.safetensors")
    loaded = LearnedOptimizer.load(tmp_path / "bare.safetensors")
    assert loaded == optimizer and loaded.description["feature_version"] == 1


def test_a_name_for_the_role_stands_in_the_documentation():
    assert [member for member in OPTIONAL if f"`{member}`" not in Problem.__doc__] == []


# Copies --------------------------------------------------------------------------------


each_problem = pytest.mark.parametrize("kind", PROBLEMS)


@each_problem
def test_copies_keep_what_a_subclass_adds(kind, generator):
    problem = PROBLEMS[kind]()
    problem.__class__ = type("Own", (type(problem),), {})
    problem.note = note = object()
    copies = [problem.copied(), problem.take(torch.tensor([1])), problem.repeat(2)]
    if has_role(problem, "split"):
        copies += problem.split(0.5, generator)
    if "sparse" not in kind:
        n_columns = {"deconvolution": 12}.get(
            kind, 5 if isinstance(problem, MatrixCompletion) else 2
        )
        copies.append(problem.with_values(torch.ones(2, 6, n_columns, dtype=torch.float64)))
    if isinstance(problem, MixtureLikelihood):
        copies.append(problem.with_fixed({}))
    for copy in copies:
        assert type(copy) is type(problem) and copy.note is note


@each_problem
def test_copies_remember_nothing(kind, generator):
    """The very same tensors stand for other tasks in a problem of these."""
    problem, index = PROBLEMS[kind](), torch.tensor([1, 0])
    variables = problem.init(generator)
    own = problem.objective(variables)
    swapped = problem.take(index).objective(variables)
    torch.testing.assert_close(swapped, PROBLEMS[kind]().take(index).objective(variables))
    torch.testing.assert_close(problem.objective(variables), own)
    assert (swapped != own).all()
    again = problem.take(index).objective(take_tasks(variables, index))
    torch.testing.assert_close(again, own[index])


# Trees ---------------------------------------------------------------------------------


def test_where_tasks_chooses_task_by_task(generator):
    problem = PROBLEMS["bayes"]()
    yes, no = problem.init(generator), problem.init(generator)
    mixed = where_tasks(torch.tensor([True, False]), yes, no)
    for index, expected in ((0, yes), (1, no)):
        chosen = torch.tensor([index])
        torch.testing.assert_close(take_tasks(mixed, chosen), take_tasks(expected, chosen))
    for chosen, expected in (([True, True], yes), ([False, False], no)):
        torch.testing.assert_close(where_tasks(torch.tensor(chosen), yes, no), expected)
