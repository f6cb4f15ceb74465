"""Choosing settings by validation: on hidden entries of the matrix itself, or on other tasks."""

import numpy as np


def hide_some(X, random_state, share=0.1):
    """X with a share of its observed entries hidden, and where they are."""
    rng = np.random.RandomState(random_state)
    hidden = ~np.isnan(X) & (rng.random_sample(X.shape) < share)
    return np.where(hidden, np.nan, X), hidden


def choose(candidates, loss):
    """The candidate of the lowest loss, on average where there are several losses.

    Parameters
    ----------
    candidates : iterable
    loss : callable
        From a candidate to a number or several; not called for a single candidate.
    """
    candidates = list(candidates)
    if len(candidates) == 1:
        return candidates[0]
    return candidates[int(np.nanargmin([np.mean(loss(one)) for one in candidates]))]


def hidden_loss(X, fit, random_state):
    """A loss for `choose`: of ``fit(X, candidate)`` on a hidden tenth of the entries."""
    kept, hidden = hide_some(X, random_state)
    return lambda one: np.square((fit(kept, one) - X)[hidden]).sum()
