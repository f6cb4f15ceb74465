"""One completer of each kind, cheap, for tests of what all of them promise."""

import pytest

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter, SGDMatrixCompleter

COMPLETERS = {
    "gso": GSOMatrixCompleter(2, max_iter=8, n_epochs=1, n_init=1, random_state=0),
    "untrained": GSOMatrixCompleter(
        2, optimizer=None, max_iter=8, n_epochs=1, n_init=2, random_state=0
    ),
    "ridge": GSOMatrixCompleter(2, alpha=1e-3, max_iter=8, n_epochs=1, n_init=2, random_state=0),
    "step": GSOMatrixCompleter(2, rule="step", max_iter=4, n_epochs=1, n_init=1, random_state=0),
    "als": ALSMatrixCompleter(2, alpha_start=10.0, max_iter=20, random_state=0),
    "sgd": SGDMatrixCompleter(2, max_iter=20, random_state=0),
}
each_completer = pytest.mark.parametrize(
    "completer", list(COMPLETERS.values()), ids=list(COMPLETERS)
)
