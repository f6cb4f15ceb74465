"""Steps in NumPy are those in torch, which gradients flow through."""

import numpy as np
import pytest
import torch
from scipy import sparse

from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.problems import EmpiricalBayesCompletion, _packed_rows
from sklearn_gso.problems._linalg import log_determinant
from sklearn_gso.problems.trees import take_tasks

NOISES = {
    "matrix": "matrix",
    "columns": "columns",
    "some tasks": torch.tensor([True, False, True]),
}


@pytest.fixture(params=NOISES.values(), ids=NOISES)
def problem(request):
    X, _ = make_low_rank_tasks(3, shape=(30, 12), rank=2, rate=0.7, noise=0.3, random_state=0)
    X[1, 4] = X[2, :, 3] = torch.nan  # a row and a column without entries
    return EmpiricalBayesCompletion(torch.from_numpy(X), 4, noise=request.param)


@pytest.fixture
def variables(problem, generator):
    """Where no block is at its minimiser."""
    variables = problem.init(generator)
    for _ in range(3):
        variables = problem.minimize_blocks(variables)
    shaken = variables["U"].mean + 0.1 * torch.randn(3, 30, 4, generator=generator).double()
    return {**variables, "U": variables["U"]._replace(mean=shaken)}


def both(problem, function):
    """What a function of the problem says without gradients, and where they may be asked for."""
    with torch.no_grad():
        quick = function(problem.copied())
    with torch.enable_grad():
        return quick, function(problem.copied())


def assert_same(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", EmpiricalBayesCompletion.block_names)
def test_each_block(problem, variables, name):
    assert_same(*both(problem, lambda p: p.minimize_block(variables, name)))


@pytest.mark.parametrize("name", ["U", "V"])
@pytest.mark.parametrize("asked", [("data",), ("prior",), ("data", "prior")])
def test_controls_of_rows(problem, variables, generator, name, asked):
    shape = (*variables[name].mean.shape[:2], 1)
    controls = {c: torch.randn(shape, generator=generator).double() for c in asked}
    assert_same(*both(problem, lambda p: p.minimize_block(variables, name, controls)))
    assert_same(*both(problem, lambda p: p.minimize_block(variables, name, {"data": 0.5})))


def test_objective_and_features(problem, variables):
    assert_same(*both(problem, lambda p: p.objective(variables)))
    for name in ("U", "V"):
        assert_same(*both(problem, lambda p, name=name: p.row_features(variables, name)))


def test_log_determinants_that_steps_leave_behind(problem, variables):
    with torch.no_grad():
        for name in ("U", "V"):
            variables = {**variables, name: problem.minimize_block(variables, name)}
            covariance = variables[name].covariance
            assert_same(problem._log_determinant(name, variables), log_determinant(covariance))


@pytest.mark.parametrize("tasks", [[0], [0, 1, 2]])
def test_parts_of_the_rows(problem, variables, monkeypatch, tasks):
    problem, variables = problem.take(torch.tensor(tasks)), take_tasks(variables, tasks)
    with torch.no_grad():
        whole = problem.copied().minimize_blocks(variables)
        features = problem.copied().row_features(variables, "V")
        monkeypatch.setattr(_packed_rows, "_PART", 7 * problem.n_components**2)
        monkeypatch.setattr(_packed_rows, "_LARGE", 50)
        assert_same(problem.copied().minimize_blocks(variables), whole)
        assert_same(problem.copied().row_features(variables, "V"), features)


def test_matrices_that_rounding_makes_indefinite_are_eliminated(problem, variables):
    prior = variables["prior_V"]
    precision = prior.precision - 1e9 * torch.eye(4, dtype=torch.float64)
    variables = {**variables, "prior_V": prior._replace(precision=precision)}
    with torch.no_grad():
        assert problem._array_posterior(variables, "V", {}) is None
        found = problem.minimize_block(variables, "V")
    assert found.mean.isfinite().all()


def test_residuals_of_sparse_matrices_from_sums(problem, variables):
    """Where they keep their digits; else from the entries, as of dense ones."""
    X = torch.where(problem.observed.mask > 0, problem.observed.values, torch.nan).numpy()
    stored = [sparse.csr_array(sparse.coo_array(np.where(np.isnan(x), 0, x))) for x in X]
    noise = problem.by_column[:, 0, 0]
    thin = EmpiricalBayesCompletion(stored, 4, scale=None, noise=noise)
    dense = EmpiricalBayesCompletion(torch.from_numpy(X), 4, scale=None, noise=noise)
    with torch.no_grad():
        found, expected = thin.minimize_blocks(variables), dense.minimize_blocks(variables)
        assert_same(found, expected)
        assert_same(thin.objective(found), dense.objective(expected))
        for name in ("U", "V"):
            assert_same(thin.row_features(found, name), dense.row_features(expected, name))
        exact = {**found, "V": found["V"]._replace(mean=torch.randn(3, 12, 4).double())}
        values = exact["U"].mean @ exact["V"].mean.mT
        stored = [sparse.csr_array(v) for v in values.numpy() + 1e-9]
        told = EmpiricalBayesCompletion(stored, 4, scale=None, noise=noise)
        expected = torch.full((3, 30), 12e-18, dtype=torch.float64)
        misfit = torch.from_numpy(told._misfit("U", exact))
        torch.testing.assert_close(misfit, expected, rtol=1e-5, atol=0)
        sure = {n: exact[n]._replace(covariance=1e-20 * exact[n].covariance) for n in ("U", "V")}
        whole = EmpiricalBayesCompletion(values + 1e-9, 4, scale=None, noise=noise)
        found, expected = (p._expected_misfit({**exact, **sure}) for p in (told, whole))
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
