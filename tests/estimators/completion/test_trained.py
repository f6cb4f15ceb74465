"""What training is told, what becomes of what was trained, and weights that are no good."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

from sklearn_gso import GSOMatrixCompleter, LearnedOptimizer, MetaTraining
from sklearn_gso.rules import recipe

pytestmark = pytest.mark.filterwarnings("ignore:Training has not improved")


@pytest.fixture
def X(easy_tasks):
    return easy_tasks[0]


def with_weights(optimizer, make):
    """The same optimizer with weights that a function makes of their shapes."""
    weights = {name: make(array.shape) for name, array in optimizer.weights.items()}
    return LearnedOptimizer(weights, optimizer.description)


def losses(completer):
    return [record["loss"] for record in completer.history_ if "loss" in record]


def test_truth_can_be_learned_from(easy_tasks):
    """Adam lowers the error on the truth, and it is another than that on held-out entries."""
    X, truth = easy_tasks
    completer = GSOMatrixCompleter(
        2, optimizer=None, n_epochs=6, max_iter=3, n_init=1, scaling="matrix", random_state=0
    )
    known = losses(completer.fit(X, truth))
    assert min(known[3:]) < known[0]
    assert losses(completer.set_params(n_epochs=2).fit(X, truth)) == known[:2]
    assert losses(completer.fit(X))[1] != known[1]
    with pytest.raises(ValueError, match="one true matrix of equal shape"):
        completer.fit(X, truth[:-1])


def test_a_trained_optimizer_travels_as_a_parameter(X, tmp_path):
    settings = {"max_iter": 4, "n_init": 1, "random_state": 0}
    trained = GSOMatrixCompleter(2, n_epochs=1, **settings).fit(X).learned_optimizer_
    path = tmp_path / "mine.safetensors"
    trained.save(path)
    filled = [
        GSOMatrixCompleter(2, optimizer=optimizer, **settings).fit_transform(X[0])
        for optimizer in (trained, path, str(path))
    ]
    np.testing.assert_array_equal(filled[0], filled[1])
    np.testing.assert_array_equal(filled[0], filled[2])


def test_a_training_on_sparse_matrices_goes_on_from_its_checkpoint(X, tmp_path):
    """What tells trainings apart is what is stored, not the objects that hold it."""

    def stored(factor):
        seen = [np.nonzero(~np.isnan(x)) for x in X[:3]]
        return [
            sparse.csr_array((factor * x[at], at), shape=x.shape)
            for x, at in zip(X, seen, strict=False)
        ]

    training = MetaTraining(checkpoint=tmp_path / "training")
    completer = GSOMatrixCompleter(
        2, max_iter=3, n_epochs=1, n_init=1, training=training, random_state=0
    )
    first = clone(completer).fit(stored(1.0))
    again = clone(completer).fit(stored(1.0))
    assert again.learned_optimizer_ == first.learned_optimizer_
    assert again.history_ == first.history_
    with pytest.raises(ValueError, match="another training: it differs in data"):
        completer.fit(stored(2.0))


def test_random_weights_give_at_worst_the_classical_answer(X):
    X = X[0]
    pretrained = LearnedOptimizer.load_pretrained()
    draw = np.random.RandomState(0).standard_normal
    settings = {"safeguard": "run", "n_init": 2, "scaling": "matrix", "random_state": 0}
    random = GSOMatrixCompleter(2, optimizer=with_weights(pretrained, draw), **settings).fit(X)
    classical = GSOMatrixCompleter(2, optimizer=None, **settings).fit(X)
    assert random.objective_ <= classical.objective_ + 1e-12  # both end in the exact fit
    broken = with_weights(pretrained, lambda shape: np.full(shape, np.nan))
    settings["safeguard"] = "step"
    nan = GSOMatrixCompleter(2, optimizer=broken, **settings).fit(X)
    assert nan.n_guarded_ == nan.n_iter_
    # Equal up to rounding: at the noise floor the systems have condition 1e10.
    np.testing.assert_allclose(nan.transform(X), classical.transform(X), atol=1e-6)


@pytest.mark.parametrize("safeguard", ["step", pytest.param("run", marks=pytest.mark.slow)])
def test_broken_step_still_descends(X, safeguard):
    """NaN weights in the paper's rule leave gradient descent, which does not climb."""
    settings = {"n_init": 1, "safeguard": safeguard, "scaling": "matrix", "random_state": 0}
    settings["rule"] = recipe("step", hidden_size=4)
    trained = GSOMatrixCompleter(2, n_epochs=1, max_iter=3, **settings).fit(X[:2])
    broken = with_weights(trained.learned_optimizer_, lambda shape: np.full(shape, np.nan))
    objectives = [
        GSOMatrixCompleter(2, optimizer=broken, max_iter=n, **settings).fit(X[0]).objective_
        for n in (1, 5, 20)
    ]
    assert objectives[0] > objectives[1] > objectives[2]


def test_options_of_the_rule_and_of_training_reach_them(X):
    rule = recipe("step", hidden_size=3, shared=True, n_layers=1, restart_iterate=True, scale=0.5)
    completer = GSOMatrixCompleter(
        2,
        rule=rule,
        max_iter=4,
        n_epochs=1,
        training=MetaTraining(loss_weights=[0.0, 0.0, 0.0, 1.0]),
        scaling="matrix",
        random_state=0,
    ).fit(X)
    description = completer.learned_optimizer_.description
    assert description["shared"] and description["arguments"] == {
        "hidden_size": 3,
        "n_layers": 1,
        "scale": 0.5,
        "restart_iterate": True,
        "reset_state": False,
    }
    (last_only,) = losses(completer)
    completer.set_params(training__loss_weights=[0.0, 0.0, 0.0, 2.0]).fit(X)
    assert losses(completer) == [pytest.approx(2 * last_only, rel=1e-4)]
    assert completer.history_.n_skipped == 0


def test_validation_never_takes_every_task(X):
    training = MetaTraining(validation_fraction=0.95)
    completer = GSOMatrixCompleter(
        2, optimizer=None, n_epochs=1, max_iter=3, training=training, random_state=0
    ).fit(X[:4])
    assert completer.history_.n_steps == 1
