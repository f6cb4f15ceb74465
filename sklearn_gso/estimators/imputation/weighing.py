"""What each part of a blend weighs, by entries that were hidden from it."""

import numpy as np

# Share of the observed entries that are hidden, and how many of a column stay at least.
_SHARE, _STAYS = 0.15, 3
# Rows that parts are judged on, at most.
MAX_JUDGED = 2000
# Parts weigh by this power of the inverse of their squared error, drawn to equal weights by so
# many entries; means, beside all others, by that power of the squared error of the blend
# (chosen on KEEL's tables, benchmarks/LOG.md).
_POWER, _DRAWN, _MEANS_POWER = 3.0, 20.0, 8.0
# Where nothing can be hidden nothing is known: means take part as one of the others.
_UNKNOWN = 1.0


def hidden_entries(array, seed) -> np.ndarray:
    """Which observed entries to hide, (n, q): a share, but some of each column stay."""
    rng = np.random.RandomState(seed)
    seen = ~np.isnan(array)
    hidden = seen & (rng.uniform(size=array.shape) < _SHARE)
    for j in np.flatnonzero((seen & ~hidden).sum(0) < _STAYS):
        hidden[rng.permutation(np.flatnonzero(seen[:, j]))[:_STAYS], j] = False
    return hidden


def errors(array, estimates, hidden) -> np.ndarray:
    """Of estimates the errors at hidden entries, in units of each column's deviation."""
    units = np.nanstd(array, axis=0)
    units = np.where(units > 0, units, 1.0)
    return ((estimates - array) / units)[hidden]


def equal_weights(n_parts) -> np.ndarray:
    """Of the means nothing, and the same of each other part."""
    return np.r_[0.0, np.full(n_parts - 1, 1 / (n_parts - 1))]


def heldout_weights(left) -> np.ndarray:
    r"""Weights, the means' first, from errors at hidden entries, (n_parts, n_hidden).

    .. math::
        w_p \propto (e_p^2)^{-3 n / (n + 20)}, \qquad
        w_0 = r^8 / (1 + r^8), \quad r = e_w^2 / e_0^2

    with the mean squared errors of n entries of a part, of the parts weighted by w, and of the
    means, number 0.
    """
    n_parts, n = left.shape
    if n == 0:
        return np.r_[0.5, equal_weights(n_parts)[1:] / 2] * _UNKNOWN
    squares = np.maximum(np.mean(left**2, axis=1), 1e-300)
    logs = -_POWER * n / (n + _DRAWN) * np.log(squares[1:])
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    blended = np.mean((weights @ left[1:]) ** 2)
    ratio = min(blended / squares[0], 10.0) ** _MEANS_POWER
    means = ratio / (1 + ratio)
    return np.r_[means, (1 - means) * weights]
