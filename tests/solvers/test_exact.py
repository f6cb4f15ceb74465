"""Exact fits: what alternation comes near is recovered, what has noise stays as it was."""

import numpy as np
import pytest
import torch

from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.problems import EmpiricalBayesCompletion, new_generator, point, take_tasks
from sklearn_gso.rules import ClosedForm
from sklearn_gso.solvers import Fixed, Multistart, minimize, rules_for
from sklearn_gso.solvers.exact import Finish, fit_exactly
from sklearn_gso.solvers.outcome import Status

N, RANK = 30, 2


def planted(seed=0, noise=0.0, share=0.4, sizes=(1.0, 1.0), n=N):
    rng = np.random.RandomState(seed)
    left, right = (np.linalg.qr(rng.randn(n, len(sizes)))[0] for _ in range(2))
    truth = n * (left * sizes) @ right.T
    seen = rng.rand(n, n) < share
    return truth, np.where(seen, truth + noise * rng.randn(n, n), np.nan)


def problem_of(*matrices, k=5):
    return EmpiricalBayesCompletion(torch.from_numpy(np.stack(matrices)), k)


def ended(problem, n_sweeps=25):
    return problem.minimize_blocks(problem.init(new_generator(0)), n_sweeps)


def error(found, truth):
    return np.linalg.norm(found - truth) / np.linalg.norm(truth)


def test_what_a_run_comes_near_is_recovered_with_the_least_rank():
    truth, X = planted()
    problem = problem_of(X)
    with torch.no_grad():
        run = ended(problem)
        before = error(problem.reconstruct(run)[0].numpy(), truth)
        found, exact, _ = fit_exactly(problem, run)
        assert exact.all() and before > 1e-9
        assert error(problem.reconstruct(found)[0].numpy(), truth) < 1e-11
    sizes = point(found["V"]).square().mean(1)[0]
    torch.testing.assert_close(sizes, torch.tensor([1.0, 1, 0, 0, 0]).double())


def run_of(problem, seed=0, n_sweeps=25, finish=True, **options):
    """A run of closed forms that gets offers of joint steps, or none."""
    finish = Finish.of(problem) if finish is True else finish
    start, rules = problem.init(new_generator(seed)), rules_for(problem, ClosedForm())
    return minimize(problem, rules, start, n_sweeps, finish=finish or None, **options)


def test_a_fit_that_ends_in_nothing_finite_costs_a_run_nothing(monkeypatch):
    problem = problem_of(planted()[1], planted(seed=1)[1])
    run = run_of(problem, finish=False)
    original = EmpiricalBayesCompletion.with_exact

    def broken(self, variables, found):
        variables = original(self, variables, found)
        first = (self.observed.total_square() - problem.observed.total_square()[0]).abs() < 1e-9
        mean = torch.where(first[:, None, None], torch.nan, variables["U"].mean)
        return {**variables, "U": variables["U"]._replace(mean=mean)}

    monkeypatch.setattr(EmpiricalBayesCompletion, "with_exact", broken)
    end = run_of(problem)
    assert end.status.tolist() == [Status.MAX_ITER, Status.EXACT]
    assert torch.equal(end.objective[0], run.objective[0]) and end.objective[1] < run.objective[1]
    assert torch.equal(point(end.variables["U"])[0], point(run.variables["U"])[0])


def test_what_is_near_does_not_wait_for_its_end_and_others_go_on_as_they_were():
    """A trace tells the same as the run; what gets no exact fit does not feel the offers."""
    (truth, X), (_, noisy) = planted(), planted(seed=2, noise=1e-3)
    problem = problem_of(X, noisy)
    plain = run_of(problem, n_sweeps=60, finish=False)
    told = run_of(problem, n_sweeps=60, trace=True)
    assert told.status.tolist() == [Status.EXACT, Status.MAX_ITER]
    assert told.converged.tolist() == [True, False]
    assert told.n_iter[0] < 25 and told.n_iter[1] == 60
    for of_run, of_plain in ((told.variables, plain.variables), (told.objective, plain.objective)):
        own, other = (take_tasks(each, slice(1, 2)) for each in (of_run, of_plain))
        torch.testing.assert_close(own, other, rtol=0, atol=0)
    end = problem.reconstruct(told.variables)[0].numpy()
    assert error(end, truth) < 1e-11
    when = int(told.n_iter[0])
    objectives = torch.stack(told.trace.objective)[:, 0]
    assert objectives[when] == told.objective[0] < objectives[when - 1] - 1
    kept = problem.reconstruct(told.trace.variables[when])[0].numpy()
    np.testing.assert_array_equal(kept, end)


@pytest.mark.parametrize("safeguard", ["step", "none"])
def test_who_ends_where_another_becomes_exact_does_not_feel_it(safeguard):
    """Its objective is not even summed in another order."""
    problem = problem_of(planted()[1], planted(seed=2, noise=1e-2)[1])
    when = int(run_of(problem, n_sweeps=60, safeguard=safeguard).n_iter[0])
    own, plain = (
        run_of(problem, n_sweeps=when, safeguard=safeguard, finish=finish)
        for finish in (True, False)
    )
    assert own.status.tolist() == [Status.EXACT, Status.MAX_ITER]
    assert own.objective[1] == plain.objective[1] and own.objective[0] < plain.objective[0]


def test_runs_of_several_tasks_from_several_starts():
    """Every task has one exact run, which is its own."""
    pairs = [planted(seed) for seed in range(3)]
    problem = problem_of(*(X for _, X in pairs))
    numbers = torch.arange(3).repeat(4)
    finish = Finish.of(problem)
    run = run_of(problem.take(numbers), finish=finish, numbers=numbers, tol=1e-3, n_sweeps=60)
    exact = run.status == Status.EXACT
    assert sorted(numbers[exact].tolist()) == [0, 1, 2] and finish.solved.all()
    rebuilt = problem.take(numbers).reconstruct(run.variables).numpy()
    for i in exact.nonzero()[:, 0]:
        assert error(rebuilt[i], pairs[int(numbers[i])][0]) < 1e-11


@pytest.fixture
def calls(monkeypatch):
    """Numbers of the runs that offers were made to, call by call."""
    calls = []

    def counted(problem, *arguments):
        calls.append(problem.n_tasks)
        return fit_exactly(problem, *arguments)

    monkeypatch.setattr("sklearn_gso.solvers.exact.fit_exactly", counted)
    return calls


def test_data_that_determine_no_rank_get_few_offers(calls, monkeypatch):
    never = lambda self, rank: torch.zeros(self.n_tasks, dtype=torch.bool)  # noqa: E731
    monkeypatch.setattr(EmpiricalBayesCompletion, "determined", never)
    run = run_of(problem_of(planted()[1]), n_sweeps=60)
    assert run.status.tolist() == [Status.MAX_ITER] and calls == [1, 1]


def test_offers_are_few_and_end_all_runs_of_a_task(calls):
    """Noise gets one on its way and none at its end; of two starts one exact fit is enough."""
    noisy = problem_of(planted(noise=1e-3)[1])
    run_of(noisy, n_sweeps=60)
    assert calls == [1]
    calls.clear()
    problem = problem_of(planted()[1])
    two = problem.take(torch.tensor([0, 0]))
    finish = Finish.of(problem)
    run = run_of(two, finish=finish, numbers=torch.tensor([0, 0]))
    assert sorted(run.status.tolist()) == [Status.GIVEN_UP, Status.EXACT]
    assert calls == [1] and finish.solved.all()
    later = run_of(problem, seed=3, finish=finish)
    assert later.n_iter.tolist() == [1] and calls == [1]


@torch.no_grad()
def test_data_with_noise_stay_as_they_are_to_the_bit():
    clean, noisy = planted()[1], planted(noise=1e-3)[1]
    problem = problem_of(clean, noisy)
    run = ended(problem)
    found, exact, _ = fit_exactly(problem, run)
    assert exact.tolist() == [True, False]
    torch.testing.assert_close(
        take_tasks(found, slice(1, 2)), take_tasks(run, slice(1, 2)), rtol=0, atol=0
    )


def test_a_rank_is_determined_by_entries_beyond_those_it_can_fit():
    """A full matrix determines all ranks less than its sides; scattered or lone entries none."""
    full, diagonal = np.ones((6, 6)), np.where(np.eye(6, dtype=bool), 1.0, np.nan)
    cross = np.where(np.arange(6)[:, None] * np.arange(6) == 0, 1.0, np.nan)
    problem = problem_of(full, diagonal, cross, k=5)
    told = torch.stack([problem.determined(rank) for rank in range(1, 6)])
    assert told[:, 0].all() and not told[:, 1:].any()
    # A row with no more entries than the rank tells nothing of the others.
    square = np.full((7, 7), np.nan)
    square[:6, :6] = 1.0
    square[6, :3] = 1.0
    for rank in (1, 2, 3, 4, 5):
        assert problem_of(square).determined(rank).all()


@torch.no_grad()
def test_rows_that_are_not_determined_are_where_their_prior_has_them():
    truth, X = planted(share=0.6)
    X[0], X[1], X[:, 2] = np.nan, np.nan, np.nan
    X[1, 5] = truth[1, 5]
    problem = problem_of(X)
    found, exact, _ = fit_exactly(problem, ended(problem))
    assert exact.all()
    prior = found["prior_U"].mean[0, 0]
    torch.testing.assert_close(point(found["U"])[0, 0], prior)
    rebuilt = problem.reconstruct(found)[0].numpy()
    seen = ~np.isnan(X)
    np.testing.assert_allclose(rebuilt[seen], X[seen], atol=1e-7)
    assert np.linalg.norm(rebuilt[1]) < 3 * np.linalg.norm(truth) / N**0.5


def test_deviations_of_rows_that_are_not_determined_are_their_prior_s():
    """They were rounding, or NaN: of a few entries the prior tells how far others may lie."""
    rng = np.random.RandomState(0)
    truth = rng.randn(60, 4) @ rng.randn(4, N)
    X = np.where(rng.rand(*truth.shape) < 0.3, np.nan, truth)
    for i in range(20):
        X[i] = np.where(rng.permutation(N) <= i % 3, truth[i], np.nan)
    completer = GSOMatrixCompleter(random_state=0).fit(X)
    away, open_ = completer.transform(X) - truth, np.isnan(X[:20])
    assert np.abs(away[20:]).max() < 1e-9
    scores = away[:20][open_] / completer.transform_std(X)[:20][open_]
    assert 0.8 < np.sqrt(np.mean(scores**2)) < 1.25
    new = np.where(np.isnan(X[:20]), np.nan, truth[:20])
    again = GSOMatrixCompleter(random_state=0).fit(X[20:])
    scores = (again.transform(new) - truth[:20])[open_] / again.transform_std(new)[open_]
    assert 0.8 < np.sqrt(np.mean(scores**2)) < 1.25


@torch.no_grad()
def test_copies_of_columns_do_not_tell_of_others():
    """Twelve entries of a row may tell of three components only: the fourth is its prior's."""
    rng = np.random.RandomState(0)
    truth = np.tile(rng.randn(60, 4), 3)
    X = np.where(rng.rand(*truth.shape) < 0.2, np.nan, truth)
    X[0, 3::4] = np.nan
    problem = problem_of(X, k=6)
    found, exact, _ = fit_exactly(problem, ended(problem, 40))
    rebuilt = problem.reconstruct(found)[0].numpy()
    assert exact.all() and np.abs(rebuilt[0, 3::4]).max() < 1
    told = ~np.isnan(X).reshape(60, 3, 4).all(1, keepdims=True).repeat(3, 1).reshape(60, 12)
    assert np.abs(rebuilt - truth)[told].max() < 1e-9
    assert problem.objective(found).isfinite().all()


@pytest.mark.parametrize("seed", range(3))
def test_tables_with_exact_linear_relations_are_fitted(seed):
    """Some rows leave directions open: the objective was infinite up to rounding."""
    rng = np.random.RandomState(seed)
    a, b, c = rng.randn(60, 3).T
    table = np.c_[a, b, c, a + b, 2 * c, a - c, np.ones(60)]
    X = np.where(rng.rand(*table.shape) < 0.2, np.nan, table)
    completer = GSOMatrixCompleter(random_state=0).fit(X)
    completed = completer.transform(X)
    assert np.isfinite(completer.objective_) and np.isfinite(completer.transform_std(X)).all()
    known = ~np.isnan(X[:, :2]).any(1) & np.isnan(X[:, 3])
    np.testing.assert_allclose(completed[known, 3], table[known, 3], atol=1e-8)


def test_small_components_of_ill_conditioned_matrices_are_found():
    truth, X = planted(sizes=(1.0, 1e-2, 1e-5), share=0.5)
    completer = GSOMatrixCompleter(random_state=0).fit(X)
    assert error(completer.reconstruct(X), truth) < 1e-9
    kept = error(completer.transform(X), truth)
    assert kept < 1e-9 and completer.transform_std(X).max() < 1e-5
    assert (np.linalg.svd(completer.components_, compute_uv=False) > 1).sum() == 3


def test_an_exact_fit_ends_the_starts_and_takes_all_weight():
    truth, X = planted(share=0.3)
    problem = problem_of(X)
    rules = rules_for(problem, ClosedForm())
    many = Multistart(Fixed(4), 60).solve(problem, rules, new_generator(0))
    assert len(many.runs) == 1 and many.weights.tolist() == [[1.0]]
    torch.testing.assert_close(many.best.objective, problem.objective(many.best.variables))
    plain = Multistart(Fixed(4), 60, exact=False).solve(problem, rules, new_generator(0))
    assert len(plain.runs) == 4
    distance = [
        error(answer.mean(problem.reconstruct)[0].numpy(), truth) for answer in (many, plain)
    ]
    assert distance[0] < 1e-10 < distance[1]


def test_new_rows_of_a_recovered_matrix():
    truth, X = planted(share=0.5)
    completer = GSOMatrixCompleter(random_state=0).fit(X[:-3])
    np.testing.assert_allclose(completer.reconstruct(X[-3:]), truth[-3:], atol=1e-6)
    # A row of one entry is drawn to what rows are like, not to whatever fits.
    row = np.full((1, N), np.nan)
    row[0, 0] = truth[-1, 0]
    assert np.linalg.norm(completer.reconstruct(row)) < 2 * np.linalg.norm(truth[-1])


@pytest.mark.slow
def test_the_counting_limit():
    """100 square, rank 5, 1.2 times the entries that determine it: nobody tells the rank."""
    rng = np.random.RandomState(0)
    left, right = (np.linalg.qr(rng.randn(100, 5))[0] for _ in range(2))
    truth = left * np.geomspace(10, 1, 5) @ right.T
    while True:
        seen = np.zeros(10000, dtype=bool)
        seen[rng.choice(10000, 1170, replace=False)] = True
        seen = seen.reshape(100, 100)
        if min(seen.sum(0).min(), seen.sum(1).min()) >= 5:
            break
    X = np.where(seen, truth, np.nan)
    assert error(GSOMatrixCompleter(random_state=0).fit(X).reconstruct(X), truth) < 1e-6
