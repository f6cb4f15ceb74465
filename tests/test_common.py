"""scikit-learn's own checks, with no expected failure, and the ones it leaves out."""

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # before scipy: else one check is skipped

import pytest
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_set_output_transform,
    check_set_output_transform_pandas,
    check_set_output_transform_polars,
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
    parametrize_with_checks,
)

from sklearn_gso import (
    ALSMatrixCompleter,
    EMGaussianMixture,
    GSOGaussianMixture,
    GSOMatrixCompleter,
    SGDMatrixCompleter,
)

ESTIMATORS = [
    GSOMatrixCompleter(),
    GSOMatrixCompleter(optimizer=None),
    GSOMatrixCompleter(alpha=1e-3, safeguard="run", n_init=2),
    GSOMatrixCompleter(rule="step", max_iter=10, n_epochs=1),
    ALSMatrixCompleter(),
    ALSMatrixCompleter(alpha_start=10.0, max_iter=20),
    SGDMatrixCompleter(max_iter=20),
]
MIXTURES = [
    EMGaussianMixture(),
    EMGaussianMixture(n_components=2, init_params="k-means++", n_init=2),
    EMGaussianMixture(n_components=2, covariance_type="tied", init_params="matched"),
    EMGaussianMixture(n_components=2, covariance_type="diag", init_params="tempered"),
    GSOGaussianMixture(),
    GSOGaussianMixture(n_components=2),
    GSOGaussianMixture(n_components=2, optimizer=None, max_iter=20),
    GSOGaussianMixture(n_components=2, optimizer=None, covariance_type="spherical", max_iter=20),
]


@parametrize_with_checks(ESTIMATORS + MIXTURES)
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", MIXTURES, ids=repr)
def test_further_checks_of_mixtures(estimator):
    check_dataframe_column_names_consistency(type(estimator).__name__, estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS[:2] + ESTIMATORS[4:], ids=repr)
@pytest.mark.parametrize(
    "check",
    [
        check_dataframe_column_names_consistency,
        check_set_output_transform,
        check_set_output_transform_pandas,
        check_set_output_transform_polars,
        check_transformer_get_feature_names_out,
        check_transformer_get_feature_names_out_pandas,
    ],
    ids=lambda check: check.__name__,
)
def test_further_checks(estimator, check):
    check(type(estimator).__name__, estimator)
