"""Matrices with missing entries: synthetic low-rank ones, tables, and real digits."""

import numpy as np
from scipy.signal import lfilter
from sklearn.datasets import load_digits
from sklearn.utils import check_random_state


def hide_entries(X, fraction, random_state=None):
    """Replace a uniformly random set of the observed entries by NaN.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features) or (n_tasks, n_samples, n_features)
        NaN marks entries that are missing already.
    fraction : float
        Share of each matrix's observed entries to hide, in [0, 1]; the number is
        rounded, so it is the same in every matrix of equal count.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    hidden : ndarray
        A copy of X with more NaN.

    Raises
    ------
    ValueError
        If ``fraction`` lies outside [0, 1].
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction must lie in [0, 1], got {fraction!r}")
    rng = check_random_state(random_state)
    hidden = np.array(X, dtype=np.result_type(X, np.float32), copy=True)
    for matrix in hidden[None] if hidden.ndim == 2 else hidden:
        observed = np.flatnonzero(~np.isnan(matrix))
        chosen = rng.permutation(observed)[: round(fraction * len(observed))]
        matrix.flat[chosen] = np.nan
    return hidden


def make_low_rank_tasks(
    n_tasks=100,
    *,
    shape=(100, 100),
    rank=5,
    rate=0.2,
    factors="gaussian",
    noise=0.0,
    decay=0.0,
    mean=0.0,
    random_state=None,
):
    r"""Random matrices ``U diag(i^-decay) Vᵀ`` with missing entries.

    Parameters
    ----------
    n_tasks : int, default=100
    shape : tuple of two int, default=(100, 100)
    rank : int, default=5
    rate : float, default=0.2
        Share of the entries that is observed, uniformly at random.
    factors : {"gaussian", "uniform"}, default="gaussian"
        Entries of U and V: standard normal, or uniform on [0, 1] as in the paper.
    noise : float, default=0.0
        Standard deviation of the noise on the observed entries, in units of the
        matrix's root mean square.
    decay : float, default=0.0
        Exponent of the decay of the spectrum.
    mean : float, default=0.0
        Root mean square of added row and column means, in the same units.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    X : ndarray of shape (n_tasks, p, q)
        Noisy observed entries, NaN elsewhere.
    truth : ndarray of shape (n_tasks, p, q)
        The complete matrices without noise.
    """
    draws = {"gaussian": "standard_normal", "uniform": "random_sample"}
    if factors not in draws:
        raise ValueError(f"factors must be one of {sorted(draws)}, got {factors!r}")
    rng = check_random_state(random_state)
    draw = getattr(rng, draws[factors])
    p, q = shape
    spectrum = np.arange(1, rank + 1.0) ** -decay
    truth = (draw((n_tasks, p, rank)) * spectrum) @ draw((n_tasks, q, rank)).transpose(0, 2, 1)
    size = np.sqrt(np.mean(truth**2, axis=(1, 2), keepdims=True))
    means = rng.standard_normal((n_tasks, p, 1)) + rng.standard_normal((n_tasks, 1, q))
    truth = truth + mean * size / np.sqrt(2) * means
    size = np.sqrt(np.mean(truth**2, axis=(1, 2), keepdims=True))
    noisy = truth + noise * size * rng.standard_normal(truth.shape)
    return hide_entries(noisy, 1 - rate, rng), truth


def make_digits_tasks(
    n_tasks=20, *, half="train", n_images=50, fraction_hidden=0.6, random_state=None
):
    """Real tasks: images of one digit with missing pixels.

    Each task holds images of one class of scikit-learn's digits, one image a row.
    Training tasks draw from the first half of each class's images, test tasks from
    the second half, so that no test image was seen in training.

    Parameters
    ----------
    n_tasks : int, default=20
        Classes 0 to 9 in turn.
    half : {"train", "test"}, default="train"
    n_images : int, default=50
        Rows of a task, at most 87; drawn without replacement within a task.
    fraction_hidden : float, default=0.6
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    X : ndarray of shape (n_tasks, n_images, 64)
        With NaN.
    truth : ndarray of shape (n_tasks, n_images, 64)
    """
    if half not in ("train", "test"):
        raise ValueError(f"half must be 'train' or 'test', got {half!r}")
    rng = check_random_state(random_state)
    images, labels = load_digits(return_X_y=True)
    tasks = []
    for i in range(n_tasks):
        members = images[labels == i % 10]
        middle = len(members) // 2
        members = members[:middle] if half == "train" else members[middle:]
        tasks.append(members[rng.permutation(len(members))[:n_images]])
    truth = np.stack(tasks)
    return hide_entries(truth, fraction_hidden, rng), truth


def make_table_tasks(
    n_tasks=100,
    *,
    shape=(50, 64),
    rate=0.5,
    smooth=False,
    largest_mean=2.0,
    largest_noise=1.0,
    random_state=None,
):
    """Random matrices that resemble data tables: approximately low-rank at best.

    Columns have means and very different scales (some are constant), the spectrum
    decays slowly, noise is strong, and half of the tables are clipped at zero.

    Parameters
    ----------
    n_tasks : int, default=100
    shape : tuple of two int, default=(50, 64)
    rate : float, default=0.5
        Share of the entries that is observed.
    smooth : bool, default=False
        Let the columns follow one another like a time series.
    largest_mean, largest_noise : float, default=2.0, 1.0
        Upper ends of the uniform draws, one for each table, of the size of the
        column means and of the noise in units of the signal.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    X : ndarray of shape (n_tasks, p, q)
        NaN marks missing entries.
    truth : ndarray of shape (n_tasks, p, q)
        The complete tables, noise included: that is what a user is judged on.
    """
    rng = check_random_state(random_state)
    p, q = shape
    tables = []
    for _ in range(n_tasks):
        n_terms = min(30, p, q)
        spectrum = np.arange(1, n_terms + 1.0) ** -rng.uniform(0.3, 1.3)
        loadings = rng.standard_normal((q, n_terms))
        if smooth:
            loadings = lfilter([1], [1, -rng.uniform(0.6, 0.97)], loadings, axis=0)
        signal = (rng.standard_normal((p, n_terms)) * spectrum) @ loadings.T
        signal = signal / signal.std() + rng.uniform(0, largest_noise) * rng.standard_normal(shape)
        scales = np.exp(rng.uniform(0, 1) * rng.standard_normal(q))
        scales[rng.rand(q) < rng.choice([0, 0.1, 0.2])] = 0
        if not smooth:
            signal = signal * scales
        table = signal + rng.uniform(0, largest_mean) * rng.standard_normal(1 if smooth else q)
        tables.append(np.maximum(table, 0) if rng.rand() < 0.5 else table)
    truth = np.stack(tables)
    return hide_entries(truth, 1 - rate, rng), truth
