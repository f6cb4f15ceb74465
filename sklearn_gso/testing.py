"""The checker that every problem of this package passes, for problems of your own."""

import torch

from .problems.base import Problem, map_tensors, point, with_point


def _require(condition, problem, message):
    if not bool(condition):
        raise AssertionError(f"{type(problem).__name__}: {message}")


def _normal_like(tensor, generator):
    return torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)


def check_gradients(problem, variables, generator, rtol=1e-5):
    """`gradient` agrees with central differences of `objective`, block by block."""
    for name in problem.block_names:
        block = variables[name]
        # Small beside the block, so that a positive number stays positive.
        step = 1e-5 * point(block).abs().mean() * _normal_like(point(block), generator)
        ends = [
            problem.objective({**variables, name: with_point(block, point(block) + s * step)})
            for s in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / 2
        told = (problem.gradient(variables, name) * step).flatten(1).sum(1)
        rounding = 1e-12 * ends[0].abs()
        _require(
            ((slope - told).abs() <= rtol * (slope.abs() + told.abs()) + rounding).all(),
            problem,
            f"the gradient of block {name!r} disagrees with finite differences: "
            f"{told.tolist()} against {slope.tolist()}",
        )


def check_block_minimisers(problem, variables, generator, size=1e-3):
    """No small change of a block lowers the objective after `minimize_block`."""
    for name in problem.block_names:
        new = problem.minimize_block(variables, name)
        moved = {**variables, name: new}
        least = problem.objective(moved)
        slack = 1e-9 * (1 + least.abs())
        _require(
            (least <= problem.objective(variables) + slack).all(),
            problem,
            f"minimize_block raises the objective of block {name!r}",
        )
        for sign in (1, -1):
            step = sign * size * point(new).abs().mean() * _normal_like(point(new), generator)
            other = map_tensors(lambda tensor, s=sign: tensor * (1 + s * size), new)
            for changed in (with_point(new, point(new) + step), with_point(other, point(new))):
                value = problem.objective({**variables, name: changed})
                _require(
                    (value >= least - slack).all(),
                    problem,
                    f"a small change of block {name!r} lowers the objective below that of "
                    "minimize_block",
                )


def check_independent_tasks(problem, variables, generator):
    """What happens to the first task changes nothing for the others."""

    def disturb(tensor):
        noisy = tensor.clone()
        noisy[0] = noisy[0] * 1.5
        return noisy

    disturbed = map_tensors(disturb, variables)
    before, after = problem.objective(variables), problem.objective(disturbed)
    _require(problem.n_tasks > 1, problem, "check_problem needs a batch of two tasks or more")
    _require(
        torch.allclose(before[1:], after[1:], rtol=1e-12),
        problem,
        "the objective of one task depends on another task",
    )
    for name in problem.block_names:
        pair = [point(problem.minimize_block(v, name))[1:] for v in (variables, disturbed)]
        _require(
            torch.allclose(*pair, rtol=1e-10, atol=1e-12),
            problem,
            f"minimize_block of {name!r} mixes the tasks",
        )


def check_neutral_controls(problem, variables, generator):
    """Controls of zero give the plain minimiser, and each control does something."""
    # Away from the minimisers, where a pull to the current iterate can be felt.
    variables = dict(variables)
    for name in problem.moved_names:
        value = point(variables[name])
        noise = 0.1 * value.abs().mean() * _normal_like(value, generator)
        variables[name] = with_point(variables[name], value + noise)
    for name in problem.moved_names:
        plain = problem.minimize_block(variables, name)
        rows = point(plain).shape[:2]
        zeros = {c: torch.zeros(*rows, 1, dtype=point(plain).dtype) for c in problem.control_names}
        neutral = problem.minimize_block(variables, name, zeros)
        _require(
            torch.allclose(point(plain), point(neutral), rtol=1e-9, atol=1e-12),
            problem,
            f"neutral controls move block {name!r} away from the plain minimiser",
        )
        for control in problem.control_names:
            bent = problem.minimize_block(variables, name, {**zeros, control: zeros[control] + 1})
            _require(
                not torch.allclose(point(plain), point(bent), rtol=1e-9, atol=1e-12),
                problem,
                f"control {control!r} has no effect on block {name!r}",
            )


def check_problem(problem: Problem, variables=None, generator=None) -> None:
    """Check that a problem keeps its promises.

    Gradients against finite differences, optimality of every closed-form block
    minimiser, independence of the tasks in the batch, and neutral controls.
    Parts that the problem does not offer (``minimize_block``) are left out.

    Parameters
    ----------
    problem : Problem
        A batch of at least two tasks, in double precision.
    variables : dict, optional
        Where to check; by default a random start after one sweep of minimisers.
    generator : torch.Generator, optional

    Raises
    ------
    AssertionError
        Naming the problem, the block and what is wrong with it.
    """
    generator = generator or torch.Generator().manual_seed(0)
    has_minimisers = type(problem).minimize_block is not Problem.minimize_block
    if variables is None:
        variables = problem.init(generator)
        for name in problem.block_names if has_minimisers else ():
            variables[name] = problem.minimize_block(variables, name)
    check_gradients(problem, variables, generator)
    if has_minimisers:
        check_block_minimisers(problem, variables, generator)
        check_independent_tasks(problem, variables, generator)
        check_neutral_controls(problem, variables, generator)
