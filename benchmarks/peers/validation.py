"""Choosing a peer's settings: on hidden entries of the matrix itself, or on other tasks."""

import numpy as np


def hide_some(X, random_state, share=0.1):
    """X with a share of its observed entries hidden, and where they are."""
    rng = np.random.RandomState(random_state)
    hidden = ~np.isnan(X) & (rng.random_sample(X.shape) < share)
    return np.where(hidden, np.nan, X), hidden


def choose(X, candidates, fit, random_state):
    """The candidate whose estimate is closest on hidden entries."""
    kept, hidden = hide_some(X, random_state)
    losses = [np.square((fit(kept, one) - X)[hidden]).sum() for one in candidates]
    return candidates[int(np.nanargmin(losses))]
