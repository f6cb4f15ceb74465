"""Episodes from numbered tasks: passes, batches, what is held out and what is judged."""

import numpy as np
import pytest
import torch

from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.problems import MatrixCompletion
from sklearn_gso.rules import LSTMStep
from sklearn_gso.training import EpisodeSettings, TaskEpisodes, episodes

SHAPES = [(8, 6), (6, 5)]


def data(n_tasks):
    """Matrices of two shapes, in turn; the first entry is the number of the task."""
    arrays = []
    for i in range(n_tasks):
        X, _ = make_low_rank_tasks(1, shape=SHAPES[i % 2], rank=2, rate=0.9, random_state=i)
        X[0][0, 0] = i
        arrays.append(X[0])
    return arrays


def source(arrays, seed=0, truths=None, **settings):
    """Episodes of completion, and the rules they train."""

    def problem(numbers):
        values = torch.from_numpy(np.stack([arrays[i] for i in numbers]))
        return MatrixCompletion(values, 2, scale=torch.ones(len(numbers), 1, 1).double())

    def judge(problem, numbers):
        return problem.with_values(torch.from_numpy(np.stack([truths[i] for i in numbers])))

    rule = LSTMStep(hidden_size=3, generator=torch.Generator().manual_seed(0))
    return TaskEpisodes(
        [array.shape for array in arrays],
        [array.size for array in arrays],
        problem,
        judge if truths is not None else None,
        {"U": rule, "V": rule},
        EpisodeSettings(2, 1, 2, **{"loss": "global", **settings}),
        seed,
    )


def tasks_of(episode) -> list[int]:
    return [int(values[0, 0]) for values in episode.problem.observed.values]


def one_pass(train):
    """The tasks of each episode of a pass."""
    return [tasks_of(train(step)[0]) for step in range(train.n_steps)]


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_every_task_is_drawn_once_in_each_pass(batch_size):
    train = source(data(13), batch_size=batch_size, validation_fraction=0.15)
    held = [i for episode in train.validation for i in tasks_of(episode)]
    passes = [one_pass(train) for _ in range(3)]
    for batches in passes:
        assert sorted(sum(batches, [])) == sorted(set(range(13)) - set(held))
        for batch in batches:
            assert len(batch) <= batch_size and len({i % 2 for i in batch}) == 1
    assert len(held) == len(set(held)) == 2
    assert passes[0] != passes[1] != passes[2]


@pytest.mark.parametrize("batches_per_step", [2, 3])
def test_a_step_may_be_of_several_batches(batches_per_step):
    """The same passes, cut into longer steps; the last of a pass has what is left."""
    settings = {"batch_size": 3, "validation_fraction": 0.15}
    single = source(data(13), **settings)
    several = source(data(13), batches_per_step=batches_per_step, **settings)
    for _ in range(2):
        steps = [several(step) for step in range(several.n_steps)]
        assert [len(step) for step in steps[:-1]] == [batches_per_step] * (several.n_steps - 1)
        batches = [tasks_of(episode) for step in steps for episode in step]
        assert batches == one_pass(single)


@pytest.mark.parametrize(("n_tasks", "n_held", "overlaps"), [(3, 3, True), (4, 1, False)])
def test_few_tasks_are_learned_from_and_validated_on(n_tasks, n_held, overlaps):
    train = source(data(n_tasks))
    held = {i for episode in train.validation for i in tasks_of(episode)}
    learned = set(sum(one_pass(train), []))
    assert len(held) == n_held and bool(held & learned) == overlaps
    assert held | learned == set(range(n_tasks))


def test_without_validation_all_tasks_are_learned_from():
    for n_tasks in (2, 9):
        train = source(data(n_tasks), validation_fraction=0.0)
        assert train.validation == []
        assert sorted(sum(one_pass(train), [])) == list(range(n_tasks))


def test_held_out_entries_are_a_fresh_tenth_of_each_task():
    train = source(data(4), loss="heldout", validation_fraction=0.0)
    whole = source(data(4), validation_fraction=0.0)
    n_hidden, masks = 0, []
    for _ in range(2 * train.n_steps):
        (episode,), (undivided,) = train(0), whole(0)
        seen, judged = (p.observed.mask.bool() for p in (episode.problem, episode.judge))
        assert not (seen & judged).any()
        assert torch.equal(seen | judged, undivided.problem.observed.mask.bool())
        n_hidden += int(judged.sum())
        masks.append(judged)
    n_observed = 2 * sum(np.isfinite(array).sum() for array in data(4))
    assert 0.04 < n_hidden / n_observed < 0.2
    assert not any(torch.equal(a, b) for a in masks[:2] for b in masks[2:] if a.shape == b.shape)


def test_known_truths_come_before_the_loss():
    arrays = data(4)
    truths = [array + 1 for array in arrays]
    train = source(arrays, truths=truths, loss="heldout", validation_fraction=0.0)
    (episode,) = train(0)
    numbers = tasks_of(episode)
    expected = torch.from_numpy(np.nan_to_num(np.stack([truths[i] for i in numbers])))
    torch.testing.assert_close(episode.judge.observed.values, expected)
    assert episode.reference.errors.shape == (2, len(numbers))


def test_batches_fit_the_memory_bound(monkeypatch):
    """As many tasks as fit, one at least, and never more than asked for."""
    arrays, n_sweeps = [array for array in data(20) if array.shape == SHAPES[0]], 2
    task = 17 * arrays[0].size * n_sweeps
    for bound, largest in ((0.5, 1), (1.5, 1), (2.0, 2), (3.9, 3), (100, 4)):
        monkeypatch.setattr(episodes, "_MAX_GRAPH", bound * task)
        train = source(arrays, batch_size=4, validation_fraction=0.0)
        assert max(map(len, one_pass(train))) == largest


def test_a_source_goes_on_where_its_state_says():
    train, other = source(data(9), batch_size=2), source(data(9), batch_size=2)
    train(0)
    other.load_state_dict(train.state_dict())
    for _ in range(2 * train.n_steps):
        (one,), (same,) = train(0), other(0)
        assert tasks_of(one) == tasks_of(same)
        torch.testing.assert_close(one.variables, same.variables, rtol=0, atol=0)
