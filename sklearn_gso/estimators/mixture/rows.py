"""What a mixture tells of rows, each by itself: densities, and what is missing."""

import numpy as np
import torch

from ...problems import MixtureLikelihood, MixtureMissing
from ...problems.mixture_likelihood import PARAMETERS
from ..parallel import share_of_threads
from ..tasks import MEMORY_BOUND, to_tensor
from .data import to_engine

_MIN_LOG = -1e300


def _batches(X, weights, means, covariances, kind):
    """Slices of the rows and, of each, the rows (1, n, D) and the parameters; all are centred."""
    centre = means.mean(0)
    parameters = zip(PARAMETERS, (weights, means, covariances), strict=True)
    variables = {n: to_tensor([to_engine(n, v, kind, centre)]) for n, v in parameters}
    step = max(1, MEMORY_BOUND // means.size)
    for start in range(0, len(X), step):
        which = slice(start, start + step)
        yield which, to_tensor([X[which] - centre]), variables, centre


def _with_holes(rows, variables, kind) -> tuple[MixtureMissing, dict]:
    """The problem of rows with missing entries, and its variables after an E-step."""
    k = variables["means"].shape[1]
    problem = MixtureMissing(rows, rows.nan_to_num(), k, covariance_type=kind)
    return problem, problem.start_at(variables)


@share_of_threads()
def log_joint(X, weights, means, covariances, kind) -> np.ndarray:
    """``log π_k N(x_g | μ_k, Σ_k)`` of what is observed of each row, (n_samples, K)."""
    joint = np.empty((len(X), len(means)))
    with torch.no_grad():
        for which, rows, variables, _ in _batches(X, weights, means, covariances, kind):
            if rows.isnan().any():
                problem, variables = _with_holes(rows, variables, kind)
                logs = problem.in_first_order(variables["responsibilities"])
            else:
                complete = MixtureLikelihood(rows, len(means), covariance_type=kind)
                logs = complete.log_joint(variables)
            joint[which] = logs[0].mT.numpy()
    # Rows whose distances overflow are infinitely unlikely, and stay numbers.
    return np.nan_to_num(joint, nan=_MIN_LOG, neginf=_MIN_LOG)


@share_of_threads()
def expected(X, weights, means, covariances, kind) -> np.ndarray:
    """The rows with expectations in place of NaN."""
    filled = X.copy()
    with torch.no_grad():
        for which, rows, variables, centre in _batches(X, weights, means, covariances, kind):
            problem, variables = _with_holes(rows, variables, kind)
            _fill(filled[which], problem.expectation(variables)[0].numpy() + centre)
    return filled


@share_of_threads()
def drawn(X, weights, means, covariances, kind, n_samples, seed) -> np.ndarray:
    """The rows with draws from their posterior in place of NaN, (n_samples, n_rows, D)."""
    filled = np.tile(X, (n_samples, 1))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for which, rows, variables, centre in _batches(filled, weights, means, covariances, kind):
            problem, variables = _with_holes(rows, variables, kind)
            _fill(filled[which], problem.draw(variables, generator)[0].numpy() + centre)
    return filled.reshape(n_samples, *X.shape)


def _fill(rows, values) -> None:
    np.copyto(rows, values, where=np.isnan(rows), casting="same_kind")
