"""Small trainings, of rules and of judges, and what they leave."""

import functools

import numpy as np

from sklearn_gso import GSOGaussianMixture, GSOMatrixCompleter, MetaTraining
from sklearn_gso.datasets import make_low_rank_tasks, make_mixture_tasks
from sklearn_gso.rules import recipe


def control(checkpoint=None, training=(), **parameters):
    training = MetaTraining(**{"batch_size": 2, "checkpoint": checkpoint, **dict(training)})
    settings = {"rule": recipe("control", hidden_size=4), "max_iter": 4, "n_epochs": 4}
    settings |= {"optimizer": None, "scaling": "matrix", "random_state": 0, **parameters}
    return GSOMatrixCompleter(2, training=training, **settings)


def step(checkpoint=None, **parameters):
    """The paper's rule, which draws random numbers as it runs."""
    rule = recipe("step", hidden_size=4, restart_iterate=True)
    return control(checkpoint, **{"rule": rule, "t_l": 2, "t_u": 2, "n_epochs": 4, **parameters})


def judge(checkpoint=None, training=(), **parameters):
    training = MetaTraining(**{"batch_size": 2, "checkpoint": checkpoint, **dict(training)})
    settings = {"rule": recipe("moves", hidden_size=4), "n_epochs": 4}
    settings |= {"optimizer": None, "random_state": 0, **parameters}
    return GSOGaussianMixture(3, training=training, **settings)


def data(estimator):
    if isinstance(estimator, GSOGaussianMixture):
        return make_mixture_tasks(9, n_components=3, n_samples=60, random_state=0)[0]
    return make_low_rank_tasks(8, shape=(12, 10), rank=2, rate=0.6, random_state=0)[0]


def outcome(fitted) -> dict:
    """All that training leaves, as arrays."""
    history = {
        key: np.array([record.get(key, -1.0) for record in fitted.history_])
        for key in ("step", "loss", "validation")
    }
    return {**fitted.learned_optimizer_.weights, **history}


@functools.cache
def uninterrupted(make) -> dict:
    """The outcome of a whole training, the same for all who ask."""
    return outcome(make().fit(data(make())))


def assert_same(found, wanted):
    assert set(found) == set(wanted)
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=0, atol=1e-12)


class Killed(BaseException):
    """What no handler in the package knows."""
