"""Joint steps: equal to dense least squares, the same in other units, quadratic where exact."""

import numpy as np
import pytest
import torch
from scipy import sparse

from sklearn_gso.problems import (
    EmpiricalBayesCompletion,
    MatrixCompletion,
    Problem,
    map_tensors,
    new_generator,
    take_tasks,
)
from sklearn_gso.problems.linearised import OfResiduals
from sklearn_gso.rules import GaussNewton, UpdateRule
from sklearn_gso.solvers import alternate, rules_for

SHAPE, RANK = (9, 7), 2
# So many conjugate gradients that a step is solved to rounding.
EXACT = {"n_inner": 400, "inner_tol": 1e-13}


class Residuals(MatrixCompletion):
    """The same problem as its users would write it: by its residuals."""

    linearised = Problem.linearised

    def residuals(self, variables):
        u, v = variables["U"], variables["V"]
        parts = (self.observed.residual(u, v), self.alpha**0.5 * u, self.alpha**0.5 * v)
        return torch.cat([part.flatten(1) for part in parts], 1)


class Product(Problem):
    """F = ½ Σ (x y zᵀ - 1)², three blocks, nothing but residuals."""

    block_names = ("x", "y", "z")
    n_tasks = 2

    def init(self, generator):
        return {n: torch.randn(2, 3, 1, generator=generator).double() for n in self.block_names}

    def residuals(self, variables):
        x, y, z = (variables[name] for name in self.block_names)
        return ((x * y) @ z.mT - 1).flatten(1)

    def objective(self, variables):
        return 0.5 * self.residuals(variables).square().sum(1)


def holed(noise=0.3, share=0.7, n_tasks=3, rank=RANK, shape=SHAPE):
    rng = np.random.RandomState(0)
    left, right = rng.randn(n_tasks, shape[0], rank), rng.randn(n_tasks, shape[1], rank)
    X = left @ right.transpose(0, 2, 1) + noise * rng.randn(n_tasks, *shape)
    return np.where(rng.rand(*X.shape) < share, X, np.nan)


def completion(kind=MatrixCompletion, alpha=0.1, **options):
    return kind(torch.from_numpy(holed(**options)), RANK, alpha=alpha)


def stepped(problem, variables, n=1, **options):
    rules = rules_for(problem, GaussNewton(**options))
    return alternate(problem, rules, variables, n)[0]


def dense_step(X, u, v, alpha, damping):
    """One step by the least squares of a matrix that is written out."""
    (p, k), q = u.shape, len(v)
    rows, columns = np.nonzero(~np.isnan(X))
    jacobian = np.zeros((len(rows), (p + q) * k))
    for i, (row, column) in enumerate(zip(rows, columns, strict=True)):
        jacobian[i, row * k : (row + 1) * k] = v[column]
        jacobian[i, (p + column) * k : (p + column + 1) * k] = u[row]
    residual = X[rows, columns] - (u @ v.T)[rows, columns]
    metric = np.linalg.cholesky(v.T @ v / q).T, np.linalg.cholesky(u.T @ u / p).T
    blocks = [np.kron(np.eye(n), m) for n, m in zip((p, q), metric, strict=True)]
    damped = damping**0.5 * np.block(
        [[blocks[0], np.zeros((p * k, q * k))], [np.zeros((q * k, p * k)), blocks[1]]]
    )
    ridge = alpha**0.5 * np.eye((p + q) * k)
    point = np.concatenate([u.ravel(), v.ravel()])
    matrix = np.vstack([jacobian, ridge, damped])
    right = np.concatenate([residual, -(alpha**0.5) * point, 0 * point])
    move = np.linalg.lstsq(matrix, right, rcond=None)[0]
    return u + move[: p * k].reshape(p, k), v + move[p * k :].reshape(q, k)


@pytest.mark.parametrize("stored", [False, True])
def test_a_step_is_that_of_dense_least_squares(generator, stored):
    X = holed()
    problem = completion()
    if stored:
        entries = [np.where(np.isnan(x), 0, x) for x in X]
        problem = MatrixCompletion([sparse.csr_array(x) for x in entries], RANK, alpha=0.1)
    start = problem.init(generator)
    found = stepped(problem, start, damping=0.5, **EXACT)
    for task in range(3):
        u, v = (start[name][task].numpy() for name in ("U", "V"))
        expected = dense_step(X[task], u, v, 0.1, 0.5)
        for name, factor in zip(("U", "V"), expected, strict=True):
            np.testing.assert_allclose(found[name][task], factor, rtol=1e-7, atol=1e-8)


def test_residuals_alone_give_the_same_linear_parts(generator):
    own, written = completion(), completion(Residuals)
    start = own.init(generator)
    move = own.init(generator)
    left, right = own.linearised(start, ("U", "V")), written.linearised(start, ("U", "V"))
    assert isinstance(right, OfResiduals) and not isinstance(left, OfResiduals)
    torch.testing.assert_close(left.descent, right.descent)
    torch.testing.assert_close(left.curved(move), right.curved(move))


def test_the_gauss_newton_matrix_is_symmetric_and_its_preconditioner_definite(generator):
    problem = completion()
    linear = problem.linearised(problem.init(generator), ("U", "V"))
    a, b = problem.init(generator), problem.init(generator)

    def dot(left, right):
        return sum((left[n] * right[n]).sum((1, 2)) for n in left)

    torch.testing.assert_close(dot(a, linear.curved(b)), dot(linear.curved(a), b))
    torch.testing.assert_close(dot(a, linear.metric(b)), dot(linear.metric(a), b))
    damping = torch.full((3,), 0.1).double()
    assert (dot(a, linear.preconditioned(a, damping)) > 0).all()


def test_units_of_the_components_do_not_matter(generator):
    problem = completion(alpha=0.0)
    start = problem.init(generator)
    change = torch.tensor([[3.0, 1.0], [0.5, -20.0]]).double()
    other = {"U": start["U"] @ change, "V": start["V"] @ torch.linalg.inv(change).T}
    for n in (1, 5):
        ends = [problem.reconstruct(stepped(problem, s, n)) for s in (start, other)]
        torch.testing.assert_close(*ends, rtol=1e-6, atol=1e-7)


def test_transposed_data_have_transposed_steps(generator):
    X = torch.from_numpy(holed())
    problem, other = (MatrixCompletion(x, RANK, alpha=0.1) for x in (X, X.mT))
    start = problem.init(generator)
    end = stepped(problem, start, 3)
    turned = stepped(other, {"U": start["V"], "V": start["U"]}, 3)
    torch.testing.assert_close(end["U"], turned["V"], rtol=1e-6, atol=1e-8)


def test_tasks_do_not_know_each_other(generator):
    problem, last = completion(), torch.tensor([2])
    start = problem.init(generator)
    alone = stepped(problem.take(last), take_tasks(start, last), 4)
    torch.testing.assert_close(take_tasks(stepped(problem, start, 4), last), alone)


@pytest.mark.slow
def test_the_objective_never_rises_and_the_gradient_vanishes(generator):
    problem = completion(noise=0.5, alpha=1.0)
    variables = problem.init(generator)
    first, rules, states = problem.objective(variables), rules_for(problem, GaussNewton()), None
    for _ in range(100):
        before = problem.objective(variables)
        variables, states = alternate(problem, rules, variables, 1, states=states)
        assert (problem.objective(variables) <= before).all()
    for name in ("U", "V"):
        assert problem.gradient(variables, name).abs().amax() < 1e-5 * first.amax()
    # At a stationary point nothing is gained any more.
    again = problem.objective(stepped(problem, variables))
    torch.testing.assert_close(again, problem.objective(variables), rtol=1e-9, atol=0)


def test_the_number_of_digits_doubles_where_residuals_vanish():
    """Where alternation gains a constant factor a sweep."""
    X = torch.from_numpy(holed(noise=0, share=0.8, n_tasks=1, shape=(30, 25)))
    problem = MatrixCompletion(X, RANK, alpha=0.0)
    u, s, v = np.linalg.svd(np.nan_to_num(X[0].numpy()))
    start = {"U": u[:, :RANK] * s[:RANK], "V": v[:RANK].T}
    start = {name: torch.from_numpy(block.copy())[None] for name, block in start.items()}
    start = problem.minimize_blocks(start, 3)
    options = {"damping": 1e-9, **EXACT}
    errors = [float(problem.error(stepped(problem, start, n, **options)).sqrt()) for n in range(4)]
    assert errors[0] > 1e-6
    assert errors[1] < 30 * errors[0] ** 2 and errors[2] < max(30 * errors[1] ** 2, 1e-14)
    swept = float(problem.error(problem.minimize_blocks(start, 3)).sqrt())
    assert swept > 1e3 * errors[3]


def test_any_number_of_blocks_with_residuals_moves_together():
    problem = Product()
    end = stepped(problem, problem.init(new_generator(1)), 30)
    assert (problem.objective(end) < 1e-20).all()


def test_one_block_alone_goes_to_its_minimiser(generator):
    """Of a least squares that is linear in the block."""
    problem = completion()
    start = problem.init(generator)
    for name in ("U", "V"):
        rules = rules_for(problem, {name: GaussNewton(damping=1e-9, **EXACT)})
        rules = {**rules, **{n: _Still() for n in ("U", "V") if n != name}}
        moved, _ = alternate(problem, rules, start, 1)
        torch.testing.assert_close(moved[name], problem.minimize_block(start, name))


class _Still(UpdateRule):
    """Moves nothing."""

    def step(self, problem, variables, name, state, clock):
        return variables[name], state


def test_the_start_is_unchanged_and_problems_without_residuals_are_named(generator):
    problem = completion()
    start = problem.init(generator)
    copy = map_tensors(torch.clone, start)
    stepped(problem, start, 3)
    torch.testing.assert_close(start, copy, rtol=0, atol=0)
    bayes = EmpiricalBayesCompletion(torch.from_numpy(holed()), RANK)
    with pytest.raises(NotImplementedError, match="EmpiricalBayesCompletion has no residuals"):
        stepped(bayes, bayes.init(generator))
