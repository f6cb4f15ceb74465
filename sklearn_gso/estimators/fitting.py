"""The fit of one data set or of a collection, and what it leaves behind."""

from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from ..learned_optimizers import LearnedOptimizer, resolve_optimizer
from ..rules import Recipe, UpdateRule, recipe
from ..solvers import Fixed, Multistart
from ..training import History
from ..training.processes import the_same
from .lazy import mapped
from .learning import Learner, open_checkpoint, tell_about
from .parallel import largest_of, share_of_threads
from .parameters import MetaTraining, check_rule, check_table
from .reporting import CallbackSupportMixin, FitProgress
from .solving import FittedRows, Item, Plan
from .tasks import as_numbers, as_tasks, check_collection, check_observed, draw_seed

_CLASSICAL_MAX_ITER = 100
# Parameters that training does not depend on, or only by the data, which a checkpoint knows.
_NOT_OF_TRAINING = (
    *("tol", "n_init", "safeguard", "n_jobs", "verbose"),
    *("missing_values", "min_value", "max_value", "keep_empty_features", "add_indicator", "copy"),
    *("init_params", "weights_init", "means_init", "precisions_init", "warm_start"),
)


@dataclass(frozen=True)
class Fitted:
    """What a fit leaves behind, set at its end."""

    seed: int  # what is solved later starts from it, too
    optimizer: LearnedOptimizer | None = None
    rows: Any = None  # FittedRows, what new rows need; None after a fit on a collection
    shared: dict = field(default_factory=dict)  # options of all problems, decided from the data


def fit_seed(random_state) -> int:
    """The seed of a fit, in processes that train together the same."""
    return the_same(draw_seed(random_state))


def of_collection(estimator) -> bool:
    """Whether an estimator was fitted on a collection, whose tasks are solved anew."""
    return hasattr(estimator, "n_tasks_in_")


def fitted_on_one(estimator) -> bool:
    """For `available_if`: what a collection, whose tasks have rows of their own, lacks."""
    if of_collection(estimator):
        raise AttributeError("fitted on a collection, whose tasks have features of their own")
    return True


class Fitting(CallbackSupportMixin):
    """The part of an estimator that fits."""

    fit_trace: bool | str = False  # what a fit on one data set keeps, as `solvers.minimize` does
    races = False  # whether starts that fall behind are given up, see `solvers.Multistart`

    # Parameters ---------------------------------------------------------------------

    def problem_options(self, array) -> dict:
        """What the problem of one data set is made with, beside its values."""
        return {}

    def _shared_options(self, arrays) -> dict:
        """What the problems of all data sets of a fit are made with, decided from these."""
        return {}

    def _options(self, array, shared: dict) -> dict:
        """What one problem is made with where others share something with it."""
        return self.problem_options(array)

    def _check_parameters(self):
        """Raise for parameters that no data could excuse."""
        tables = [vars(c).get("accepts", {}) for c in reversed(type(self).__mro__)]
        accepts = {name: kind for table in tables for name, kind in table.items()}
        own = {name: kind for name, kind in accepts.items() if hasattr(self, name)}
        check_table(self, own)  # a derived estimator may leave out what it does not use
        # Of a property what the class has: one that raises does so where it is read.
        set_here = vars(self).get("problem_class")
        if getattr(type(self), "problem_class", None) is None and set_here is None:
            raise TypeError(
                f"{type(self).__name__} has no problem_class, the Problem that fit minimises: "
                "derive a class that names one."
            )
        check_rule(self, self.rule, self.rule_kind)
        for name in ("optimizer", "training", "t_u") if self._recipe() is None else ():
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value == "pretrained"):
                raise ValueError(
                    f"{name} of {type(self).__name__} must be None where the rule learns nothing, "
                    f"got {value!r}."
                )
        training = self._training().check(self._max_iter())
        if training.checkpoint is not None and self.random_state is None:
            raise ValueError("checkpoint needs a random_state, or no fit could go on from it.")

    def _training(self) -> MetaTraining:
        return self.training or MetaTraining()

    def _recipe(self) -> Recipe | None:
        """Of the learned rule; None where the rule is a classical one."""
        return None if isinstance(self.rule, UpdateRule) else recipe(self.rule)

    def _max_iter(self) -> int:
        known = self._recipe()
        return int(self.max_iter or (known.max_iter if known else _CLASSICAL_MAX_ITER))

    def _policy(self):
        """How many starts are made."""
        return Fixed(int(self.n_init))

    def _plan(self, optimizer: LearnedOptimizer | None) -> Plan:
        """What data sets are solved with."""
        known = self._recipe()
        rule = optimizer or (known.network.untrained() if known else self.rule)
        settings = Multistart(
            self._policy(),
            self._max_iter(),
            self.t_l,
            self.tol,
            self.safeguard,
            companion=optimizer is not None and optimizer.is_general,
            race=self.races,
        )
        return Plan(self.problem_class, rule, settings)

    # Data -----------------------------------------------------------------------------

    def _checks(self) -> dict:
        """For scikit-learn's validation: what X may be."""
        finite = "allow-nan" if self.allow_nan else True
        return {"dtype": "float64", "ensure_all_finite": finite}

    def _checked_matrix(self, X):
        """One data set, checked on its own."""
        array = check_array(as_numbers(X), estimator=self, input_name="X", **self._checks())
        if self.allow_nan:
            check_observed(array)
        return array

    def _checked_rows(self, X):
        """Rows for a fit on one data set, whose columns they must have."""
        return validate_data(self, as_numbers(X), reset=False, **self._checks())

    def _checked_tasks(self, tasks) -> list:
        return check_collection(tasks, self, lambda array: array, **self._checks())

    def _unseen_truths(self, arrays, y) -> list | None:
        """What training is judged on where the truth of a collection is known."""
        return None

    # Fitting --------------------------------------------------------------------------

    def _fit(self, X, y=None, **given):
        self._check_parameters()
        tasks = as_tasks(X)
        progress = FitProgress(self, X, y)
        fit = self._fit_one if tasks is None else self._fit_collection
        with share_of_threads(size=largest_of([X] if tasks is None else tasks)):
            fitted, attributes = fit(X if tasks is None else tasks, y, progress, **given)
        become(self, fitted, attributes)
        progress.end()
        return self

    def _fit_one(self, X, y, progress):
        """What a fit on one data set leaves behind, and public attributes."""
        array = self._checked_matrix(X)
        seed, shared = fit_seed(self.random_state), self._shared_options([array])
        learned, options = (
            self._prepare(array, shared, seed, progress),
            self._options(array, shared),
        )
        optimizer = learned.get("learned_optimizer_")
        plan = self._plan(optimizer)
        answer = plan.solve([array], options, seed, progress, trace=self.fit_trace)
        fitted = Fitted(seed, optimizer, FittedRows.of(answer, options), shared)
        return fitted, {**column_names(X), **learned, **self._about(answer)}

    def _about(self, answer) -> dict:
        """Public attributes that tell of what was solved."""
        return about_run(answer)

    def _fit_collection(self, tasks, y, progress):
        """What a fit on a collection leaves behind, and public attributes."""
        arrays = self._checked_tasks(tasks)
        truths = self._unseen_truths(arrays, y)
        seed = fit_seed(self.random_state)
        shared = self._shared_options(arrays)
        learned = self._learn(arrays, truths, shared, seed, progress, self.n_epochs)
        fitted = Fitted(seed, learned.get("learned_optimizer_"), shared=shared)
        return fitted, {"n_tasks_in_": len(arrays), **learned}

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_fitted")

    # Learning -------------------------------------------------------------------------

    def _prepare(self, array, shared, seed, progress) -> dict:
        """What is learned before one data set is solved."""
        known = self._recipe()
        if known is None:
            return {}
        found, n_epochs = self._resolved(), self._training().instance_epochs
        if n_epochs or (found is None and known.network.untrained() is None):
            return self._learn([array], None, shared, seed, progress, n_epochs or self.n_epochs)
        return {"learned_optimizer_": found}

    def _learn(self, arrays, truths, shared, seed, progress, n_epochs) -> dict:
        """What is learned from a collection, or from one data set."""
        known, training = self._recipe(), self._training()
        if known is None:
            return {}
        start = self._resolved()
        if n_epochs == 0:
            return {"learned_optimizer_": start, "history_": History()}
        learner = Learner(
            self.problem_class,
            known,
            training,
            max_iter=self._max_iter(),
            t_l=self.t_l,
            t_u=self.t_u,
            n_epochs=int(n_epochs),
            verbose=bool(self.verbose),
        )
        data = chain(arrays, truths or ())
        checkpoint = self._open_checkpoint(data, seed, start, y=truths is not None)
        items = self._items(arrays, [None] * len(arrays), shared)
        optimizer, history = learner.learn(items, truths, seed, start, checkpoint, progress)
        tell_about(history, self.verbose)
        return {"learned_optimizer_": optimizer, "history_": history}

    def _items(self, arrays, wanted, shared):
        """What is solved of each data set; of several an error names the one it is about."""

        def item(i, array, own):
            try:
                return Item(array, self._options(array, shared), own)
            except ValueError as error:
                where = f"Task {i} of the collection: " if len(arrays) > 1 else ""
                raise ValueError(f"{where}{error}") from error

        return mapped(item, range(len(arrays)), arrays, wanted)

    def _open_checkpoint(self, data, seed, start, **more):
        """Where a training with these parameters, on these arrays, goes on."""
        apart = {"optimizer", "training", "random_state", *_NOT_OF_TRAINING}
        settings = {k: v for k, v in self.get_params(deep=False).items() if k not in apart}
        settings |= {"estimator": type(self).__name__, **more}
        training = self._training().get_params()
        path = training.pop("checkpoint")
        return open_checkpoint(path, {**settings, **training}, data, seed, start)

    def _resolved(self) -> LearnedOptimizer | None:
        """The optimizer that the parameter stands for."""
        network, optimizer = self._recipe().network, self.optimizer
        found = resolve_optimizer(optimizer, self.pretrained, network, self.problem_class)
        if found and isinstance(self.rule, Recipe):
            brought = found.description["arguments"]
            other = {k: v for k, v in self.rule.arguments.items() if brought.get(k, v) != v}
            if other and optimizer != "pretrained":
                raise ValueError(f"rule asks for {other}, but the optimizer has {brought}.")
            found = None if other else found
        if found is None and self.n_epochs == 0 and network.untrained() is None:
            raise ValueError(f"rule={self.rule!r} needs a trained optimizer or n_epochs >= 1.")
        return found


def about_run(answer) -> dict:
    """Attributes of the run that weighs most."""
    run = answer.best
    return {
        "objective_": float(run.objective[0]),
        "n_iter_": int(run.n_iter[0]),
        "n_guarded_": int(run.n_guarded[0]),
    }


def objectives_of(answer) -> np.ndarray:
    """The objective at the start and after each sweep of the run that weighs most."""
    run = answer.runs[int(answer.weights[:, 0].argmax())]
    return torch.stack(run.trace.objective)[: int(run.n_iter[0]) + 1, 0].numpy()


def become(estimator, fitted, attributes) -> None:
    """Take what was fitted, and public attributes, in place of what was fitted before."""
    old = [n for n in vars(estimator) if n.endswith("_") and not n.startswith("_")]
    vars(estimator).update(attributes, _fitted=fitted)
    for name in old:
        if name not in attributes:
            delattr(estimator, name)


def column_names(X) -> dict:
    """``n_features_in_`` and, where the columns have names, ``feature_names_in_``."""
    probe = BaseEstimator()
    validate_data(probe, X, skip_check_array=True)
    return vars(probe)
