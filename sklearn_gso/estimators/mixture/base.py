"""What the mixtures share: parameters, and the fit of one data set or of a collection."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import DensityMixin
from sklearn.utils import check_array

from ...problems import MixtureFreeEnergy
from ...problems.mixture_likelihood import PARAMETERS
from ...rules import ClosedForm
from ..base import AlternatingEstimator
from ..fitting import Fitted, column_names
from ..parallel import in_chunks
from ..parameters import NONE, NOT_NEGATIVE, Accepts, choice, integer
from ..reporting import with_callbacks
from ..tasks import batches, check_collection, draw_seed, unmask
from .data import (
    COVARIANCE_NDIM,
    as_task,
    check_covariances,
    check_means,
    check_sample_weight,
    check_weights,
    cholesky_of_precisions,
    invert,
    per_task,
)
from .initialisation import STARTS
from .predictions import CHECKS, MixturePredictions
from .solving import MixturePlan, Solved
from .soundness import ILL_DEFINED, check_finite, warn_about

# scikit-learn's names of starts that are called otherwise here.
_ALIASES = {"random_from_data": "random", "kmeans": "matched"}
_VALUES = {
    "weights": "weights_init",
    "means": "means_init",
    "covariances": "covariances or precisions_init",
}
_PER_TASK = "per task"


def _are_parameters(value) -> bool:
    is_list = isinstance(value, list | tuple | set | frozenset)
    return is_list and all(isinstance(name, str) and name in PARAMETERS for name in value)


@dataclass(frozen=True)
class FittedMixture(Fitted):
    """What a fit of a mixture leaves behind, beside its parameters."""

    held: tuple[str, ...] = ()  # parameters that were not estimated
    covariance_type: str = "full"
    covariances: Any = None  # given with a collection for all of its data sets, or "per task"


class BaseMixture(
    MixturePredictions, DensityMixin, AlternatingEstimator, auto_wrap_output_keys=None
):
    """Fit of one data set or of a collection of them."""

    problem_class = MixtureFreeEnergy
    rule = ClosedForm()
    optimizer = training = t_l = t_u = None
    n_epochs = 0
    safeguard = "none"
    accepts = {
        "n_components": integer(),
        "max_iter": integer(),
        "tol": NOT_NEGATIVE,
        "reg_covar": NOT_NEGATIVE,
        "covariance_type": choice(*COVARIANCE_NDIM),
        "init_params": NONE | choice(*STARTS, *_ALIASES),
        "fixed": Accepts(f"names among {PARAMETERS}", _are_parameters),
    }

    @property
    def transform(self):
        raise AttributeError(f"{type(self).__name__} transforms nothing")

    @property
    def fit_transform(self):
        raise AttributeError(f"{type(self).__name__} transforms nothing")

    def _mixture_plan(self, optimizer=None, **more) -> MixturePlan:
        """What data sets are solved with."""
        return MixturePlan(
            int(self.n_components),
            self.covariance_type,
            self.reg_covar,
            int(self.max_iter),
            self.tol,
            int(self.n_init),
            _ALIASES.get(self.init_params, self.init_params),
            **more,
        )

    def _learn_from(self, tasks, seed, progress) -> dict:
        """What is learned from a collection."""
        return {}

    def _given(self, n_features, covariances) -> tuple[dict, tuple]:
        """Parameters that are known or to start at, and the names of the known ones."""
        k, kind = self.n_components, self.covariance_type
        given = {}
        if self.weights_init is not None:
            given["weights"] = check_weights(self.weights_init, k)
        if self.means_init is not None:
            given["means"] = check_means(self.means_init, k, n_features)
        if covariances is not None:
            if self.precisions_init is not None:
                raise ValueError("Give covariances or precisions_init, not both.")
            given["covariances"] = check_covariances(covariances, kind, k, n_features)
        elif self.precisions_init is not None:
            precisions = check_covariances(
                self.precisions_init, kind, k, n_features, name="precisions_init"
            )
            given["covariances"] = invert(precisions, kind)
        held = set(self.fixed) | ({"covariances"} if covariances is not None else set())
        for name in sorted(held - given.keys()):
            raise ValueError(f"{name!r} is fixed, but {_VALUES[name]} gives no value.")
        return given, tuple(name for name in PARAMETERS if name in held)

    def _task(self, array, weights, covariances):
        given, held = self._given(array.shape[1], covariances)
        return as_task(array, weights, self.n_components, given, held)

    # Fitting ------------------------------------------------------------------------

    @with_callbacks
    def fit(self, X, y=None, *, covariances=None, sample_weight=None):
        """Fit a mixture to one data set, or learn from a collection.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or collection
            A collection is a list of data sets or an array of shape (n_tasks,
            n_samples, n_features).
        y : Ignored
        covariances : array-like or collection, default=None
            Known covariances, in place of the constructor's. For a collection also a
            list of arrays, one for each data set, or one array with one more axis.
        sample_weight : array-like of shape (n_samples,) or collection, default=None
            A weight of 2 is the same as a sample that is there twice, 0 as one that is
            not. For a collection one array for each data set.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If X is no such thing or has less samples than components, or a parameter
            does not fit. Nothing is changed then.

        Warns
        -----
        ConvergenceWarning
            If the best run did not converge, a component ended without samples, or there
            are less distinct samples than components.
        """
        return self._fit(X, y, covariances=covariances, sample_weight=sample_weight)

    def _fit_one(self, X, y, progress, covariances=None, sample_weight=None):
        array = check_array(unmask(X), estimator=self, input_name="X", **CHECKS)
        weights = check_sample_weight(sample_weight, array)
        task = self._task(array, weights, self.covariances if covariances is None else covariances)
        if self.warm_start and hasattr(self, "means_"):
            known = {name: task.given[name] for name in task.held}
            task = task._replace(given={**task.given, **self._last(task), **known})
        seed = draw_seed(self.random_state)
        learned = self._prepare(task, seed, progress)
        optimizer = learned.get("learned_optimizer_")
        (solved,) = self._mixture_plan(optimizer).solve([task], seed, progress)
        check_finite([solved])
        warn_about([solved], [task], self.n_components)
        if self.verbose:
            print(
                f"{type(self).__name__}: lower bound {solved.lower_bound:.6f} after "
                f"{solved.n_iter} iterations, converged: {solved.converged}"
            )
        kind = self.covariance_type
        fitted = FittedMixture(seed, optimizer, held=task.held, covariance_type=kind)
        return fitted, {**column_names(X), **learned, **self._attributes(solved)}

    def _fit_collection(self, tasks, y, progress, covariances=None, sample_weight=None):
        arrays = check_collection(tasks, self, **CHECKS)
        tasks = self._new_tasks(arrays, covariances, sample_weight, self.covariances)
        seed = draw_seed(self.random_state)
        learned = self._learn_from(tasks, seed, progress)
        ndim = COVARIANCE_NDIM[self.covariance_type]
        shared = all(c is covariances for c in per_task(covariances, len(arrays), ndim, ""))
        kept = np.array(covariances) if shared and covariances is not None else None
        fitted = FittedMixture(
            seed,
            learned.get("learned_optimizer_"),
            held=tasks[0].held,
            covariance_type=self.covariance_type,
            covariances=kept if shared else _PER_TASK,
        )
        return fitted, {"n_tasks_in_": len(tasks), **learned}

    def _last(self, task) -> dict:
        """The fitted parameters, to start at."""
        if self.means_.shape != (self.n_components, len(task.centre)):
            raise ValueError(
                f"warm_start goes on from means of shape {self.means_.shape}, which do not fit "
                f"n_components={self.n_components} and {len(task.centre)} features."
            )
        if self._fitted.covariance_type != self.covariance_type:
            raise ValueError("warm_start needs the covariance_type of the fit before.")
        return {name: getattr(self, name + "_") for name in PARAMETERS}

    def _attributes(self, solved: Solved) -> dict:
        """What a fit on one data set tells."""
        kind, (weights, means, covariances) = self.covariance_type, solved[:3]
        try:
            with np.errstate(over="ignore", divide="ignore"):
                factors = cholesky_of_precisions(covariances, kind)
                precisions = invert(covariances, kind)
        except np.linalg.LinAlgError as error:
            raise ValueError(ILL_DEFINED) from error
        if not np.isfinite(precisions).all():
            raise ValueError(ILL_DEFINED)
        return {
            "weights_": weights,
            "means_": means,
            "covariances_": covariances,
            "precisions_cholesky_": factors,
            "precisions_": precisions,
            "lower_bound_": solved.lower_bound,
            "n_iter_": solved.n_iter,
            "converged_": solved.converged,
        }

    def _new_tasks(self, arrays, covariances, sample_weight, default):
        """Tasks of a collection; errors name them."""
        ndim = COVARIANCE_NDIM[self.covariance_type]
        known = default if covariances is None else covariances
        known = per_task(known, len(arrays), ndim, "covariances")
        weights = per_task(sample_weight, len(arrays), 1, "sample_weight")
        if sample_weight is not None and any(w is sample_weight for w in weights):
            raise ValueError("sample_weight must hold one array for each task of the collection.")
        tasks = []
        for i, array in enumerate(arrays):
            try:
                tasks.append(self._task(array, check_sample_weight(weights[i], array), known[i]))
            except ValueError as error:
                raise ValueError(f"Task {i} of the collection: {error}") from error
        return tasks

    def _chunks(self, tasks) -> list[list[int]]:
        """Numbers of tasks of equal shape, in chunks that fit the memory bound."""

        def cost(task):
            n_samples, n_features = task.points.shape
            return int(self.n_init) * int(self.n_components) * n_samples * (n_features + 4)

        return batches(tasks, _kind, cost)

    def _solve_anew(self, arrays, covariances, sample_weight, single) -> list[Solved]:
        if covariances is None and isinstance(self._fitted.covariances, str):
            raise ValueError(
                "The collection was fitted with covariances for each task: give those of the "
                "new ones as covariances."
            )
        known = self._fitted.covariances
        default = self.covariances if known is None else known
        if single:
            known = default if covariances is None else covariances
            weights = check_sample_weight(sample_weight, arrays[0])
            tasks = [self._task(arrays[0], weights, known)]
        else:
            tasks = self._new_tasks(arrays, covariances, sample_weight, default)
        chunks, seed = self._chunks(tasks), self._fitted.seed
        seeds = np.random.RandomState(seed).randint(2**31 - 1, size=len(chunks))
        if len(tasks) == 1:
            seeds = [seed]  # as a fit on one data set
        plan = self._mixture_plan(self._fitted.optimizer)
        solved = in_chunks(plan, tasks, chunks, seeds, self.n_jobs, self.verbose)
        check_finite(solved)
        warn_about(solved, tasks, self.n_components)
        return solved


def _kind(task):
    return task.points.shape
