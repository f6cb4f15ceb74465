"""What the mixtures share: parameters, and the fit of one data set or of a collection."""

import warnings

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import validate_data

from ._estimator import FittedInPlaceOf
from ._mixture_input import (
    COVARIANCE_NDIM,
    as_task,
    check_covariances,
    check_means,
    check_sample_weight,
    check_weights,
    cholesky_of_precisions,
    invert,
    n_distinct,
    per_task,
)
from ._mixture_predictions import CHECKS, MixturePredictions
from ._mixture_solving import Solved, solve_batch, solve_tasks
from ._progress import CallbackSupportMixin, FitProgress, with_callbacks
from ._solving import draw_seed
from .mixture_starts import STARTS
from .problems.gaussian_mixture import PARAMETERS
from .tasks import as_tasks, check_collection, unmask

# scikit-learn's names of starts that are called otherwise here.
_ALIASES = {"random_from_data": "random", "kmeans": "matched"}
_VALUES = {
    "weights": "weights_init",
    "means": "means_init",
    "covariances": "covariances or precisions_init",
}
_PER_TASK = "per task"
_ILL_DEFINED = (
    "Fitting the mixture model failed because some components have ill-defined empirical "
    "covariance (for instance caused by singleton or collapsed samples). Try to decrease the "
    "number of components, increase reg_covar, or scale the input data."
)


class BaseMixture(
    MixturePredictions, FittedInPlaceOf, CallbackSupportMixin, DensityMixin, BaseEstimator
):
    """Fit of one data set or of a collection of them."""

    _private_state = ("_seed", "_covariances", "_held", "_fitted_type")
    _screens_starts = False

    # What a mixture is made of ----------------------------------------------------

    def _judge(self, generator, problem):
        """Who orders the non-local moves; None: there are none."""
        return None

    def _learn(self, tasks, seed, progress) -> dict:
        """Attributes learned from a collection, by name."""
        return {}

    def _prepare(self, task) -> dict:
        """Attributes needed before one data set is solved, by name."""
        return {}

    def _check_parameters(self):
        """Raise for parameters that no data could excuse."""
        self._check_integers(("n_components", "n_init", "max_iter"))
        for name in ("tol", "reg_covar"):
            self._check_number(name, "be a number >= 0", lambda value: 0 <= value < np.inf)
        self._check_choice("covariance_type", COVARIANCE_NDIM)
        if self.init_params is not None:
            self._check_choice("init_params", {*STARTS, *_ALIASES})
        names = self.fixed if isinstance(self.fixed, list | tuple | set | frozenset) else (None,)
        if not all(isinstance(name, str) and name in PARAMETERS for name in names):
            raise ValueError(f"fixed must hold names among {PARAMETERS}, got {self.fixed!r}.")

    def _start_kind(self, problem) -> str:
        if self.init_params is None:
            return "random" if "covariances" in problem.fixed else "matched"
        return _ALIASES.get(self.init_params, self.init_params)

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
        self._check_parameters()
        collection = as_tasks(X)
        if collection is None:
            return self._fit_one(X, covariances, sample_weight)
        arrays = check_collection(collection, self, **CHECKS)
        tasks = self._new_tasks(arrays, covariances, sample_weight, self.covariances)
        seed = draw_seed(self.random_state)
        progress = FitProgress(self, X, y)
        learned = self._learn(tasks, seed, progress)
        ndim = COVARIANCE_NDIM[self.covariance_type]
        shared = all(c is covariances for c in per_task(covariances, len(arrays), ndim, ""))
        state = {"n_tasks_in_": len(tasks), "_seed": seed, "_held": tasks[0].held}
        kept = np.array(covariances) if shared and covariances is not None else None
        self._become({**state, "_covariances": kept if shared else _PER_TASK, **learned})
        progress.end()
        return self

    def _fit_one(self, X, covariances, sample_weight):
        twin = self._twin()  # fitted in our place, so that nothing is half-fitted
        array = validate_data(twin, unmask(X), **CHECKS)
        weights = check_sample_weight(sample_weight, array)
        task = self._task(array, weights, self.covariances if covariances is None else covariances)
        if self.warm_start and hasattr(self, "means_"):
            known = {name: task.given[name] for name in task.held}
            task = task._replace(given={**task.given, **self._last(task), **known})
        seed = draw_seed(self.random_state)
        vars(twin).update(self._prepare(task))
        progress = FitProgress(self, X)
        solved = solve_batch(twin, [task], seed, progress)
        _check_finite(solved)
        self._warn(solved, [task])
        twin._keep(solved[0])
        twin._seed, twin._held, twin._fitted_type = seed, task.held, self.covariance_type
        if self.verbose:
            print(
                f"{type(self).__name__}: lower bound {solved[0].lower_bound:.6f} after "
                f"{solved[0].n_iter} iterations, converged: {solved[0].converged}"
            )
        self._become(vars(twin))
        progress.end()
        return self

    def _last(self, task) -> dict:
        """The fitted parameters, to start at."""
        if self.means_.shape != (self.n_components, len(task.centre)):
            raise ValueError(
                f"warm_start goes on from means of shape {self.means_.shape}, which do not fit "
                f"n_components={self.n_components} and {len(task.centre)} features."
            )
        if self._fitted_type != self.covariance_type:
            raise ValueError("warm_start needs the covariance_type of the fit before.")
        return {name: getattr(self, name + "_") for name in PARAMETERS}

    def _keep(self, solved: Solved):
        self.weights_, self.means_, self.covariances_ = solved[:3]
        kind = self.covariance_type
        try:
            with np.errstate(over="ignore", divide="ignore"):
                self.precisions_cholesky_ = cholesky_of_precisions(self.covariances_, kind)
                self.precisions_ = invert(self.covariances_, kind)
        except np.linalg.LinAlgError as error:
            raise ValueError(_ILL_DEFINED) from error
        if not np.isfinite(self.precisions_).all():
            raise ValueError(_ILL_DEFINED)
        self.lower_bound_ = solved.lower_bound
        self.n_iter_ = solved.n_iter
        self.converged_ = solved.converged

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

    def _warn(self, solved: list[Solved], tasks):
        """One ConvergenceWarning for each thing that may have gone wrong."""
        found = [
            (
                [not s.converged for s in solved],
                "Best performing initialization did not converge. Try different init "
                "parameters, or increase max_iter, tol, or check for degenerate data.",
            ),
            (
                [s.n_empty > 0 for s in solved],
                "A component ended without samples: n_components may be too large.",
            ),
            (
                [n_distinct(t) < self.n_components for t in tasks],
                f"There are less distinct samples than n_components={self.n_components}: "
                "possibly due to duplicate points in X.",
            ),
        ]
        for where, message in found:
            if any(where):
                which = f" (tasks {np.flatnonzero(where).tolist()})" if len(tasks) > 1 else ""
                warnings.warn(message + which, ConvergenceWarning, stacklevel=4)

    def _solve_anew(self, arrays, covariances, sample_weight, single) -> list[Solved]:
        if covariances is None and isinstance(self._covariances, str):
            raise ValueError(
                "The collection was fitted with covariances for each task: give those of the "
                "new ones as covariances."
            )
        default = self.covariances if self._covariances is None else self._covariances
        if single:
            known = default if covariances is None else covariances
            weights = check_sample_weight(sample_weight, arrays[0])
            tasks = [self._task(arrays[0], weights, known)]
        else:
            tasks = self._new_tasks(arrays, covariances, sample_weight, default)
        solved = solve_tasks(self, tasks, self._seed)
        _check_finite(solved)
        self._warn(solved, tasks)
        return solved


def _check_finite(solved: list[Solved]):
    for i, one in enumerate(solved):
        if not all(np.isfinite(value).all() for value in one[:4]):
            where = f"Task {i} of the collection: " if len(solved) > 1 else ""
            raise ValueError(where + _ILL_DEFINED)
