"""The bars of the mixtures, each measured and printed: ``make bench-mixture``.

Negative log-likelihood per sample, natural logarithm, as gap to the best known solution:
the lowest that any row, or EM from the truth, reached on the same problem. Double
precision, one torch thread, seconds of whole calls on batches of problems. Every row has
the same tolerance (1e-6) and at most 200 sweeps a run. Seeds are used nowhere else.
"""

import time
import warnings

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.mixture_step import OUTPUT as STEP_FILE
from benchmarks.mixture_step import T_L, T, likelihood, standardised
from benchmarks.peers import portfolio
from sklearn_gso import EMGaussianMixture, GSOGaussianMixture, LearnedOptimizer
from sklearn_gso.solvers.alternating import alternate, rules_for
from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.solvers.local_search import converge
from sklearn_gso.problems import MixtureFreeEnergy
from sklearn_gso.rules import AllMoves, ClosedForm

TOL, MAX_ITER = 1e-6, 200
WITHIN = 0.01

_TABLE_5 = {2: (5.70, 24.0), 4: (0.904, 1.72), 8: (0.971, 1.65)}
_TABLE_5 |= {16: (0.941, 1.46), 32: (1.009, 0.69), 64: (1.061, 0.90)}
TABLE_5 = {
    f"table 5, D={d}": {"n_features": d, "sd": sd, "spread": s} for d, (sd, s) in _TABLE_5.items()
}
_C = {"eccentricity": 25}
_FLOWER = {"layout": "flower", "spread": 5, "n_samples": 10_000}
SETS = {
    "A2": {"n_features": 2, "sd": 5.4, "spread": 32.4},
    "B16": {"n_features": 16, "spread": 6 / np.sqrt(8), "concentration": 2},
    "B64": {"n_features": 64, "spread": 6 / np.sqrt(32), "concentration": 2},
    "C2": {"n_features": 2, "spread": 3, **_C},
    "C5": {"n_features": 5, "n_components": 6, "spread": 3 / np.sqrt(2.5), **_C},
    "C8": {"n_features": 8, "spread": 1.5, **_C},
    "FO8": {"n_components": 8, "layout": "flower", "spread": 3, "n_samples": 2000},
    "Fl6": {"n_components": 6, **_FLOWER},
    "Fl7": {"n_components": 7, **_FLOWER},
    "Fl8": {"n_components": 8, **_FLOWER},
    "R10": {"n_components": 10, "n_samples": 1000, "layout": "uniform", "spread": 8, **_C},
}
LARGER = {
    f"K=20, D={d}": {
        "n_components": 20,
        "n_features": d,
        "n_samples": 5000,
        "spread": 3 / np.sqrt(d / 2),
        **_C,
    }
    for d in (2, 16)
}


class SwapEM(GSOGaussianMixture):
    """Tries every move in every round."""

    def _judge(self, generator, problem):
        return AllMoves()


def problems(name, options, n_tasks, seed):
    """Samples, covariances, n_components, and the objective of EM from the truth."""
    X, truth = make_mixture_tasks(n_tasks, random_state=seed, **options)
    k = options.get("n_components", 4)
    centre = X.mean(1, keepdims=True)
    problem = MixtureFreeEnergy(
        torch.from_numpy(X - centre), k, fixed={"covariances": torch.from_numpy(truth.covariances)}
    )
    weights = torch.from_numpy(np.log(truth.weights))[..., None]
    start = problem.start_from(torch.from_numpy(truth.means - centre), weights)
    with torch.no_grad():
        best = converge(problem, rules_for(problem, ClosedForm()), start, 1000, 1e-9).objective
    return X, truth.covariances, k, best.numpy()


def solve(mixture, X, covariances):
    """Objective of each problem, and seconds for all."""
    mixture.fit(X[:2], covariances=covariances[:2])
    start = time.perf_counter()
    found = mixture.score_samples(X, covariances=covariances)
    seconds = time.perf_counter() - start
    return -np.mean(found, axis=1), seconds


def em(k, n_init, kind="random"):
    return EMGaussianMixture(
        k, n_init=n_init, init_params=kind, tol=TOL, max_iter=MAX_ITER, random_state=0
    )


def learned(k, cls=GSOGaussianMixture, **options):
    return cls(k, n_epochs=0, tol=TOL, max_iter=MAX_ITER, random_state=0, **options)


def run_portfolio(X, covariances, k):
    start = time.perf_counter()
    centred = torch.from_numpy(X - X.mean(1, keepdims=True))
    with torch.no_grad():
        found = portfolio(centred, k, torch.from_numpy(covariances), MAX_ITER, TOL)
    return found.numpy(), time.perf_counter() - start


def run_step(optimizer, X, covariances):
    """Objective of each problem by the paper's rule from a random start, and seconds."""
    problem, (_, _, unit) = likelihood(X, covariances), standardised(X, covariances)
    start = problem.init(torch.Generator().manual_seed(0))
    clock = time.perf_counter()
    with torch.no_grad():
        end, _ = alternate(problem, rules_for(problem, optimizer.rules()), start, T, T_L)
        found = problem.objective(end).numpy() + X.shape[2] * np.log(unit)
    return found, time.perf_counter() - clock


def row(name, figure, bar="", met=None):
    verdict = "" if met is None else ("met" if met else "MISSED")
    print(f"{name:44} {figure:46} {bar:34} {verdict}", flush=True)


def described(gap, ratio, unit):
    share = np.mean(gap <= WITHIN)
    return f"gap {gap.mean():.4f}, within .01: {share:4.0%}, time {ratio:5.2f} x {unit}"


def count(name):
    return 8 if name.startswith("F") else 20


def table_5():
    for i, (name, options) in enumerate(TABLE_5.items()):
        X, covariances, k, best = problems(name, options, 50, 9000 + i)
        rows = {
            "20 EM restarts": solve(em(k, 20), X, covariances),
            "one EM run": solve(em(k, 1), X, covariances),
            "learned": solve(learned(k), X, covariances),
        }
        best = np.min([best, *(values for values, _ in rows.values())], axis=0)
        gap, ratio = rows["learned"][0] - best, rows["learned"][1] / rows["20 EM restarts"][1]
        met = gap.mean() <= 0.001 and (gap <= WITHIN).all() and ratio <= 1
        note = (
            f" (NLL {rows['learned'][0].mean():.2f}, one EM run {rows['one EM run'][0].mean():.2f})"
        )
        row(name + note, described(gap, ratio, "20"), ".001, 100 %, 1 x 20 EM restarts", met)


def sets():
    for i, (name, options) in enumerate(SETS.items()):
        X, covariances, k, best = problems(name, options, count(name), 9100 + i)
        rows = {
            "learned judge": solve(learned(k), X, covariances),
            "random judge, same budget": solve(learned(k, optimizer=None), X, covariances),
            "swap-EM (all moves)": solve(learned(k, SwapEM), X, covariances),
            "portfolio": run_portfolio(X, covariances, k),
            "annealed EM": solve(em(k, 1, "tempered"), X, covariances),
            "10 EM restarts": solve(em(k, 10), X, covariances),
            "10 EM restarts from k-means++": solve(em(k, 10, "k-means++"), X, covariances),
            "50 EM restarts": solve(em(k, 50), X, covariances),
        }
        best = np.min([best, *(values for values, _ in rows.values())], axis=0)
        unit = rows["10 EM restarts"][1]
        for label, (values, seconds) in rows.items():
            gap, ratio = values - best, seconds / unit
            bar, met = "", None
            if label == "learned judge":
                least, share, most = (0.002, 0.9, 8) if name == "R10" else (0.001, 1.0, 5)
                bar = f"{least}, {share:.0%}, {most} x 10 restarts"
                met = gap.mean() <= least and np.mean(gap <= WITHIN) >= share and ratio <= most
            row(f"{name}: {label}", described(gap, ratio, "10"), bar, met)


def larger():
    for i, (name, options) in enumerate(LARGER.items()):
        X, covariances, k, best = problems(name, options, 6, 9200 + i)
        ours, our_time = solve(learned(k), X, covariances)
        theirs, their_time = solve(em(k, 50), X, covariances)
        best = np.min([best, ours, theirs], axis=0)
        gap, other = (ours - best).mean(), (theirs - best).mean()
        figure = f"gap {gap:.5f} beside {other:.5f}, time {our_time / their_time:.2f}"
        met = gap <= 0.1 * other and our_time <= their_time
        row(f"{name}: learned beside 50 EM restarts", figure, "a tenth of its gap, time <= 1", met)


def same_start(n_tasks=100):
    for i, (name, options) in enumerate(SETS.items()):
        X, covariances, k, best = problems(name, options, n_tasks, 9300 + i)
        ours, our_time = solve(learned(k, n_init=1), X, covariances)
        theirs, their_time = solve(em(k, 1), X, covariances)
        best = np.min([best, ours, theirs], axis=0)
        gap, other, worst = (ours - best).mean(), (theirs - best).mean(), (ours - theirs).max()
        figure = (
            f"gap {gap:.5f} beside {other:.4f}, worst {worst:.0e}, time {our_time / their_time:.1f}"
        )
        met = gap <= 0.1 * other and worst <= 1e-6
        row(f"{name}: n_init=1 beside EM, same start", figure, "a tenth, never worse by 1e-6", met)


def paper_step():
    """The paper's rule after `benchmarks.mixture_step`, beside EM from one random start."""
    if not STEP_FILE.exists():
        row("the paper's LSTMStep", "not trained: python -m benchmarks.mixture_step")
        return
    optimizer = LearnedOptimizer.load(STEP_FILE)
    minutes = optimizer.description["minutes"]
    for i, (name, options) in enumerate({"table 5, D=2": TABLE_5["table 5, D=2"], **SETS}.items()):
        if options.get("n_samples", 500) > 2000:
            continue
        X, covariances, k, best = problems(name, options, 20, 9400 + i)
        step, _ = run_step(optimizer, X, covariances)
        samples, _, unit = standardised(X, covariances)
        problem = likelihood(X, covariances)
        free = MixtureFreeEnergy(torch.from_numpy(samples), k, fixed=problem.fixed)
        start = problem.init(torch.Generator().manual_seed(0))  # the one that it had
        with torch.no_grad():
            run = converge(
                free, rules_for(free, ClosedForm()), free.start_from(start["means"]), T, TOL
            )
            theirs = run.objective.numpy() + X.shape[2] * np.log(unit)
        best = np.min([best, step, theirs], axis=0)
        figure = f"gap {(step - best).mean():.3f} beside EM's {(theirs - best).mean():.3f}"
        row(f"{name}: the paper's LSTMStep, {minutes:.0f} min", figure, "both printed")


def real_data():
    sets_ = {
        "iris": (load_iris, 2.446),
        "wine": (load_wine, 13.722),
        "breast cancer": (load_breast_cancer, 7.048),
        "digits, 20 PCs": (load_digits, 32.578),
    }
    for name, (load, known) in sets_.items():
        X, y = load(return_X_y=True)
        X = StandardScaler().fit_transform(X)
        if "PCs" in name:
            X = PCA(20, random_state=0).fit_transform(X)
        k = len(np.unique(y))
        within = X - np.stack([X[y == c].mean(0) for c in range(k)])[y]
        pooled = within.T @ within / len(X)
        mixture = GSOGaussianMixture(k, covariance_type="tied", covariances=pooled, random_state=0)
        found = -mixture.fit(X).lower_bound_
        one = EMGaussianMixture(k, covariance_type="tied", covariances=pooled, random_state=0)
        figure = f"NLL {found:.3f}, one EM run {-one.fit(X).lower_bound_:.3f}"
        row(
            f"{name}, standardised, pooled covariance",
            figure,
            f"{known} + .005",
            found <= known + 0.005,
        )


def estimated():
    """Covariances estimated, beside scikit-learn's GaussianMixture(n_init=10)."""
    data = {}
    for i, name in enumerate(("C2", "C8", "Fl6")):
        X, _ = make_mixture_tasks(count(name), random_state=9500 + i, **SETS[name])
        data[name] = (list(X), SETS[name].get("n_components", 4))
    data["iris, 20 seeds"] = ([load_iris().data] * 20, 3)
    data["wine, 20 seeds"] = ([load_wine().data] * 20, 3)
    for name, (tasks, k) in data.items():
        values, seconds = np.empty((2, len(tasks))), np.zeros(2)
        for i, x in enumerate(tasks):
            for j, cls in enumerate((GSOGaussianMixture, GaussianMixture)):
                n_init = {"n_init": 10} if cls is GaussianMixture else {}
                start = time.perf_counter()
                fitted = cls(k, random_state=i, **n_init).fit(x)
                seconds[j] += time.perf_counter() - start
                values[j, i] = fitted.score(x)
        share = np.mean(values[0] >= values[1] - 1e-6)
        ratio = seconds[0] / seconds[1]
        mean = (values[0] - values[1]).mean()
        figure = f"{share:.0%} at least as high, mean {mean:+.4f}, time {ratio:.2f}"
        met = share >= 0.95 and ratio <= 1
        row(f"{name}: estimated, beside GaussianMixture", figure, "95 %, time <= 1", met)


def main():
    torch.set_num_threads(1)
    threadpool_limits(1)  # scikit-learn's too
    warnings.simplefilter("ignore", ConvergenceWarning)
    for part in (table_5, sets, larger, same_start, paper_step, real_data, estimated):
        start = time.perf_counter()
        part()
        print(f"-- {part.__name__}: {time.perf_counter() - start:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()
