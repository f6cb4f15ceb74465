"""Train the judge of non-local moves that ships with the package: a quarter of an hour::

    python -m pretraining.mixture --output mixture.safetensors

Random mixtures of many kinds, with given and with estimated covariances; at each of
their local optima short EM runs tell what every move brings. No ground truth is used.
"""

import argparse
import time

import numpy as np
import torch
from tqdm.auto import tqdm

from pretraining import minutes_since, versions
from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.learned_optimizers import LearnedOptimizer
from sklearn_gso.problems import MixtureFreeEnergy
from sklearn_gso.rules import ClosedForm, Judge, LSTMJudge, RandomJudge
from sklearn_gso.rules.judges import Rounds
from sklearn_gso.solvers import rules_for
from sklearn_gso.solvers.local_search import MIN_GAIN
from sklearn_gso.training import Table, gather, table_loss, train_judge

KINDS = ("round", "unbalanced", "rotated", "crowded", "many", "flower", "dense flower", "touching")
# Never seen in training, so that it can be judged whether other numbers work as well.
_LEFT_OUT = 7
_SEED, _VALIDATION_SEED = 20261124, 998


def draw_options(kind: str, rng) -> dict:
    """Random arguments of `make_mixture_tasks`, of one kind."""
    u = rng.uniform
    k = int(rng.choice([k for k in range(3, 11) if k != _LEFT_OUT]))
    d = int(np.exp(u(np.log(2), np.log(33))))
    plain, rotated = {"n_components": k, "n_features": d}, {"eccentricity": u(8, 40)}
    root = np.sqrt(d / 2)
    return {
        "round": lambda: dict(spread=u(3, 8) / root, **plain),
        "unbalanced": lambda: dict(spread=u(4, 8) / root, concentration=u(1, 4), **plain),
        "rotated": lambda: dict(spread=u(2, 5) / root, **plain, **rotated),
        "crowded": lambda: dict(
            n_components=int(rng.choice([8, 9, 10, 11, 12])),
            n_features=int(rng.choice([2, 2, 3])),
            n_samples=int(u(700, 1500)),
            layout="uniform",
            spread=u(6, 10),
            **rotated,
        ),
        "many": lambda: dict(
            n_components=int(rng.randint(12, 19)),
            n_features=int(rng.randint(2, 17)),
            n_samples=2000,
            spread=u(2, 4),
            **rotated,
        ),
        "flower": lambda: dict(
            n_components=k,
            layout="flower",
            n_samples=int(u(1000, 3000)),
            spread=u(3.5, 6),
            petal=(u(1, 2), u(0.3, 0.6)),
        ),
        "dense flower": lambda: dict(
            n_components=int(rng.choice([6, 8, 9, 10])),
            layout="flower",
            n_samples=int(u(1000, 3000)),
            spread=u(2.5, 3.5),
            petal=(u(1, 2), u(0.3, 0.6)),
        ),
        "touching": lambda: dict(spread=u(1, 2) / root, **plain, **rotated),
    }[kind]()


def draw_problem(kind: str, estimated: bool, rng, n_tasks: int = 4) -> MixtureFreeEnergy:
    """A batch of tasks of one kind, their covariances given or to be estimated."""
    options = draw_options(kind, rng)
    X, truth = make_mixture_tasks(n_tasks, random_state=rng, **options)
    samples = torch.from_numpy(X - X.mean(1, keepdims=True))
    k = options["n_components"]
    if not estimated:
        given = {"covariances": torch.from_numpy(truth.covariances)}
        return MixtureFreeEnergy(samples, k, fixed=given)
    kinds = ["full", "tied", "diag", "spherical"]
    covariance_type = "full" if rng.rand() < 0.5 else rng.choice(kinds)
    return MixtureFreeEnergy(samples, k, covariance_type=covariance_type, reg_covar=1e-6)


def draw_tables(n_rounds: int, seed: int, verbose: bool) -> list:
    """Tables from ``n_rounds`` batches of each kind, half as many with estimated covariances."""
    rng, generator = np.random.RandomState(seed), torch.Generator().manual_seed(seed)
    tables = []
    for i in tqdm(range(n_rounds), disable=not verbose, desc="local optima", unit="round"):
        for kind in KINDS:
            for estimated in (False, True)[: 1 + i % 2]:
                problem = draw_problem(kind, estimated, rng)
                rules = rules_for(problem, ClosedForm())
                tables += gather(problem, rules, generator)
    return tables


def pretrain(n_rounds=24, n_steps=3000, hidden_size=48, verbose=True) -> LearnedOptimizer:
    """Gather tables and train a judge on them.

    Parameters
    ----------
    n_rounds : int, default=24
        Batches of four tasks of each kind.
    n_steps : int, default=3000
    hidden_size : int, default=48
    verbose : bool, default=True

    Returns
    -------
    optimizer : LearnedOptimizer
    """
    clock = time.time()
    with torch.no_grad():
        tables = draw_tables(n_rounds, _SEED, verbose)
        validation = draw_tables(max(2, n_rounds // 6), _VALIDATION_SEED, verbose)
    gathered = time.time()
    generator = torch.Generator().manual_seed(_SEED)
    judge = LSTMJudge(tables[0].features.shape[2], hidden_size, generator=generator)
    history = train_judge(judge, tables, n_steps, generator, validation=validation, verbose=verbose)
    return LearnedOptimizer.from_rules(
        {"moves": judge},
        draw_problem("round", False, np.random.RandomState(0), 2),
        trained_on=(
            f"{sum(len(t.gains) for t in tables)} local optima of random mixtures: "
            + ", ".join(KINDS)
            + "; 3 to 18 components but 7, 2 to 32 features, covariances given and estimated"
        ),
        n_steps=history.n_steps,
        n_skipped=history.n_skipped,
        seed=_SEED,
        minutes={
            "gathering": minutes_since(clock, gathered),
            "training": minutes_since(gathered),
        },
        versions=versions(),
        validation=_judged(judge, validation),
    )


def _judged(judge, validation) -> dict:
    """Loss and hits on other tasks, for the description."""
    again = torch.Generator().manual_seed(_VALIDATION_SEED)
    with torch.no_grad():
        loss = np.mean([float(table_loss(judge, table, again)) for table in validation])
        hits, chance = (hit_rate(one, validation) for one in (judge, RandomJudge(again)))
    return {
        "what": "other tasks of the same kinds: the loss, and how often the first round of "
        f"{judge.n_tried} moves finds a gain where there is one, beside moves at random",
        "loss": round(float(loss), 4),
        "hits": round(hits, 4),
        "hits_of_random_moves": round(chance, 4),
    }


def hit_rate(judge: Judge, tables: list[Table]) -> float:
    """Share of the optima with a gain at hand where the first round finds one."""
    n_hits = n_hopeful = 0
    for features, gains in tables:
        known = ~gains.isnan()
        gained = gains.nan_to_num(nan=-1.0) > MIN_GAIN
        n_tasks, n_moves = gains.shape
        rounds, state = Rounds.none(n_tasks, n_moves), judge.init_state(n_tasks, n_moves)
        scores = judge.judge(features, rounds, state)[0].masked_fill(~known, -torch.inf)
        tried = scores.topk(min(judge.n_tried or n_moves, n_moves), dim=1).indices
        n_hits += int(gained.gather(1, tried).any(1).sum())
        n_hopeful += int(gained.any(1).sum())
    return n_hits / max(1, n_hopeful)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--hidden-size", type=int, default=48)
    parser.add_argument("--output", default="mixture.safetensors")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    optimizer = pretrain(arguments.rounds, arguments.steps, arguments.hidden_size)
    optimizer.save(arguments.output)
    print(optimizer.description)


if __name__ == "__main__":
    main()
