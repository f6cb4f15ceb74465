"""Parameters that no data could excuse are refused by name, before any work."""

import numpy as np
import pandas as pd
import pytest

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter, SGDMatrixCompleter

BAD = [
    (GSOMatrixCompleter, {"rule": ["step"]}, "rule must be one of"),
    (GSOMatrixCompleter, {"rule": None}, "rule must be one of"),
    (GSOMatrixCompleter, {"prior": {"ridge"}}, "prior must be one of"),
    (GSOMatrixCompleter, {"meta_loss": ["global"]}, "meta_loss must be one of"),
    (GSOMatrixCompleter, {"safeguard": np.array(["step", "run"])}, "safeguard must be one of"),
    (GSOMatrixCompleter, {"alpha": "large"}, "alpha must be a positive number"),
    (GSOMatrixCompleter, {"learning_rate": "fast"}, "learning_rate must be"),
    (GSOMatrixCompleter, {"learning_rate": np.nan}, "learning_rate must be"),
    (GSOMatrixCompleter, {"learning_rate": np.inf}, "learning_rate must be"),
    (GSOMatrixCompleter, {"learning_rate": True}, "learning_rate must be"),
    (GSOMatrixCompleter, {"n_epochs": True}, "n_epochs"),
    (GSOMatrixCompleter, {"loss_weights": 1.0}, "loss_weights must be a sequence of numbers"),
    (GSOMatrixCompleter, {"loss_weights": "abc"}, "loss_weights must be a sequence of numbers"),
    (GSOMatrixCompleter, {"loss_weights": {1, 2, 3}}, "loss_weights must be a sequence"),
    (GSOMatrixCompleter, {"loss_weights": ["1", "2", "3"]}, "loss_weights must be a sequence"),
    (GSOMatrixCompleter, {"loss_weights": [[1.0], [1.0, 2.0], []]}, "loss_weights must be a seq"),
    (GSOMatrixCompleter, {"loss_weights": [1.0, 2.0]}, "loss_weights .*each of 3 outer steps"),
    (GSOMatrixCompleter, {"loss_weights": [1.0, -1.0, 1.0]}, "loss_weights must be finite"),
    (GSOMatrixCompleter, {"loss_weights": [1.0, np.nan, 1.0]}, "loss_weights must be finite"),
    (GSOMatrixCompleter, {"loss_weights": [1.0, np.inf, 1.0]}, "loss_weights must be finite"),
    (GSOMatrixCompleter, {"rule_options": ["shared"]}, "rule_options must be a dict"),
    (GSOMatrixCompleter, {"rule_options": {"depth": 2}}, r"rule_options .*\['depth'\]"),
    (GSOMatrixCompleter, {"rule_options": {"scale": 0.1}}, r"rule_options of rule='control'"),
    (GSOMatrixCompleter, {"rule_options": {"n_layers": 0}}, "n_layers in rule_options"),
    (GSOMatrixCompleter, {"rule_options": {"n_layers": 1.5}}, "n_layers in rule_options"),
    (GSOMatrixCompleter, {"rule_options": {"shared": "no"}}, "shared in rule_options"),
    (
        GSOMatrixCompleter,
        {"rule": "step", "rule_options": {"scale": "big"}},
        "scale in rule_options",
    ),
    (ALSMatrixCompleter, {"max_iter": None}, "max_iter .*integer >= 1, got None"),
    (ALSMatrixCompleter, {"alpha_start": "ten"}, "alpha_start must be None or a number"),
    (ALSMatrixCompleter, {"alpha_start": 1e-4}, "alpha_start must be None or a number"),
    (ALSMatrixCompleter, {"alpha_start": np.inf}, "alpha_start must be None or a number"),
    (SGDMatrixCompleter, {"max_iter": None}, "max_iter .*integer >= 1, got None"),
    (SGDMatrixCompleter, {"learning_rate": "fast"}, "learning_rate must be"),
    (SGDMatrixCompleter, {"learning_rate": None}, "learning_rate must be"),
    (SGDMatrixCompleter, {"batch_fraction": "half"}, "batch_fraction must be None or lie in"),
    (SGDMatrixCompleter, {"batch_fraction": 1.5}, "batch_fraction must be None or lie in"),
]


@pytest.mark.parametrize(
    ("estimator", "parameters", "message"), BAD, ids=lambda value: str(value)[-50:]
)
def test_bad_parameters_are_named_before_any_work(
    estimator, parameters, message, easy_tasks, monkeypatch
):
    def work(*args, **options):
        raise AssertionError("the parameters should have been refused before")

    monkeypatch.setattr("sklearn_gso._base.solve_batch", work)
    monkeypatch.setattr("sklearn_gso.completion.meta_fit", work)
    completer = estimator(2, **{"max_iter": 3, **parameters})
    for X in (easy_tasks[0], easy_tasks[0][0]):
        with pytest.raises((ValueError, TypeError), match=message):
            completer.fit(X)
    assert not [name for name in vars(completer) if name.endswith("_")]


def test_numbers_may_be_numpys(easy_tasks):
    completer = GSOMatrixCompleter(
        np.int64(2),
        rule="step",
        max_iter=np.int32(3),
        n_epochs=np.int64(1),
        learning_rate=np.float32(1e-3),
        hidden_size=np.int64(4),
        alpha=np.float64(0.1),
        loss_weights=pd.Series([0.0, 1.0, 2.0], index=[5, 6, 7]),
        rule_options={"n_layers": np.int64(1), "scale": np.float32(0.5), "shared": np.bool_(True)},
        random_state=0,
    ).fit(easy_tasks[0])
    plain = GSOMatrixCompleter(
        2,
        rule="step",
        max_iter=3,
        n_epochs=1,
        learning_rate=float(np.float32(1e-3)),
        hidden_size=4,
        alpha=0.1,
        loss_weights=[0.0, 1.0, 2.0],
        rule_options={"n_layers": 1, "scale": 0.5, "shared": True},
        random_state=0,
    ).fit(easy_tasks[0])
    assert completer.learned_optimizer_ == plain.learned_optimizer_
