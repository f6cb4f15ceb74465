"""Non-local moves from local optima: gains are kept, nothing else is."""

import pytest
import torch

from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.problems import MatrixCompletion, MixtureFreeEnergy
from sklearn_gso.rules import AllMoves, ClosedForm, LSTMJudge, RandomJudge
from sklearn_gso.solvers import alternate, explore, rules_for, try_moves
from sklearn_gso.solvers.local_search import MIN_GAIN

from ..problems.planted import converge, mixture


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
    planted = converge(problem, rules, truth).objective
    start = converge(problem, rules, problem.init(generator))
    assert (start.objective > planted + 0.01).any()
    found = explore(problem, rules, start, AllMoves(), generator, 200, 1e-8)
    assert (found.run.objective <= planted + 1e-6).all()


@pytest.mark.parametrize("least", [0.01, 1e3])
def test_falls_below_the_least_gain_are_none(generator, least):
    problem, rules, _ = mixture(8, given=False)
    start = converge(problem, rules, problem.init(generator))
    options = {"min_gain": least}
    found = explore(problem, rules, start, AllMoves(), generator, 200, 1e-8, **options)
    fallen = start.objective - found.run.objective
    assert ((found.n_gains == 0) == (fallen == 0)).all()
    assert (fallen[found.n_gains > 0] > least - 1e-9).all()
    assert (found.n_gains > 0).any() == (least < 1)


def test_gains_of_tried_moves_are_what_is_kept(generator):
    problem, rules, _ = mixture(1)
    start = converge(problem, rules, problem.init(generator))
    moves = torch.arange(problem.n_moves)[None]
    found, reached = try_moves(problem, rules, start.variables, moves, generator)
    assert reached.shape == (1, problem.n_moves)
    many = problem.repeat(problem.n_moves)
    torch.testing.assert_close(many.objective(found), reached[0])
    explored = explore(problem, rules, start, AllMoves(), generator, 200, 1e-8)
    assert (explored.run.objective < reached.min() + 1e-3).all()


def test_a_race_runs_the_best_to_the_end(generator):
    problem, rules, _ = mixture(3)
    start = converge(problem, rules, problem.init(generator))
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
    start = converge(problem, rules, problem.init(generator))
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
    planted = converge(problem, rules, problem.start_from(means))
    ring = converge(problem, rules, problem.start_from(means.roll(3, 1)))
    assert (ring.objective > planted.objective + 0.1).all()
    exchanges = problem.moves.exchange.nonzero()[:, 0].expand(3, -1)
    _, reached = try_moves(problem, rules, ring.variables, exchanges, generator, 50)
    assert (reached > ring.objective[:, None] - MIN_GAIN).all()
    variables, changed = problem.rearranged(ring.variables)
    assert changed.all()
    found = converge(problem, rules, variables)
    torch.testing.assert_close(found.objective, planted.objective, rtol=0, atol=1e-6)
    _, changed = problem.rearranged(planted.variables)
    assert not changed.any(), "the optimum is left alone"


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
    start = converge(problem, rules, problem.start_from(means, None, covariances))
    assert (problem.n_collapsed(start.variables) == 0).all()
    few = problem.points[:, :, :3]
    mean = few.mean(2)
    scatter = (few - mean[..., None]) @ (few - mean[..., None]).mT / 3 + 1e-6 * torch.eye(6)
    speck = problem.start_from(
        torch.stack([mean, start.variables["means"].mean(1)], dim=1),
        covariances=torch.stack([scatter, 9 * covariances[:, 1]], dim=1),
    )
    collapsed = converge(problem, rules, speck)
    assert (collapsed.objective < start.objective).all()
    assert (problem.n_collapsed(collapsed.variables) == 1).all()
    found = explore(problem, rules, start, AllMoves(), generator, 200, 1e-8)
    assert (problem.n_collapsed(found.run.variables) == 0).all()
    further = explore(problem, rules, collapsed, AllMoves(), generator, 200, 1e-8)
    assert (problem.n_collapsed(further.run.variables) <= 1).all()
