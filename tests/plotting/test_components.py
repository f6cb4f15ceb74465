"""Atoms, mixings and kernels, as they are drawn."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from sklearn_gso import (
    GSOBlindDeconvolution,
    GSODictionaryLearning,
    GSOGaussianMixture,
    GSOSourceSeparation,
)
from sklearn_gso.plotting import ComponentsDisplay

SETTINGS = {"optimizer": None, "max_iter": 3, "random_state": 0}


@pytest.fixture
def X(rng):
    return rng.laplace(size=(30, 4)) @ rng.standard_normal((4, 6))


def test_atoms_as_pictures_and_codes(X):
    learner = GSODictionaryLearning(3, **SETTINGS).fit(X)
    display = ComponentsDisplay.from_estimator(learner, X, shape=(2, 3))
    tiles = np.asarray(display.image_.get_array())
    assert tiles.shape == (2 * 3 - 1, 2 * 4 - 1)
    atom = learner.components_[2].reshape(2, 3)
    np.testing.assert_allclose(tiles[3:5, :3], atom / np.abs(atom).max())
    drawn = np.column_stack([line.get_ydata() for line in display.rows_])
    np.testing.assert_array_equal(drawn, learner.transform(X))


def test_mixings_as_curves(X):
    separation = GSOSourceSeparation(2, **SETTINGS).fit(X)
    display = ComponentsDisplay.from_estimator(separation)
    drawn = np.column_stack([line.get_ydata() for line in display.lines_])
    np.testing.assert_array_equal(drawn, separation.mixing_)
    assert display.image_ is None and display.rows_ == [] and list(display.axes_) == ["components"]
    assert len(ComponentsDisplay.from_estimator(separation, max_shown=1).lines_) == 1


def test_kernels_of_one_axis_and_of_two(X):
    curve = GSOBlindDeconvolution(3, **SETTINGS).fit(X)
    display = ComponentsDisplay.from_estimator(curve, X)
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), curve.kernel_)
    assert len(display.rows_) == 16  # one curve a signal, the first ones
    np.testing.assert_array_equal(display.rows_[1].get_ydata(), curve.transform(X)[1])
    picture = GSOBlindDeconvolution((2, 2), signal_shape=(2, 3), **SETTINGS).fit(X)
    shown = ComponentsDisplay.from_estimator(picture).image_.get_array()
    assert shown.shape == (2, 2)


def test_what_has_none_is_said(X):
    with pytest.raises(NotFittedError):
        ComponentsDisplay.from_estimator(GSODictionaryLearning())
    several = GSODictionaryLearning(2, n_epochs=0, **SETTINGS).fit([X, X])
    mixture = GSOGaussianMixture(2, n_init=1, random_state=0).fit(X)
    for estimator in (several, mixture):
        with pytest.raises(ValueError, match="has no components to draw"):
            ComponentsDisplay.from_estimator(estimator)
