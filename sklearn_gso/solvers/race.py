"""Starts of a task race: at a few sweeps the worst of them are given up."""

import math

import numpy as np
from torch import Tensor

# Shares of the sweeps after which runs are compared, and which share of them goes on.
_WHEN = (0.1, 0.4)
_GO_ON = 0.25


class Race:
    """Gives up runs that are not among the best quarter of those of their task so far.

    Runs are compared after a tenth and after two fifths of the sweeps, by their objectives:
    successive halving, whose runs need not all be made at once [1]_. The first run of a task
    always goes on.

    Parameters
    ----------
    max_iter : int
        Outer steps of a whole run.

    References
    ----------
    .. [1] Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020.
    """

    def __init__(self, max_iter: int):
        self.sweeps = {max(1, math.ceil(share * max_iter)) for share in _WHEN}
        self._seen: dict[tuple[int, int], list[float]] = {}  # objectives, by sweep and task

    def given_up(self, sweep: int, tasks: Tensor, objective: Tensor) -> np.ndarray:
        """Which runs end here, given the numbers of their tasks and their objectives.

        Parameters
        ----------
        sweep : int
            Outer steps that were made.
        tasks, objective : Tensor of shape (n_runs,)

        Returns
        -------
        given_up : ndarray of bool of shape (n_runs,)
        """
        numbers, values = tasks.numpy(), np.nan_to_num(objective.numpy(), nan=np.inf)
        bound = np.empty(len(numbers))
        for task in np.unique(numbers):
            own = numbers == task
            seen = self._seen.setdefault((sweep, int(task)), [])
            seen.extend(values[own].tolist())
            bound[own] = sorted(seen)[math.ceil(_GO_ON * len(seen)) - 1]
        return values > bound
