"""What parameters of estimators accept, declared in tables; and the settings of training."""

import numbers
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from ..rules.accepts import FLAG, NONE, POSITIVE, Accepts, check, choice, integer, is_flag, real
from ..rules.recipes import LOSSES, RECIPES, Recipe


def instance(*classes: type) -> Accepts:
    """An object of one of some classes."""
    words = " or ".join(c.__name__ for c in classes)
    return Accepts(f"a {words}", lambda v: isinstance(v, classes))


NOT_NEGATIVE = real("a number >= 0", lambda v: 0 <= v < np.inf)
_SEED = instance(np.random.RandomState) | Accepts("numpy.random", lambda v: v is np.random)
_WORKERS = Accepts(
    "an integer other than 0",
    lambda v: isinstance(v, numbers.Integral) and not is_flag(v) and v != 0,
)
# What all estimators accept.
COMMON = {
    "random_state": NONE | integer(0, 2**32 - 1) | _SEED,
    "n_jobs": NONE | _WORKERS,
    "verbose": integer(0) | FLAG,
}
PATH = Accepts("a path", lambda v: isinstance(v, str | os.PathLike))


def keep(owner, arguments: Mapping[str, Any]) -> None:
    """Set the arguments of a constructor, its ``locals()``, as attributes of these names."""
    apart = ("self", "__class__")
    vars(owner).update({name: value for name, value in arguments.items() if name not in apart})


def check_table(owner, table: Mapping[str, Accepts]) -> None:
    """Raise a ValueError that names the first attribute that is not what its table says."""
    check({name: getattr(owner, name) for name in table}, table, type(owner).__name__)


def check_rule(owner, rule, kind: type | tuple[type, ...]) -> None:
    """Raise a ValueError unless a rule, or a recipe, is of a kind.

    Parameters
    ----------
    owner : object
        For the error.
    rule : object
    kind : type or tuple of types
        `UpdateRule`, `Judge` and the like.
    """
    if isinstance(rule, kind):
        return
    known = {name for name, r in RECIPES.items() if issubclass(r.network, kind)}
    if isinstance(rule, str) and rule in known:
        return
    if isinstance(rule, Recipe) and issubclass(rule.network, kind):
        return
    names = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
    raise ValueError(
        f"rule of {type(owner).__name__} must be one of {sorted(known)}, a Recipe or rule of "
        f"class {names}, got {rule!r}."
    )


class MetaTraining(BaseEstimator):
    """Settings of what ``fit`` trains, for ``training=`` of estimators.

    A parameter of a search is named, for instance, ``training__learning_rate``.

    Parameters
    ----------
    loss : {"heldout", "global"}, default=None
        What is minimised where no truth is given: the error on a fresh random tenth of the
        data, hidden from the optimizer, relative to the classical rule's; or equation (9) on
        all the data. By default what the recipe of the rule says: "heldout" for "control",
        "global" for "step".
    loss_weights : array-like of shape (max_iter,), default=None
        ω_t of equation (9). By default 1 for "global", growing with the square of the sweep
        otherwise.
    batch_size : int, default=8
        Tasks of one kind in a training batch.
    batches_per_step : int, default=1
        Batches whose gradients a step adds up. As many as there are processes, or more, let these
        work at the same time (`training.in_processes`).
    learning_rate : float, default=None
        Of Adam, equation (10). By default what the recipe says: 1e-2 falling to zero along a
        cosine for "control", the paper's constant 1e-3 for "step", 3e-3 for "moves".
    validation_fraction : float, default=0.1
        Share of the collection that is set aside to choose the best checkpoint, in [0, 1).
    instance_epochs : int, default=0
        Passes of training on the very data set of a fit on one, before it is solved: learning
        while solving. They begin with the estimator's optimizer; what they reach is kept where
        it is better on a fresh split of the data, or by their objective.
    checkpoint : path-like, default=None
        File for the state of training, written every few seconds; the estimator needs a
        ``random_state``. Where a fit was killed or interrupted, the same fit goes on from
        there and ends as if nothing had happened. A file of another training is refused.

    Examples
    --------
    >>> from sklearn_gso import GSOMatrixCompleter, MetaTraining
    >>> completer = GSOMatrixCompleter(training=MetaTraining(batch_size=4))
    >>> completer.set_params(training__learning_rate=1e-3).training
    MetaTraining(batch_size=4, learning_rate=0.001)
    """

    def __init__(
        self,
        loss=None,
        *,
        loss_weights=None,
        batch_size=8,
        batches_per_step=1,
        learning_rate=None,
        validation_fraction=0.1,
        instance_epochs=0,
        checkpoint=None,
    ):
        keep(self, locals())

    def check(self, max_iter: int | None = None) -> "MetaTraining":
        """Itself, or a ValueError that names what is no setting.

        Parameters
        ----------
        max_iter : int, optional
            So many ``loss_weights`` there must be.
        """
        check_table(self, _TRAINING)
        if self.loss_weights is not None:
            check_loss_weights(self.loss_weights, max_iter)
        return self


_TRAINING = {
    "loss": NONE | choice(*LOSSES),
    "batch_size": integer(),
    "batches_per_step": integer(),
    "learning_rate": NONE | POSITIVE,
    "validation_fraction": real("a number in [0, 1)", lambda v: 0 <= v < 1),
    "instance_epochs": integer(0),
    "checkpoint": NONE | PATH,
}


def check_loss_weights(weights, max_iter: int | None) -> None:
    """Raise a ValueError unless there is one finite number >= 0 for each outer step."""
    try:
        array = np.asarray(weights)
    except ValueError:  # ragged
        array = np.empty(())
    if array.ndim != 1 or array.dtype.kind not in "iuf":
        raise ValueError(f"loss_weights must be a sequence of numbers, got {weights!r}.")
    if max_iter is not None and len(array) != max_iter:
        raise ValueError(
            f"loss_weights must hold one number for each of {max_iter} outer steps, "
            f"got {len(array)}."
        )
    if not (np.isfinite(array) & (array >= 0)).all():
        raise ValueError(f"loss_weights must be finite and >= 0, got {weights!r}.")
