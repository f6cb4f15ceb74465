"""Random Gaussian mixtures and samples of them."""

from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state


class MixtureTruth(NamedTuple):
    """What the samples of a batch of tasks were drawn from.

    Attributes
    ----------
    weights : ndarray of shape (n_tasks, n_components)
    means : ndarray of shape (n_tasks, n_components, n_features)
    covariances : ndarray of shape (n_tasks, n_components, n_features, n_features)
    labels : ndarray of shape (n_tasks, n_samples)
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    labels: np.ndarray


def make_mixture_tasks(
    n_tasks=20,
    *,
    n_samples=500,
    n_components=4,
    n_features=2,
    layout="normal",
    spread=5.0,
    sd=1.0,
    eccentricity=1.0,
    petal=(1.5, 0.4),
    concentration=None,
    random_state=None,
):
    """Samples of random Gaussian mixtures.

    Parameters
    ----------
    n_tasks : int, default=20
    n_samples, n_components, n_features : int, default=500, 4, 2
    layout : {"normal", "uniform", "flower"}, default="normal"
        Centres from N(0, spread² I); uniform on [-spread, spread]^n_features; or on a
        circle of radius ``spread`` with a random phase, each component a petal that
        points outwards (two features only).
    spread : float, default=5.0
    sd : float, default=1.0
        Geometric mean of a component's standard deviations.
    eccentricity : float, default=1.0
        Range of the eigenvalues of each component's covariance: a random rotation
        with log-eigenvalues uniform over this factor, scaled to determinant
        ``sd ** (2 * n_features)``. 1 is spherical. Not for flowers.
    petal : tuple of two float, default=(1.5, 0.4)
        Radial and tangential standard deviation of petals.
    concentration : float, default=None
        Weights from a symmetric Dirichlet; by default all equal.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    X : ndarray of shape (n_tasks, n_samples, n_features)
    truth : MixtureTruth

    Raises
    ------
    ValueError
        For an unknown layout, or flowers in other than two dimensions.
    """
    if layout not in ("normal", "uniform", "flower"):
        raise ValueError(f"layout must be 'normal', 'uniform' or 'flower', got {layout!r}")
    if layout == "flower" and n_features != 2:
        raise ValueError(f"flowers have two features, got n_features={n_features}")
    rng = check_random_state(random_state)
    shape = (n_tasks, n_components, n_features)
    if concentration is None:
        weights = np.full(shape[:2], 1 / n_components)
    else:
        weights = rng.dirichlet(np.full(n_components, float(concentration)), size=n_tasks)
    if layout == "flower":
        means, covariances = _flower(rng, n_tasks, n_components, spread, petal)
    else:
        draw = rng.standard_normal(shape) if layout == "normal" else rng.uniform(-1, 1, shape)
        means = spread * draw
        covariances = sd**2 * _random_covariances(rng, shape, eccentricity)
    factors = np.linalg.cholesky(covariances)
    labels = np.stack([rng.choice(n_components, n_samples, p=w) for w in weights])
    noise = rng.standard_normal((n_tasks, n_samples, n_features))
    task = np.arange(n_tasks)[:, None]
    X = means[task, labels] + np.einsum("tgij,tgj->tgi", factors[task, labels], noise)
    return X, MixtureTruth(weights, means, covariances, labels)


def _random_covariances(rng, shape, eccentricity):
    """Random rotations of random spectra with determinant 1."""
    logs = rng.uniform(0, np.log(eccentricity), size=shape) if eccentricity > 1 else np.zeros(shape)
    logs = logs - logs.mean(axis=-1, keepdims=True)
    rotations, _ = np.linalg.qr(rng.standard_normal((*shape, shape[-1])))
    return (rotations * np.exp(logs)[..., None, :]) @ rotations.swapaxes(-1, -2)


def _flower(rng, n_tasks, n_petals, radius, petal):
    phase = rng.uniform(0, 2 * np.pi, size=(n_tasks, 1))
    angle = phase + 2 * np.pi * np.arange(n_petals) / n_petals
    outwards = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    across = np.stack([-np.sin(angle), np.cos(angle)], axis=-1)
    axes = np.stack([outwards, across], axis=-1)
    covariances = (axes * np.square(petal)) @ axes.swapaxes(-1, -2)
    return radius * outwards, covariances
