"""Measures: their formulas, what they do not depend on, and at every scale."""

import numpy as np
import pytest

from sklearn_gso.metrics import (
    amari_distance,
    relative_error,
    shifted_cosine,
    shifted_psnr,
    signal_to_distortion,
)


def test_it_is_taken_over_what_is_known_and_asked_for():
    truth = np.array([[3.0, 4.0], [np.nan, 0.0]])
    completed = np.array([[3.0, 1.0], [7.0, 4.0]])
    assert relative_error(truth, completed) == pytest.approx(5 / 5)
    assert relative_error(truth, completed, where=[[True, False], [True, False]]) == 0.0
    assert relative_error(np.zeros((1, 2)), np.ones((1, 2))) == pytest.approx(np.sqrt(2))
    with pytest.raises(ValueError, match="shape"):
        relative_error(truth, completed[:1])


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1.0, 1e200, 1e300])
def test_units_do_not_matter(scale, rng):
    truth, other = rng.standard_normal((2, 6, 5))
    expected = np.linalg.norm(truth - other) / np.linalg.norm(truth)
    assert relative_error(scale * truth, scale * other) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-250, 1e-100, 1e100, 1e250])
def test_truth_and_answer_far_apart(scale):
    """Squares of the ratio overflow or vanish where the ratio does not."""
    truth = np.full((3, 4), 2.0)
    assert relative_error(truth, scale * truth) == pytest.approx(max(1.0, scale), rel=1e-12)
    assert relative_error(truth, truth + 1e-15) < 1e-14


def test_what_has_no_ratio():
    zeros, ones = np.zeros((2, 2)), np.ones((2, 2))
    assert relative_error(zeros, 3 * ones) == pytest.approx(6.0)
    assert relative_error(ones, zeros, where=np.zeros((2, 2))) == 0.0
    assert relative_error(np.full((2, 2), np.nan), ones) == 0.0
    with np.errstate(over="ignore"):
        assert relative_error(1e-200 * ones, 1e200 * ones) == np.inf


def test_orders_scales_and_signs_leave_the_amari_distance(rng):
    mixing, other = rng.standard_normal((2, 6, 3))
    changed = other[:, [2, 0, 1]] * [3.0, -0.1, 7.0]
    distance = amari_distance(mixing, other)
    assert 0 < distance < 1 and amari_distance(mixing, changed) == pytest.approx(distance)
    assert amari_distance(other, changed) == pytest.approx(0, abs=1e-12)
    # Every source in every estimate, equally: as far as can be.
    assert amari_distance(np.ones((2, 2)) + 1e-9 * np.eye(2), np.eye(2)) == pytest.approx(1)
    with pytest.raises(ValueError, match="shape"):
        amari_distance(mixing, other[:, :2])


def test_the_amari_distance_is_its_formula():
    product = np.array([[2.0, 1.0], [0.0, -4.0]])
    # Columns of length 1: (1, 0) and (1, -4) / √17.
    rows, columns = 1 / np.sqrt(17), 1 / 4
    assert amari_distance(product, np.eye(2)) == pytest.approx((rows + columns) / 4)


def test_orders_and_scales_leave_the_distortion_and_noise_makes_it(rng):
    sources = rng.standard_normal((20000, 3))
    noisy = sources + 0.1 * rng.standard_normal(sources.shape)
    ratio = signal_to_distortion(sources, noisy)
    assert ratio == pytest.approx(20, abs=0.2)
    assert signal_to_distortion(sources, noisy[:, [1, 2, 0]] * [-2, 0.1, 9]) == pytest.approx(ratio)
    assert signal_to_distortion(sources, sources) > 140
    with pytest.raises(ValueError, match="shape"):
        signal_to_distortion(sources, noisy[:9])


def test_the_distortion_is_that_of_fast_bss_eval(rng):
    peer = pytest.importorskip("fast_bss_eval")
    sources = rng.laplace(size=(400, 2))
    estimates = sources @ [[1.0, 0.2], [-0.3, 1.0]] + 0.1 * rng.standard_normal((400, 2))
    theirs = peer.si_sdr(sources.T, estimates.T, zero_mean=False)
    assert signal_to_distortion(sources, estimates) == pytest.approx(np.mean(theirs), abs=1e-4)


def test_cosines_of_kernels_know_neither_place_nor_sign_nor_scale():
    rng = np.random.RandomState(0)
    kernel = rng.standard_normal((3, 4))
    moved = np.zeros((6, 7))
    moved[2:5, 1:5] = -1e-200 * kernel
    assert shifted_cosine(kernel, moved) == pytest.approx(1)
    other = rng.standard_normal(5)
    cosine = shifted_cosine([1.0], other)
    assert cosine == pytest.approx(np.abs(other).max() / np.linalg.norm(other))
    assert shifted_cosine(np.zeros(3), other) == 0
    with pytest.raises(ValueError, match="truth has 2 axes, estimate has 1"):
        shifted_cosine(kernel, other)


def test_the_ratio_of_pictures_is_that_of_the_best_shift():
    rng = np.random.RandomState(0)
    truth = rng.rand(5, 6)
    noisy = truth + 0.1 * rng.standard_normal(truth.shape)
    expected = -10 * np.log10(np.mean(np.square(noisy - truth)))
    assert shifted_psnr(truth, noisy) == pytest.approx(expected)
    moved = np.roll(noisy, (2, -1), (0, 1))
    assert shifted_psnr(truth, moved, max_shift=2) == pytest.approx(expected)
    assert shifted_psnr(truth, moved, max_shift=1) < expected
    assert shifted_psnr(truth, truth) == np.inf
    with pytest.raises(ValueError, match=r"truth has shape \(5, 6\), estimate has \(6, 5\)"):
        shifted_psnr(truth, truth.T)


def test_units_and_dead_sources(rng):
    first, second = rng.rand(10, 2), rng.rand(10, 2)
    for unit in (1e-200, 1e200):
        ratio = signal_to_distortion(unit * first, second)
        assert ratio == pytest.approx(signal_to_distortion(first, second))
        distance = amari_distance(unit * first, second)
        assert distance == pytest.approx(amari_distance(first, second))
    axes = np.eye(3)[:, :2]
    dead = np.column_stack([axes[:, 0], np.zeros(3)])
    assert 0 < amari_distance(axes, dead) <= 1 and 0 < amari_distance(dead, axes) <= 1
    assert amari_distance(np.zeros((3, 2)), axes) == 1
