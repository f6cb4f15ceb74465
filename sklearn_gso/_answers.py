"""What is read from solved tasks: completions, some entries, standard deviations.

Each reader gets the problem of T tasks, the shares (n_starts, T) of the starts, the
variables that each start found, and what is wanted of each task.
"""

import numpy as np
import torch

from .problems.base import point
from .starts import mean_by_shares


def completions(problem, shares, runs, wanted) -> np.ndarray:
    """Estimates of all entries, (T, p, q)."""
    return mean_by_shares(shares, map(problem.reconstruct, runs)).numpy()


def some_entries(problem, shares, runs, wanted) -> list[np.ndarray]:
    """Estimates of the entries at ``wanted[t] = (rows, columns)``; nothing of size p q is made."""
    p, q = problem.observed.shape[1:]
    sizes = [len(rows) for rows, _ in wanted]
    task = np.repeat(np.arange(len(wanted)), sizes)
    rows = np.concatenate([rows for rows, _ in wanted]) + task * p
    columns = np.concatenate([columns for _, columns in wanted]) + task * q
    places = [torch.from_numpy(index.astype(np.int64, copy=False)) for index in (rows, columns)]
    values = (problem.entries(run, *places) for run in runs)
    found = mean_by_shares(shares[:, torch.from_numpy(task)], values).numpy()
    return np.split(found, np.cumsum(sizes)[:-1])


def deviations(problem, shares, runs, wanted) -> np.ndarray:
    """Standard deviations of all entries, were they measured, (T, p, q).

    Of the mixture of what the starts predict.
    """
    runs = [with_surprise(problem, run) for run in runs]
    mean = mean_by_shares(shares, map(problem.reconstruct, runs))

    def second_moment(run):
        variance = run["surprise"] * problem.predictive_variance(run)
        return variance + (problem.reconstruct(run) - mean).square()

    return mean_by_shares(shares, map(second_moment, runs)).sqrt().numpy()


def with_surprise(problem, variables):
    """The variables and, if the problem can tell, by how much its variances are too small."""
    if "surprise" in variables or not hasattr(problem, "surprise"):
        return variables
    return {**variables, "surprise": problem.surprise(variables)[:, None, None]}


def row_means(variables) -> np.ndarray:
    """Point estimate of the rows of the only task's left factor."""
    return point(variables["U"])[0].numpy()
