"""Stored entries only: the same answers as from dense tensors, at the cost of the entries."""

import numpy as np
import pytest
import torch
from scipy import sparse

from sklearn_gso.learned_optimizers import find_optimizer
from sklearn_gso.problems import (
    EmpiricalBayesCompletion,
    MatrixCompletion,
    _left_out,
    map_tensors,
    point,
)
from sklearn_gso.problems._sparse_observations import SparseObservations, _Meet, _Multiply
from sklearn_gso.rules import ClosedForm, GradientDescent, LSTMControl, LSTMStep
from sklearn_gso.solvers import Fixed, Multistart, alternate, rules_for
from tests.problems.stored import densified, stored

K = 3
PROBLEMS = {
    "ridge": lambda data: MatrixCompletion(data, K, alpha=0.1, scale="rms"),
    "bayes": lambda data: EmpiricalBayesCompletion(data, K),
}


def both(kind, n_tasks=2):
    """The same problem on dense tensors and on stored entries."""
    matrices = [stored(seed) for seed in range(n_tasks)]
    dense = torch.from_numpy(np.stack([densified(m) for m in matrices]))
    return PROBLEMS[kind](dense), PROBLEMS[kind](matrices)


def assert_same(left, right, tolerance=1e-10):
    def compare(a, b):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)
        return a

    map_tensors(compare, left, right)


@pytest.fixture(params=PROBLEMS)
def kind(request):
    return request.param


def moved(problem, seed=0):
    """Variables in the middle of a run."""
    start = problem.init(torch.Generator().manual_seed(seed))
    return alternate(problem, rules_for(problem, ClosedForm()), start, 2)[0]


def test_every_answer_of_a_problem_is_the_same(kind):
    dense, thin = both(kind)
    variables = moved(dense)
    assert_same(variables, moved(thin))
    assert_same(dense.scale, thin.scale)
    assert_same(dense.objective(variables), thin.objective(variables))
    assert_same(dense.error(variables), thin.error(variables))
    assert_same(dense.misfits(variables), thin.misfits(variables))
    assert_same(dense.reconstruct(variables), thin.reconstruct(variables))
    for name in ("U", "V"):
        assert_same(dense.gradient(variables, name), thin.gradient(variables, name))
        assert_same(dense.row_features(variables, name), thin.row_features(variables, name))
        rows = point(variables[name]).shape[:2]
        bent = {
            control: torch.rand(*rows, 1, dtype=torch.float64) for control in dense.control_names
        }
        assert_same(
            dense.minimize_block(variables, name, bent), thin.minimize_block(variables, name, bent)
        )
    other = [stored(seed + 10) for seed in range(2)]
    filled = torch.from_numpy(np.stack([densified(m) for m in other]))
    assert_same(
        dense.with_values(filled).error(variables), thin.with_values(other).error(variables)
    )


def test_only_rows_without_an_entry_are_settled(kind, generator):
    dense, thin = both(kind)
    start = dense.init(generator)
    settled = dense.settled(start)
    assert_same(settled, thin.settled(start))
    for name, row in (("U", 3), ("V", 4)):
        changed = (point(settled[name]) != point(start[name])).any(2)
        assert changed.nonzero()[:, 1].tolist() == [row, row]
        best = point(dense.minimize_block(settled, name))
        assert_same(point(settled[name])[:, row], best[:, row])


def test_some_of_the_tasks_and_some_of_them_twice(kind):
    dense, thin = both(kind, 3)
    index = torch.tensor([2, 0, 2])
    assert_same(moved(dense.take(index)), moved(thin.take(index)))
    assert_same(moved(dense.repeat(2)), moved(thin.repeat(2)))


def rules_to_try(kind):
    control = LSTMControl.for_problem(PROBLEMS[kind]([stored(0)]))
    step = LSTMStep(generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        control.output.weight.uniform_(-0.3, 0.3, generator=torch.Generator().manual_seed(4))
    return [
        ClosedForm(),
        GradientDescent(1e-3),
        GradientDescent(1e-2, backtrack=True),
        control,
        step,
    ]


@pytest.mark.parametrize("which", range(5))
def test_every_rule_takes_the_same_path(kind, which):
    rule = rules_to_try(kind)[which]
    found = []
    for problem in both(kind):
        start = problem.init(torch.Generator().manual_seed(1))
        with torch.no_grad():
            found.append(alternate(problem, rules_for(problem, rule), start, 4, t_l=3)[0])
    # Networks run in single precision and may round their inputs differently.
    assert_same(*found, tolerance=1e-4 if which > 2 else 1e-9)


@pytest.mark.parametrize("safeguard", ["step", "run", "none"])
def test_starts_one_by_one_are_the_starts_of_a_batch(kind, safeguard):
    found = []
    for problem in both(kind, 1):
        generator = torch.Generator().manual_seed(5)
        rules = rules_for(problem, ClosedForm())
        starts = Multistart(Fixed(3), 4, safeguard=safeguard)
        found.append(starts.solve(problem, rules, generator))
    dense, thin = found
    assert_same(tuple(dense.best), tuple(thin.best), tolerance=1e-8)


def test_the_pretrained_optimizer_reaches_the_same_objective():
    rules = find_optimizer("pretrained", "completer").rules()
    dense, thin = (
        Multistart(Fixed(2), 10).solve(p, rules_for(p, rules), torch.Generator().manual_seed(0))
        for p in both("bayes", 1)
    )
    torch.testing.assert_close(dense.best.objective, thin.best.objective, rtol=1e-4, atol=1e-4)


def test_a_split_shares_the_entries_out(kind, generator):
    _, thin = both(kind, 2)
    kept, out = thin.split(0.3, generator)
    whole = thin.observed.pattern
    for name in ("U", "V"):
        parts = kept.row_counts[name] + out.row_counts[name]
        assert torch.equal(parts, thin.row_counts[name])
    total = [p.observed.pattern.matrix(p.observed.values) for p in (kept, out)]
    assert abs(total[0] + total[1] - whole.matrix(thin.observed.values)).max() == 0
    assert out.alpha == pytest.approx(0.3 * thin.alpha)
    share = [float(thin.split(0.3, generator)[1].n_observed.sum()) for _ in range(200)]
    n = float(thin.n_observed.sum())
    assert np.mean(share) / n == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / n / 200))


def test_gradients_flow_through_stored_entries(kind):
    found = []
    for problem in both(kind):
        start = problem.init(torch.Generator().manual_seed(1))
        weight = torch.full((), 0.5, dtype=torch.float64, requires_grad=True)
        u = point(start["U"])
        bend = {problem.control_names[0]: weight.expand(*u.shape[:2], 1)}
        start["U"] = problem.minimize_block(start, "U", bend)
        start["V"] = problem.minimize_block(start, "V")
        problem.objective(start).sum().backward()
        found.append(weight.grad)
    assert found[0].abs() > 1e-6
    assert_same(*found, tolerance=1e-9)


def test_derivatives_of_the_sparse_products(generator):
    observed = SparseObservations.of([stored(0, (6, 5))])
    pattern, n = observed.pattern, len(observed.values)

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    for transposed, rows in ((False, 5), (True, 6)):
        arguments = (random(n), random(rows, 2))
        torch.autograd.gradcheck(
            lambda a, b, t=transposed: _Multiply.apply(a, b, pattern, t), arguments
        )
        torch.autograd.gradgradcheck(
            lambda a, b, t=transposed: _Multiply.apply(a, b, pattern, t), arguments
        )
    arguments = (random(6, 2), random(5, 2))
    torch.autograd.gradcheck(lambda a, b: _Meet.apply(a, b, pattern), arguments)
    torch.autograd.gradgradcheck(lambda a, b: _Meet.apply(a, b, pattern), arguments)


def test_formats_types_and_duplicates():
    rows, columns = np.array([0, 0, 1, 2, 0]), np.array([1, 2, 0, 2, 1])
    data = np.array([1, 2, 3, 0, 4])
    coo = sparse.coo_matrix((data, (rows, columns)), shape=(4, 3))
    expected = torch.from_numpy(densified(coo).astype(np.float64))[None]
    variants = [coo, coo.tocsr(), coo.tocsc(), sparse.coo_array(coo), coo.astype(np.float32)]
    for matrix in variants:
        problem, dense = MatrixCompletion(matrix, 1), MatrixCompletion(expected, 1)
        assert problem.n_observed.tolist() == [4.0]  # the stored zero counts
        start = dense.init(torch.Generator().manual_seed(0))
        assert_same(problem.misfits(start), dense.misfits(start), tolerance=1e-12)
    assert coo.nnz == 5  # left as it was


def test_data_of_the_caller_are_not_changed():
    unsorted = sparse.csr_matrix(
        (np.array([1.0, 2, 3, 4]), np.array([2, 0, 0, 1]), np.array([0, 2, 4])), shape=(2, 3)
    )
    before = [a.copy() for a in (unsorted.data, unsorted.indices, unsorted.indptr)]
    MatrixCompletion(unsorted, 1)
    after = (unsorted.data, unsorted.indices, unsorted.indptr)
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


def test_some_entries_tell_what_all_do(rng, generator, monkeypatch):
    dense = np.where(rng.rand(200, 150) < 0.3, rng.randn(200, 150) + np.arange(150), np.nan)
    rows, columns = np.nonzero(~np.isnan(dense))
    X = sparse.csr_array((dense[rows, columns], (rows, columns)), shape=dense.shape)
    problem = EmpiricalBayesCompletion([X], 3)
    variables = problem.init(generator)
    for name in 3 * problem.block_names:
        variables[name] = problem.minimize_block(variables, name)
    every = [tell(variables) for tell in (problem.surprise, problem.beside_baseline)]
    monkeypatch.setattr(_left_out, "_ENOUGH", 2000)
    some = [tell(variables) for tell in (problem.surprise, problem.beside_baseline)]
    assert len(problem.observed.some(2000).values) < 0.3 * len(rows)
    torch.testing.assert_close(some, every, rtol=0.1, atol=0)
    assert not torch.equal(some[0], every[0])
