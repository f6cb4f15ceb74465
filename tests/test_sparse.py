"""Stored entries only: the same answers as from dense tensors, at the cost of the entries."""

import tracemalloc

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import clone

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter, SGDMatrixCompleter
from sklearn_gso.solvers.alternating import alternate, rules_for
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.learned_optimizers.learned_optimizer import find_optimizer
from sklearn_gso.problems import EmpiricalBayesCompletion, MatrixCompletion
from sklearn_gso.problems._sparse_observations import SparseObservations, _Meet, _Multiply
from sklearn_gso.problems.base import map_tensors, point
from sklearn_gso.rules import ClosedForm, GradientDescent, LSTMControl, LSTMStep
from sklearn_gso.solvers.multistart import minimize_from_starts
from sklearn_gso.estimators.matrices import densify

SHAPE, K = (14, 9), 3
PROBLEMS = {
    "ridge": lambda data: MatrixCompletion(data, K, alpha=0.1, scale="rms"),
    "bayes": lambda data: EmpiricalBayesCompletion(data, K),
}


def stored(seed, shape=SHAPE, density=0.5):
    """Low rank and noise, an empty row, an empty column, an explicit zero."""
    rng = np.random.RandomState(seed)
    full = rng.randn(shape[0], 2) @ rng.randn(2, shape[1]) + 0.1 * rng.randn(*shape)
    seen = rng.rand(*shape) < density
    seen[3], seen[:, 4], seen[0, 0], full[0, 0] = False, False, True, 0.0
    rows, columns = np.nonzero(seen)
    return sparse.coo_array((full[seen], (rows, columns)), shape=shape).tocsr()


def both(kind, n_tasks=2):
    """The same problem on dense tensors and on stored entries."""
    matrices = [stored(seed) for seed in range(n_tasks)]
    dense = torch.from_numpy(np.stack([densify(m) for m in matrices]))
    return PROBLEMS[kind](dense), PROBLEMS[kind](matrices)


def assert_same(left, right, tolerance=1e-10):
    def compare(a, b):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)
        return a

    map_tensors(compare, left, right)


@pytest.fixture(params=PROBLEMS)
def kind(request):
    return request.param


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def moved(problem, seed=0):
    """Variables in the middle of a run."""
    start = problem.init(torch.Generator().manual_seed(seed))
    return alternate(problem, rules_for(problem, ClosedForm()), start, 2)[0]


def test_every_answer_of_a_problem_is_the_same(kind):
    dense, thin = both(kind)
    variables = moved(dense)
    assert_same(variables, moved(thin))
    assert dense.has_empty_rows and thin.has_empty_rows
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
    assert_same(dense.settle_empty_rows(variables), thin.settle_empty_rows(variables))
    other = [stored(seed + 10) for seed in range(2)]
    filled = torch.from_numpy(np.stack([densify(m) for m in other]))
    assert_same(
        dense.with_values(filled).error(variables), thin.with_values(other).error(variables)
    )


def test_some_of_the_tasks_and_some_of_them_twice(kind):
    dense, thin = both(kind, 3)
    index = torch.tensor([2, 0, 2])
    assert_same(moved(dense.take(index)), moved(thin.take(index)))
    assert_same(moved(dense.repeat(2)), moved(thin.repeat(2)))


def rules_to_try(kind):
    control = LSTMControl(8 if kind == "bayes" else 6, PROBLEMS[kind]([stored(0)]).control_names)
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
            found.append(alternate(problem, rules_for(problem, rule), start, 5)[0])
    # Networks run in single precision and may round their inputs differently.
    assert_same(*found, tolerance=1e-4 if which > 2 else 1e-9)


@pytest.mark.parametrize("safeguard", ["step", "run", "none"])
def test_starts_one_by_one_are_the_starts_of_a_batch(kind, safeguard):
    found = []
    for problem in both(kind, 1):
        generator = torch.Generator().manual_seed(5)
        rules = rules_for(problem, ClosedForm())
        found.append(minimize_from_starts(problem, rules, 3, generator, 4, safeguard=safeguard))
    dense, thin = found
    assert_same(tuple(dense.best), tuple(thin.best), tolerance=1e-8)


def test_the_pretrained_optimizer_reaches_the_same_objective():
    rules = find_optimizer("pretrained", "completer").rules()
    dense, thin = (
        minimize_from_starts(p, rules_for(p, rules), 2, torch.Generator().manual_seed(0), 10)
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
    expected = torch.from_numpy(densify(coo).astype(np.float64))[None]
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


# The completers ------------------------------------------------------------------------

COMPLETERS = {
    "gso": GSOMatrixCompleter(2, max_iter=6, n_epochs=1, random_state=0),
    "untrained": GSOMatrixCompleter(2, optimizer=None, max_iter=6, n_epochs=0, random_state=0),
    "ridge": GSOMatrixCompleter(2, prior="ridge", max_iter=4, n_epochs=0, random_state=0),
    "als": ALSMatrixCompleter(2, alpha=0.1, max_iter=6, random_state=0),
    "sgd": SGDMatrixCompleter(2, max_iter=4, random_state=0),
}
each_completer = pytest.mark.parametrize("name", COMPLETERS)
ignore_empty = pytest.mark.filterwarnings("ignore:.*have no observed entry")


@ignore_empty
@each_completer
@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_completers_answer_as_on_dense_matrices(name, form):
    thin = stored(0, (24, 15), 0.7).asformat(form)
    dense = densify(thin)
    completer = COMPLETERS[name]
    found, expected = (
        (
            fitted.transform(X),
            fitted.reconstruct(X),
            fitted.score(X),
            fitted.predict_entries([0, 3, 23], [1, 4, 2]),
        )
        for X in (thin, dense)
        for fitted in [completer.fit(X)]
    )
    for left, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-6)
    seen = ~np.isnan(dense)
    np.testing.assert_array_equal(found[0][seen], dense[seen])


@ignore_empty
@pytest.mark.parametrize("y", [None, "dense", "sparse"])
def test_collections_of_sparse_matrices(y):
    """Trained and scored as dense ones; what is hidden from training is drawn differently."""
    thin = [stored(seed, (24, 15), 0.6) for seed in range(4)]
    truths = [stored(seed, (24, 15), 0.9) for seed in range(4)]
    dense = [densify(X) for X in thin]
    known = None if y is None else truths if y == "sparse" else [densify(t) for t in truths]
    untrained, trained = (clone(COMPLETERS[n]).set_params(n_init=1) for n in ("untrained", "gso"))
    # One task each: those of a dense batch share the draws of their starts.
    own = known and known[:1]
    scores = [untrained.fit(X[:1], own).score(X[:1], own) for X in (thin, dense)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-6) and scores[0] < 0
    assert -1 < trained.fit(thin, known).score(thin, known) < 0
    mixed = trained.fit([thin[0], dense[1]]).transform([thin[0], dense[1]])
    assert [filled.shape for filled in mixed] == [(24, 15)] * 2
    assert all(np.isfinite(filled).all() for filled in mixed)


def test_what_is_stored_twice_or_as_nan():
    rows, columns = np.array([0, 0, 1, 2, 0, 3, 1]), np.array([1, 2, 0, 2, 1, 0, 2])
    data = np.array([1.0, 2, 3, 4, 4, np.nan, 5])
    X = sparse.coo_array((data, (rows, columns)), shape=(4, 3))
    with pytest.warns(UserWarning, match=r"Rows \[3\]"):
        fitted = ALSMatrixCompleter(1, max_iter=3, random_state=0).fit(X)
        filled = fitted.transform(X)
    assert filled[0, 1] == 5 and np.isfinite(filled).all()
    assert X.nnz == 7


def test_nothing_stored_is_refused():
    with pytest.raises(ValueError, match="no observed entry: all 12 entries"):
        GSOMatrixCompleter().fit(sparse.csr_array((4, 3)))


@ignore_empty
def test_no_dense_matrix_is_made():
    """A fit, a score and single entries in far less memory than the matrix has entries."""
    rng = np.random.default_rng(0)
    shape, n = (40_000, 30_000), 4_000  # 9.6 GB if it were dense
    cells = (rng.integers(0, shape[0], n), rng.integers(0, shape[1], n))
    X = sparse.coo_array((rng.standard_normal(n), cells), shape=shape)
    tracemalloc.start()  # numpy tells it what it allocates, and what is made dense is numpy's
    for completer in (
        GSOMatrixCompleter(1, max_iter=1, n_init=1, random_state=0),
        ALSMatrixCompleter(1, max_iter=1, random_state=0),
    ):
        assert np.isfinite(completer.fit(X).score(X))
        assert completer.predict_entries(*cells).shape == (n,)
        twice = completer.set_params(**({"n_epochs": 0} if "n_epochs" in vars(completer) else {}))
        assert np.isfinite(twice.fit([X, X]).score([X, X]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e8


def test_large_matrices_of_which_little_is_seen_are_solved_from_their_entries(monkeypatch):
    """The same answer as from the whole array, and from the sparse matrix to the last bit."""
    X, _ = make_low_rank_tasks(1, shape=(520, 500), rank=2, rate=0.04, random_state=0)
    completer = GSOMatrixCompleter(2, max_iter=4, n_init=1, random_state=0)
    thin = completer.fit(X[0]).components_
    rows, columns = np.nonzero(~np.isnan(X[0]))
    csr = sparse.csr_array((X[0][rows, columns], (rows, columns)), shape=X[0].shape)
    assert (completer.fit(csr).components_ == thin).all()
    monkeypatch.setattr("sklearn_gso._matrices._LARGE", np.inf)
    np.testing.assert_allclose(completer.fit(X[0]).components_, thin, rtol=1e-7, atol=1e-9)
