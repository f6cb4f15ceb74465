"""What each part of a blend weighs, by entries that were hidden from it."""

import numpy as np

# Share of the observed entries that are hidden, and how many of a column stay at least.
_SHARE, _STAYS = 0.15, 3
# Rows that parts are judged on, at most.
MAX_JUDGED = 2000
# Parts weigh by this power of the inverse of their squared error, drawn to equal weights by so
# many entries; means, beside all others, by that power of the squared error of the blend over so
# much of their own (chosen on KEEL's tables and drawn ones, benchmarks/LOG.md).
_POWER, _DRAWN, _MEANS_POWER, _CLEAR = 4.0, 20.0, 40.0, 0.95
# What 90 % of a Gaussian lies within, in standard deviations.
_COVERED, _WITHIN = 0.9, 1.645


def hidden_entries(array, seed) -> np.ndarray:
    """Which observed entries to hide, (n, q): a share, but some of each column stay."""
    rng = np.random.RandomState(seed)
    seen = ~np.isnan(array)
    hidden = seen & (rng.uniform(size=array.shape) < _SHARE)
    for j in np.flatnonzero((seen & ~hidden).sum(0) < _STAYS):
        hidden[rng.permutation(np.flatnonzero(seen[:, j]))[:_STAYS], j] = False
    return hidden


def equal_weights(n_parts) -> np.ndarray:
    """Of the means nothing, and the same of each other part; all where there is no other."""
    return np.r_[0.0, np.full(n_parts - 1, 1 / (n_parts - 1))] if n_parts > 1 else np.ones(1)


def given_weights(weights, names) -> np.ndarray:
    """Of the parts that there are, the means first; of these all where none is left."""
    given = np.array([float(weights.get(name, 0.0)) for name in names])
    return given / given.sum() if given.sum() > 0 else np.eye(len(names))[0]


def heldout_weights(left) -> np.ndarray:
    r"""Weights, the means' first, from errors at hidden entries, (n_parts, n_hidden).

    .. math::
        w_p \propto (e_p^2)^{-4 s}, \quad w_0 = r^{40 s} / (1 + r^{40 s}), \quad
        r = e_w^2 / (0.95 e_0^2), \quad s = n / (n + 20)

    with the mean squared errors of n entries of a part, of the parts weighted by w, and of the
    means, number 0: a blend must be clearly better than these to take their weight. Where nothing
    could be hidden means weigh half.
    """
    n_parts, n = left.shape
    if n == 0:
        return np.r_[0.5, equal_weights(n_parts)[1:] / 2]
    squares = np.maximum(np.mean(left**2, axis=1), 1e-300)
    sure = n / (n + _DRAWN)
    logs = -_POWER * sure * np.log(squares[1:])
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    blended = np.mean((weights @ left[1:]) ** 2)
    ratio = min(blended / (_CLEAR * squares[0]), 10.0) ** (_MEANS_POWER * sure)
    means = ratio / (1 + ratio)
    return np.r_[means, (1 - means) * weights]


def surprise_of(error, deviation) -> float:
    """By what deviations are to be multiplied so that 1.645 of them cover 90 % of the errors.

    Drawn to 1 as weights are to equal ones.
    """
    sure = deviation > 0
    n = int(sure.sum())
    if n == 0:
        return 1.0
    reached = np.quantile(np.abs(error[sure]) / deviation[sure], _COVERED) / _WITHIN
    return float(np.exp(np.log(max(reached, 1e-3)) * n / (n + _DRAWN)))
