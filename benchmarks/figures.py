"""What the figures of the paper show, computed and stored; `benchmarks.drawing` draws it.

Figure 5 shows table 3, figure 6 the first column of table 5. Figure 3 is in `benchmarks.grid`.
"""

import numpy as np
import pandas as pd

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter, SGDMatrixCompleter
from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.metrics import relative_error
from sklearn_gso.plotting.convergence import estimates_of

from . import mixture_table, short_training
from .cells import Cell
from .measuring import timed
from .methods import OURS, pretrained
from .mixture_rows import MAX_ITER, SETS, TOL, em, learned, stepped
from .mixture_table import STEP

# Figure 4: the paper's 100 outer steps, 40 of ours; so many matrices are averaged.
CURVES = "figure 4, P, rank 5, rate 0.2"
N_CURVES, N_CURVES_QUICK, T = 20, 2, 100
NOTED = (*range(21), *range(24, T + 1, 4))
# Figure 7: a problem on which EM from the start that both have ends so far above.
WAY, CLEARLY = "figure 7", 0.1
# Figure 8: ten flowers of six petals.
FLOWERS, N_FLOWERS, N_FLOWERS_QUICK, FLOWER_SEED = "figure 8", 10, 2, 9700
MIXTURES = {"EM": lambda k: em(k, 1), "GSO": lambda k: learned(k, n_init=1), STEP: stepped}
PLAIN = f"tol={TOL:g}, max_iter={MAX_ITER}, one start"


def curve_rows() -> dict:
    """Completers of figure 4 by name, with settings that tell their results from others'."""
    ours = {"n_epochs": 0, "n_init": 1, "tol": None, "scaling": "matrix", "random_state": 0}
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
        OURS: (GSOMatrixCompleter(5, max_iter=40, **ours), f"40, one start, {pretrained()}"),
    }


def _curves_of(completer, x, truth) -> pd.DataFrame:
    """Relative errors by sweep: loss on the observed entries, error on the others."""
    estimates = estimates_of(completer.fit(x).trace(x))
    missing = np.isnan(x)
    return pd.DataFrame(
        {
            "error": [relative_error(truth, e, missing) for e in estimates],
            "loss": [relative_error(x, e) for e in estimates],
        }
    ).clip(lower=1e-16)


def curves(store, wanted):
    """Geometric means of loss and error after each sweep, a completer at a time."""
    n = N_CURVES_QUICK if wanted.quick else N_CURVES
    pairs = [Cell("P").draw(20_000 + i) for i in range(n)]
    for name, (completer, settings) in curve_rows().items():
        settings = f"{settings}, {n} matrices"
        if store.has(f"{CURVES}: loss", name, settings, 0):
            continue
        completer = completer() if callable(completer) else completer
        logs, seconds = timed(lambda c=completer: sum(np.log(_curves_of(c, *p)) for p in pairs))
        for what, mean in np.exp(logs / n).items():
            noted = [(i, mean[i], seconds / n) for i in NOTED if i < len(mean)]
            store.add(f"{CURVES}: {what}", name, settings, noted)


def curve(store, what, name, settings, n=None) -> pd.Series:
    """Means by sweep over n matrices; by default over as many as there are."""
    for number in (n,) if n else (N_CURVES, N_CURVES_QUICK):
        values = store.errors(f"{CURVES}: {what}", name, f"{settings}, {number} matrices")
        if len(values):
            break
    return values


def way_tasks():
    """Samples and covariances of the 50 problems of figures 6 and 7."""
    return mixture_table.draw(2, mixture_table.N_FULL)[:2]


def flower_tasks():
    """Samples and covariances of ten flowers."""
    X, truth = make_mixture_tasks(N_FLOWERS, random_state=FLOWER_SEED, **SETS["Fl6"])
    return X, truth.covariances


def mixture_settings(name) -> str:
    """Of the rows of figures 7 and 8."""
    if name == STEP:
        return f"T=100, t_l=10, {pretrained('mixture_step')}"
    return f"{PLAIN}, {pretrained('mixture')}" if name == "GSO" else PLAIN


def ends(store, cell, name) -> pd.Series:
    """Stored values of figures 7 and 8."""
    return store.errors(cell, name, mixture_settings(name))


def centres(store, cell, name, *shape):
    """Stored coordinates in the plane, (…, 2); None if there are none."""
    values = ends(store, cell, name).sort_index()
    return values.to_numpy().reshape(-1, *shape, 2) if len(values) else None


def _add(store, cell, name, values, seconds=0.0, first=0):
    found = [(first + i, value, seconds) for i, value in enumerate(np.ravel(values))]
    store.add(cell, name, mixture_settings(name), found)


def _fit(names, samples, covariances, k, **options):
    """Mixtures and seconds of some rows from one start."""
    mixtures = {name: MIXTURES[name](k).set_params(**options) for name in names}
    return {
        name: timed(lambda m=mixture: m.fit(samples, covariances=covariances))
        for name, mixture in mixtures.items()
    }


def _add_fitted(store, cell, fitted, samples, number=0, centres_of=""):
    for name, (mixture, seconds) in fitted.items():
        _add(store, f"{cell}, centres{centres_of}", name, mixture.means_)
        _add(store, cell, name, -mixture.score(samples), seconds, number)


def way(store, wanted=None):
    """The first problem on which EM ends clearly above GSO from the same start."""
    X, covariances = way_tasks()
    if not store.has(WAY, "GSO", mixture_settings("GSO"), 0):
        for problem, (samples, known) in enumerate(zip(X, covariances, strict=True)):
            start = _way_start(problem, samples)
            fitted = _fit(("EM", "GSO"), samples, known, 4, means_init=start)
            values = {name: -mixture.score(samples) for name, (mixture, _) in fitted.items()}
            if values["EM"] > values["GSO"] + CLEARLY:
                break
        _add(store, f"{WAY}, problem", "EM", problem)
        _add(store, f"{WAY}, way", "EM", fitted["EM"][0].trajectory(samples, start))
        _add_fitted(store, WAY, fitted, samples)
    if not store.has(WAY, STEP, mixture_settings(STEP), 0):
        problem = int(ends(store, f"{WAY}, problem", "EM")[0])
        samples, start = X[problem], _way_start(problem, X[problem])
        fitted = _fit((STEP,), samples, covariances[problem], 4, means_init=start)
        _add_fitted(store, WAY, fitted, samples)


def _way_start(problem, samples):
    """Four random samples of a problem."""
    return samples[np.random.RandomState(problem).choice(len(samples), 4, replace=False)]


def flowers(store, wanted):
    """Ten flowers from the same random start, and by EM from ten starts."""
    X, covariances = flower_tasks()
    restarts = "EM, 10 restarts"
    for i in range(N_FLOWERS_QUICK if wanted.quick else N_FLOWERS):
        if not store.has(FLOWERS, restarts, mixture_settings(restarts), i):
            best = em(6, 10).fit(X[i], covariances=covariances[i])
            _add(store, FLOWERS, restarts, -best.score(X[i]), first=i)
        names = [n for n in MIXTURES if not store.has(FLOWERS, n, mixture_settings(n), i)]
        fitted = _fit(names, X[i], covariances[i], 6)
        _add_fitted(store, FLOWERS, fitted, X[i], i, f" {i}")
