"""What each of several runs weighs in the answer."""

import pytest
import torch

from sklearn_gso.solvers import Run, Status, weighted_average
from sklearn_gso.solvers.weighting import by_unexplained, companion_weight, lowest_objective

AGREE = torch.tensor([True])


def run_of(objective, n_guarded=0):
    """A run of 40 sweeps, one objective a task."""
    objective = torch.as_tensor(objective, dtype=torch.float64)
    counts = [torch.full((len(objective),), n) for n in (40, n_guarded, int(Status.MAX_ITER))]
    return Run({}, objective, *counts)


@pytest.mark.parametrize(
    "n_guarded, first_counts", [((11, 0), False), ((10, 0), True), ((11, 11), True)]
)
def test_runs_that_were_held_back_often_do_not_count(n_guarded, first_counts):
    """They explain the entries that they saw better than they should."""
    runs = [run_of([0.0] * 3, n) for n in n_guarded]
    unexplained = torch.tensor([[1e-4], [1.0]]).expand(2, 3)
    made = torch.ones(2, 3, dtype=torch.bool)
    weights, least = by_unexplained(runs, unexplained, made, AGREE, 40)
    assert ((weights[0] > 0.99) == first_counts).all()
    torch.testing.assert_close(weights.sum(0), torch.ones(3))
    assert (least == (1e-4 if first_counts else 1.0)).all()


@pytest.mark.parametrize("agree, power", [(True, 4), (False, 1)])
def test_weights_fall_with_a_power_of_what_is_unexplained(agree, power):
    """Where runs disagree, what they explain says less of what they do not see."""
    unexplained = torch.tensor([[1.0, 2.0], [2.0, torch.nan], [4.0, 3.0]]).double()
    made = torch.tensor([[True, True], [True, True], [True, False]])
    runs = [run_of([0.0, 0.0]) for _ in range(3)]
    weights, least = by_unexplained(runs, unexplained, made, torch.tensor([agree] * 2), 40)
    first = torch.tensor([1.0, 2.0**-power, 4.0**-power]).double()
    torch.testing.assert_close(weights[:, 0], first / first.sum())
    # Neither what is not finite nor what was not made counts.
    assert weights[:, 1].tolist() == [1.0, 0.0, 0.0] and least.tolist() == [1.0, 2.0]


def test_where_no_run_is_finite_the_first_stands():
    runs = [run_of([torch.nan]), run_of([torch.inf])]
    made = torch.ones(2, 1, dtype=torch.bool)
    weights, _ = by_unexplained(runs, torch.ones(2, 1), made, AGREE, 40)
    assert weights[:, 0].tolist() == [1.0, 0.0]


def test_a_classical_run_counts_as_one_opinion_and_only_where_it_explains_as_much():
    made = torch.ones(1, dtype=torch.bool)

    def weight(unexplained):
        return float(companion_weight(torch.tensor([0.5]), torch.tensor([unexplained]), made))

    assert weight(0.01) == weight(0.5) == 1
    assert 1 > weight(0.51) > weight(0.55) > weight(1.0) > 0
    assert weight(1.0) < 1e-4
    assert float(companion_weight(torch.ones(1), torch.ones(1), ~made)) == 0


def test_all_weight_for_the_lowest_objective():
    runs = [run_of([1.0, torch.nan]), run_of([-2.0, 5.0]), run_of([torch.nan, 4.0])]
    assert lowest_objective(runs).tolist() == [[0, 0], [1, 0], [0, 1]]


def test_averages_leave_out_what_weighs_nothing():
    weights = torch.tensor([[0.25, 1.0], [0.75, 0.0]])
    values = [torch.tensor([[4.0], [3.0]]), torch.tensor([[8.0], [torch.nan]])]
    assert weighted_average(weights, values).tolist() == [[7.0], [3.0]]
