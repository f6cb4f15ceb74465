"""Optimizers trained for the tables: the paper's step, and ablations of ours by one recipe.

All three of ours see the same tasks for as many steps, a few minutes; what ships has had
an hour, so each is compared with "control", not with that.
"""

from functools import lru_cache

import numpy as np
import torch

from pretraining.matrices import draw_episode
from sklearn_gso import GSOMatrixCompleter, LearnedOptimizer, MetaTraining
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.problems import EmpiricalBayesCompletion
from sklearn_gso.rules import LSTMControl, Recipe, register_rule
from sklearn_gso.solvers import rules_for
from sklearn_gso.training import meta_train

from .store import RESULTS

N_STEPS, N_PASSES, SEED = 60, 2, 5
SETTINGS, STEP_SETTINGS = f"{N_STEPS} steps", f"{N_PASSES} passes"
_TASKS = (
    "uniform",
    "gaussian",
    "near the limit",
    "uniform, noisy",
    "high rank",
    "high rank near the limit",
)


@register_rule
class WithoutMemory(LSTMControl):
    """The same cells, started from zero at every step: a feed-forward network."""

    def step(self, problem, variables, name, state, clock):
        fresh = self.init_state(variables[name])[0], state[1]
        return super().step(problem, variables, name, fresh, clock)


@register_rule
class Schedule(LSTMControl):
    """Sees the clock alone: one schedule of controls for all rows and tasks."""

    def inputs(self, *args):
        all_inputs = super().inputs(*args)
        return torch.cat([torch.zeros_like(all_inputs[..., :-2]), all_inputs[..., -2:]], dim=-1)


RECIPES = {
    "control": Recipe(LSTMControl),
    "no memory": Recipe(WithoutMemory),
    "schedule": Recipe(Schedule),
}


def _train_control(kind):
    generator, rng = torch.Generator().manual_seed(SEED), np.random.RandomState(SEED)
    problem = EmpiricalBayesCompletion(torch.ones(1, 4, 4, dtype=torch.float64), 2)
    networks = RECIPES[kind].networks(problem, generator)
    rules = rules_for(problem, networks)

    def source(step):
        return [draw_episode(task, rules, rng, generator) for task in _TASKS]

    meta_train(source, rules, N_STEPS, learning_rate=3e-3, anneal=True, averaging=0.9)
    return LearnedOptimizer.from_rules(networks, problem, general=True)


def _train_step(factors):
    factors = {"P": "uniform", "G": "gaussian"}[factors]
    X, _ = make_low_rank_tasks(100, factors=factors, random_state=SEED)
    step = GSOMatrixCompleter(
        5,
        rule="step",
        optimizer=None,
        n_epochs=N_PASSES,
        training=MetaTraining(batch_size=4),
        safeguard="none",
        random_state=0,
    )
    return step.fit(X).learned_optimizer_


@lru_cache
def trained(kind, factors="") -> LearnedOptimizer:
    """Trained once and kept beside the results."""
    length = STEP_SETTINGS if kind == "step" else SETTINGS
    path = RESULTS / f"{kind}{factors}_{length}.safetensors".replace(" ", "_")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        (_train_step(factors) if kind == "step" else _train_control(kind)).save(path)
    return LearnedOptimizer.load(path)
