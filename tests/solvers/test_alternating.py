"""The one loop: Algorithms 1 and 2 against independent implementations."""

import numpy as np
import pytest
import torch

from sklearn_gso.problems import EmpiricalBayesCompletion, MatrixCompletion, point, take_tasks
from sklearn_gso.rules import (
    Clock,
    ClosedForm,
    GeometricContinuation,
    GradientDescent,
    LSTMControl,
    LSTMStep,
)
from sklearn_gso.solvers import alternate, init_states, rules_for
from tests.problems.three_blocks import TensorFactorisation


def numpy_als(R, U, V, alpha, n_sweeps):
    """Alternating least squares, row by row."""
    seen = ~np.isnan(R)
    U, V = U.copy(), V.copy()
    for _ in range(n_sweeps):
        for left, right, mask, data in ((U, V, seen, R), (V, U, seen.T, R.T)):
            for i in range(len(left)):
                A = right[mask[i]]
                left[i] = np.linalg.solve(
                    A.T @ A + alpha * np.eye(A.shape[1]), A.T @ data[i][mask[i]]
                )
    return U, V


def test_closed_form_is_als(noisy_values, generator):
    problem = MatrixCompletion(noisy_values, 2, alpha=0.05)
    start = problem.init(generator)
    end, _ = alternate(problem, rules_for(problem, ClosedForm()), start, 7)
    for t in range(3):
        U, V = numpy_als(
            noisy_values[t].numpy(), start["U"][t].numpy(), start["V"][t].numpy(), 0.05, 7
        )
        np.testing.assert_allclose(end["U"][t], U, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(end["V"][t], V, rtol=1e-8, atol=1e-10)


def test_gradient_descent_is_algorithm_1(noisy_values, generator):
    """t_l steps on U with V fixed, then t_l steps on V with the new U."""
    problem = MatrixCompletion(noisy_values, 2, alpha=0.1)
    start = problem.init(generator)
    end, _ = alternate(problem, rules_for(problem, GradientDescent(0.01)), start, 4, 3)
    R, seen = np.nan_to_num(noisy_values[1].numpy()), ~np.isnan(noisy_values[1].numpy())
    U, V = start["U"][1].numpy().copy(), start["V"][1].numpy().copy()
    for _ in range(4):
        for _ in range(3):
            U -= 0.01 * (0.1 * U - (seen * (R - U @ V.T)) @ V)
        for _ in range(3):
            V -= 0.01 * (0.1 * V - (seen * (R - U @ V.T)).T @ U)
    np.testing.assert_allclose(end["U"][1], U, rtol=1e-10)
    np.testing.assert_allclose(end["V"][1], V, rtol=1e-10)


def test_mini_batches_are_unbiased(noisy_values, generator):
    problem = MatrixCompletion(noisy_values, 2, alpha=2.0)
    v = problem.init(generator)
    rule = GradientDescent(1.0, batch_fraction=0.3, generator=generator)
    steps = [rule.step(problem, v, "U", (), Clock(0, 1))[0] - v["U"] for _ in range(3000)]
    mean = torch.stack(steps).mean(0)
    expected = -problem.gradient(v, "U")
    assert (mean - expected).norm() < 0.07 * expected.norm()


def test_backtracking_never_climbs(noisy_values, generator):
    problem = MatrixCompletion(1e3 * noisy_values, 2)
    start = problem.init(generator)
    rules = rules_for(problem, GradientDescent(1e3, backtrack=True))
    seen = [problem.objective(start)]
    alternate(problem, rules, start, 5, on_sweep=lambda v: seen.append(problem.objective(v)))
    for before, after in zip(seen, seen[1:], strict=False):
        assert (after < before).all()


def test_continuation_falls_geometrically():
    schedule = GeometricContinuation(10.0, 1e-3, share=0.5)
    ridges = [1e-3 * np.exp(schedule(Clock(t, 8))["ridge"]) for t in range(8)]
    np.testing.assert_allclose(ridges[0], 10)
    np.testing.assert_allclose(np.diff(np.log(ridges[:5])), np.log(1e-4) / 4)
    np.testing.assert_allclose(ridges[4:], 1e-3)


def test_untrained_control_is_the_closed_form(noisy_values, generator):
    problem = EmpiricalBayesCompletion(noisy_values, 3)
    start = problem.init(generator)
    rule = LSTMControl.for_problem(problem, generator=generator)
    learned, _ = alternate(problem, rules_for(problem, rule), start, 6)
    classical, _ = alternate(problem, rules_for(problem, rule.fallback()), start, 6)
    torch.testing.assert_close(problem.reconstruct(learned), problem.reconstruct(classical))


def test_interrupted_run_goes_on_where_it_stopped(noisy_values, generator):
    problem = MatrixCompletion(noisy_values, 2, alpha=0.1)
    rules = rules_for(problem, LSTMStep(generator=generator))
    start = problem.init(generator)
    with torch.no_grad():
        whole, _ = alternate(problem, rules, start, 6)
        half, states = alternate(problem, rules, start, 4, n_total=6)
        rest, _ = alternate(problem, rules, half, 2, states=states, start=4, n_total=6)
    torch.testing.assert_close(whole, rest, rtol=0, atol=0)


def test_step_follows_equations_7_and_8(noisy_values, generator):
    """Against a transcription with torch's own LSTM cells, coordinate by coordinate."""
    problem = MatrixCompletion(noisy_values, 2, alpha=0.1)
    networks = {name: LSTMStep(hidden_size=5, generator=generator) for name in ("U", "V")}
    start = problem.init(generator)
    with torch.no_grad():
        end, _ = alternate(problem, rules_for(problem, networks), start, 2, 3)
        v = {name: block.clone() for name, block in start.items()}
        memory = {}
        for name, block in v.items():
            zero = torch.zeros(block.numel(), 5)
            memory[name] = [[zero, zero], [zero, zero]]
        for _ in range(2):
            for name, network in networks.items():
                for _ in range(3):
                    g = problem.gradient(v, name).reshape(-1)
                    small = g.abs() < np.exp(-10)
                    logs = torch.where(small, -1.0, g.abs().log() / 10)
                    signs = torch.where(small, np.exp(10) * g, g.sign())
                    h = torch.stack([logs, signs], 1).float()
                    for layer, cell in enumerate(network.cells):
                        memory[name][layer] = list(cell(h, tuple(memory[name][layer])))
                        h = memory[name][layer][0]
                    step = 0.1 * network.output(h).double().reshape(v[name].shape)
                    v[name] = v[name] + step
    for name in v:
        torch.testing.assert_close(end[name], v[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("inner", [0, 1])
def test_flags_of_the_step(restart, reset, inner, noisy_values):
    """Restart draws a new iterate at each inner loop; reset forgets the state; only then."""
    problem = MatrixCompletion(noisy_values, 2)

    def rule(**flags):
        return LSTMStep(**flags, generator=torch.Generator().manual_seed(1))

    start = problem.init(torch.Generator().manual_seed(0))
    flagged, plain = rule(restart_iterate=restart, reset_state=reset), rule()
    fresh = plain.init_state(start["U"])
    used = tuple((h + 1, c + 1) for h, c in fresh)
    # What an ordinary step gives from where, and in the state in which, it should begin.
    begins = start
    if restart and inner == 0:
        begins = {**start, "U": problem.init(plain.generator)["U"]}
    state = fresh if reset and inner == 0 else used
    with torch.no_grad():
        expected = plain.step(problem, begins, "U", state, Clock(0, 1, inner))
        got = flagged.step(problem, start, "U", used, Clock(0, 1, inner))
    torch.testing.assert_close(got, expected, rtol=0, atol=0)


@pytest.mark.parametrize("rule", ["closed", "gradient", "step", "control"])
def test_three_blocks(rule, generator):
    """Nothing in the loop says two; every rule lowers the objective of a tensor factorisation."""
    problem = TensorFactorisation.random(seed=1)
    start = problem.init(generator)
    rules = {
        "closed": ClosedForm(),
        "gradient": GradientDescent(1e-3),
        "step": LSTMStep(generator=generator),
        "control": LSTMControl.for_problem(problem, generator=generator),
    }
    chosen = rules_for(problem, rules[rule])
    seen = []
    with torch.no_grad():
        end, _ = alternate(
            problem, chosen, start, 15, on_sweep=lambda v: seen.append(problem.objective(v))
        )
    assert set(end) == {"A", "B", "C"} and len(seen) == 15
    for name in end:
        assert not torch.equal(point(end[name]), point(start[name]))
    if rule != "step":  # an untrained network goes where its weights say
        assert (seen[-1] < problem.objective(start)).all()


def test_tasks_of_a_batch_do_not_meet(noisy_values, generator):
    problem = EmpiricalBayesCompletion(noisy_values, 2)
    start = problem.init(generator)
    alone = EmpiricalBayesCompletion(noisy_values[1:2], 2)
    one = take_tasks(start, torch.tensor([1]))
    rule = LSTMControl.for_problem(problem, generator=generator)
    with torch.no_grad():
        rule.output.weight.normal_(std=0.3, generator=generator)
        batch, _ = alternate(problem, rules_for(problem, rule), start, 5)
        single, _ = alternate(alone, rules_for(alone, rule), one, 5)
    torch.testing.assert_close(
        problem.reconstruct(batch)[1:2], alone.reconstruct(single), rtol=1e-4, atol=1e-4
    )


def test_the_clock_counts_inner_and_outer_steps(generator):
    problem = TensorFactorisation.random(seed=0)
    clocks = []

    class Watching(ClosedForm):
        def step(self, problem, variables, name, state, clock):
            clocks.append((name, clock.sweep, clock.inner, clock.n_sweeps))
            return super().step(problem, variables, name, state, clock)

    rules = rules_for(problem, Watching())
    start = problem.init(generator)
    _, states = alternate(problem, rules, start, 1, 2, start=3, n_total=5)
    alternate(problem, rules, start, 1, 1, states=states, start=4, n_total=5)
    expected = [(name, 3, inner, 5) for name in "ABC" for inner in (0, 1)]
    assert clocks == expected + [(name, 4, 0, 5) for name in "ABC"]
    assert states == init_states(rules, start)


def test_a_callback_ends_the_loop(generator):
    problem = TensorFactorisation.random(seed=0)
    rules, start, seen = rules_for(problem, ClosedForm()), problem.init(generator), []
    end, _ = alternate(problem, rules, start, 9, on_sweep=lambda v: seen.append(v) or len(seen) > 2)
    expected, _ = alternate(problem, rules, start, 3)
    torch.testing.assert_close(end, expected, rtol=0, atol=0)
