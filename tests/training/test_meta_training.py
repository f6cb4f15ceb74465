"""Algorithm 2's training: its loss, its windows, and what it survives."""

import math

import numpy as np
import pytest
import torch

from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.problems import EmpiricalBayesCompletion, MatrixCompletion
from sklearn_gso.rules import LSTMControl, LSTMStep
from sklearn_gso.solvers import alternate, rules_for
from sklearn_gso.training import Episode, make_episode, meta_train, validate
from sklearn_gso.training.rules import sweep_loss

from ..problems.three_blocks import TensorFactorisation


def completion_source(kind="heldout", max_iter=6):
    X, truth = make_low_rank_tasks(8, shape=(20, 15), rank=2, rate=0.6, random_state=0)
    problem = EmpiricalBayesCompletion(torch.from_numpy(X), 2)
    generator = torch.Generator().manual_seed(0)
    rule = LSTMControl.for_problem(problem, hidden_size=6, generator=generator)
    rules = rules_for(problem, rule)

    def source(step):
        seen, judge = problem, None
        if kind == "heldout":
            seen, judge = problem.split(0.1, generator)
        elif kind == "truth":
            judge = problem.with_values(torch.from_numpy(truth))
        return [make_episode(seen, rules, generator, max_iter, judge=judge)]

    return source, rules


@pytest.mark.parametrize(
    "kind", ["heldout", *(pytest.param(k, marks=pytest.mark.slow) for k in ("global", "truth"))]
)
def test_training_lowers_the_validation_loss(kind):
    source, rules = completion_source(kind)
    validation = source(0)
    before = validate(validation, rules)
    history = meta_train(source, rules, 10, validation=validation, learning_rate=1e-2)
    assert validate(validation, rules) < before
    assert history.n_steps == 10 and history.n_skipped == 0
    assert [record["step"] for record in history] == list(range(-1, 10))
    assert history.before == before and not history.kept_the_start
    assert history.after == pytest.approx(validate(validation, rules), rel=1e-6)


@pytest.mark.slow
def test_three_blocks_train():
    """Any number of blocks: one network shared by three of them learns as well."""
    problem = TensorFactorisation.random(seed=2, n_tasks=4)
    generator = torch.Generator().manual_seed(0)
    rules = rules_for(problem, LSTMControl.for_problem(problem, hidden_size=6, generator=generator))
    validation = [make_episode(problem, rules, generator, 6)]
    before = validate(validation, rules)
    meta_train(lambda step: validation, rules, 20, validation=validation, learning_rate=1e-2)
    assert validate(validation, rules) < before


def test_global_loss_is_equation_9(noisy_values, generator):
    """The first window's loss is the weighted mean of F over its outer steps."""
    problem = MatrixCompletion(noisy_values, 2)
    rules = rules_for(problem, LSTMStep(hidden_size=4, generator=generator))
    episode = make_episode(problem, rules, generator, 4)
    omega = [0.0, 2.0, 1.0, 0.5]
    values = []
    with torch.no_grad():
        alternate(
            problem,
            rules,
            episode.variables,
            4,
            2,
            on_sweep=lambda v: values.append(float(problem.objective(v).mean())),
        )
    history = meta_train(lambda s: [episode], rules, 1, t_l=2, weights=omega)
    assert history[0]["loss"] == pytest.approx(np.dot(omega, values) / 4, rel=1e-6)


def test_window_updates_the_weights_every_t_u_steps(noisy_values, generator, monkeypatch):
    problem = MatrixCompletion(noisy_values, 2)
    rules = rules_for(problem, LSTMStep(hidden_size=4, generator=generator))
    updates = []
    original = torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda self, *a, **k: (updates.append(1), original(self))[1]
    )
    episode = make_episode(problem, rules, generator, 10)
    meta_train(lambda s: [episode], rules, 1, t_l=1, t_u=4)
    assert len(updates) == math.ceil(10 / 4)


def test_windows_do_not_change_the_trajectory_of_fixed_weights(noisy_values, generator):
    problem = MatrixCompletion(noisy_values, 2)
    rules = rules_for(problem, LSTMStep(hidden_size=4, generator=generator))
    episode = make_episode(problem, rules, generator, 6)
    whole = meta_train(lambda s: [episode], rules, 1, t_l=2, t_u=6, learning_rate=0.0)
    parts = meta_train(lambda s: [episode], rules, 1, t_l=2, t_u=2, learning_rate=0.0)
    assert whole[0]["loss"] == pytest.approx(parts[0]["loss"], rel=1e-9)


def test_meta_gradient_flows_through_the_solve(generator):
    """Against finite differences of the loss in one weight of the output layer."""
    source, rules = completion_source("truth", max_iter=4)
    episode = source(0)[0]
    rule = rules["U"]
    bias = rule.output.bias

    def loss():
        total = []
        alternate(
            episode.problem,
            rules,
            episode.variables,
            4,
            on_sweep=lambda v: total.append(sweep_loss(episode, v, len(total))),
        )
        return torch.stack(total).sum()

    with torch.no_grad():
        bias += 0.1
    value = loss()
    (gradient,) = torch.autograd.grad(value, bias)
    step = 1e-3
    # The output layer's weights are zero, so the detached features play no part.
    for i in range(len(bias)):
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                bias[i] += sign * step
                ends.append(float(loss()))
                bias[i] -= sign * step
        slope = (ends[0] - ends[1]) / (2 * step)
        assert slope == pytest.approx(float(gradient[i]), rel=1e-3, abs=1e-5)


def test_nan_losses_are_skipped_and_counted():
    source, rules = completion_source("truth")
    good = source(0)[0]
    spoiled = good.problem.with_values(torch.full_like(good.problem.observed.values, torch.inf))
    bad = Episode(good.problem, spoiled, good.variables, good.max_iter, good.reference)
    weights = {k: v.clone() for k, v in rules["U"].state_dict().items()}
    history = meta_train(lambda s: [bad], rules, 3)
    assert history.n_skipped == 3
    for key, value in rules["U"].state_dict().items():
        assert torch.equal(value, weights[key])
    history = meta_train(lambda s: [good if s else bad], rules, 3)
    assert history.n_skipped == 1 and math.isnan(history[0]["loss"])
    assert math.isfinite(history[2]["loss"])


def test_best_checkpoint_is_restored():
    """A learning rate that wrecks the weights leaves the best ones, here the first."""
    source, rules = completion_source("truth")
    validation = source(0)
    before = validate(validation, rules)
    start = {k: v.clone() for k, v in rules["U"].state_dict().items()}
    history = meta_train(source, rules, 6, validation=validation, learning_rate=50.0)
    assert history.before == before and history.best_trained > before
    assert history.kept_the_start and history.after == before
    torch.testing.assert_close(dict(rules["U"].state_dict()), start, rtol=0, atol=0)


def test_ctrl_c_keeps_the_best_so_far():
    source, rules = completion_source("truth")
    validation = source(0)
    before = validate(validation, rules)

    def interrupted(step):
        if step == 12:
            raise KeyboardInterrupt
        return source(step)

    history = meta_train(
        interrupted, rules, 100, validation=validation, validate_every=2, learning_rate=5e-3
    )
    assert history.n_steps == 12
    best = min(r["validation"] for r in history if "validation" in r)
    assert validate(validation, rules) == pytest.approx(best, rel=1e-6)
    assert best < before


class Shifted(TensorFactorisation):
    """The same problem with another zero point: its objective is negative."""

    def objective(self, variables):
        return super().objective(variables) - 1e3


def test_held_out_losses_refuse_a_negative_error_by_name(generator):
    problem = Shifted.random(seed=2)
    rules = rules_for(problem, LSTMStep(hidden_size=4, generator=generator))
    with pytest.raises(ValueError, match=r"^Shifted.error is negative \(-\d.*Override error, or"):
        make_episode(problem, rules, generator, 3, judge=problem)
    start = problem.init(generator)
    episode = Episode(problem, problem, start, 3, torch.ones(3, 2))
    with pytest.raises(ValueError, match="^Shifted.error is negative"):
        meta_train(lambda step: [episode], rules, 1)  # what the reference did not show


def test_the_global_loss_has_no_zero_point():
    """A negative objective is as good as any: the same training, the loss shifted."""
    trained = []
    for kind in (TensorFactorisation, Shifted):
        problem, generator = kind.random(seed=2), torch.Generator().manual_seed(0)
        rules = rules_for(problem, LSTMStep(hidden_size=4, generator=generator))
        episode = make_episode(problem, rules, generator, 4)
        history = meta_train(lambda s, e=episode: [e], rules, 3, validation=[episode], t_l=2)
        trained.append((history, rules["A"].state_dict()))
    (history, state), (shifted, same) = trained
    assert shifted.n_skipped == 0 and shifted.after < 0
    assert shifted[-1]["loss"] == pytest.approx(history[-1]["loss"] - 1e3)
    torch.testing.assert_close(dict(state), dict(same))


def test_a_source_returns_a_list_of_episodes():
    source, rules = completion_source()
    with pytest.raises(TypeError, match="must return a list of episodes, got one Episode"):
        meta_train(lambda step: source(step)[0], rules, 1)


def test_global_generators_stay_untouched():
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    source, rules = completion_source()
    meta_train(source, rules, 2)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
