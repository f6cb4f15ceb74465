"""Does steering EM pay for mixtures? ``python -m benchmarks.mixture_control --minutes 10``.

`LSTMControl` emits temperature, over-relaxation and momentum of EM's steps. The gradient
through the trajectory misleads (which basin is reached is no matter of slope), so it is
trained by evolution strategies with antithetic pairs on the final value: the gap, capped,
that 40 steered sweeps and EM to convergence leave. Judged on other problems beside plain
and tempered EM from the same starts, and beside the judge of moves, with seconds.
"""

import argparse
import time

import numpy as np
import torch

from benchmarks.mixture import SETS, count
from sklearn_gso import LearnedOptimizer
from sklearn_gso.solvers.alternating import alternate, rules_for
from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.solvers.local_search import converge, explore
from sklearn_gso.estimators.mixture.initialisation import STARTS
from pretraining.mixture import draw_problem
from sklearn_gso.problems import MixtureFreeEnergy
from sklearn_gso.rules import ClosedForm, LSTMControl

SWEEPS, CAP = 40, 1.0
KINDS = ("round", "unbalanced", "rotated", "crowded", "dense flower")
PAIRS, SIGMA, RATE = 8, 0.1, 0.05
JUDGED = ("A2", "B16", "C2", "C5", "C8", "FO8", "R10")


def steered(problem, rule, start):
    """Forty steered sweeps, then EM until it stands still."""
    end, _ = alternate(problem, rules_for(problem, rule), start, SWEEPS)
    # A steered run that broke down starts EM afresh.
    broken = ~problem.objective(end).isfinite()
    if broken.any():
        end = start
    return converge(problem, rules_for(problem, ClosedForm()), end, 200, 1e-6).objective


def best_known(problem, start, judge, generator):
    rules = rules_for(problem, ClosedForm())
    run = converge(problem, rules, start, 200, 1e-6)
    found = explore(problem, rules, run, judge, generator, 200, 1e-6)
    return run.objective, found.run.objective


def train(minutes, judge, seed=20261124):
    """Evolution strategies; the mean capped gap of each step, and the rule."""
    rng, generator = np.random.RandomState(seed), torch.Generator().manual_seed(seed)
    problem = draw_problem("round", False, rng)
    n_features = problem.row_features(problem.init(generator), "means").shape[2]
    rule = LSTMControl(n_features, problem.control_names, 8, 1, generator)
    centre = torch.nn.utils.parameters_to_vector(rule.parameters()).detach()
    adam_mean, adam_square = torch.zeros_like(centre), torch.zeros_like(centre)
    clock, history = time.time(), []
    while time.time() - clock < 60 * minutes:
        batch = []
        for kind in KINDS:
            problem = draw_problem(kind, False, rng)
            start = problem.init(generator)
            plain, best = best_known(problem, start, judge, generator)
            batch.append((problem, start, best))
            history.append(float((plain - best).clamp(max=CAP).mean()))
        gradient = torch.zeros_like(centre)
        values = []
        for _ in range(PAIRS):
            noise = torch.randn(centre.shape, generator=generator)
            ends = []
            for sign in (1, -1):
                torch.nn.utils.vector_to_parameters(
                    centre + sign * SIGMA * noise, rule.parameters()
                )
                gaps = [steered(p, rule, s) - b for p, s, b in batch]
                ends.append(float(torch.stack(gaps).nan_to_num(nan=CAP).clamp(0, CAP).mean()))
            gradient += (ends[0] - ends[1]) / (2 * SIGMA * PAIRS) * noise
            values += ends
        n = len(history) // len(KINDS)
        adam_mean = 0.9 * adam_mean + 0.1 * gradient
        adam_square = 0.99 * adam_square + 0.01 * gradient**2
        size = (adam_square / (1 - 0.99**n)).sqrt() + 1e-8
        centre = centre - RATE * adam_mean / (1 - 0.9**n) / size
        if n % 5 == 0:
            plain = np.mean(history[-5 * len(KINDS) :])
            print(f"step {n}: capped gap {np.mean(values):.3f}, plain EM {plain:.3f}", flush=True)
    torch.nn.utils.vector_to_parameters(centre, rule.parameters())
    return rule


def judged(rule, judge):
    print(f"{'gap (seconds)':10}{'EM':>18}{'steered EM':>18}{'tempered EM':>18}{'EM + judge':>18}")
    for i, name in enumerate(JUDGED):
        options = SETS[name]
        X, truth = make_mixture_tasks(2 * count(name), random_state=9600 + i, **options)
        problem = MixtureFreeEnergy(
            torch.from_numpy(X - X.mean(1, keepdims=True)),
            options.get("n_components", 4),
            fixed={"covariances": torch.from_numpy(truth.covariances)},
        )
        generator = torch.Generator().manual_seed(i)
        start = problem.init(generator)
        rules = rules_for(problem, ClosedForm())

        def tempered(problem=problem, i=i, rules=rules):
            begin = STARTS["tempered"](problem, torch.Generator().manual_seed(i))
            return converge(problem, rules, begin, 200, 1e-6).objective

        runs = {
            "EM": lambda p=problem, s=start, r=rules: converge(p, r, s, 200, 1e-6).objective,
            "steered": lambda p=problem, s=start: steered(p, rule, s),
            "tempered": tempered,
            "judge": lambda p=problem, s=start, g=generator: best_known(p, s, judge, g)[1],
        }
        found = {}
        for label, run in runs.items():
            clock = time.perf_counter()
            found[label] = (run(), time.perf_counter() - clock)
        best = torch.stack([value for value, _ in found.values()]).amin(0)
        cells = [f"{float((v - best).mean()):.4f} ({s:.2f})" for v, s in found.values()]
        print(f"{name:10}" + "".join(f"{cell:>18}" for cell in cells), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    judge = LearnedOptimizer.load_pretrained("mixture").rules()["moves"]
    with torch.no_grad():
        judged(train(arguments.minutes, judge), judge)


if __name__ == "__main__":
    main()
