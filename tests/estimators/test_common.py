"""scikit-learn's own checks, with no expected failure, and the ones it leaves out.

They are about contracts, not about accuracy: cheap settings run every path of the code, those
of one class that differ in the solver only among the slow tests. Default settings are slow.
"""

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
    estimator_checks_generator,
)

from sklearn_gso import (
    ALSMatrixCompleter,
    EMGaussianMixture,
    GSOBlindDeconvolution,
    GSODictionaryLearning,
    GSOGaussianMixture,
    GSOImputer,
    GSOMatrixCompleter,
    GSOSourceSeparation,
    MixtureImputer,
    RobustMatrixCompleter,
    SGDMatrixCompleter,
)
from sklearn_gso.rules import ClosedForm, recipe

from .sparse_coding import SparseCoder

pytestmark = [
    pytest.mark.filterwarnings("ignore:Training has not improved"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names"),
    # scikit-learn's sparse tables have empty rows.
    pytest.mark.filterwarnings("ignore:.*have no observed entry"),
]

PAPERS = recipe("step", hidden_size=4)
# Units that are chosen cost more than all else of so short a fit: one looks at the data for them.
UNITS = {"scaling": "matrix"}
DIFFERENCES = {"source": "smooth", "optimizer": None, "max_iter": 3}
TRANSFORMERS = {
    "one start": GSOMatrixCompleter(n_init=1, max_iter=4, **UNITS),
    "untrained": GSOMatrixCompleter(optimizer=None, n_init=2, max_iter=3, **UNITS),
    "ridge": GSOMatrixCompleter(alpha=1e-3, n_init=2, max_iter=3, safeguard="run", **UNITS),
    "step": GSOMatrixCompleter(rule=PAPERS, n_init=1, max_iter=1, t_l=1, n_epochs=1, **UNITS),
    "classical": GSOMatrixCompleter(rule=ClosedForm(), n_init=1, max_iter=4, tol=1e-3, **UNITS),
    "robust": RobustMatrixCompleter(n_init=1, max_iter=4, **UNITS),
    "als": ALSMatrixCompleter(max_iter=4),
    "continued": ALSMatrixCompleter(alpha_start=10.0, max_iter=4, n_init=2, scaling="columns"),
    "sgd": SGDMatrixCompleter(max_iter=3, **UNITS),
    "batches": SGDMatrixCompleter(max_iter=3, batch_fraction=0.5, **UNITS),
    "sparse codes": SparseCoder(n_atoms=2, max_iter=4),
    "dictionary": GSODictionaryLearning(2, max_iter=4),
    "dictionary, untrained": GSODictionaryLearning(2, optimizer=None, max_iter=4),
    "sparse sources": GSOSourceSeparation(1, max_iter=4),
    "sparse sources, untrained": GSOSourceSeparation(1, optimizer=None, max_iter=4),
    "non-negative sources": GSOSourceSeparation(2, sources="nonnegative", max_iter=4),
    "non-negative sources, untrained": GSOSourceSeparation(
        2, sources="nonnegative", nonnegative_mixing=False, optimizer=None, max_iter=4
    ),
    "deconvolution": GSOBlindDeconvolution(optimizer="pretrained", max_iter=4),
    "deconvolution, untrained": GSOBlindDeconvolution(1, boundary="valid", **DIFFERENCES),
    "mixture": MixtureImputer(EMGaussianMixture(2, max_iter=10)),
    "imputer": GSOImputer(parts=["pooled"], weights="equal"),
}
EM, MOVES = {"max_iter": 10, "n_components": 2}, {"max_iter": 8, "n_components": 2, "n_init": 1}
MIXTURES = {
    "em": EMGaussianMixture(**EM),
    "one component": EMGaussianMixture(max_iter=10),
    "several starts": EMGaussianMixture(init_params="k-means++", n_init=2, **EM),
    "tied": EMGaussianMixture(covariance_type="tied", init_params="matched", **EM),
    "tempered": EMGaussianMixture(covariance_type="diag", init_params="tempered", **EM),
    "judge": GSOGaussianMixture(**{**MOVES, "n_init": 2}),
    "random moves": GSOGaussianMixture(optimizer=None, covariance_type="spherical", **MOVES),
}
SLOW = ("untrained", "ridge", "step", "classical", "continued", "batches")
SLOW += ("sparse sources, untrained", "non-negative sources", "non-negative sources, untrained")
SLOW += ("dictionary, untrained", "deconvolution, untrained")
SLOW += ("one component", "several starts", "tied", "tempered", "random moves")
DEFAULTS = [
    GSOMatrixCompleter(),
    GSOMatrixCompleter(optimizer=None),
    GSOMatrixCompleter(alpha=1e-3, safeguard="run", n_init=2),
    GSOMatrixCompleter(rule="step", max_iter=10, n_epochs=1),
    ALSMatrixCompleter(),
    ALSMatrixCompleter(alpha_start=10.0),
    SGDMatrixCompleter(),
    SparseCoder(),
    GSODictionaryLearning(),
    GSOSourceSeparation(),
    GSOSourceSeparation(sources="nonnegative"),
    GSOBlindDeconvolution(),
    GSOImputer(),
    EMGaussianMixture(),
    GSOGaussianMixture(),
    GSOGaussianMixture(n_components=2),
    GSOGaussianMixture(n_components=2, optimizer=None),
    GSOGaussianMixture(n_components=2, optimizer=None, covariance_type="spherical"),
]
FURTHER = [
    check_dataframe_column_names_consistency,
    check_set_output_transform,
    # test_frames.py has frames of pandas and polars, faster.
    pytest.param(check_set_output_transform_pandas, marks=pytest.mark.slow),
    pytest.param(check_set_output_transform_polars, marks=pytest.mark.slow),
    check_transformer_get_feature_names_out,
    check_transformer_get_feature_names_out_pandas,
]


def marks(name):
    return [pytest.mark.slow] if name in SLOW else []


def checks_of(estimators):
    """One parameter for each estimator and check; none is expected to fail."""
    return [
        pytest.param(one, check, id=f"{name}-{check.func.__name__}", marks=marks(name))
        for name, estimator in estimators
        for one, check in estimator_checks_generator(estimator)
    ]


CHEAP = {**TRANSFORMERS, **MIXTURES}.items()


@pytest.mark.parametrize(("estimator", "check"), checks_of(CHEAP))
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.parametrize(("estimator", "check"), checks_of((repr(e), e) for e in DEFAULTS))
def test_estimator_checks_of_default_settings(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", MIXTURES)
def test_further_checks_of_mixtures(name):
    check_dataframe_column_names_consistency(name, MIXTURES[name])


@pytest.mark.parametrize("name", [pytest.param(n, marks=marks(n)) for n in TRANSFORMERS])
@pytest.mark.parametrize("check", FURTHER, ids=lambda check: check.__name__)
def test_further_checks(name, check):
    check(name, TRANSFORMERS[name])


@pytest.mark.parametrize("name", [*TRANSFORMERS, *MIXTURES])
def test_tags_hide_no_check(name):
    """An estimator that takes no table, or says that it is random, is checked for nothing."""
    tags = {**TRANSFORMERS, **MIXTURES}[name].__sklearn_tags__()
    assert tags.input_tags.two_d_array and tags.requires_fit
    assert tags.input_tags.three_d_array or name == "mixture"
    assert not tags.non_deterministic and not tags.no_validation and not tags._skip_test
