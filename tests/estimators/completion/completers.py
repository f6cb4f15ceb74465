"""One completer of each kind, cheap, for tests of what all of them promise."""

import pytest

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter, SGDMatrixCompleter

# Units that are chosen cost more than all else of so short a fit: one looks at the data for them.
SHORT = {"scaling": "matrix", "n_epochs": 1, "random_state": 0}
COMPLETERS = {
    "gso": GSOMatrixCompleter(2, max_iter=6, n_init=1, **SHORT),
    "untrained": GSOMatrixCompleter(2, optimizer=None, max_iter=4, n_init=2, **SHORT),
    "ridge": GSOMatrixCompleter(2, alpha=1e-3, max_iter=6, n_init=2, **SHORT),
    "step": GSOMatrixCompleter(2, rule="step", max_iter=2, t_l=4, n_init=1, **SHORT),
    "als": ALSMatrixCompleter(2, alpha_start=10.0, max_iter=20, random_state=0),
    "sgd": SGDMatrixCompleter(2, scaling="matrix", max_iter=20, random_state=0),
}
each_completer = pytest.mark.parametrize(
    "completer", list(COMPLETERS.values()), ids=list(COMPLETERS)
)
