"""The rows of the mixtures' benchmarks solve what they are given, from one definition of it."""

import numpy as np
import pytest

from benchmarks import mixture, mixture_rows
from benchmarks.mixture_rows import by, by_search, em
from benchmarks.peers import portfolio, swap_em


@pytest.mark.parametrize("search", [portfolio, swap_em])
def test_a_search_ends_where_em_from_the_truth_does(search):
    """Clusters far apart have one good optimum, which a single run of EM often misses."""
    *data, best = mixture_rows.problems(mixture_rows.SETS["A2"], 6, 9)
    values, seconds = by_search(search)(*data)
    np.testing.assert_allclose(values, best, atol=1e-4)
    assert seconds > 0
    alone, _ = by(em, n_init=1)(*data)
    assert alone.max() > best.max() + 0.1


def test_gaps_are_to_the_lowest_of_all_rows_and_of_em_from_the_truth(monkeypatch):
    def problems(options, n_tasks, seed):
        return "X", "covariances", 2, np.array([1.0, 2.0])

    monkeypatch.setattr(mixture, "problems", problems)
    rows = {
        "low": lambda *data: (np.array([3.0, 1.5]), 1.0),
        "high": lambda *data: (np.array([4.0, 2.5]), 2.0),
    }
    compared = mixture.compared({"a": {}, "b": {}}, 0, rows, {"a": 2, "b": 0}.get)
    ((name, values, gaps, seconds),) = compared  # "b" is left out
    assert name == "a" and seconds == {"low": 1.0, "high": 2.0}
    assert gaps["low"].tolist() == [2.0, 0.0] and gaps["high"].tolist() == [3.0, 1.0]
    assert values["high"].tolist() == [4.0, 2.5]
