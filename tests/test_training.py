"""The trainer: what one update may do to the weights."""

import pytest
import torch
from torch import nn

from sklearn_gso.training.trainer import Trainer


def trainer(clip, learning_rate=1.0):
    """Plain gradient descent, so that the update is the clipped gradient itself."""
    module = nn.Linear(3, 2, dtype=torch.float64)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(1.0)
    found = Trainer([module], learning_rate, averaging=0.0, clip=clip)
    found.adam = torch.optim.SGD(found.parameters, lr=learning_rate)
    return found, module


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
    found, module = trainer(clip)
    before = weights(module)
    assert found.update([linear_loss(module, slope)]) is not None
    move = weights(module) - before
    torch.testing.assert_close(move, -min(slope, clip) * DIRECTION, rtol=1e-4, atol=1e-9)


def test_clipping_is_of_the_sum_of_the_terms():
    found, module = trainer(clip=1.0)
    before = weights(module)
    terms = (linear_loss(module, slope) for slope in (5.0, -4.5))  # each alone is clipped
    total = found.update(terms)
    assert total == pytest.approx(0.5 * float((DIRECTION * before).sum()))
    assert (weights(module) - before).norm() == pytest.approx(0.5)


def test_an_infinite_gradient_is_skipped_not_clipped():
    found, module = trainer(clip=1.0)
    before = weights(module)
    assert found.update([linear_loss(module, torch.inf)]) is None
    assert torch.equal(weights(module), before) and found.history.n_skipped == 1
