"""What problems remember: a result for the very same tensors, never a stale one."""

import pytest
import torch

from sklearn_gso.problems import has_role, map_tensors
from tests.problems.bare import Bare
from tests.problems.every import PROBLEMS

each_problem = pytest.mark.parametrize("kind", PROBLEMS)


def asked(problem, variables):
    """All that the loop asks, twice over, so that what can be remembered is."""
    answers = {}
    for _ in range(2):
        answers["objective"] = problem.objective(variables)
        for name in problem.block_names:
            answers["gradient", name] = problem.gradient(variables, name)
            if has_role(problem, "minimize_block"):
                answers["minimiser", name] = problem.minimize_block(variables, name)
        for name in problem.moved_names if has_role(problem, "row_features") else ():
            answers["features", name] = problem.row_features(variables, name)
    return map_tensors(torch.clone, answers)


def start_of(problem):
    """A random start of tensors that may be changed in place, none of them zero."""
    generator = torch.Generator().manual_seed(0)

    def own(tensor):
        noise = torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype)
        return tensor.contiguous().clone() if tensor.any() else noise

    return map_tensors(own, problem.init(generator))


def changed(tensor):
    """A little smaller, in place; what is symmetric, positive or definite stays so."""
    return tensor.mul_(0.9)


@each_problem
def test_a_block_changed_in_place_is_seen(kind):
    problem, fresh = PROBLEMS[kind](), PROBLEMS[kind]()
    variables = start_of(problem)
    for name in problem.block_names:
        before = asked(problem, variables)
        map_tensors(changed, variables[name])
        after = asked(problem, variables)
        expected = asked(fresh, map_tensors(torch.clone, variables))
        torch.testing.assert_close(after, expected)
        assert not torch.equal(after["objective"], before["objective"])


@each_problem
def test_inference_mode_gives_the_same_and_nothing_stale(kind):
    problem, fresh = PROBLEMS[kind](), PROBLEMS[kind]()
    own = start_of(problem)
    expected = asked(fresh, own)
    with torch.inference_mode():
        inferred = start_of(problem)
        # Tensors of the mode, and those from outside, also changed within it.
        torch.testing.assert_close(problem.objective(inferred), expected["objective"])
        torch.testing.assert_close(problem.objective(own), expected["objective"])
        map_tensors(changed, inferred)
        map_tensors(changed, own)
        smaller = problem.objective(inferred)
        torch.testing.assert_close(smaller, problem.objective(own))
    torch.testing.assert_close(problem.objective(own), smaller.clone())
    torch.testing.assert_close(asked(problem, own), asked(fresh, own))


class Counting:
    """A problem that remembers squares, and how often it had to compute them."""

    def __init__(self):
        self.problem, self.n = Bare(), 0

    def __call__(self, *tensors):
        return self.problem.remember("squares", tensors, lambda: self.compute(tensors))

    def compute(self, tensors):
        self.n += 1
        return tuple(tensor.square() for tensor in tensors)


def test_the_same_tensors_are_computed_with_once():
    squares, x, y = Counting(), torch.ones(2), torch.ones(2)
    first = squares(x, y)
    assert squares(x, y) is first and squares.n == 1
    assert squares(y, x) is not first and squares.n == 2
    assert squares(y, x.clone()) is not None and squares.n == 3


@pytest.mark.parametrize("where", ["argument", "view of an argument", "result"])
def test_changes_in_place_are_computed_with(where):
    squares, x = Counting(), torch.full((3,), 2.0)
    (result,) = squares(x)
    if where == "result":
        result.zero_()
    else:
        (x if where == "argument" else x[:]).add_(1)
    expected = torch.full((3,), 4.0 if where == "result" else 9.0)
    assert torch.equal(squares(x)[0], expected)
    assert squares(x)[0] is squares(x)[0] and squares.n == 2


def test_a_result_without_gradients_does_not_stand_for_one_with():
    squares, x = Counting(), torch.ones(2, requires_grad=True)
    with torch.no_grad():
        assert not squares(x)[0].requires_grad
    assert squares(x)[0].requires_grad
    with torch.no_grad():
        assert not squares(x)[0].requires_grad


def test_inference_tensors_are_never_remembered():
    squares = Counting()
    with torch.inference_mode():
        x = torch.ones(2)
        assert torch.equal(squares(x)[0], torch.ones(2))
        x.add_(1)
        assert torch.equal(squares(x)[0], torch.full((2,), 4.0))
    # Outside the mode, too: nobody counts what the mode has changed.
    assert torch.equal(squares(x)[0], torch.full((2,), 4.0)) and squares.n == 3
