"""The trainer: what an update may do to the weights, and which weights are kept."""

import math

import pytest
import torch
from torch import nn

from sklearn_gso.training import History
from sklearn_gso.training.trainer import Trainer


def trainer(clip, learning_rate=1.0, **settings):
    """Plain gradient descent, so that the update is the clipped gradient itself."""
    module = nn.Linear(3, 2, dtype=torch.float64)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(1.0)
    new = Trainer([module], learning_rate, clip=clip, **settings)
    new.adam = torch.optim.SGD(new.parameters, lr=learning_rate)
    return new, module


def weights(module):
    return torch.cat([p.detach().flatten().clone() for p in module.parameters()])


DIRECTION = torch.arange(1.0, 9.0, dtype=torch.float64)
DIRECTION /= DIRECTION.norm()


def linear_loss(module, slope):
    flat = torch.cat([p.flatten() for p in module.parameters()])
    return slope * (DIRECTION * flat).sum()


@pytest.mark.parametrize("slope", [1e-3, 0.5, 2.0, 1e6, 1e100])
@pytest.mark.parametrize("clip", [0.1, 1.0])
def test_clipping_bounds_the_update(slope, clip):
    """The update is the gradient where that is short, of the clip's length where it is long."""
    new, module = trainer(clip)
    before = weights(module)
    assert new.update([linear_loss(module, slope)]) is not None
    move = weights(module) - before
    torch.testing.assert_close(move, -min(slope, clip) * DIRECTION, rtol=1e-4, atol=1e-9)


def test_clipping_is_of_the_sum_of_the_terms():
    new, module = trainer(clip=1.0)
    before = weights(module)
    terms = (linear_loss(module, slope) for slope in (5.0, -4.5))  # each alone is clipped
    total = new.update(terms)
    assert total == pytest.approx(0.5 * float((DIRECTION * before).sum()))
    assert (weights(module) - before).norm() == pytest.approx(0.5)


def test_an_infinite_gradient_is_skipped_not_clipped():
    new, module = trainer(clip=1.0)
    before = weights(module)
    assert new.update([linear_loss(module, torch.inf)]) is None
    assert torch.equal(weights(module), before) and new.history.n_skipped == 1


# The start, and what came of it -----------------------------------------------------------


def train(values, validate_every=1):
    """Steps that move the weights, validated to these values, the start's being the first."""
    new, module = trainer(clip=1.0, learning_rate=0.1, validate_every=validate_every)
    seen, left = [weights(module)], iter(values)

    def step(i):
        loss = new.update([linear_loss(module, 1.0)])
        seen.append(weights(module))
        return [loss]

    history = new.run(
        validate_every * (len(values) - 1) if values else 3,
        step,
        (lambda: next(left)) if values else None,
    )
    return history, weights(module), seen


def test_the_validation_of_the_start_stands_as_step_minus_one():
    history, _, _ = train([5.0, 4.0, 6.0], validate_every=2)
    assert history[0] == {"step": -1, "validation": 5.0}
    assert [record["step"] for record in history] == [-1, 0, 1, 2, 3]
    assert [record.get("validation") for record in history[1:]] == [None, 4.0, None, 6.0]
    assert all(math.isfinite(record["loss"]) for record in history[1:])
    assert history.n_steps == 4


NAN = math.nan


@pytest.mark.parametrize(
    ("values", "kept", "after"),
    [
        ([5.0, 4.0, 6.0], 1, 4.0),
        ([5.0, 6.0, 3.0], 2, 3.0),
        ([5.0, 6.0, 7.0], 0, 5.0),
        ([5.0, 5.0, 5.0], 0, 5.0),
        ([5.0, NAN, 4.0], 2, 4.0),
        ([5.0, NAN, NAN], 0, 5.0),
        ([NAN, 4.0, 5.0], 1, 4.0),
        ([NAN, NAN, math.inf], 0, NAN),
    ],
)
def test_the_best_is_kept_the_start_being_one_of_them(values, kept, after):
    history, found, seen = train(values)
    torch.testing.assert_close(found, seen[kept], rtol=0, atol=0)
    assert history.before == pytest.approx(values[0], nan_ok=True)
    assert history.after == pytest.approx(after, nan_ok=True)
    assert history.kept_the_start == (kept == 0)


def test_without_validation_the_last_weights_are_kept_and_nothing_is_said_of_the_start():
    history, found, seen = train([])
    torch.testing.assert_close(found, seen[-1])
    assert [record["step"] for record in history] == [0, 1, 2] and history.n_steps == 3
    assert history.before is history.after is history.best_trained is None
    assert not history.kept_the_start


def test_a_history_without_training_kept_nothing():
    assert not History().kept_the_start and History().n_steps == 0
    validated = History([{"step": -1, "validation": 2.0}])  # interrupted before the first step
    assert (validated.before, validated.after, validated.n_steps) == (2.0, 2.0, 0)
    assert not validated.kept_the_start
