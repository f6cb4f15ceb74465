"""Data sets that the tests of mixtures share; none of them is changed."""

import pytest

from sklearn_gso.datasets import make_mixture_tasks


@pytest.fixture(scope="session")
def tasks():
    """Five data sets of 120 samples of three well separated components in two dimensions."""
    return make_mixture_tasks(
        5, n_samples=120, n_components=3, spread=6.0, eccentricity=9.0, random_state=0
    )


@pytest.fixture(scope="session")
def overlapping():
    """Five data sets of 150 samples of four components that overlap in three dimensions."""
    return make_mixture_tasks(
        5, n_samples=150, n_features=3, spread=2.5, eccentricity=25.0, random_state=0
    )


@pytest.fixture(scope="session")
def blurred():
    """One data set of 120 samples of three components that overlap."""
    return make_mixture_tasks(1, n_samples=120, n_components=3, random_state=0)[0][0]


@pytest.fixture
def X(tasks):
    return tasks[0][0]


@pytest.fixture
def covariances(tasks):
    return tasks[1].covariances
