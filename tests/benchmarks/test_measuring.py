"""What is measured is what it is called."""

import time

import numpy as np
import pytest

from benchmarks.measuring import PeakMemory, errors, timed


def test_the_peak_is_what_was_taken_since_and_given_back_does_not_hide_it():
    before = np.ones(10_000_000)
    del before  # 80 MB that were in use once
    memory = PeakMemory()
    taken = np.ones(5_000_000)
    del taken
    # The kernel counts in batches of pages.
    assert 3.9e7 <= memory.above() < 4.5e7


def test_seconds_are_the_median_of_the_calls():
    waits = iter([0.0, 0.1, 0.02])
    result, seconds = timed(lambda: time.sleep(next(waits)) or "done", repeats=3)
    assert result == "done"
    assert 0.02 <= seconds < 0.1


def test_an_estimate_that_is_not_finite_is_infinitely_wrong():
    truth = np.ones((2, 2))
    assert errors([truth, truth], [truth * 1.5, truth * np.nan]).tolist() == [
        pytest.approx(0.5),
        np.inf,
    ]
