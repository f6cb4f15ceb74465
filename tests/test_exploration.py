"""Runs to convergence and non-local moves between them."""

import numpy as np
import pytest
import torch

from sklearn_gso.solvers.alternating import alternate, rules_for
from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.solvers.local_search import MIN_GAIN, converge, explore, in_batches, short_runs, try_moves
from sklearn_gso.problems import MatrixCompletion, MixtureFreeEnergy
from sklearn_gso.problems.base import map_tensors, take_tasks
from sklearn_gso.rules import AllMoves, ClosedForm, LSTMJudge, RandomJudge

EASY = {"n_components": 4, "n_features": 2, "spread": 3.0, "eccentricity": 25, "n_samples": 200}


def mixture(n_tasks=4, given=True, seed=0, **options):
    options = {**EASY, **options}
    X, truth = make_mixture_tasks(n_tasks, random_state=seed, **options)
    centre = X.mean(1, keepdims=True)
    fixed = {"covariances": torch.from_numpy(truth.covariances)} if given else None
    problem = MixtureFreeEnergy(
        torch.from_numpy(X - centre), options["n_components"], fixed=fixed, reg_covar=1e-6
    )
    best = problem.start_from(
        torch.from_numpy(truth.means - centre),
        covariances=None if given else torch.from_numpy(truth.covariances),
    )
    return problem, rules_for(problem, ClosedForm()), best


def test_each_task_stops_as_if_alone(generator):
    problem, rules, _ = mixture()
    start = problem.init(generator)
    together = converge(problem, rules, start, 60, 1e-4)
    for i in range(problem.n_tasks):
        one = torch.tensor([i])
        alone = converge(problem.take(one), rules, take_tasks(start, one), 60, 1e-4)
        assert alone.n_iter[0] == together.n_iter[i]
        torch.testing.assert_close(alone.variables["means"][0], together.variables["means"][i])
    assert len(set(together.n_iter.tolist())) > 1, "tasks that all stop together show nothing"


def test_the_step_after_the_first_still_one_is_the_last(generator):
    problem, rules, _ = mixture(1)
    values = [problem.objective(start := problem.init(generator))]
    alternate(problem, rules, start, 60, on_sweep=lambda v: values.append(problem.objective(v)))
    changes = np.abs(np.diff(torch.cat(values).numpy()))
    run = converge(problem, rules, start, 60, 1e-4)
    assert int(run.n_iter[0]) == np.flatnonzero(changes < 1e-4)[0] + 2
    assert run.converged[0]
    short = converge(problem, rules, start, 3, 1e-4)
    assert not short.converged[0] and short.n_iter[0] == 3


def test_a_zero_tolerance_never_converges(generator):
    problem, rules, _ = mixture(2)
    start = problem.init(generator)
    run = converge(problem, rules, start, 7, 0.0)
    expected, _ = alternate(problem, rules, start, 7)
    torch.testing.assert_close(run.variables["means"], expected["means"])
    assert (run.n_iter == 7).all() and not run.converged.any()


def test_short_runs_are_the_loop_whatever_the_batches(generator, monkeypatch):
    problem, rules, _ = mixture()
    start = problem.init(generator)
    expected, _ = alternate(problem, rules, start, 5)
    monkeypatch.setattr("sklearn_gso.exploration._BATCH_SIZE", 2 * problem.task_size)
    assert len(in_batches(problem, torch.arange(4))) == 2
    torch.testing.assert_close(short_runs(problem, rules, start, 5)["means"], expected["means"])


@pytest.mark.parametrize("given", [True, False])
def test_moves_keep_the_variables_whole(generator, given):
    problem, rules, _ = mixture(3, given)
    variables, _ = alternate(problem, rules, problem.init(generator), 10)
    for move in range(problem.n_moves):
        moved = problem.moved(variables, torch.full((3,), move), generator)
        assert set(moved) == set(problem.block_names)
        shapes = [map_tensors(lambda t: t.shape, tree) for tree in (moved, variables)]
        assert shapes[0] == shapes[1]
        assert problem.objective(moved).isfinite().all()
        first, second, exchange = (int(x[move]) for x in problem.moves)
        still = [k for k in range(4) if k not in (first, second)]
        torch.testing.assert_close(moved["means"][:, still], variables["means"][:, still])
        if exchange:
            torch.testing.assert_close(moved["means"][:, first], variables["means"][:, second])
            torch.testing.assert_close(moved["means"][:, second], variables["means"][:, first])
        else:
            samples = problem.points.mT
            distance = (samples - moved["means"][:, None, first]).abs().sum(2).amin(1)
            assert (distance == 0).all(), "a component goes to a sample"
        weights = torch.softmax(moved["weights"], 1)
        torch.testing.assert_close(weights.sum((1, 2)), torch.ones(3).double())


def test_two_exchanges_undo_each_other(generator):
    problem, rules, _ = mixture(2)
    variables, _ = alternate(problem, rules, problem.init(generator), 10)
    move = torch.full((2,), problem.n_moves - 1)
    assert problem.moves.exchange[-1]
    once = problem.moved(variables, move, generator)
    twice = problem.moved(once, move, generator)
    assert not torch.allclose(once["means"], variables["means"])
    torch.testing.assert_close(twice["means"], variables["means"])
    torch.testing.assert_close(problem.objective(twice), problem.objective(variables))


def test_estimated_covariances_offer_no_exchange():
    given, estimated = mixture()[0], mixture(given=False)[0]
    assert given.n_moves == 4 * 3 + 6 and estimated.n_moves == 4 * 3


def test_a_problem_without_moves_is_left_where_it_is(noisy_values, generator):
    problem = MatrixCompletion(noisy_values, 2)
    rules = rules_for(problem, ClosedForm())
    start = converge(problem, rules, problem.init(generator), 5, 1e-6)
    found = explore(problem, rules, start, AllMoves(), generator, 10, 1e-6)
    torch.testing.assert_close(found.run, start)
    assert (found.n_rounds == 0).all()


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("kind", ["all", "random", "lstm"])
def test_exploring_never_raises_the_objective(generator, kind, given):
    problem, rules, _ = mixture(given=given)
    start = converge(problem, rules, problem.init(generator), 100, 1e-6)
    n_features = problem.move_features(start.variables).shape[2]
    judge = {
        "all": AllMoves(),
        "random": RandomJudge(generator),
        "lstm": LSTMJudge(n_features, generator=generator),
    }[kind]
    with torch.no_grad():
        found = explore(problem, rules, start, judge, generator, 100, 1e-6)
    assert (found.run.objective <= start.objective).all()
    torch.testing.assert_close(problem.objective(found.run.variables), found.run.objective)
    gained = found.run.objective < start.objective - MIN_GAIN
    assert ((found.n_gains > 0) == gained).all()
    assert (found.n_rounds >= 1 if kind != "lstm" else found.n_rounds >= 0).all()


def test_all_moves_reach_the_planted_optimum(generator):
    """Where single runs of EM stay in bad optima."""
    problem, rules, truth = mixture(8, spread=4.0)
    planted = converge(problem, rules, truth, 200, 1e-8).objective
    start = converge(problem, rules, problem.init(generator), 200, 1e-8)
    assert (start.objective > planted + 0.01).any()
    found = explore(problem, rules, start, AllMoves(), generator, 200, 1e-8)
    assert (found.run.objective <= planted + 1e-6).all()


def test_gains_of_tried_moves_are_what_is_kept(generator):
    problem, rules, _ = mixture(1)
    start = converge(problem, rules, problem.init(generator), 200, 1e-8)
    moves = torch.arange(problem.n_moves)[None]
    found, reached = try_moves(problem, rules, start.variables, moves, generator)
    assert reached.shape == (1, problem.n_moves)
    many = problem.repeat(problem.n_moves)
    torch.testing.assert_close(many.objective(found), reached[0])
    explored = explore(problem, rules, start, AllMoves(), generator, 200, 1e-8)
    assert (explored.run.objective < reached.min() + 1e-3).all()


def test_a_race_runs_the_best_to_the_end(generator):
    problem, rules, _ = mixture(3)
    start = converge(problem, rules, problem.init(generator), 200, 1e-8)
    moves = torch.arange(12).expand(3, -1)
    seeds = [torch.Generator().manual_seed(5) for _ in range(3)]
    _, whole = try_moves(problem, rules, start.variables, moves, seeds[0], 12)
    _, begun = try_moves(problem, rules, start.variables, moves, seeds[1], 3)
    found, raced = try_moves(problem, rules, start.variables, moves, seeds[2], 12, race=True)
    better = begun.argsort(1).argsort(1) < 4
    torch.testing.assert_close(raced, torch.where(better, whole, begun))
    many = problem.take(torch.arange(3).repeat_interleave(12))
    torch.testing.assert_close(many.objective(found), raced.flatten())


def test_the_runs_kept_are_told_as_they_ended(generator):
    problem, rules, _ = mixture(8, spread=4.0)
    start = converge(problem, rules, problem.init(generator), 200, 1e-8)
    found = explore(problem, rules, start, AllMoves(), generator, 200, 1e-8)
    gained = found.n_gains > 0
    assert gained.any() and not gained.all()
    assert (found.run.n_iter[~gained] == start.n_iter[~gained]).all()
    # One more sweep of what is said to stand still changes nothing.
    still = found.run.converged
    again, _ = alternate(problem, rules, found.run.variables, 1)
    assert ((problem.objective(again) - found.run.objective).abs()[still] < 1e-8).all()


def test_a_ring_is_undone_by_rearranging(generator):
    """Every petal's component on the petal two further: no exchange of two gains."""
    X, truth = make_mixture_tasks(
        3, layout="flower", n_components=7, n_samples=4000, random_state=1
    )
    centre = X.mean(1, keepdims=True)
    fixed = {"covariances": torch.from_numpy(truth.covariances)}
    problem = MixtureFreeEnergy(torch.from_numpy(X - centre), 7, fixed=fixed)
    rules = rules_for(problem, ClosedForm())
    means = torch.from_numpy(truth.means - centre)
    planted = converge(problem, rules, problem.start_from(means), 200, 1e-8)
    ring = converge(problem, rules, problem.start_from(means.roll(3, 1)), 200, 1e-8)
    assert (ring.objective > planted.objective + 0.1).all()
    exchanges = problem.moves.exchange.nonzero()[:, 0].expand(3, -1)
    _, reached = try_moves(problem, rules, ring.variables, exchanges, generator, 50)
    assert (reached > ring.objective[:, None] - MIN_GAIN).all()
    variables, changed = problem.rearranged(ring.variables)
    assert changed.all()
    found = converge(problem, rules, variables, 200, 1e-8)
    torch.testing.assert_close(found.objective, planted.objective, rtol=0, atol=1e-6)
    _, changed = problem.rearranged(planted.variables)
    assert not changed.any(), "the optimum is left alone"


def test_components_that_are_alike_are_not_rearranged(generator):
    problem, rules, _ = mixture(3, eccentricity=1.0)
    start = converge(problem, rules, problem.init(generator), 100, 1e-6)
    assert not problem.rearranged(start.variables)[1].any()
    estimated, rules, _ = mixture(3, given=False)
    start = converge(estimated, rules, estimated.init(generator), 100, 1e-6)
    assert not estimated.rearranged(start.variables)[1].any()


def test_a_collapse_is_no_gain(generator):
    """Three samples in six dimensions have no bounded likelihood: moves there are not kept."""
    X, truth = make_mixture_tasks(
        1, n_samples=60, n_components=2, n_features=6, spread=3.0, random_state=3
    )
    centre = X.mean(1, keepdims=True)
    problem = MixtureFreeEnergy(torch.from_numpy(X - centre), 2, reg_covar=1e-6)
    rules = rules_for(problem, ClosedForm())
    covariances = torch.from_numpy(truth.covariances)
    means = torch.from_numpy(truth.means - centre)
    start = converge(problem, rules, problem.start_from(means, None, covariances), 200, 1e-8)
    assert (problem.n_collapsed(start.variables) == 0).all()
    few = problem.points[:, :, :3]
    mean = few.mean(2)
    scatter = (few - mean[..., None]) @ (few - mean[..., None]).mT / 3 + 1e-6 * torch.eye(6)
    speck = problem.start_from(
        torch.stack([mean, start.variables["means"].mean(1)], dim=1),
        covariances=torch.stack([scatter, 9 * covariances[:, 1]], dim=1),
    )
    collapsed = converge(problem, rules, speck, 200, 1e-8)
    assert (collapsed.objective < start.objective).all()
    assert (problem.n_collapsed(collapsed.variables) == 1).all()
    found = explore(problem, rules, start, AllMoves(), generator, 200, 1e-8)
    assert (problem.n_collapsed(found.run.variables) == 0).all()
    further = explore(problem, rules, collapsed, AllMoves(), generator, 200, 1e-8)
    assert (problem.n_collapsed(further.run.variables) <= 1).all()
