"""Judges of non-local moves, and how they learn."""

import pytest
import torch

from pretraining.mixture import hit_rate
from sklearn_gso import LearnedOptimizer
from sklearn_gso.rules import ClosedForm, Judge, LSTMJudge, RandomJudge
from sklearn_gso.rules.judges import Rounds
from sklearn_gso.solvers import rules_for
from sklearn_gso.solvers.local_search import MIN_GAIN
from sklearn_gso.training import Gathering, Table, gather, table_loss, train_judge

from ..problems.planted import mixture


@pytest.fixture
def problem():
    return mixture(3, n_samples=150, n_features=3)[0]


def fake_table(seed, n_tasks=6, n_moves=20, n_features=5):
    """Moves gain as their first feature says."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(n_tasks, n_moves, n_features, generator=generator).double()
    gains = (features[..., 0] - 1.0) / 10
    return Table(features, gains)


def test_an_untrained_judge_is_indifferent(generator):
    judge = LSTMJudge(5, generator=generator)
    table = fake_table(0)
    scores, odds, _ = judge.judge(table.features, Rounds.none(6, 20), judge.init_state(6, 20))
    assert (scores == 0).all() and (odds == 0).all()


@pytest.mark.slow
def test_training_finds_what_tells_gains(generator):
    judge = LSTMJudge(5, 8, generator=generator)
    tables, fresh = [fake_table(i) for i in range(20)], fake_table(99, n_tasks=50)
    history = train_judge(
        judge, tables, 80, generator, validation=[fake_table(50)], learning_rate=3e-2
    )
    assert history[-1]["step"] == history.n_steps - 1 == 79
    assert history.after < 0.7 * history.before and not history.kept_the_start
    state = judge.init_state(50, 20)
    with torch.no_grad():
        scores, odds, _ = judge.judge(fresh.features, Rounds.none(50, 20), state)
    top = scores.topk(4, dim=1).indices
    best = fresh.gains.argmax(1, keepdim=True)
    assert (top == best).any(1).double().mean() > 0.9, "chance finds it in a fifth of the cases"
    assert ((odds > 0) == (fresh.gains > MIN_GAIN)).double().mean() > 0.9


def test_scores_do_not_depend_on_the_order_of_the_moves(generator):
    judge = LSTMJudge(5, generator=generator)
    with torch.no_grad():
        judge.output.weight.normal_(generator=generator)
    table, order = fake_table(1), torch.randperm(20, generator=generator)
    rounds = Rounds(table.gains > 0.5, table.gains.clamp(min=0), torch.ones(6, 1).double())
    permuted = Rounds(rounds.tried[:, order], rounds.gain[:, order], rounds.number)
    state = judge.init_state(6, 20)
    scores = judge.judge(table.features, rounds, state)[0]
    again = judge.judge(table.features[:, order], permuted, state)[0]
    torch.testing.assert_close(scores[:, order], again)


def test_a_judge_reads_what_the_rounds_brought(generator):
    judge = LSTMJudge(5, generator=generator)
    with torch.no_grad():
        judge.output.weight.normal_(generator=generator)
    table, none = fake_table(1), Rounds.none(6, 20)
    first, _, state = judge.judge(table.features, none, judge.init_state(6, 20))
    tried = Rounds(none.tried.clone(), none.gain.clone(), none.number + 1)
    tried.tried[:, 3], tried.gain[:, 3] = True, -0.5
    told, _, _ = judge.judge(table.features, tried, state)
    remembered, _, _ = judge.judge(table.features, none, state)
    assert not torch.allclose(told[:, 4], remembered[:, 4]), "outcomes of others count"
    assert not torch.allclose(first, remembered), "and so does the memory"


def test_tables_hold_local_optima_and_their_gains(problem, generator):
    tables = gather(problem, rules_for(problem, ClosedForm()), generator, max_moves=7)
    assert 1 <= len(tables) <= 3
    for table in tables:
        assert table.features.shape[:2] == table.gains.shape
        assert table.features.isfinite().all()
        assert ((~table.gains.isnan()).sum(1) == 7).all()
    # The second optimum is a gain on the first, so not all tasks need be there.
    assert all(len(a.gains) >= len(b.gains) for a, b in zip(tables, tables[1:], strict=False))


def test_moves_not_tried_do_not_count_in_the_loss(generator):
    judge = LSTMJudge(5, generator=generator)
    table = fake_table(2)
    known = table.gains.clone()
    known[:, 10:] = torch.nan
    spoiled = table.features.clone()
    loss = table_loss(judge, Table(table.features, known), torch.Generator().manual_seed(0))
    loss.backward()
    assert loss.isfinite() and all(p.grad.isfinite().all() for p in judge.parameters())
    spoiled[:, 10:] = spoiled[:, 10:].flip(0)  # their mean over the task stays
    again = table_loss(judge, Table(spoiled, known), torch.Generator().manual_seed(0))
    torch.testing.assert_close(loss, again)


def test_a_table_without_gains_teaches_despair(generator):
    judge = LSTMJudge(5, 8, generator=generator)
    hopeless = Table(fake_table(3).features, -torch.ones(6, 20).double())
    train_judge(judge, [hopeless], 80, generator, learning_rate=6e-2)
    _, odds, _ = judge.judge(hopeless.features, Rounds.none(6, 20), judge.init_state(6, 20))
    assert (torch.sigmoid(odds) < 0.05).all()


def test_a_judge_travels_in_a_file(problem, generator, tmp_path):
    n_features = problem.move_features(problem.init(generator)).shape[2]
    judge = LSTMJudge(n_features, generator=generator)
    with torch.no_grad():
        judge.output.weight.normal_(generator=generator)
    optimizer = LearnedOptimizer.from_rules({"moves": judge}, problem)
    optimizer.save(tmp_path / "judge.safetensors")
    loaded = LearnedOptimizer.load(tmp_path / "judge.safetensors").rules()["moves"]
    variables = problem.init(generator)
    inputs = (problem.move_features(variables), Rounds.none(3, problem.n_moves))
    state = judge.init_state(3, problem.n_moves)
    torch.testing.assert_close(judge.judge(*inputs, state)[0], loaded.judge(*inputs, state)[0])


def test_chance_is_seeded():
    features, rounds = torch.zeros(2, 9, 3), Rounds.none(2, 9)
    scores = [
        RandomJudge(torch.Generator().manual_seed(seed)).judge(features, rounds, ())[0]
        for seed in (0, 0, 1)
    ]
    assert torch.equal(scores[0], scores[1]) and not torch.equal(scores[0], scores[2])


def drawn_tables(monkeypatch, tables, n_steps, n_together):
    """Numbers of the tables that each update learns from."""
    drawn = []

    def recorded(judge, table, generator):
        drawn.append(next(i for i, other in enumerate(tables) if other is table))
        return table_loss(judge, table, generator)

    monkeypatch.setattr("sklearn_gso.training.judges.table_loss", recorded)
    judge = LSTMJudge(5, 4, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    train_judge(judge, tables, n_steps, generator, n_together=n_together)
    return drawn


@pytest.mark.parametrize("n_together", [1, 3, 7, 9])
def test_every_table_is_drawn_once_in_each_pass(n_together, monkeypatch):
    tables = [fake_table(i, n_tasks=2) for i in range(7)]
    n_passes, n_updates = 4, -(-7 // n_together)
    drawn = drawn_tables(monkeypatch, tables, n_passes * n_updates, n_together)
    passes = [drawn[7 * i : 7 * (i + 1)] for i in range(n_passes)]
    assert len(drawn) == 7 * n_passes
    assert all(sorted(one) == list(range(7)) for one in passes)
    assert len(set(map(tuple, passes))) == n_passes, "each in an order of its own"


@pytest.mark.parametrize(("n_tasks", "n_passes"), [(6, 2), (50, 1)])
def test_few_tasks_are_gathered_twice(n_tasks, n_passes, generator):
    """Batches of four tasks at most, whatever the problems that they come from."""
    first, second = mixture(n_tasks - 5)[0], mixture(5, seed=1)[0]
    gathering = Gathering([first, second], generator)
    sizes = [len(batch) for _, batch in gathering.batches]
    assert sum(sizes) == n_passes * n_tasks and max(sizes) <= 4
    assert gathering.n_batches == len(sizes)


class InOrder(Judge):
    """Puts the moves in the order of their numbers."""

    n_tried = 4

    def judge(self, features, rounds, state):
        return -torch.arange(features.shape[1]).expand(features.shape[:2]).double(), None, state


def test_hits_are_counted_where_there_is_something_to_hit():
    gains = -torch.ones(5, 20).double()
    gains[0, 0] = gains[1, 3] = gains[2, 4] = 1.0  # the last two optima offer no gain
    gains[1, :3] = torch.nan  # not tried, so that what is known moves up
    features = torch.zeros(5, 20, 5).double()
    assert hit_rate(InOrder(), [Table(features, gains)]) == pytest.approx(2 / 3)
    gains[2, 0] = torch.nan
    assert hit_rate(InOrder(), [Table(features, gains)]) == 1
    assert hit_rate(InOrder(), [Table(features, -gains.abs())]) == 0
