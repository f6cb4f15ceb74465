"""What a mixture tells of rows, each by itself: densities, what is missing, what noise hides.

``data`` are rows and their noise as `check_noise` returns them.
"""

import numpy as np
import torch

from ...problems import MixtureIncomplete, MixtureLikelihood, MixtureMissing, MixtureNoisy
from ...problems.mixture_likelihood import PARAMETERS
from ..parallel import share_of_threads
from ..tasks import MEMORY_BOUND, to_tensor
from .data import to_engine

_MIN_LOG = -1e300


def _batches(data, weights, means, covariances, kind):
    """Slices of the rows and, of each, the rows (1, n, D), their noise and the parameters.

    All are centred.
    """
    (X, noise), centre = data, means.mean(0)
    parameters = zip(PARAMETERS, (weights, means, covariances), strict=True)
    variables = {n: to_tensor([to_engine(n, v, kind, centre)]) for n, v in parameters}
    step = max(1, MEMORY_BOUND // (means.size if noise is None else len(means) * noise[0].size))
    for start in range(0, len(X), step):
        which = slice(start, start + step)
        own = noise if noise is None or len(noise) == 1 else noise[which]
        own = own if own is None else to_tensor([own])
        yield which, to_tensor([X[which] - centre]), own, variables, centre


def _with_holes(rows, variables, kind) -> tuple[MixtureMissing, dict]:
    """The problem of rows with missing entries, and its variables after an E-step."""
    k = variables["means"].shape[1]
    problem = MixtureMissing(rows, rows.nan_to_num(), k, covariance_type=kind)
    return problem, problem.start_at(variables)


def _with_noise(rows, noise, variables, kind) -> tuple[MixtureNoisy, dict]:
    """The problem of noisy rows, and its variables after an E-step."""
    k = variables["means"].shape[1]
    problem = MixtureNoisy(rows, noise, rows.nan_to_num(), k, covariance_type=kind)
    return problem, problem.start_at(variables)


def _incomplete(rows, noise, variables, kind) -> tuple[MixtureIncomplete, dict]:
    """The problem of rows with holes, noise or both, and its variables after an E-step."""
    if noise is None:
        return _with_holes(rows, variables, kind)
    return _with_noise(rows, noise, variables, kind)


@share_of_threads()
def log_joint(data, weights, means, covariances, kind) -> np.ndarray:
    """``log π_k N(x_g | μ_k, Σ_k + V_g)`` of what is observed of each row, (n_samples, K)."""
    joint = np.empty((len(data[0]), len(means)))
    with torch.no_grad():
        for which, rows, noise, variables, _ in _batches(data, weights, means, covariances, kind):
            if noise is not None or rows.isnan().any():
                problem, variables = _incomplete(rows, noise, variables, kind)
                logs = problem.in_first_order(variables["responsibilities"])
            else:
                complete = MixtureLikelihood(rows, len(means), covariance_type=kind)
                logs = complete.log_joint(variables)
            joint[which] = logs[0].mT.numpy()
    # Rows whose distances overflow are infinitely unlikely, and stay numbers.
    return np.nan_to_num(joint, nan=_MIN_LOG, neginf=_MIN_LOG)


@share_of_threads()
def expected(data, weights, means, covariances, kind) -> np.ndarray:
    """The rows with expectations in place of NaN."""
    filled = data[0].copy()
    with torch.no_grad():
        for which, rows, noise, variables, centre in _batches(
            data, weights, means, covariances, kind
        ):
            problem, variables = _incomplete(rows, noise, variables, kind)
            _fill(filled[which], problem.expectation(variables)[0].numpy() + centre)
    return filled


@share_of_threads()
def posterior(data, weights, means, covariances, kind) -> tuple[np.ndarray, np.ndarray]:
    """Means (n_rows, D) and covariances (n_rows, D, D) of what the rows are without noise."""
    parts = []
    with torch.no_grad():
        for _, rows, noise, variables, centre in _batches(data, weights, means, covariances, kind):
            noise = torch.zeros_like(rows[:, :1]) if noise is None else noise
            problem, variables = _with_noise(rows, noise, variables, kind)
            mean, covariance = problem.posterior(variables)
            parts.append((mean[0].numpy() + centre, covariance[0].numpy()))
    means, covariances = (np.concatenate(part) for part in zip(*parts, strict=True))
    return means, covariances


@share_of_threads()
def drawn(data, weights, means, covariances, kind, n_samples, seed) -> np.ndarray:
    """The rows with draws from their posterior in place of NaN, (n_samples, n_rows, D)."""
    X, _ = data
    filled = np.tile(X, (n_samples, 1))
    generator, all_of = torch.Generator().manual_seed(seed), (filled, None)
    with torch.no_grad():
        for which, rows, _, variables, centre in _batches(
            all_of, weights, means, covariances, kind
        ):
            problem, variables = _with_holes(rows, variables, kind)
            _fill(filled[which], problem.draw(variables, generator)[0].numpy() + centre)
    return filled.reshape(n_samples, *X.shape)


def _fill(rows, values) -> None:
    np.copyto(rows, values, where=np.isnan(rows), casting="same_kind")
