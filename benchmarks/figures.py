"""What the figures of the paper show, computed and stored; `benchmarks.drawing` draws it.

Figure 5 shows table 3, figure 6 the first column of table 5. Figure 3 is in `benchmarks.grid`.
"""

import time

import numpy as np

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter, SGDMatrixCompleter
from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.learned_optimizers.learned_optimizer import find_optimizer
from sklearn_gso.plotting import ConvergenceDisplay
from sklearn_gso.plotting.mixture import way_of_em

from . import mixture_table, short_training
from .cells import Cell
from .mixture import MAX_ITER, SETS, TOL, em, learned

# Figure 4: the paper's 100 outer steps, 40 of ours; so many matrices are averaged.
CURVES = "figure 4, P, rank 5, rate 0.2"
N_CURVES, N_CURVES_QUICK, T = 20, 2, 100
NOTED = (*range(21), *range(24, T + 1, 4))
# Figure 7: a problem on which EM from the start that both have ends so far above.
WAY, CLEARLY = "figure 7", 0.1
# Figure 8: ten flowers of six petals.
FLOWERS, N_FLOWERS, N_FLOWERS_QUICK, FLOWER_SEED = "figure 8", 10, 2, 9700
BOTH = {"EM": lambda k: em(k, 1), "GSO": lambda k: learned(k, n_init=1)}
PLAIN = f"tol={TOL:g}, max_iter={MAX_ITER}, one start"


def curve_rows() -> dict:
    """Completers of figure 4 by name, with settings that tell their results from others'."""
    weights = find_optimizer("pretrained", "completer").digest()[:8]
    ours = {"n_epochs": 0, "n_init": 1, "random_state": 0}
    step = {"rule": "step", "safeguard": "none", "max_iter": T, **ours}
    return {
        "SGD": (SGDMatrixCompleter(5, max_iter=T, random_state=0), f"rate 1e-3, {T} x 10"),
        "ALS": (ALSMatrixCompleter(5, max_iter=T, random_state=0), f"λ=1e-3, {T}"),
        "continuation ALS": (
            ALSMatrixCompleter(5, alpha_start=10.0, max_iter=T, random_state=0),
            f"λ=10 to 1e-3, {T}",
        ),
        "LSTMStep (paper)": (
            lambda: GSOMatrixCompleter(5, optimizer=short_training.trained("step", "P"), **step),
            f"{short_training.STEP_SETTINGS}, {T} x 10",
        ),
        "closed form, untrained": (
            GSOMatrixCompleter(5, optimizer=None, max_iter=40, **ours),
            "40, one start",
        ),
        "LSTMControl": (
            GSOMatrixCompleter(5, max_iter=40, **ours),
            f"40, one start, weights {weights}",
        ),
    }


def curves(store, quick=False, until=None):
    """Geometric means of loss and error after each sweep, a completer at a time."""
    import matplotlib.pyplot as plt

    n = N_CURVES_QUICK if quick else N_CURVES
    pairs = [Cell("P").draw(20_000 + i) for i in range(n)]
    for name, (completer, settings) in curve_rows().items():
        settings = f"{settings}, {n} matrices"
        if store.has(f"{CURVES}: loss", name, settings, 0) or (until and time.time() > until):
            continue
        completer = completer() if callable(completer) else completer
        clock, found = time.perf_counter(), {"error": [], "loss": []}
        for x, truth in pairs:
            display = ConvergenceDisplay.from_estimator(completer.fit(x), x, truth, name=name)
            plt.close(display.figure_)
            for what, values in found.items():
                values.append(np.maximum(getattr(display, what)[name], 1e-16))
        seconds = (time.perf_counter() - clock) / n
        for what, values in found.items():
            mean = np.exp(np.mean(np.log(values), axis=0))
            noted = [(i, mean[i], seconds) for i in NOTED if i < len(mean)]
            store.add(f"{CURVES}: {what}", name, settings, noted)


def way_tasks():
    """Samples and covariances of the 50 problems of figures 6 and 7."""
    return mixture_table.draw(2, mixture_table.N_FULL)[:2]


def curve(store, what, name, settings, n=None) -> dict:
    """Means by sweep over n matrices; by default over as many as there are."""
    for number in (n,) if n else (N_CURVES, N_CURVES_QUICK):
        found = store.errors(f"{CURVES}: {what}", name, f"{settings}, {number} matrices")
        if found:
            return found
    return {}


def flower_tasks():
    """Samples and covariances of ten flowers."""
    X, truth = make_mixture_tasks(N_FLOWERS, random_state=FLOWER_SEED, **SETS["Fl6"])
    return X, truth.covariances


def centres(store, cell, name, n_components=None):
    """Stored coordinates in the plane, (…, 2); None if there are none."""
    found = store.errors(cell, name, mixture_settings(name))
    shape = (-1, 2) if n_components is None else (-1, n_components, 2)
    return np.array([found[i] for i in sorted(found)]).reshape(shape) if found else None


def mixture_settings(name) -> str:
    """Of both rows of figures 7 and 8."""
    weights = find_optimizer("pretrained", "mixture").digest()[:8]
    return PLAIN if name == "EM" else f"{PLAIN}, weights {weights}"


def _add_flat(store, cell, name, array):
    found = [(i, value, 0.0) for i, value in enumerate(np.ravel(array))]
    store.add(cell, name, mixture_settings(name), found)


def _fit_both(samples, covariances, k, **options):
    """Mixtures and seconds of EM and GSO from one start."""
    fitted, seconds = {}, {}
    for name, make in BOTH.items():
        clock = time.perf_counter()
        fitted[name] = make(k).set_params(**options).fit(samples, covariances=covariances)
        seconds[name] = time.perf_counter() - clock
    return fitted, seconds


def way(store):
    """The first problem on which EM ends clearly above GSO from the same start."""
    if store.has(WAY, "GSO", mixture_settings("GSO"), 0):
        return
    X, covariances = way_tasks()
    for problem, (samples, known) in enumerate(zip(X, covariances, strict=True)):
        rng = np.random.RandomState(problem)
        start = samples[rng.choice(len(samples), 4, replace=False)]
        fitted, seconds = _fit_both(samples, known, 4, means_init=start)
        values = {name: -mixture.score(samples) for name, mixture in fitted.items()}
        if values["EM"] > values["GSO"] + CLEARLY:
            break
    store.add(f"{WAY}, problem", "EM", PLAIN, [(0, problem, 0.0)])
    _add_flat(store, f"{WAY}, way", "EM", way_of_em(fitted["EM"], samples, start))
    for name, mixture in fitted.items():
        _add_flat(store, f"{WAY}, centres", name, mixture.means_)
        store.add(WAY, name, mixture_settings(name), [(0, values[name], seconds[name])])


def flowers(store, quick=False, until=None):
    """Ten flowers by EM and GSO from the same random start, and by EM from ten starts."""
    X, covariances = flower_tasks()
    for i in range(N_FLOWERS_QUICK if quick else N_FLOWERS):
        done = store.has(FLOWERS, "GSO", mixture_settings("GSO"), i)
        if done or (until and time.time() > until):
            continue
        best = em(6, 10).fit(X[i], covariances=covariances[i])
        store.add(FLOWERS, "EM, 10 restarts", PLAIN, [(i, -best.score(X[i]), 0.0)])
        fitted, seconds = _fit_both(X[i], covariances[i], 6)
        for name, mixture in fitted.items():
            _add_flat(store, f"{FLOWERS}, centres {i}", name, mixture.means_)
            value = -mixture.score(X[i])
            store.add(FLOWERS, name, mixture_settings(name), [(i, value, seconds[name])])
