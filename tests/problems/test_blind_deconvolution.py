"""Blind deconvolution: convolutions beside scipy's, minimisers, shifts, units, pictures."""

import numpy as np
import pytest
import torch
from scipy import ndimage, optimize, signal

from sklearn_gso.metrics import shifted_cosine
from sklearn_gso.problems import BlindDeconvolution, check_problem
from sklearn_gso.problems._convolution import Grid
from sklearn_gso.rules import ClosedForm, GeometricContinuation
from sklearn_gso.solvers import minimize, rules_for

ALPHA = 0.2


def draw(seed=0, shape=(2, 2, 12), holes=0.0):
    rng = np.random.RandomState(seed)
    X = rng.standard_normal(shape)
    X[rng.rand(*shape) < holes] = np.nan
    return torch.from_numpy(X)


def planted(seed, n_tasks=4, n=200, size=10, density=0.1):
    """Circular signals of spikes, each with a kernel of its own, in the middle of its window."""
    rng = np.random.RandomState(seed)
    kernels = rng.standard_normal((n_tasks, size))
    spikes = rng.standard_normal((n_tasks, n)) * (rng.rand(n_tasks, n) < density)
    signals = convolved(spikes, kernels / np.linalg.norm(kernels, axis=1, keepdims=True))
    return torch.from_numpy(signals)[:, None], kernels


def convolved(spikes, kernels):
    pairs = zip(spikes, kernels, strict=True)
    return np.stack([ndimage.convolve(x, k, mode="wrap") for x, k in pairs])


def started(problem, seed=0):
    return problem.init(torch.Generator().manual_seed(seed))


SLOW_SMOOTH = ["spikes", pytest.param("smooth", marks=pytest.mark.slow)]


@pytest.mark.parametrize("source", SLOW_SMOOTH)
@pytest.mark.parametrize(("boundary", "holes"), [("circular", 0.0), ("valid", 0.1)])
def test_the_problem_keeps_its_promises(boundary, holes, source):
    options = {"boundary": boundary, "source": source, "alpha": 0.5, "n_passes": None}
    check_problem(BlindDeconvolution(draw(holes=holes), (4,), **options))


@pytest.mark.parametrize("source", SLOW_SMOOTH)
def test_the_problem_of_pictures_keeps_its_promises(source):
    options = {"boundary": "valid", "source": source, "alpha": 0.5, "n_passes": None}
    check_problem(BlindDeconvolution(draw(shape=(2, 1, 20)), (2, 3), (4, 5), **options))


@pytest.mark.parametrize(("shape", "size"), [((11,), (3,)), ((12,), (4,)), ((6, 7), (3, 3))])
def test_circular_convolution_is_that_of_scipy(shape, size):
    kernel, source = draw(1, (1, 1, int(np.prod(size)))), draw(2, (1, 1, int(np.prod(shape))))
    grid = Grid(shape, size, "circular")
    rows = grid.rows(grid.kernel_spectrum(kernel) * grid.spectrum(source))
    k, x = kernel.numpy().reshape(size), source.numpy().reshape(shape)
    expected = ndimage.convolve(x, k, mode="wrap")
    np.testing.assert_allclose(grid.extracted(rows).numpy().reshape(shape), expected, atol=1e-12)


@pytest.mark.parametrize(("shape", "size"), [((9,), (4,)), ((5, 6), (2, 3))])
def test_valid_convolution_is_that_of_scipy(shape, size):
    grid = Grid(shape, size, "valid")
    kernel, source = draw(1, (1, 1, int(np.prod(size)))), draw(2, (1, 1, int(np.prod(grid.full))))
    rows = grid.rows(grid.kernel_spectrum(kernel) * grid.spectrum(source))
    k, x = kernel.numpy().reshape(size), source.numpy().reshape(grid.full)
    expected = signal.convolve(x, k, "valid")
    np.testing.assert_allclose(grid.extracted(rows).numpy().reshape(shape), expected, atol=1e-12)


@pytest.mark.parametrize("boundary", ["circular", "valid"])
@pytest.mark.parametrize(("shape", "size"), [((9,), (4,)), ((5, 6), (2, 3))])
def test_the_grid_gives_back_its_signals(shape, size, boundary):
    rows, grid = draw(0, (2, 3, int(np.prod(shape)))), Grid(shape, size, boundary)
    torch.testing.assert_close(grid.extracted(grid.embedded(rows)), rows)


def test_gram_matrices_are_those_of_shifted_sources():
    grid, rng = Grid((4, 5), (2, 3), "circular"), np.random.RandomState(0)
    source, unseen = draw(0, (1, 2, 20)), torch.from_numpy(rng.rand(1, 2, 20) < 0.3)
    x = source.numpy().reshape(2, 4, 5)
    shifted = [np.roll(x, (i, j), (1, 2)).reshape(2, 20) for i in range(2) for j in range(3)]
    shifted = np.stack(shifted) * ~unseen.numpy()[0]
    expected = np.einsum("icn,jcn->ij", shifted, shifted)
    gram = grid.gram(source, grid.spectrum(source), unseen)[0]
    np.testing.assert_allclose(gram.numpy(), expected, atol=1e-12)


def test_differences_and_their_transpose():
    grid = Grid((4, 5), (2, 2), "circular")
    rows, steps = draw(0, (1, 2, 20)), draw(1, (1, 2, 2, 20))
    inner = (grid.differences(rows) * steps).sum()
    torch.testing.assert_close(inner, (rows * grid.differences_back(steps)).sum())
    twice = grid.differences_back(grid.differences(rows))
    torch.testing.assert_close(twice, grid.rows(grid.roughness() * grid.spectrum(rows)))


@pytest.mark.parametrize("holes", [0.0, 0.2])
def test_sources_satisfy_the_conditions_of_a_lasso(holes):
    """Slopes of the squares are alpha times minus the sign, and at most alpha where it is 0."""
    problem = BlindDeconvolution(draw(holes=holes), (4,), alpha=ALPHA, n_passes=None)
    variables = started(problem)
    sources = variables["sources"] = problem.minimize_block(variables, "sources")
    slope = problem._slope(variables["kernel"])(sources)
    used = sources != 0
    torch.testing.assert_close(slope[used], -ALPHA * sources[used].sign(), rtol=0, atol=1e-6)
    assert used.any() and (slope[~used].abs() <= ALPHA + 1e-6).all()


def test_the_kernel_is_the_best_in_all_windows():
    """Least squares in a ball for each shift, by scipy."""
    problem = BlindDeconvolution(draw(), (3,), alpha=ALPHA, n_passes=None)
    variables = started(problem)
    kernel = problem.minimize_block(variables, "kernel")
    reached = problem.objective({**variables, "kernel": kernel})
    penalty = ALPHA * variables["sources"].abs().sum((1, 2))
    for t in range(2):
        y, x = problem.values[t].numpy(), variables["sources"][t].numpy()

        def misfit(k, shift, x=x, y=y):
            return sum(k[j] * np.roll(x, j + shift, 1) for j in range(3)) - y

        inside = {"type": "ineq", "fun": lambda k: 1 - k @ k}
        best = min(
            optimize.minimize(
                lambda k, s=s, f=misfit: 0.5 * np.square(f(k, s)).sum(),
                np.zeros(3),
                constraints=inside,
            ).fun
            for s in (-1, 0, 1)
        )
        assert float(reached[t] - penalty[t]) == pytest.approx(best, rel=1e-4)


def test_a_shift_of_the_sources_changes_nothing():
    problem = BlindDeconvolution(draw(), (5,), alpha=ALPHA)
    variables = started(problem)
    moved = {**variables, "sources": variables["sources"].roll(2, 2)}
    torch.testing.assert_close(problem.objective(moved), problem.objective(variables))
    torch.testing.assert_close(problem.reconstruct(moved), problem.reconstruct(variables))
    told, same = (problem.minimize_block(v, "sources") for v in (moved, variables))
    torch.testing.assert_close(told, same)


@pytest.mark.parametrize("source", ["spikes", "smooth"])
def test_units_cancel(source):
    """Data and penalty in other units: the same kernels and features, sources in these units."""
    X, options = draw(holes=0.1), {"kernel_size": (4,), "source": source}
    one = BlindDeconvolution(X, alpha=ALPHA, **options)
    other = BlindDeconvolution(100 * X, alpha=100 * ALPHA, **options)
    variables, scaled = started(one), started(other)
    torch.testing.assert_close(scaled["kernel"], variables["kernel"])
    torch.testing.assert_close(scaled["sources"], 100 * variables["sources"])
    features = (p.row_features(v, "kernel") for p, v in ((one, variables), (other, scaled)))
    torch.testing.assert_close(*features)
    torch.testing.assert_close(other.restored(scaled), 100 * one.restored(variables))


@pytest.mark.parametrize("boundary", ["circular", "valid"])
@pytest.mark.parametrize("holes", [0.0, 0.2])
def test_sweeps_do_not_raise_the_objective(holes, boundary):
    problem = BlindDeconvolution(
        draw(shape=(2, 1, 40), holes=holes), (4,), boundary=boundary, alpha=0.5, n_passes=20
    )
    run = minimize(problem, rules_for(problem, ClosedForm()), started(problem), 8, trace=True)
    values = torch.stack(run.trace.objective)
    assert (values.diff(dim=0) <= 1e-8 * values[:-1]).all() and (values[-1] < values[0]).all()


def test_shrinking_is_a_larger_penalty():
    """Sources of a shorter kernel are those of a larger alpha, in other units."""
    X, size = draw(), np.exp(-1)
    problem = BlindDeconvolution(X, (4,), alpha=ALPHA, n_passes=None)
    larger = BlindDeconvolution(X, (4,), alpha=ALPHA / size, n_passes=None)
    variables = started(problem)
    short = {**variables, "kernel": size * variables["kernel"]}
    sources = problem.minimize_block(short, "sources")
    torch.testing.assert_close(size * sources, larger.minimize_block(variables, "sources"))
    bent = problem.minimize_block(variables, "kernel", {"shrink": 1.0})
    assert (bent.norm(dim=2) <= size + 1e-9).all()


def test_planted_kernels_are_found():
    """With a continuation, and up to shift and sign."""
    signals, kernels = planted(0)
    problem = BlindDeconvolution(signals, (10,), alpha=0.05)
    rule = ClosedForm(GeometricContinuation(0.5, 0.05, control="shrink"))
    run = minimize(problem, rules_for(problem, rule), started(problem), 60)
    found = problem.settled(run.variables)["kernel"]
    torch.testing.assert_close(found.norm(dim=2), torch.ones(4, 1, dtype=torch.float64))
    cosines = [shifted_cosine(k, e[0]) for k, e in zip(kernels, found.numpy(), strict=True)]
    assert np.mean(np.array(cosines) > 0.99) >= 0.75


@pytest.mark.parametrize("boundary", ["circular", "valid"])
def test_pictures_of_a_known_kernel_are_restored(boundary):
    """Steps of brightness, blurred: closer to the truth than what is seen of them."""
    truth = np.kron(np.random.RandomState(0).rand(4, 4), np.ones((6, 6)))
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    if boundary == "circular":
        seen, size = ndimage.convolve(truth, kernel, mode="wrap"), 24
    else:
        seen, size = signal.convolve(truth, kernel, "valid"), 22
    problem = BlindDeconvolution(
        torch.from_numpy(seen.reshape(1, 1, -1)),
        (3, 3),
        (size, size),
        boundary,
        "smooth",
        0.002,
    )
    block = torch.from_numpy(kernel.reshape(1, 1, -1))
    restored = problem.restored({"kernel": block / block.norm()}).numpy().reshape(24, 24)
    middle = (slice(2, -2), slice(2, -2))
    start = seen if boundary == "circular" else np.pad(seen, 1)
    error, before = (np.abs(x - truth)[middle].mean() for x in (restored, start))
    assert error < 0.2 * before


def test_gradients_flow_through_sources():
    """Of a kernel of one entry sources are thresholds; the slope by it is exact."""
    problem = BlindDeconvolution(draw(shape=(1, 1, 9)), (1,), alpha=ALPHA, n_passes=None)
    weights = draw(2, (1, 1, 9))
    kernel = torch.full((1, 1, 1), 0.8, dtype=torch.float64, requires_grad=True)
    start = torch.zeros(1, 1, 9, dtype=torch.float64)

    def total(kernel):
        sources = problem.minimize_block({"kernel": kernel, "sources": start}, "sources")
        return (weights * kernel * sources).sum()

    (told,) = torch.autograd.grad(total(kernel), kernel)
    with torch.no_grad():
        slope = (total(kernel + 1e-6) - total(kernel - 1e-6)) / 2e-6
    assert float(told) == pytest.approx(float(slope), rel=1e-6)
