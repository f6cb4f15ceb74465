"""What recipes share that train `LSTMControl` beside the closed forms that it steers."""

import argparse
import time

import numpy as np
import torch

from pretraining import minutes_since, versions
from sklearn_gso import LearnedOptimizer
from sklearn_gso.rules import LSTMControl
from sklearn_gso.solvers import rules_for
from sklearn_gso.training import make_episode, meta_train, validate

_VALIDATION_SEED = 997
_TRAINING = {"anneal": True, "averaging": 0.9, "validate_every": 30, "learning_rate": 1e-2}


def steer(draw_small, draw, n_steps, seed, trained_on, what, verbose=True, **arguments):
    """Train a new rule; no ground truth is used.

    Parameters
    ----------
    draw_small : callable
        From a numpy generator to a small problem, which the rule is made for.
    draw : callable
        From a numpy generator to a problem to learn from and its number of sweeps.
    n_steps, seed : int
    trained_on, what : str
        On what it is trained, and what is validated, for the description.
    verbose : bool, default=True
    **arguments
        Of `LSTMControl`.

    Returns
    -------
    optimizer : LearnedOptimizer
    """
    rng, generator = np.random.RandomState(seed), torch.Generator().manual_seed(seed)
    problem = draw_small(rng)
    rule = LSTMControl.for_problem(problem, generator=generator, **arguments)
    rules = dict.fromkeys(problem.moved_names, rule)

    def episode(rng, generator):
        """A run whose objectives are compared with those of the closed forms."""
        drawn, n_sweeps = draw(rng)
        return make_episode(drawn, rules_for(drawn, rules), generator, n_sweeps, judge=drawn)

    other, others = np.random.RandomState(_VALIDATION_SEED), torch.Generator().manual_seed(1)
    validation = [episode(other, others) for _ in range(8)]
    clock = time.time()
    history = meta_train(
        lambda step: [episode(rng, generator)],
        rules_for(problem, rules),
        n_steps,
        validation=validation,
        verbose=verbose,
        **_TRAINING,
    )
    loss = round(validate(validation, rules_for(problem, rules)), 4)
    about = {"n_steps": history.n_steps, "n_skipped": history.n_skipped}
    return described(rules, problem, trained_on, seed, clock, what, loss, **about)


def described(rules, problem, trained_on, seed, clock, what, loss, **about) -> LearnedOptimizer:
    """A trained rule of any task, with what it was trained on since ``clock``."""
    return LearnedOptimizer.from_rules(
        rules,
        problem,
        general=True,
        trained_on=trained_on,
        seed=seed,
        minutes=minutes_since(clock),
        versions=versions(),
        validation={"what": what, "loss": loss},
        **about,
    )


def options(
    doc: str, steps: int, seed: int, hidden_size: int, name: str
) -> argparse.ArgumentParser:
    """A parser of what is asked for on the command line; one thread from now on."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--seed", type=int, default=seed)
    parser.add_argument("--hidden-size", type=int, default=hidden_size)
    parser.add_argument("--output", default=f"{name}.safetensors")
    torch.set_num_threads(1)
    return parser
