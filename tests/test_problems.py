"""Every problem keeps its promises, and the closed forms are the textbook's."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from sklearn_gso.solvers.alternating import alternate, rules_for
from sklearn_gso.datasets import make_low_rank_tasks, make_mixture_tasks
from sklearn_gso.problems import (
    EmpiricalBayesCompletion,
    MatrixCompletion,
    MixtureFreeEnergy,
    MixtureLikelihood,
    _linalg,
)
from sklearn_gso.problems._gaussians import COVARIANCE_TYPES
from sklearn_gso.problems._linalg import log_determinant, solve_and_invert
from sklearn_gso.problems.base import point, take_tasks
from sklearn_gso.rules import ClosedForm
from sklearn_gso.problems.testing import check_problem
from tests.three_blocks import TensorFactorisation


def problems(values):
    return [
        MatrixCompletion(values, 3, alpha=0.1),
        MatrixCompletion(values, 2, alpha=0.1, scale="rms"),
        EmpiricalBayesCompletion(values, 3),
        TensorFactorisation.random(seed=0),
    ]


@pytest.mark.parametrize("which", range(4))
def test_check_problem(which, noisy_values):
    check_problem(problems(noisy_values)[which])


def test_check_problem_finds_a_wrong_gradient(noisy_values):
    class Wrong(MatrixCompletion):
        def gradient(self, variables, name):
            return 1.001 * super().gradient(variables, name)

    with pytest.raises(AssertionError, match="gradient of block 'U'"):
        check_problem(Wrong(noisy_values, 2))


def test_check_problem_finds_a_wrong_minimiser(noisy_values):
    class Wrong(MatrixCompletion):
        def minimize_block(self, variables, name, controls=None):
            return 1.01 * super().minimize_block(variables, name, controls)

    with pytest.raises(AssertionError, match="block 'U'"):
        check_problem(Wrong(noisy_values, 2, alpha=0.1))


def test_check_problem_finds_mixed_tasks(noisy_values):
    class Wrong(MatrixCompletion):
        def minimize_block(self, variables, name, controls=None):
            new = super().minimize_block(variables, name, controls)
            return new + 1e-5 * (variables[name].mean() - variables[name].mean().detach() + new[:1])

    with pytest.raises(AssertionError, match="lowers the objective|mixes the tasks"):
        check_problem(Wrong(noisy_values, 2, alpha=0.1))


def test_missing_parts_are_named(noisy_values, generator):
    class Bare(TensorFactorisation):
        minimize_block = MatrixCompletion.__mro__[1].minimize_block
        split = MatrixCompletion.__mro__[1].split

    problem = Bare.random(seed=0)
    with pytest.raises(
        NotImplementedError, match="Bare has no closed-form minimiser for block 'A'"
    ):
        problem.minimize_block(problem.init(generator), "A")
    with pytest.raises(NotImplementedError, match="Bare cannot split"):
        problem.split(0.1, generator)


def test_ridge_block_equals_scikit_learn(noisy_values, generator):
    """Each row of U is a ridge regression of the row's observed entries on V."""
    from sklearn.linear_model import Ridge

    problem = MatrixCompletion(noisy_values, 3, alpha=0.5)
    variables = problem.init(generator)
    U = problem.minimize_block(variables, "U")
    for t, matrix in enumerate(noisy_values.numpy()):
        for i, row in enumerate(matrix):
            seen = ~np.isnan(row)
            V = variables["V"][t].numpy()[seen]
            ridge = Ridge(alpha=0.5, fit_intercept=False).fit(V, row[seen])
            np.testing.assert_allclose(U[t, i], ridge.coef_, rtol=1e-9)


def test_objective_is_equation_11(noisy_values, generator):
    problem = MatrixCompletion(noisy_values, 2, alpha=0.3)
    v = problem.init(generator)
    for t, R in enumerate(noisy_values.numpy()):
        U, V = v["U"][t].numpy(), v["V"][t].numpy()
        expected = 0.5 * np.nansum((R - U @ V.T) ** 2) + 0.15 * ((U**2).sum() + (V**2).sum())
        np.testing.assert_allclose(problem.objective(v)[t], expected, rtol=1e-12)


def test_empirical_bayes_posterior_equals_bayesian_regression(noisy_values, generator):
    """With certain V and a fixed prior, a row's posterior is Bayesian linear regression."""
    problem = EmpiricalBayesCompletion(noisy_values, 2)
    v = problem.init(generator)
    v["V"] = v["V"]._replace(covariance=torch.zeros_like(v["V"].covariance))
    v["noise"] = torch.full_like(v["noise"], 4.0)
    post = problem.minimize_block(v, "U")
    R = (noisy_values / problem.scale).numpy()
    V = v["V"].mean[0].numpy()
    for i, row in enumerate(R[0]):
        seen = ~np.isnan(row)
        precision = np.eye(2) + 4 * V[seen].T @ V[seen]
        np.testing.assert_allclose(
            post.covariance[0, :, :, i], np.linalg.inv(precision), rtol=1e-9, atol=1e-12
        )
        mean = np.linalg.solve(precision, 4 * V[seen].T @ row[seen])
        np.testing.assert_allclose(post.mean[0, i], mean, rtol=1e-9)


def test_free_energy_falls_at_every_block(noisy_values, generator):
    problem = EmpiricalBayesCompletion(noisy_values, 3)
    variables = problem.init(generator)
    value = problem.objective(variables)
    for _ in range(30):
        for name in problem.block_names:
            variables[name] = problem.minimize_block(variables, name)
            new = problem.objective(variables)
            assert (new <= value + 1e-9).all(), name
            value = new


@pytest.mark.parametrize("k", [10, 24])
def test_free_energy_falls_on_noiseless_data_with_surplus_components(k):
    """Nearly singular posteriors at the noise floor: finite, and no rise beyond rounding."""
    X, _ = make_low_rank_tasks(1, shape=(60, 60), rank=3, rate=0.9, random_state=0)
    problem = EmpiricalBayesCompletion(torch.from_numpy(X), k)
    variables = problem.init(torch.Generator().manual_seed(0))
    values = []
    for _ in range(40):
        for name in problem.block_names:
            variables[name] = problem.minimize_block(variables, name)
        values.append(float(problem.objective(variables)[0]))
    assert np.isfinite(values).all()
    assert np.max(np.diff(values)) < 1e-5


def test_free_energy_bounds_the_evidence(generator):
    """F is at least -log evidence, computed here by quadrature over a 1 x 2 matrix, k = 1."""
    problem = EmpiricalBayesCompletion(torch.tensor([[[1.0, -0.5]]], dtype=torch.float64), 1)
    v = problem.init(generator)
    v["noise"] = torch.full_like(v["noise"], 2.0)
    for _ in range(50):
        for name in ("U", "V"):
            v[name] = problem.minimize_block(v, name)
    grid = np.linspace(-8, 8, 401)
    step = grid[1] - grid[0]
    r = problem.observed.values[0, 0].numpy()
    normal = np.exp(-0.5 * grid**2) / np.sqrt(2 * np.pi)
    evidence = 0.0
    for u, pu in zip(grid, normal, strict=True):
        likelihood = [
            (normal * np.exp(-((ri - u * grid) ** 2)) / np.sqrt(np.pi)).sum() * step for ri in r
        ]
        evidence += pu * step * np.prod(likelihood)
    prior_penalty = 0.5 * 2 * 1.0 / 2  # tr Λ - log|Λ| = 1 for both priors, over two entries
    free_energy = float(problem.objective(v)[0]) - prior_penalty
    assert -np.log(evidence) / 2 <= free_energy <= -np.log(evidence) / 2 + 0.5


def test_split_and_judge_share_the_data(noisy_values, generator):
    problem = EmpiricalBayesCompletion(noisy_values, 2)
    kept, out = problem.split(0.3, generator)
    assert torch.equal(kept.observed.mask + out.observed.mask, problem.observed.mask)
    assert torch.equal(kept.observed.values + out.observed.values, problem.observed.values)
    assert 0 < out.observed.mask.sum() < kept.observed.mask.sum()
    judge = problem.with_values(noisy_values)
    v = problem.init(generator)
    residual = (problem.reconstruct(v) - noisy_values).nan_to_num()
    expected = residual.square().sum((1, 2)) / noisy_values.nan_to_num().square().sum((1, 2))
    torch.testing.assert_close(judge.error(v), expected)


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_units_cancel(noisy_values, scale):
    results = []
    for factor in (1.0, scale):
        problem = EmpiricalBayesCompletion(noisy_values * factor, 2)
        v = problem.init(torch.Generator().manual_seed(3))
        for _ in range(5):
            for name in problem.block_names:
                v[name] = problem.minimize_block(v, name)
        results.append(problem.reconstruct(v) / factor)
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("problem_class", [MatrixCompletion, EmpiricalBayesCompletion])
def test_row_features_ignore_rotation_and_units(noisy_values, generator, problem_class):
    """Rotating both factors changes no feature; nor do the units of the data."""
    problem = problem_class(noisy_values, 3, scale="rms")
    v = problem.init(generator)
    for _ in range(3):
        for name in problem.block_names:
            v[name] = problem.minimize_block(v, name)
    Q = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))[0]

    def rotate(block):
        if isinstance(block, torch.Tensor):
            return block if block.shape[-1] != 3 else block @ Q
        matrix = block[1]
        if matrix.ndim == 4:
            turned = torch.einsum("ab,tacn,cd->tbdn", Q, matrix, Q)
        else:
            turned = Q.T @ matrix @ Q
        return type(block)(block[0] @ Q, turned)

    w = {name: rotate(block) for name, block in v.items()}
    for name in ("U", "V"):
        torch.testing.assert_close(problem.row_features(v, name), problem.row_features(w, name))
    assert problem.row_features(v, "U").abs().max() < 10


@pytest.mark.parametrize("k", [1, 3, _linalg._LARGEST_VECTORISED + 1])
def test_solve_and_invert(k, generator):
    root = torch.randn(2, 4, k, k, generator=generator, dtype=torch.float64)
    matrix = (root @ root.mT + 0.1 * torch.eye(k, dtype=torch.float64)).permute(0, 2, 3, 1)
    right = torch.randn(2, k, 4, generator=generator, dtype=torch.float64)
    inverse, solution = solve_and_invert(matrix, right)
    as_batch = matrix.permute(0, 3, 1, 2)
    torch.testing.assert_close(inverse.permute(0, 3, 1, 2), torch.linalg.inv(as_batch))
    expected = torch.linalg.solve(as_batch, right.permute(0, 2, 1)[..., None])[..., 0]
    torch.testing.assert_close(solution.permute(0, 2, 1), expected)
    torch.testing.assert_close(log_determinant(matrix), torch.logdet(as_batch))


@pytest.mark.parametrize("k", [2, 3])
def test_gradient_through_the_solve(k, generator):
    root = torch.randn(1, 2, k, k, generator=generator, dtype=torch.float64)
    matrix = (root @ root.mT + torch.eye(k, dtype=torch.float64)).permute(0, 2, 3, 1)
    right = torch.randn(1, k, 2, generator=generator, dtype=torch.float64)

    def through(half, b):
        return solve_and_invert((half + half.transpose(1, 2)) / 2, b)

    inputs = (matrix.clone().requires_grad_(), right.clone().requires_grad_())
    assert torch.autograd.gradcheck(through, inputs)


def test_point_of_a_posterior_is_its_mean(noisy_values, generator):
    v = EmpiricalBayesCompletion(noisy_values, 2).init(generator)
    assert point(v["U"]) is v["U"].mean and point(v["noise"]) is v["noise"]


# Mixtures -----------------------------------------------------------------------------


def mixture_samples(n_features=3):
    X, truth = make_mixture_tasks(
        3, n_samples=60, n_features=n_features, spread=2.0, eccentricity=9.0, random_state=0
    )
    return torch.from_numpy(X), truth


def known_covariances(kind):
    """Of the shape that the engine gives to each type, different in every task."""
    _, truth = mixture_samples()
    full = torch.from_numpy(truth.covariances)
    return {
        "full": full,
        "tied": full[:, :1],
        "diag": full.diagonal(dim1=2, dim2=3).clone(),
        "spherical": full.diagonal(dim1=2, dim2=3).mean(2, keepdim=True),
    }[kind]


def mixture(kind, known=False, problem_class=MixtureFreeEnergy, **parameters):
    X, _ = mixture_samples()
    fixed = {"covariances": known_covariances(kind)} if known else {}
    return problem_class(X, 4, covariance_type=kind, fixed=fixed, **parameters)


def swept(problem, n_sweeps, seed=0):
    start = problem.init(torch.Generator().manual_seed(seed))
    return alternate(problem, rules_for(problem, ClosedForm()), start, n_sweeps)[0]


each_kind = pytest.mark.parametrize("kind", COVARIANCE_TYPES)
known_or_not = pytest.mark.parametrize("known", [False, True], ids=["estimated", "given"])


@each_kind
@known_or_not
def test_check_problem_of_mixtures(kind, known):
    weight = torch.rand(3, 60, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    check_problem(mixture(kind, known))
    check_problem(mixture(kind, known, sample_weight=weight))


@each_kind
def test_one_sweep_is_one_iteration_of_scikit_learn(kind):
    problem = mixture(kind, reg_covar=1e-6)
    before, after = swept(problem, 3), swept(problem, 4)
    for t, X in enumerate(problem.points.mT.numpy()):
        covariances = before["covariances"][t].numpy()
        covariances = {"tied": covariances[0], "spherical": covariances[..., 0]}.get(
            kind, covariances
        )
        inverse = np.linalg.inv if kind in ("full", "tied") else np.reciprocal
        peer = GaussianMixture(
            4,
            covariance_type=kind,
            weights_init=torch.softmax(before["weights"][t, :, 0], 0).numpy(),
            means_init=before["means"][t].numpy(),
            precisions_init=inverse(covariances),
            max_iter=1,
        )
        with pytest.warns(ConvergenceWarning):
            peer.fit(X)
        close = {"rtol": 1e-12, "atol": 1e-12}
        np.testing.assert_allclose(after["means"][t], peer.means_, **close)
        np.testing.assert_allclose(
            torch.softmax(after["weights"][t, :, 0], 0), peer.weights_, **close
        )
        found = after["covariances"][t].numpy().reshape(peer.covariances_.shape)
        np.testing.assert_allclose(found, peer.covariances_, **close)
        np.testing.assert_allclose(-problem.objective(after)[t], peer.score(X), **close)


@each_kind
@known_or_not
def test_fishers_identity(kind, known):
    """After an E-step the free energy and the likelihood have the same value and slope."""
    variables = swept(mixture(kind, known), 2)
    variables["weights"] = variables["weights"] + 0.3 * torch.arange(4.0)[:, None]
    free_energy = mixture(kind, known)
    variables["responsibilities"] = free_energy.minimize_block(variables, "responsibilities")
    likelihood = mixture(kind, known, MixtureLikelihood)
    torch.testing.assert_close(free_energy.objective(variables), likelihood.objective(variables))
    for name in likelihood.block_names:
        slope = likelihood.gradient(variables, name)
        assert slope.abs().max() > 1e-4
        torch.testing.assert_close(free_energy.gradient(variables, name), slope)


@each_kind
def test_likelihood_is_scipys(kind):
    problem = mixture(kind, known=True, problem_class=MixtureLikelihood)
    variables = problem.init(torch.Generator().manual_seed(2))
    variables["weights"] = torch.randn(3, 4, 1, dtype=torch.float64)
    weights = torch.softmax(variables["weights"], 1).numpy()
    full = known_covariances(kind)
    if full.ndim == 3:
        full = torch.diag_embed(full.expand(-1, -1, 3))
    full = full.expand(-1, 4, -1, -1).numpy()
    for t, X in enumerate(problem.points.mT.numpy()):
        density = sum(
            weights[t, k] * multivariate_normal.pdf(X, variables["means"][t, k], full[t, k])
            for k in range(4)
        )
        np.testing.assert_allclose(-problem.objective(variables)[t], np.log(density).mean())


@each_kind
def test_expanded_squares_equal_direct_ones(kind):
    problem, direct = mixture(kind, known=True), mixture(kind, known=True)
    assert problem._expansion is not None
    direct._expansion = None
    variables = swept(problem, 3)
    torch.testing.assert_close(
        problem.log_joint(variables), direct.log_joint(variables), rtol=1e-11, atol=1e-11
    )
    far = problem.with_fixed({"covariances": 1e-12 * known_covariances(kind)})
    assert far._expansion is None


@each_kind
@known_or_not
def test_tasks_are_taken_with_all_that_is_theirs(kind, known):
    weight = torch.rand(3, 60, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    problem = mixture(kind, known, sample_weight=weight)
    variables = swept(problem, 2)
    index = torch.tensor([2, 0, 2])
    some, its = problem.take(index), take_tasks(variables, index)
    torch.testing.assert_close(some.objective(its), problem.objective(variables)[index])
    for name in problem.block_names:
        expected = problem.minimize_block(variables, name)[index]
        torch.testing.assert_close(some.minimize_block(its, name), expected)
    twice = problem.repeat(2).objective(take_tasks(variables, torch.arange(3).repeat(2)))
    torch.testing.assert_close(twice, problem.objective(variables).repeat(2))


@each_kind
@known_or_not
def test_temperature_only_bends(kind, known):
    """An infinitely hot step sees all samples in every component."""
    problem = mixture(kind, known)
    variables = swept(problem, 2)
    hot = problem.minimize_block(variables, "means", {"temperature": 50.0})
    mean = problem.points.mean(2)[:, None].expand(-1, 4, -1)
    torch.testing.assert_close(hot, mean, rtol=1e-9, atol=1e-9)
    warm = problem.minimize_block(variables, "means", {"temperature": 0.0})
    torch.testing.assert_close(warm, problem.minimize_block(variables, "means"))


def test_an_empty_component_stays():
    X, _ = mixture_samples()
    problem = MixtureFreeEnergy(X, 2, reg_covar=1e-6)
    means = torch.zeros(3, 2, 3, dtype=X.dtype)
    means[:, 1] = 1e6
    variables = problem.start_from(means)
    new, _ = alternate(problem, rules_for(problem, ClosedForm()), variables, 3)
    torch.testing.assert_close(new["means"][:, 1], means[:, 1])
    assert problem.objective(new).isfinite().all()


def test_unknown_covariance_type():
    with pytest.raises(ValueError, match="covariance_type must be one of"):
        MixtureFreeEnergy(mixture_samples()[0], 2, covariance_type="round")
