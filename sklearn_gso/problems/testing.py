"""The checker that every problem of this package passes, for problems of your own."""

import torch

from .base import Problem, has_role, map_tensors, new_generator, point, take_tasks, with_point

_N_DIRECTIONS = 3


def _require(condition, problem, message):
    if not bool(torch.as_tensor(condition).all()):
        raise AssertionError(f"{type(problem).__name__}: {message}")


def _normal_like(tensor, generator):
    return torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)


def _shares(values, size, generator):
    """Changes by random shares of each entry, so that positive numbers stay positive."""
    change = size * values.abs() * _normal_like(values, generator).clamp(-3, 3)
    return change if change.any() else size * _normal_like(values, generator)


def _disturbed(problem, variables, generator, size=0.05):
    """Feasible variables in the neighbourhood, away from every minimiser."""
    found = {}
    for name, block in variables.items():
        moved = with_point(block, point(block) + _shares(point(block), size, generator))
        found[name] = problem.project(name, moved)
    return found


def closed_blocks(problem, variables) -> list[str]:
    """Names of the blocks with a closed-form minimiser."""
    found = []
    for name in problem.block_names:
        try:
            problem.minimize_block(variables, name)
        except NotImplementedError:
            continue
        found.append(name)
    return found


def check_members(problem, generator):
    """Blocks and objective have the shapes and the precision that the engine works with."""
    _require(problem.n_tasks > 1, problem, "check_problem needs a batch of two tasks or more")
    variables = problem.init(generator)
    lacking = [name for name in problem.block_names if name not in variables]
    _require(not lacking, problem, f"init gives no block {lacking}")
    for names in ("moved_names", "local_blocks"):
        unknown = set(getattr(problem, names)) - set(problem.block_names)
        _require(not unknown, problem, f"{names} holds {sorted(unknown)}, which are no blocks")
    for name in problem.block_names:
        value = point(variables[name])
        _require(
            value.dtype == torch.float64,
            problem,
            f"block {name!r} is {value.dtype}: the checker needs double precision (torch.float64)",
        )
        _require(
            value.ndim and len(value) == problem.n_tasks,
            problem,
            f"block {name!r} has shape {tuple(value.shape)}; its first axis must count the "
            f"{problem.n_tasks} tasks",
        )
    value = problem.objective(variables)
    _require(
        value.shape == (problem.n_tasks,),
        problem,
        f"objective must give one number a task, shape ({problem.n_tasks},), got "
        f"{tuple(value.shape)}",
    )
    _require(value.isfinite(), problem, f"the objective of a random start is {value.tolist()}")


def check_gradients(problem, variables, generator, rtol=1e-5):
    """`gradient` agrees with central differences of `objective`, block by block."""
    for name in problem.block_names:
        block, agrees = variables[name], torch.zeros(problem.n_tasks, dtype=torch.bool)
        told_all = problem.gradient(variables, name)
        # Rounding may spoil a direction in which the slopes cancel, but not several.
        for _ in range(_N_DIRECTIONS):
            step = _shares(point(block), 1e-5, generator)
            ends = [
                problem.objective({**variables, name: with_point(block, point(block) + s * step)})
                for s in (1, -1)
            ]
            slope = (ends[0] - ends[1]) / 2
            told = (told_all * step).flatten(1).sum(1)
            rounding = 1e-12 * (ends[0].abs() + (told_all * step).abs().flatten(1).sum(1))
            agrees |= (slope - told).abs() <= rtol * (slope.abs() + told.abs()) + rounding
        _require(
            agrees,
            problem,
            f"the gradient of block {name!r} disagrees with finite differences: "
            f"{told.tolist()} against {slope.tolist()}",
        )


def _slopes(problem, variables, name, unit):
    """How steep F is along a block's point within the feasible set, and its fields, (f, T).

    Further fields are symmetric matrices as often as not, so they are only scaled.
    """
    block = variables[name]
    step = unit * problem.gradient(variables, name)
    reached = point(problem.project(name, with_point(block, point(block) - step)))
    slopes = [((point(block) - reached) / unit).flatten(1).norm(dim=1)]
    for i in range(1, len(block)) if isinstance(block, tuple) else ():
        with torch.enable_grad():
            growth = torch.zeros(problem.n_tasks, dtype=block[i].dtype, requires_grad=True)
            factor = 1 + growth.reshape(-1, *[1] * (block[i].ndim - 1))
            fields = [f * factor if i == j else f for j, f in enumerate(block)]
            value = problem.objective({**variables, name: type(block)(*fields)}).sum()
            slopes.append(torch.autograd.grad(value, growth)[0].abs())
    return torch.stack(slopes)


def check_block_minimisers(problem, variables, generator, size=1e-3, rtol=1e-5):
    """After `minimize_block` no small feasible change lowers F, and its slopes vanish."""
    before = problem.objective(variables)
    for name in closed_blocks(problem, variables):
        new = problem.minimize_block(variables, name)
        moved = {**variables, name: new}
        least, value = problem.objective(moved), point(new)
        slack = 1e-9 * (before.abs() + least.abs())
        _require(
            least <= before + slack,
            problem,
            f"minimize_block raises the objective of block {name!r}",
        )
        _require(
            torch.allclose(value, point(problem.project(name, new)), rtol=1e-9, atol=1e-12),
            problem,
            f"minimize_block of {name!r} leaves the feasible set that project describes",
        )
        spread = size * value.abs().mean()
        neighbours = []
        for sign in (1, -1):
            step = sign * spread * _normal_like(value, generator)
            other = map_tensors(lambda tensor, s=sign: tensor * (1 + s * size), new)
            neighbours += [with_point(new, value + step), with_point(other, value)]
            neighbours += [with_point(new, value + _shares(value, size, generator))]
        there = [{**variables, name: problem.project(name, block)} for block in neighbours]
        values = torch.stack([problem.objective(v) for v in there])
        # Where F is not defined there is nothing lower.
        _require(
            (values >= least - slack) | values.isnan(),
            problem,
            f"a small change of block {name!r} lowers the objective below that of minimize_block",
        )
        steps = [problem.gradient(v, name).abs().mean() for v in there]
        unit = spread / max(step for step in steps if step.isfinite()).clamp(min=1e-300)
        slopes = _slopes(problem, moved, name, unit)
        nearby = torch.stack([_slopes(problem, v, name, unit) for v in there]).nan_to_num(0)
        _require(
            slopes <= rtol * nearby.amax(0) + 1e-12 * before.abs(),
            problem,
            f"the gradient of block {name!r} does not vanish after minimize_block: "
            f"{slopes.tolist()} against {nearby.amax(0).tolist()} nearby",
        )


def check_independent_tasks(problem, variables, generator):
    """What happens to the first task changes nothing for the others."""

    def disturb(tensor):
        noisy = tensor.clone()
        noisy[0] = noisy[0] * 1.5
        return noisy

    disturbed = map_tensors(disturb, variables)
    before, after = problem.objective(variables), problem.objective(disturbed)
    _require(
        torch.allclose(before[1:], after[1:], rtol=1e-10),
        problem,
        "the objective of one task depends on another task",
    )
    for name in closed_blocks(problem, variables):
        old, new = (point(problem.minimize_block(v, name))[1:] for v in (variables, disturbed))
        _require(
            torch.allclose(old, new, rtol=1e-8, atol=1e-10 * float(old.abs().max())),
            problem,
            f"minimize_block of {name!r} mixes the tasks",
        )


def check_neutral_controls(problem, variables):
    """Controls of zero give the plain minimiser, and each control does something."""
    for name in (n for n in closed_blocks(problem, variables) if n in problem.moved_names):
        plain = point(problem.minimize_block(variables, name))
        size = float(plain.abs().max())
        zeros = {c: plain.new_zeros(*plain.shape[:2], 1) for c in problem.control_names}
        neutral = point(problem.minimize_block(variables, name, zeros))
        _require(
            torch.allclose(plain, neutral, rtol=1e-9, atol=1e-12 * size),
            problem,
            f"neutral controls move block {name!r} away from the plain minimiser",
        )
        for control in problem.control_names:
            bent = problem.minimize_block(variables, name, {**zeros, control: zeros[control] + 1})
            _require(
                not torch.allclose(plain, point(bent), rtol=1e-9, atol=1e-12 * size),
                problem,
                f"control {control!r} has no effect on block {name!r}",
            )


def check_roles(problem, variables, generator):
    """Features, parts of the batch and parts of the data are what their users expect."""
    for name in problem.moved_names if has_role(problem, "row_features") else ():
        features = problem.row_features(variables, name)
        rows = point(variables[name]).shape[:2]
        _require(
            features.ndim == 3 and features.shape[:2] == rows and features.isfinite().all(),
            problem,
            f"row_features of block {name!r} must be finite and of shape {tuple(rows)} and "
            f"one more axis, got {tuple(features.shape)}",
        )
    if has_role(problem, "take"):
        last = torch.tensor([problem.n_tasks - 1])
        alone = problem.take(last).objective(take_tasks(variables, last))
        _require(
            torch.allclose(alone, problem.objective(variables)[last], rtol=1e-9),
            problem,
            "take gives a problem with another objective for the same task",
        )
    if has_role(problem, "split"):
        for part in problem.split(0.5, generator):
            _require(
                part.objective(variables).shape == (problem.n_tasks,),
                problem,
                "split gives a problem of other tasks",
            )
    for name in problem.block_names:
        once = problem.project(name, variables[name])
        twice = problem.project(name, once)
        _require(
            torch.allclose(point(once), point(twice), rtol=1e-9, atol=1e-12),
            problem,
            f"project of block {name!r} moves what is already feasible",
        )


def check_problem(problem: Problem, variables=None, generator=None) -> None:
    """Check that a problem keeps its promises.

    Shapes and precision, gradients against finite differences, optimality of every
    closed-form block minimiser within the feasible set, independence of the tasks in the
    batch, neutral controls, and the other roles that the problem has. Blocks for which
    ``minimize_block`` raises NotImplementedError are left out of what is asked of minimisers.

    Parameters
    ----------
    problem : Problem
        A batch of at least two tasks, in double precision.
    variables : dict, optional
        Near which to check; by default a random start after one sweep of minimisers.
    generator : torch.Generator, optional

    Raises
    ------
    AssertionError
        Naming the problem, the block and what is wrong with it.
    """
    generator = generator or new_generator(0)
    check_members(problem, generator)
    if variables is None:
        variables = problem.init(generator)
        for name in closed_blocks(problem, variables):
            variables[name] = problem.minimize_block(variables, name)
    # At a minimiser gradients are rounding; besides, a pull to the iterate must be felt.
    variables = _disturbed(problem, variables, generator)
    check_roles(problem, variables, generator)
    check_independent_tasks(problem, variables, generator)
    check_gradients(problem, variables, generator)
    check_block_minimisers(problem, variables, generator)
    check_neutral_controls(problem, variables)
