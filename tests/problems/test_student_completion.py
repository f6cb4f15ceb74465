"""Student's noise: the Gaussian limit, what outliers weigh, and the density it stands for."""

import numpy as np
import pytest
import torch
from scipy import sparse, stats

from sklearn_gso.problems import (
    EmpiricalBayesCompletion,
    StudentCompletion,
    new_generator,
    point,
)
from sklearn_gso.problems._linalg import counted, outer

N, RANK = 30, 2


def planted(noise=0.1, outliers=0.05, size=10.0, seed=0, share=0.6):
    """Values with holes, the truth, and where outliers are."""
    rng = np.random.RandomState(seed)
    truth = rng.randn(1, N, RANK) @ rng.randn(1, RANK, N)
    seen, out = rng.rand(*truth.shape) < share, rng.rand(*truth.shape) < outliers
    X = truth + noise * rng.randn(*truth.shape) + out * size * rng.choice([-1, 1], truth.shape)
    return torch.from_numpy(np.where(seen, X, np.nan)), torch.from_numpy(truth), seen & out


def ended(problem, n_sweeps=40):
    with torch.no_grad():
        return problem.minimize_blocks(problem.init(new_generator(0)), n_sweeps)


def error(problem, variables, truth):
    return float((problem.reconstruct(variables) - truth).norm() / truth.norm())


@pytest.mark.parametrize("grad", [False, True])
def test_infinitely_many_degrees_of_freedom_are_gaussian_noise(grad):
    X, *_ = planted()
    student, gauss = (
        kind(X, 4, **options)
        for kind, options in (
            (StudentCompletion, {"degrees_of_freedom": float("inf")}),
            (EmpiricalBayesCompletion, {}),
        )
    )
    with torch.set_grad_enabled(grad):
        left, right = student.init(new_generator(0)), gauss.init(new_generator(0))
        left, right = student.minimize_blocks(left, 6), gauss.minimize_blocks(right, 6)
        torch.testing.assert_close(student.objective(left), gauss.objective(right))
        assert (left.pop("weights") == 1).all()
        torch.testing.assert_close(left, right)


def test_many_degrees_of_freedom_come_near_it():
    X, truth, _ = planted()
    ends, start = [], StudentCompletion(X, 4).init(new_generator(0))
    for nu in (1e2, 1e4, 1e6, float("inf")):
        problem = StudentCompletion(X, 4, degrees_of_freedom=nu)
        with torch.no_grad():
            ends.append(problem.reconstruct(problem.minimize_blocks(start, 40)))
    distances = [float((end - ends[-1]).norm()) for end in ends[:-1]]
    assert distances[0] > 10 * distances[1] > 100 * distances[2]


def test_weights_are_the_posterior_means_and_outliers_weigh_nothing():
    X, _, out = planted(size=50.0)
    problem = StudentCompletion(X, 4, degrees_of_freedom=3.0)
    run = ended(problem)
    weights = problem.minimize_block(run, "weights")
    (u, cov_u), (v, cov_v) = run["U"], run["V"]
    second = counted(outer(u) + cov_u).mT @ (outer(v) + cov_v)  # of u' v
    values, mean = problem.observed.values, u @ v.mT
    squares = values.square() - 2 * values * mean + second
    seen = problem.observed.mask > 0
    expected = 4.0 / (3.0 + run["noise"] * squares)
    torch.testing.assert_close(weights[seen], expected[seen], rtol=1e-6, atol=1e-9)
    assert (weights[~seen] == 1).all()
    assert weights[torch.from_numpy(out)].max() < 0.01 < 0.05 < weights[seen].median()


@pytest.mark.slow
def test_an_outlier_counts_for_less_the_farther_it_is():
    """In the end by nothing but its own share of the noise: how far it is does not matter."""
    X, truth, _ = planted(outliers=0.0)
    row, column = np.argwhere(~np.isnan(X[0].numpy()))[7]
    without = X.clone()
    without[0, row, column] = torch.nan
    units = {"scale": torch.ones(1, 1, 1).double()}
    expected = StudentCompletion(without, 4, **units)
    expected = expected.reconstruct(ended(expected, 120))
    distances = []
    for size in (1.0, 10.0, 100.0, 1000.0):
        far = X.clone()
        far[0, row, column] = truth[0, row, column] + size
        problem = StudentCompletion(far, 4, **units)
        distances.append(float((problem.reconstruct(ended(problem, 120)) - expected).norm()))
    assert distances[0] > 2 * distances[3] and distances[3] < 1e-3 * float(truth.norm())
    assert abs(distances[3] - distances[2]) < 1e-3


def test_certain_factors_leave_the_density_of_student():
    """With weights at their posterior, F is the negative log density but for the factors' terms."""
    X, *_ = planted()
    nu, noise = 5.0, 3.0
    problem = StudentCompletion(X, 2, degrees_of_freedom=nu)
    gauss = EmpiricalBayesCompletion(X, 2)
    run = ended(problem, 3)
    for name in ("U", "V"):
        run[name] = run[name]._replace(covariance=1e-14 * gauss.init(new_generator(0))[name][1])
    run["noise"] = torch.full_like(run["noise"], noise)
    run["weights"] = problem.minimize_block(run, "weights")
    residual = problem.observed.residual(point(run["U"]), point(run["V"]))
    residual = residual[problem.observed.mask > 0].numpy()
    student = -stats.t(nu, scale=noise**-0.5).logpdf(residual).mean()
    normal = -stats.norm(scale=noise**-0.5).logpdf(residual).mean()
    factors = gauss.objective({n: b for n, b in run.items() if n != "weights"}) - normal
    torch.testing.assert_close(
        float(problem.objective(run) - factors), float(student), rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize("noise", [0.1, 0.0])
def test_outliers_cost_less_than_as_much_again(noise):
    """The same matrix without them, with Gaussian noise; which with them is lost."""
    clean, truth, _ = planted(noise, outliers=0.0)
    dirty, *_ = planted(noise)
    gauss, lost = EmpiricalBayesCompletion(clean, 4), EmpiricalBayesCompletion(dirty, 4)
    problem = StudentCompletion(dirty, 4)
    alone, robust = error(gauss, ended(gauss), truth), error(problem, ended(problem, 60), truth)
    assert robust < max(2 * alone, 1e-4)
    assert error(lost, ended(lost), truth) > 5 * robust


def test_sparse_matrices_and_impossible_degrees_are_refused():
    with pytest.raises(TypeError, match="no sparse matrices"):
        StudentCompletion([sparse.eye_array(4, format="csr")], 2)
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="degrees_of_freedom must be positive"):
            StudentCompletion(planted()[0], 2, degrees_of_freedom=wrong)
