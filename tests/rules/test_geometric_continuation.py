"""The controls of a continuation fall geometrically, and then end."""

import pickle

import pytest

from sklearn_gso.rules import Clock, GeometricContinuation


@pytest.mark.parametrize("control", ["ridge", "temperature"])
def test_schedule_falls_geometrically(control):
    schedule = GeometricContinuation(20.0, 1.0, 0.5, control=control)
    values = [schedule(Clock(sweep, 8))[control] for sweep in range(8)]
    assert values[0] == pytest.approx(2.995732) and values[2] == pytest.approx(values[0] / 2)
    assert values[4:] == [0, 0, 0, 0]


def test_a_schedule_is_a_value():
    schedule = GeometricContinuation(20.0, 1.0)
    again = pickle.loads(pickle.dumps(schedule))
    assert again == schedule and again(Clock(1, 8)) == schedule(Clock(1, 8))
