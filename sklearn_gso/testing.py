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


def closed_blocks(problem, variables):
    """Names of the blocks with a closed-form minimiser."""
    found = []
    for name in problem.block_names:
        try:
            problem.minimize_block(variables, name)
        except NotImplementedError:
            continue
        found.append(name)
    return found


def _slopes(problem, variables, name):
    """Norms of the gradient of a block's point, and slopes along its further fields, (f, T).

    Further fields are symmetric matrices as often as not, so they are only scaled.
    """
    block = variables[name]
    slopes = [problem.gradient(variables, name).flatten(1).norm(dim=1)]
    for i in range(1, len(block)) if isinstance(block, tuple) else ():
        with torch.enable_grad():
            growth = torch.zeros(problem.n_tasks, dtype=block[i].dtype, requires_grad=True)
            factor = 1 + growth.reshape(-1, *[1] * (block[i].ndim - 1))
            fields = [f * factor if i == j else f for j, f in enumerate(block)]
            value = problem.objective({**variables, name: type(block)(*fields)}).sum()
            slopes.append(torch.autograd.grad(value, growth)[0].abs())
    return torch.stack(slopes)


def check_block_minimisers(problem, variables, generator, size=1e-3, rtol=1e-6):
    """After `minimize_block` no small change lowers the objective, and its slopes vanish."""
    for name in closed_blocks(problem, variables):
        new = problem.minimize_block(variables, name)
        moved = {**variables, name: new}
        least, slopes = problem.objective(moved), _slopes(problem, moved, name)
        slack = 1e-9 * (1 + least.abs())
        _require(
            (least <= problem.objective(variables) + slack).all(),
            problem,
            f"minimize_block raises the objective of block {name!r}",
        )
        steepest = torch.zeros_like(slopes)
        for sign in (1, -1):
            step = sign * size * point(new).abs().mean() * _normal_like(point(new), generator)
            other = map_tensors(lambda tensor, s=sign: tensor * (1 + s * size), new)
            for changed in (with_point(new, point(new) + step), with_point(other, point(new))):
                there = {**variables, name: changed}
                _require(
                    (problem.objective(there) >= least - slack).all(),
                    problem,
                    f"a small change of block {name!r} lowers the objective below that of "
                    "minimize_block",
                )
                steepest = torch.maximum(steepest, _slopes(problem, there, name))
        _require(
            (slopes <= rtol * steepest).all(),
            problem,
            f"the gradient of block {name!r} does not vanish after minimize_block: "
            f"{slopes.tolist()} against {steepest.tolist()} nearby",
        )


def _disturbed(variables):
    """Variables of which only the first task is changed."""

    def disturb(tensor):
        noisy = tensor.clone()
        noisy[0] = noisy[0] * 1.5
        return noisy

    return map_tensors(disturb, variables)


def check_independent_tasks(problem, variables, generator):
    """What happens to the first task changes nothing for the others."""
    disturbed = _disturbed(variables)
    before, after = problem.objective(variables), problem.objective(disturbed)
    _require(problem.n_tasks > 1, problem, "check_problem needs a batch of two tasks or more")
    _require(
        torch.allclose(before[1:], after[1:], rtol=1e-12),
        problem,
        "the objective of one task depends on another task",
    )
    for name in closed_blocks(problem, variables):
        old, new = (point(problem.minimize_block(v, name))[1:] for v in (variables, disturbed))
        _require(
            torch.allclose(old, new, rtol=1e-10, atol=1e-12),
            problem,
            f"minimize_block of {name!r} mixes the tasks",
        )


def check_neutral_controls(problem, variables, generator):
    """Controls of zero give the plain minimiser, and each control does something."""
    # Away from the minimisers, where a pull to the current iterate can be felt.
    variables, closed = dict(variables), closed_blocks(problem, variables)
    for name in problem.moved_names:
        value = point(variables[name])
        noise = 0.1 * value.abs().mean() * _normal_like(value, generator)
        variables[name] = with_point(variables[name], value + noise)
    for name in (n for n in problem.moved_names if n in closed):
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
    Blocks for which ``minimize_block`` raises NotImplementedError are left out of
    what is asked of minimisers.

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
    if variables is None:
        variables = problem.init(generator)
        for name in closed_blocks(problem, variables):
            variables[name] = problem.minimize_block(variables, name)
    check_independent_tasks(problem, variables, generator)
    check_gradients(problem, variables, generator)
    check_block_minimisers(problem, variables, generator)
    check_neutral_controls(problem, variables, generator)
