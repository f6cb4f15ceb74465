"""What the parameters of mixtures accept, and what they say to anything else."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from sklearn_gso import LearnedOptimizer, MetaTraining
from sklearn_gso.rules import ClosedForm, recipe
from tests.estimators.mixture.mixtures import each_mixture, gso, identity


@each_mixture
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0}, "n_components of .* must be an integer >= 1 or .*, got 0"),
        ({"n_components": 2.5}, "n_components of .* must be an integer >= 1 or .*, got 2.5"),
        ({"n_init": 0}, "n_init of .* must be an integer >= 1"),
        ({"max_iter": 0}, "max_iter of .* must be an integer >= 1"),
        ({"tol": -1.0}, "tol of .* must be a number >= 0"),
        ({"reg_covar": -1.0}, "reg_covar of .* must be a number >= 0"),
        ({"reg_covar": np.nan}, "reg_covar of .* must be a number >= 0"),
        ({"covariance_type": "round"}, "covariance_type of .* must be one of"),
        ({"init_params": "magic"}, "init_params of .* must be None or one of"),
        ({"fixed": ("centres",)}, "fixed of .* must be names among"),
        ({"fixed": "means"}, "fixed of .* must be names among"),
        ({"fixed": None}, "fixed of .* must be names among"),
        ({"fixed": [["means"]]}, "fixed of .* must be names among"),
        ({"covariance_type": ["full"]}, "covariance_type of .* must be one of"),
        ({"init_params": np.zeros((3, 2))}, "init_params must give labels of shape"),
        ({"fixed": ("means",)}, "'means' is fixed, but means_init gives no value"),
        ({"fixed": ("weights",)}, "'weights' is fixed, but weights_init gives no value"),
        ({"fixed": ("covariances",)}, "'covariances' is fixed, but covariances or precisions_init"),
        ({"weights_init": [0.5, 0.6, 0.1]}, "weights_init must be .* sum to 1"),
        ({"weights_init": [1.5, -0.5, 0.0]}, "weights_init must be non-negative"),
        ({"weights_init": [0.5, 0.5]}, r"weights_init must have shape \(n_components,\)"),
        ({"means_init": np.zeros((3, 3))}, r"means_init must have shape \(n_components, n_f"),
        ({"means_init": np.full((3, 2), np.nan)}, "means_init contains NaN"),
        ({"means_init": "best"}, "means_init cannot be read as finite numbers: could not convert"),
        ({"warm_start": "no"}, "warm_start of .* must be True or False, got 'no'"),
        (
            {"covariances": identity("full", 3, 2), "precisions_init": identity("full", 3, 2)},
            "not both",
        ),
    ],
)
def test_bad_parameters(mixture, parameters, message, X):
    with pytest.raises(ValueError, match=message):
        mixture().set_params(**parameters).fit(X)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_epochs": -1}, "n_epochs of GSOGaussianMixture must be an integer >= 0"),
        ({"n_epochs": 1.5}, "n_epochs"),
        ({"optimizer": 3}, "optimizer must be a LearnedOptimizer"),
        ({"training": {"batch_size": 2}}, "training of GSOGaussianMixture must be None or a Meta"),
        ({"rule": "control"}, r"rule of GSOGaussianMixture must be one of \['moves', 'step'\]"),
        ({"rule": recipe("step")}, "rule='step' moves weights and centres alone"),
        ({"rule": ClosedForm()}, "rule of GSOGaussianMixture must be one of"),
        ({"rule": None}, "rule of GSOGaussianMixture must be one of"),
    ],
)
def test_bad_parameters_of_gso(parameters, message, X):
    with pytest.raises(ValueError, match=message):
        gso().set_params(**parameters).fit(X)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate of MetaTraining must be None or a positive"),
        ({"batch_size": 0}, "batch_size of MetaTraining must be an integer >= 1"),
        ({"validation_fraction": 1.0}, "validation_fraction of MetaTraining must be a number in"),
        ({"checkpoint": 3}, "checkpoint of MetaTraining must be None or a path"),
        # What moves bring is what a judge learns from, whatever the path there.
        ({"loss": "heldout"}, "loss of MetaTraining is for rules that move blocks"),
        ({"loss": "global"}, "loss of MetaTraining is for rules that move blocks"),
        ({"loss_weights": np.ones(200)}, "loss_weights of MetaTraining is for rules that move"),
    ],
)
def test_bad_settings_of_training(settings, message, X):
    """Refused by every fit, also by one that trains nothing."""
    for data in (X, [X, X]):
        with pytest.raises(ValueError, match=message):
            gso(training=MetaTraining(**settings)).fit(data)


def test_a_checkpoint_needs_a_seed(X, tmp_path):
    training = MetaTraining(checkpoint=tmp_path / "judge.ckpt")
    with pytest.raises(ValueError, match="checkpoint needs a random_state"):
        gso(training=training, random_state=None).fit([X, X])


def test_a_recipe_takes_sizes_only():
    with pytest.raises(ValueError, match="hidden_size of a rule must be an integer >= 1"):
        recipe("moves", hidden_size=0)
    with pytest.raises(ValueError, match="LSTMJudge takes"):
        recipe("moves", scale=0.1)


def test_settings_of_training_can_be_searched():
    model = gso(training=MetaTraining(batch_size=4))
    assert clone(model).set_params(training__learning_rate=0.1).training.get_params() == {
        **MetaTraining(batch_size=4).get_params(),
        "learning_rate": 0.1,
    }
    assert model.training.learning_rate is None


@each_mixture
def test_a_mixture_transforms_nothing(mixture, X):
    """Its labels come from predict; fitted or not, it has none of a transformer's methods."""
    for model in (mixture(), mixture().fit(X)):
        assert not hasattr(model, "transform") and not hasattr(model, "fit_transform")
    with pytest.raises(TypeError, match="implement fit and transform"):
        make_pipeline(mixture(), PCA()).fit(X)
    labels = make_pipeline(PCA(), mixture()).fit_predict(X)
    np.testing.assert_array_equal(labels, mixture().fit_predict(PCA().fit_transform(X)))


def test_an_optimizer_for_something_else_is_refused(X):
    with pytest.raises(ValueError, match="does not fit this estimator: its rule is 'LSTMControl'"):
        gso(optimizer=LearnedOptimizer.load_pretrained("completer")).fit(X)
    with pytest.raises(FileNotFoundError):
        gso(optimizer="nowhere.safetensors").fit(X)
