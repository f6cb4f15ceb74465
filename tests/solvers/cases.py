"""Problems with rules whose tasks end at different times, each in a way of its own."""

import torch

from sklearn_gso.problems import EmpiricalBayesCompletion, MatrixCompletion
from sklearn_gso.rules import GradientDescent, LSTMControl
from sklearn_gso.solvers import rules_for

from ..problems.planted import mixture


def closed_forms():
    problem, rules, _ = mixture()
    return problem, rules


def steered(std=1.0):
    """Random weights: the guard acts now and then, some tasks do better than by closed forms."""
    problem = EmpiricalBayesCompletion(completable(), 3)
    generator = torch.Generator().manual_seed(11)
    rule = LSTMControl.for_problem(problem, hidden_size=6, generator=generator)
    with torch.no_grad():
        rule.output.weight.normal_(std=std, generator=generator)
    return problem, rules_for(problem, rule)


def completable(n_tasks=5):
    """Matrices of rising noise, whose runs end at different times."""
    generator = torch.Generator().manual_seed(5)

    def normal(*shape):
        return torch.randn(*shape, generator=generator).double()

    noise = torch.logspace(-3, 0, n_tasks)[:, None, None] * normal(n_tasks, 12, 9)
    values = normal(n_tasks, 12, 2) @ normal(n_tasks, 9, 2).mT + noise
    hidden = torch.rand(n_tasks, 12, 9, generator=generator) > 0.7
    return values.masked_fill(hidden, torch.nan)


def descent():
    """Gradient descent whose rate is too large for some of the tasks."""
    values = completable() * torch.tensor([1.0, 1.0, 1.0, 4.0, 30.0])[:, None, None]
    problem = MatrixCompletion(values, 2, alpha=0.1, scale=torch.ones(5, 1, 1).double())
    return problem, rules_for(problem, GradientDescent(0.01))


CASES = {"closed forms": closed_forms, "steered": steered, "descent": descent}
TOLERANCES = {"closed forms": 1e-4, "steered": 1e-3, "descent": 1e-2}


def assert_same_run(found, wanted, rounding=1e-9):
    for field in ("n_iter", "n_guarded", "status"):
        assert torch.equal(getattr(found, field), getattr(wanted, field)), field
    ends = [(run.objective, run.variables) for run in (found, wanted)]
    torch.testing.assert_close(*ends, rtol=rounding, atol=rounding, equal_nan=True)
