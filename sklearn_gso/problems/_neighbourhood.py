"""Feasible points in the neighbourhood of others, and how steep F is there."""

import torch

from .trees import map_tensors, point, where_tasks, with_point

_N_SMALLER = 20


def normal_like(tensor, generator):
    return torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)


def shares(values, size, generator):
    """Changes by random shares of each entry, so that positive numbers stay positive."""
    change = size * values.abs() * normal_like(values, generator).clamp(-3, 3)
    return change if change.any() else size * normal_like(values, generator)


def moved(problem, name, block, step):
    """The feasible block nearest to where a step of the point estimate leads."""
    return problem.project(name, with_point(block, point(block) + step))


def disturbed(problem, variables, generator, size=0.05):
    """Feasible variables in the neighbourhood, away from every minimiser.

    Where F or its slope is not defined at twice the distance, as for a matrix that is hardly
    definite any more, the disturbance of a task is made smaller.
    """
    found = dict(variables)
    for name, block in variables.items():
        step = shares(point(block), size, generator)
        for _ in range(_N_SMALLER):
            there = {**found, name: moved(problem, name, block, 2 * step)}
            slope = problem.gradient(there, name).flatten(1).sum(1)
            fails = ~(problem.objective(there) + slope).isfinite()
            if not fails.any():
                break
            step = where_tasks(fails, step / 4, step)
        found[name] = moved(problem, name, block, step)
    return found


def neighbours(problem, name, block, spread, size, generator):
    """Feasible blocks nearby: point estimates and further fields a little larger and smaller."""
    value, found = point(block), []
    for sign in (1, -1):
        scaled = map_tensors(lambda tensor, s=sign: tensor * (1 + s * size), block)
        found.append(problem.project(name, with_point(scaled, value)))
        step = sign * spread * normal_like(value, generator)
        for change in (step, shares(value, size, generator)):
            found.append(moved(problem, name, block, change))
    return found


def slopes(problem, variables, name, unit):
    """How steep F is along a block's point within the feasible set, and its fields, (f, T).

    Further fields are symmetric matrices as often as not, so they are only scaled. 0 where F has
    no slope, as x log x at 0.
    """
    block, gradient = variables[name], problem.gradient(variables, name)
    gradient = where_tasks(gradient.flatten(1).isfinite().all(1), gradient, 0 * point(block))
    reached = point(moved(problem, name, block, -unit * gradient))
    found = [((point(block) - reached) / unit).flatten(1).norm(dim=1)]
    for i in range(1, len(block)) if isinstance(block, tuple) else ():
        with torch.enable_grad():
            growth = torch.zeros(problem.n_tasks, dtype=block[i].dtype, requires_grad=True)
            factor = 1 + growth.reshape(-1, *[1] * (block[i].ndim - 1))
            fields = [f * factor if i == j else f for j, f in enumerate(block)]
            value = problem.objective({**variables, name: type(block)(*fields)}).sum()
            found.append(torch.autograd.grad(value, growth)[0].abs())
    return torch.stack(found)
