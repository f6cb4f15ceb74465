"""How many clusters: one walk over the numbers, beside a fit for each of them.

``python -m benchmarks.mixture_count`` draws Gaussian clusters of random shapes, of K = 2 to 8 in 2
to 8 features, 600 samples, chooses K from 1 to 10 by BIC, and prints for each way the share of
``--seeds`` data sets on which it is right, the mean of its BIC above the lowest of all ways, and
the processor seconds of one thread, with their median ratio to those of the walk.
"""

import argparse
import time

import numpy as np
import pandas as pd
from sklearn.mixture import GaussianMixture

from sklearn_gso import EMGaussianMixture, GSOGaussianMixture

from .measuring import one_thread
from .showing import show

NUMBERS, N_SAMPLES = range(1, 11), 600


def draw(seed, separation) -> tuple[np.ndarray, int]:
    """Clusters whose centres are ``separation`` apart at least, in units of about their sd."""
    rng = np.random.RandomState(seed)
    k, d, centres = rng.randint(2, 9), rng.choice([2, 4, 8]), []
    while len(centres) < k:
        new = rng.uniform(-1, 1, size=d) * separation * k ** (1 / d)
        if all(np.linalg.norm(new - old) > separation for old in centres):
            centres.append(new)
    shapes = rng.normal(size=(k, d, d)) * 0.4 / np.sqrt(d / 2) + 0.8 * np.eye(d)
    labels = rng.randint(k, size=N_SAMPLES)
    noise = np.einsum("nij,nj->ni", shapes[labels], rng.normal(size=(N_SAMPLES, d)))
    return np.array(centres)[labels] + noise, k


def walk(kind):
    def choose(X, seed):
        fitted = kind(NUMBERS, random_state=seed).fit(X)
        return fitted.n_components_, fitted.bic(X)

    return choose


def each(kind, **options):
    def choose(X, seed):
        fits = [kind(k, random_state=seed, **options).fit(X) for k in NUMBERS]
        best = min(fits, key=lambda one: one.bic(X))
        return len(best.means_), best.bic(X)

    return choose


WALK = "GSO, one walk"
WAYS = {
    WALK: walk(GSOGaussianMixture),
    "GSO, each K": each(GSOGaussianMixture),
    "EM, one walk": walk(EMGaussianMixture),
    "EM, each K": each(EMGaussianMixture),
    "scikit-learn, each K": each(GaussianMixture),
    "scikit-learn, 10 starts each": each(GaussianMixture, n_init=10),
}


def measure(seeds, separation) -> pd.DataFrame:
    rows = []
    for seed in range(seeds):
        X, k = draw(seed, separation)
        for way, choose in WAYS.items():
            start = time.process_time()
            found, bic = choose(X, seed)
            seconds = time.process_time() - start
            rows.append((seed, way, found == k, bic, seconds))
    return pd.DataFrame(rows, columns=["seed", "way", "right", "bic", "seconds"])


def summary(frame) -> pd.DataFrame:
    frame = frame.assign(bic=frame["bic"] - frame.groupby("seed")["bic"].transform("min"))
    table = frame.groupby("way", sort=False)[["right", "bic"]].mean()
    seconds = frame.pivot(index="seed", columns="way", values="seconds")
    table["seconds"] = seconds.median()
    table["of the walk's"] = seconds.div(seconds[WALK], axis=0).median()
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--separation", type=float, default=6.0)
    options = parser.parse_args()
    with one_thread():
        frame = measure(options.seeds, options.separation)
    show(f"K chosen by BIC, {options.seeds} data sets", summary(frame).round(2))


if __name__ == "__main__":
    main()
