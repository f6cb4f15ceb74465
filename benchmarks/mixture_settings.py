"""Which settings of the judge's search pay: ``python -m benchmarks.mixture_settings``.

On seeds that the bars do not use. For each setting the mean gap to the best known, the
share within .01, and the work in sweeps of single tasks over that of ten EM restarts:
counts, not seconds, so that it does not matter what else the machine does.
``--estimated`` forgets the covariances.
"""

import argparse

import torch

import sklearn_gso.exploration as exploration
from benchmarks.mixture import LARGER, MAX_ITER, SETS, TOL, WITHIN, count
from sklearn_gso import LearnedOptimizer
from sklearn_gso.solvers.alternating import alternate, rules_for
from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.problems import MixtureFreeEnergy
from sklearn_gso.problems.base import take_tasks
from sklearn_gso.rules import AllMoves, ClosedForm, RandomJudge

N_INIT = 4


class Counter:
    """The loop, counting sweeps of single tasks."""

    def __init__(self):
        self.n = 0

    def __call__(self, problem, rules, variables, max_iter, *args, **options):
        self.n += problem.n_tasks * max_iter
        return alternate(problem, rules, variables, max_iter, *args, **options)


def settings(generator):
    """Judges by name."""
    found = {"all moves": AllMoves(), "random": RandomJudge(generator)}
    for hope, tried, race in [
        (0.005, 8, True),
        (0.02, 8, True),
        (0.005, 8, False),
        (0.005, 4, True),
    ]:
        judge = LearnedOptimizer.load_pretrained("mixture").rules()["moves"]
        judge.min_hope, judge.n_tried, judge.race = hope, tried, race
        found[f"{hope:.1%} hope, {tried} moves" + ("" if race else ", no race")] = judge
    return found


def best_start(problem, rules, generator):
    many = problem.repeat(N_INIT)
    ends = exploration.short_runs(many, rules, many.init(generator), exploration.SHORT_RUN)
    which = many.objective(ends).reshape(N_INIT, -1).argmin(0)
    chosen = which * problem.n_tasks + torch.arange(problem.n_tasks)
    return exploration.converge(problem, rules, take_tasks(ends, chosen), MAX_ITER, TOL)


def compare(name, options, seed, estimated):
    n_tasks = 4 if name in LARGER else count(name)
    X, truth = make_mixture_tasks(n_tasks, random_state=seed, **options)
    samples = torch.from_numpy(X - X.mean(1, keepdims=True))
    fixed = None if estimated else {"covariances": torch.from_numpy(truth.covariances)}
    k = options.get("n_components", 4)
    problem = MixtureFreeEnergy(samples, k, fixed=fixed, reg_covar=1e-6)
    rules = rules_for(problem, ClosedForm())
    counter = exploration.alternate = Counter()
    generator = torch.Generator().manual_seed(0)
    many = problem.repeat(10)
    ten = exploration.converge(many, rules, many.init(generator), MAX_ITER, TOL)
    rows = {"ten EM restarts": (ten.objective.reshape(10, -1).amin(0), counter.n, 0.0)}
    for label, judge in settings(generator).items():
        counter.n = 0
        generator.manual_seed(0)
        run = best_start(problem, rules, generator)
        found = exploration.explore(problem, rules, run, judge, generator, MAX_ITER, TOL)
        rounds = float(found.n_rounds.double().mean())
        rows[label] = (found.run.objective, counter.n, rounds)
    best = torch.stack([values for values, _, _ in rows.values()]).amin(0)
    for label, (values, work, rounds) in rows.items():
        gap = values - best
        share = float((gap <= WITHIN).double().mean())
        print(
            f"{name:10} {label:30} gap {float(gap.mean()):.4f}, within .01: {share:4.0%}, "
            f"work {work / rows['ten EM restarts'][1]:5.2f}, rounds {rounds:.1f}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="*", default=["C2", "C5", "R10", "FO8", "K=20, D=2"])
    parser.add_argument("--seed", type=int, default=105)
    parser.add_argument("--estimated", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with torch.no_grad():
        for name in arguments.sets:
            compare(name, {**SETS, **LARGER}[name], arguments.seed, arguments.estimated)


if __name__ == "__main__":
    main()
