"""The checker that every problem of this package passes, for problems of your own."""

from contextlib import suppress

import torch

from ._neighbourhood import disturbed, neighbours, shares, slopes
from .base import Problem, has_role, new_generator
from .trees import map_tensors, point, take_tasks, with_point


def _require(condition, message):
    if not bool(torch.as_tensor(condition).all()):
        raise AssertionError(message)


def _alike(left, right, rtol=1e-9, atol=1e-12):
    """Whether two trees hold the same numbers, up to rounding in units of the largest."""
    same = []

    def compare(a, b):
        same.append(torch.allclose(a, b, rtol=rtol, atol=atol * float(a.abs().max())))

    map_tensors(compare, left, right)
    return all(same)


def closed_blocks(problem, variables) -> list[str]:
    """Names of the blocks with a closed-form minimiser."""
    closed = []
    for name in problem.block_names:
        with suppress(NotImplementedError):
            problem.minimize_block(variables, name)
            closed.append(name)
    return closed


def check_members(problem, generator):
    """Blocks, objective and minimisers have the shapes and precision that the engine needs.

    `project` leaves alone what it has projected, and what minimises.
    """
    _require(problem.n_tasks > 1, "check_problem needs a batch of two tasks or more")
    variables, names = problem.init(generator), problem.block_names
    lacking = [name for name in names if name not in variables]
    _require(not lacking, f"init gives no block {lacking}")
    for which in ("moved_names", "local_blocks"):
        unknown = set(getattr(problem, which)) - set(names)
        _require(not unknown, f"{which} holds {sorted(unknown)}, which are no blocks")
    for name in names:
        _check_block(problem, variables[name], f"block {name!r}")
    _check_values(problem, problem.objective(variables), "objective")
    for name in names:
        once = problem.project(name, variables[name])
        _require(
            _alike(point(once), point(problem.project(name, once))),
            f"project of block {name!r} moves what is already feasible",
        )
    for name in closed_blocks(problem, variables):
        _check_feasible(problem, name, problem.minimize_block(variables, name))


def _check_block(problem, block, what):
    value = point(block)
    _require(
        value.dtype == torch.float64,
        f"{what} is {value.dtype}: the checker needs double precision (torch.float64)",
    )
    _require(
        value.ndim and len(value) == problem.n_tasks,
        f"{what} has shape {tuple(value.shape)}; its first axis must count the "
        f"{problem.n_tasks} tasks",
    )


def _check_feasible(problem, name, new):
    _check_block(problem, new, f"what minimize_block gives for block {name!r}")
    _require(
        _alike(point(new), point(problem.project(name, new))),
        f"minimize_block of {name!r} leaves the feasible set that project describes",
    )


def _check_values(problem, value, what):
    """One finite number for each task."""
    shape = tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
    _require(
        shape == (problem.n_tasks,),
        f"{what} must give one number a task, shape ({problem.n_tasks},), got {shape}",
    )
    _require(value.isfinite(), f"{what} of a random start is {value.tolist()}")


def check_gradients(problem, variables, generator, rtol=1e-5):
    """`gradient` agrees with central differences of `objective`, block by block."""
    for name in problem.block_names:
        block, agrees = variables[name], torch.zeros(problem.n_tasks, dtype=torch.bool)
        told_all = problem.gradient(variables, name)
        _require(
            told_all.shape == point(block).shape,
            f"the gradient of block {name!r} has shape {tuple(told_all.shape)}, the block "
            f"{tuple(point(block).shape)}",
        )
        # Rounding may spoil a direction in which the slopes cancel, but not several.
        for _ in range(3):
            step = shares(point(block), 1e-5, generator)
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
            f"the gradient of block {name!r} disagrees with finite differences: "
            f"{told.tolist()} against {slope.tolist()}",
        )


def check_block_minimisers(problem, variables, generator, size=1e-3):
    """After `minimize_block` no small feasible change lowers F, and its slopes vanish."""
    before = problem.objective(variables)
    for name in closed_blocks(problem, variables):
        new = problem.minimize_block(variables, name)
        least, value = problem.objective({**variables, name: new}), point(new)
        slack = 1e-9 * (before.abs() + least.abs())
        _require(least <= before + slack, f"minimize_block raises the objective of block {name!r}")
        _check_feasible(problem, name, new)
        spread = size * (value.abs().mean() if value.any() else 1.0)
        nearby = neighbours(problem, name, new, spread, size, generator)
        there = [{**variables, name: block} for block in nearby]
        values = torch.stack([problem.objective(v) for v in there])
        # Where F is not defined there is nothing lower.
        _require(
            (values >= least - slack) | values.isnan(),
            f"a small change of block {name!r} lowers the objective below that of minimize_block",
        )
        _check_slopes(problem, {**variables, name: new}, there, name, spread, 1e-3 * slack)


def _check_slopes(problem, variables, there, name, spread, rounding, rtol=1e-5):
    """Slopes at a minimiser are nothing beside those at points nearby, but for rounding."""
    steps = [problem.gradient(v, name).abs().mean() for v in there]
    steepest = max((float(step) for step in steps if step.isfinite()), default=1.0)
    unit = spread / max(steepest, 1e-300)
    here = slopes(problem, variables, name, unit)
    nearby = torch.stack([slopes(problem, v, name, unit) for v in there]).nan_to_num(0)
    _require(
        here <= rtol * nearby.amax(0) + rounding,
        f"the gradient of block {name!r} does not vanish after minimize_block: "
        f"{here.tolist()} against {nearby.amax(0).tolist()} nearby",
    )


def _answers(problem, variables) -> dict:
    """What a problem says at some variables: F, its minimisers and features, by name."""
    answers = {"objective": problem.objective(variables)}
    for name in closed_blocks(problem, variables):
        answers[f"minimize_block of {name!r}"] = problem.minimize_block(variables, name)
    for name in problem.moved_names if has_role(problem, "row_features") else ():
        answers[f"row_features of {name!r}"] = problem.row_features(variables, name)
    return answers


def check_independent_tasks(problem, variables):
    """What happens to the first task changes nothing for the others."""

    def disturb(tensor):
        noisy = tensor.clone()
        noisy[0] = noisy[0] * 1.5
        return noisy

    others = torch.arange(1, problem.n_tasks)
    before = take_tasks(_answers(problem, variables), others)
    after = take_tasks(_answers(problem, map_tensors(disturb, variables)), others)
    for what, answer in before.items():
        _require(
            _alike(answer, after[what], 1e-8, 1e-10),
            f"{what} mixes the tasks: one depends on another",
        )


def check_neutral_controls(problem, variables):
    """Controls of zero give the plain minimiser, and each control does something."""
    for name in (n for n in closed_blocks(problem, variables) if n in problem.moved_names):
        plain = point(problem.minimize_block(variables, name))
        zero = plain.new_zeros(*plain.shape[:2], 1)
        for neutral in (0.0, zero):
            controls = dict.fromkeys(problem.control_names, neutral)
            _require(
                _alike(plain, point(problem.minimize_block(variables, name, controls))),
                f"neutral controls move block {name!r} away from the plain minimiser",
            )
        for control in problem.control_names:
            bent = problem.minimize_block(variables, name, {**controls, control: zero + 1})
            _require(
                not (plain.any() and _alike(plain, point(bent))),
                f"control {control!r} has no effect on block {name!r}",
            )


def check_features(problem, variables):
    """Features are finite and belong to the rows."""
    for name in problem.moved_names if has_role(problem, "row_features") else ():
        features = problem.row_features(variables, name)
        rows = point(variables[name]).shape[:2]
        _require(
            features.ndim == 3 and features.shape[:2] == rows and features.isfinite().all(),
            f"row_features of block {name!r} must be finite and of shape {tuple(rows)} and "
            f"one more axis, got {tuple(features.shape)}",
        )


def check_parts(problem, variables, generator):
    """Problems of some of the tasks and of some of the data have all that is theirs."""
    if has_role(problem, "take"):
        last = torch.tensor([problem.n_tasks - 1])
        part, own = problem.take(last), take_tasks(variables, last)
        told = _of_part("take", _answers, part, own)
        for what, answer in take_tasks(_answers(problem, variables), last).items():
            _require(
                what in told and _alike(answer, told[what], 1e-8, 1e-10),
                f"take gives a problem with another {what} for the same task",
            )
    for part in problem.split(0.5, generator) if has_role(problem, "split") else ():
        _require(part.n_tasks == problem.n_tasks, "split gives a problem of other tasks")
        for what in ("objective", "error"):
            value = _of_part("split", getattr(part, what), variables)
            _check_values(problem, value, f"the {what} of what split gives")
        _require(value >= 0, f"error must not be negative, got {value.tolist()}")


def _of_part(role, function, *arguments):
    """A result of a part of a problem, which may lack what the whole has."""
    try:
        return function(*arguments)
    except AttributeError as error:
        raise AssertionError(f"{role} gives a problem that lacks something: {error}") from error


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
    try:
        check_members(problem, generator)
        if variables is None:
            variables = problem.init(generator)
            for name in closed_blocks(problem, variables):
                variables[name] = problem.minimize_block(variables, name)
        # At a minimiser gradients are rounding; besides, a pull to the iterate must be felt.
        variables = disturbed(problem, variables, generator)
        check_features(problem, variables)
        check_independent_tasks(problem, variables)
        check_parts(problem, variables, generator)
        check_gradients(problem, variables, generator)
        check_block_minimisers(problem, variables, generator)
        check_neutral_controls(problem, variables)
    except AssertionError as error:
        raise AssertionError(f"{type(problem).__name__}: {error}") from error
