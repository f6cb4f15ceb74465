"""Optimizers trained for the tables: the paper's step, and ablations of ours by one recipe.

All three of ours see the same tasks for as many steps, a few minutes; what ships has had
an hour, so each is compared with "control", not with that.
"""

import numpy as np
import torch

from sklearn_gso import GSOMatrixCompleter, LearnedOptimizer
from sklearn_gso.solvers.alternating import rules_for
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.training.rules import meta_train
from pretraining.completer import draw_episode
from sklearn_gso.problems import EmpiricalBayesCompletion
from sklearn_gso.rules import LSTMControl
from sklearn_gso.solvers.multistart import minimize_from_starts

from .store import RESULTS

N_STEPS, N_PASSES, SEED = 60, 2, 5
SETTINGS, STEP_SETTINGS = f"{N_STEPS} steps", f"{N_PASSES} passes"
_KINDS = (
    "uniform",
    "gaussian",
    "near the limit",
    "uniform, noisy",
    "high rank",
    "high rank near the limit",
)


class WithoutMemory(LSTMControl):
    """The same cells, started from zero at every step: a feed-forward network."""

    def step(self, problem, variables, name, state, progress):
        fresh = self.init_state(variables[name])[0], state[1]
        return super().step(problem, variables, name, fresh, progress)


class Schedule(LSTMControl):
    """Sees the clock alone: one schedule of controls for all rows and tasks."""

    def inputs(self, *args):
        found = super().inputs(*args)
        return torch.cat([torch.zeros_like(found[..., :-2]), found[..., -2:]], dim=-1)


# Of the same weights: a class of the package is what a file can name.
_RULES = {"control": LSTMControl, "no memory": WithoutMemory, "schedule": Schedule}
_made = {}


def _train_control(kind):
    generator, rng = torch.Generator().manual_seed(SEED), np.random.RandomState(SEED)
    problem = EmpiricalBayesCompletion(torch.ones(1, 4, 4, dtype=torch.float64), 2)
    n_features = problem.row_features(problem.init(generator), "U").shape[2]
    rule = _RULES[kind](n_features, problem.control_names, generator=generator)
    rules = rules_for(problem, rule)

    def source(step):
        return [draw_episode(k, rules, rng, generator) for k in _KINDS]

    meta_train(source, rules, N_STEPS, learning_rate=3e-3, anneal=True, averaging=0.9)
    rule.__class__ = LSTMControl  # the description names a class that can be loaded
    return LearnedOptimizer.from_rules({n: rule for n in problem.moved_names}, problem)


def _train_step(factors):
    X, _ = make_low_rank_tasks(
        100, factors="uniform" if factors == "P" else "gaussian", random_state=SEED
    )
    step = GSOMatrixCompleter(
        5,
        rule="step",
        optimizer=None,
        n_epochs=N_PASSES,
        batch_size=4,
        safeguard="none",
        random_state=0,
    )
    return step.fit(X).learned_optimizer_


def trained(kind, factors="") -> LearnedOptimizer:
    """Trained once and kept beside the results."""
    length = STEP_SETTINGS if kind == "step" else SETTINGS
    path = RESULTS / f"{kind}{factors}_{length}.safetensors".replace(" ", "_")
    if path not in _made:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            (_train_step(factors) if kind == "step" else _train_control(kind)).save(path)
        _made[path] = LearnedOptimizer.load(path)
    return _made[path]


def solve(kind, matrices, cell, n_init=4):
    """Estimates by one of the three recipes, as `GSOMatrixCompleter` makes them."""
    problem = EmpiricalBayesCompletion(torch.from_numpy(np.stack(matrices)), cell.capped_k)
    rule = trained(kind).rules()["U"]
    rule.__class__ = _RULES[kind]
    generator = torch.Generator().manual_seed(0)
    rules = rules_for(problem, rule)
    found = minimize_from_starts(problem, rules, n_init, generator, cell.max_iter, companion=True)
    return found.mean(problem.reconstruct).numpy()
