"""Whether what was solved is a mixture at all, and what may have gone wrong."""

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..reporting import warn
from .data import n_distinct
from .solving import Solved

ILL_DEFINED = (
    "Fitting the mixture model failed because some components have ill-defined empirical "
    "covariance (for instance caused by singleton or collapsed samples). Try to decrease the "
    "number of components, increase reg_covar, or scale the input data."
)


def check_finite(solved: list[Solved]):
    for i, one in enumerate(solved):
        if not all(np.isfinite(value).all() for value in one[:4]):
            where = f"Task {i} of the collection: " if len(solved) > 1 else ""
            raise ValueError(where + ILL_DEFINED)


def warn_about(solved: list[Solved], tasks, n_components: int) -> None:
    """One ConvergenceWarning for each thing that may have gone wrong."""
    found = [
        (
            [not s.converged for s in solved],
            "Best performing initialization did not converge. Try different init "
            "parameters, or increase max_iter, tol, or check for degenerate data.",
        ),
        (
            [s.n_empty > 0 for s in solved],
            "A component ended without samples: n_components may be too large.",
        ),
        (
            [n_distinct(t) < n_components for t in tasks],
            f"There are less distinct samples than n_components={n_components}: "
            "possibly due to duplicate points in X.",
        ),
    ]
    for where, message in found:
        if any(where):
            which = f" (tasks {np.flatnonzero(where).tolist()})" if len(tasks) > 1 else ""
            warn(message + which, ConvergenceWarning)
