"""Random mixtures: their truth is what their samples show."""

import numpy as np
import pytest

from sklearn_gso.datasets import make_mixture_tasks


@pytest.mark.parametrize("layout", ["normal", "uniform", "flower"])
def test_samples_have_the_moments_of_the_truth(layout):
    X, truth = make_mixture_tasks(
        2, n_samples=40_000, n_components=3, layout=layout, eccentricity=9.0, random_state=0
    )
    assert X.shape == (2, 40_000, 2) and truth.covariances.shape == (2, 3, 2, 2)
    for task, labels in enumerate(truth.labels):
        for k in range(3):
            own = X[task, labels == k]
            covariance, n = truth.covariances[task, k], len(own)
            assert n / 40_000 == pytest.approx(truth.weights[task, k], abs=0.02)
            size = np.sqrt(covariance.diagonal() / n)
            assert (np.abs(own.mean(0) - truth.means[task, k]) < 5 * size).all()
            np.testing.assert_allclose(np.cov(own.T), covariance, atol=0.05 * covariance.max())


def test_covariances_have_one_volume_and_a_bounded_eccentricity():
    _, truth = make_mixture_tasks(30, n_features=3, sd=2.0, eccentricity=25.0, random_state=0)
    spectra = np.linalg.eigvalsh(truth.covariances)
    np.testing.assert_allclose(spectra.prod(-1), 2.0**6)
    ratios = spectra[..., -1] / spectra[..., 0]
    assert ratios.max() <= 25 and ratios.max() > 15 and ratios.min() < 3
    _, round_ones = make_mixture_tasks(2, n_features=3, sd=2.0, random_state=0)
    expected = np.broadcast_to(4 * np.eye(3), (2, 4, 3, 3))
    np.testing.assert_allclose(round_ones.covariances, expected, atol=1e-12)


def test_petals_point_outwards():
    _, truth = make_mixture_tasks(
        2, layout="flower", n_components=5, spread=3.0, petal=(1.5, 0.4), random_state=0
    )
    radii = np.linalg.norm(truth.means, axis=2, keepdims=True)
    np.testing.assert_allclose(radii, 3.0)
    outwards = truth.means / radii
    along = np.einsum("tki,tkij->tkj", outwards, truth.covariances)
    np.testing.assert_allclose(along, 1.5**2 * outwards)
    np.testing.assert_allclose(np.linalg.det(truth.covariances), (1.5 * 0.4) ** 2)


def test_weights_are_equal_or_drawn():
    _, equal = make_mixture_tasks(2, n_components=4, random_state=0)
    np.testing.assert_array_equal(equal.weights, np.full((2, 4), 0.25))
    _, drawn = make_mixture_tasks(500, n_samples=1, concentration=2.0, random_state=0)
    np.testing.assert_allclose(drawn.weights.sum(1), 1)
    np.testing.assert_allclose(drawn.weights.var(0), 0.25 * 0.75 / 9, rtol=0.2)


def test_same_seed_same_tasks_and_other_layouts_are_refused():
    for layout in ("normal", "flower"):
        a, b = (make_mixture_tasks(2, layout=layout, random_state=3)[0] for _ in range(2))
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="layout must be 'normal', 'uniform' or 'flower', got 'x'"):
        make_mixture_tasks(layout="x")
    with pytest.raises(ValueError, match="flowers have two features, got n_features=3"):
        make_mixture_tasks(layout="flower", n_features=3)
