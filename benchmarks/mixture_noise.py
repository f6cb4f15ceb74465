"""Mixtures of noisy samples beside XDGMM of astroML and pygmmis, on their own examples.

``python -m benchmarks.mixture_noise`` prints, for each method, the mean log-likelihood of the
noisy samples that it was fitted to, that of 20,000 new ones without noise, and processor seconds,
those of its processes among them (the packages of the extra "bench"; one that is not installed
is left out, and said so).

"ridge" is the example of XDGMM, after figure 6.11 of Ivezic, Connolly, VanderPlas and Gray
(2014): points along a curve, with scatter, each coordinate of each with a noise of its own; ten
components. "three" is the example of pygmmis (Melchior and Goulding, 2018): three Gaussians and
one noise for all, without the selection that its own fit corrects for; "three, holes" is the
same with a fifth of the entries missing.
"""

import argparse
import logging
import os
from importlib.util import find_spec

import numpy as np

from sklearn_gso import EMGaussianMixture, GSOGaussianMixture

from .measuring import quietly

_N_NEW = 20_000


def ridge(rng):
    """Noisy points of the curve, variances of their noise, and new points."""

    def points(n):
        x = (1.4 + 2 * rng.rand(n)) ** 2
        scatter = np.column_stack([0.1 + 4 / x**2, 0.1 + 10 / x**2])
        return np.column_stack([x, 0.1 * x**2]) + scatter * rng.randn(n, 2)

    truth, deviations = points(2000), 0.2 + 0.5 * rng.rand(2000, 2)
    return truth + deviations * rng.randn(2000, 2), deviations**2, points(_N_NEW)


def three(rng, share=0.0):
    """Noisy draws of three Gaussians, their noise, and new draws."""
    weights = np.array([0.36060026, 0.27986906, 0.206774])
    means = 10 * np.array(
        [[0.08016886, 0.21300697], [0.70306351, 0.6709532], [0.0108767, 0.852077]]
    )
    covariances = 100 * np.array(
        [
            [[0.08530014, -0.00314178], [-0.00314178, 0.00541106]],
            [[0.03053402, 0.0125736], [0.0125736, 0.01075791]],
            [[0.00258605, 0.00409287], [0.00409287, 0.01065186]],
        ]
    )

    def draw(n):
        which = rng.choice(3, n, p=weights / weights.sum())
        roots = np.linalg.cholesky(covariances)[which]
        return means[which] + (roots @ rng.randn(n, 2, 1))[..., 0]

    X = draw(400) + 0.5 * rng.randn(400, 2)
    X[rng.rand(*X.shape) < share] = np.nan
    return X, np.full(X.shape, 0.25), draw(_N_NEW)


EXAMPLES = {
    "ridge": (ridge, 10),
    "three": (three, 3),
    "three, holes": (lambda rng: three(rng, 0.2), 3),
}


def by(mixture):
    """A mixture of this package: parameters of what it has fitted."""

    def fit(X, variances, n_components, seed):
        mixture.set_params(n_components=n_components, random_state=seed)
        mixture.fit(X, noise_covariance=variances)
        return mixture.weights_, mixture.means_, mixture.covariances_

    return fit


def xdgmm(X, variances, n_components, seed):
    """As in its example, 500 steps at most; missing entries have zeros and a huge variance."""
    from astroML.density_estimation import XDGMM

    missing = np.isnan(X)
    noise = np.where(missing, 1e10, variances)[..., None] * np.eye(X.shape[1])
    fitted = XDGMM(n_components, max_iter=500, random_state=seed).fit(np.nan_to_num(X), noise)
    return fitted.alpha, fitted.mu, fitted.V


def pygmmis(X, variances, n_components, seed):
    """As in its example: from random samples, bounds of .1, components cut at five deviations."""
    import pygmmis

    logging.getLogger("pygmmis").setLevel(logging.ERROR)
    found = pygmmis.GMM(K=n_components, D=X.shape[1])
    noise = variances[..., None] * np.eye(X.shape[1])
    rng = np.random.RandomState(seed)
    pygmmis.fit(found, X, covar=noise, w=0.1, cutoff=5, rng=rng)
    return found.amp, found.mean, found.covar


METHODS = {
    "EM": by(EMGaussianMixture()),
    "EM to the end": by(EMGaussianMixture(tol=1e-8, max_iter=2000)),
    "GSO": by(GSOGaussianMixture()),
    "GSO, no prior": by(GSOGaussianMixture(covariance_prior=0)),
    "astroML": xdgmm,
    "pygmmis": pygmmis,
}


def score(parameters, X, variances=None) -> float:
    """Mean log-likelihood of rows, of what is observed of them."""
    weights, means, covariances = parameters
    judge = EMGaussianMixture(
        len(weights),
        covariances=covariances,
        fixed=("weights", "means"),
        weights_init=weights / weights.sum(),
        means_init=means,
        max_iter=1,
    )
    return judge.fit(X[:100]).score(X, noise_covariance=variances)


def seconds() -> float:
    """Of processor time, of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--examples", nargs="*", default=list(EXAMPLES))
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    options = parser.parse_args()
    absent = [m for m in ("astroML", "pygmmis") if m in options.methods and not find_spec(m)]
    for name in absent:
        print(f"{name} is not installed and left out.")
    print(f"{'example':14s}{'method':16s}{'noisy':>10s}{'without':>10s}{'seconds':>10s}")
    with quietly():
        for example in options.examples:
            make, n_components = EXAMPLES[example]
            data = [make(np.random.RandomState(seed)) for seed in range(options.seeds)]
            for method in options.methods:
                if method in absent:
                    continue
                told = []
                for seed, (X, variances, new) in enumerate(data):
                    before = seconds()
                    found = METHODS[method](X, variances, n_components, seed)
                    spent = seconds() - before
                    told.append((score(found, X, variances), score(found, new), spent))
                noisy, without, spent = np.median(told, axis=0)
                print(
                    f"{example:14s}{method:16s}{noisy:10.4f}{without:10.4f}{spent:10.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
