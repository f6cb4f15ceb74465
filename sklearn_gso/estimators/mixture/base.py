"""What the mixtures share: parameters, and the fit of one data set or of a collection."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import DensityMixin
from sklearn.utils import check_array

from ...problems import MixtureFreeEnergy
from ...problems.mixture_likelihood import PARAMETERS
from ...rules import ClosedForm
from ...rules.accepts import FLAG
from ..base import AlternatingEstimator
from ..fitting import Fitted, become, column_names, fit_seed
from ..parallel import in_chunks
from ..parameters import NONE, NOT_NEGATIVE, Accepts, choice, integer
from ..reporting import say, with_callbacks
from ..tasks import as_numbers, batches, check_collection, draw_seed
from . import data
from .counting import count
from .criteria import CRITERIA
from .filling import MixtureFilling
from .initialisation import STARTS
from .knowing import NUMBERS, SHARES, MixtureKnowledge
from .predictions import CHECKS, MixturePredictions
from .solving import ILL_DEFINED, MixturePlan, Solved, check_sound

# scikit-learn's names of starts that are called otherwise here.
_ALIASES = {"random_from_data": "random", "kmeans": "matched"}
_PER_TASK = "per task"


def _are_parameters(value) -> bool:
    is_list = isinstance(value, list | tuple | set | frozenset)
    return is_list and all(isinstance(name, str) and name in PARAMETERS for name in value)


def _kind(task) -> tuple:
    """What tasks that are solved together share: shapes, and which are alone with their holes."""
    noise = None if task.noise is None else task.noise.shape
    alone = id(task) if noise is None and np.isnan(task.points).any() else None
    return task.points.shape, noise, alone, task.pinned is None


@dataclass(frozen=True)
class FittedMixture(Fitted):
    """What a fit of a mixture leaves behind, beside its parameters."""

    held: tuple[str, ...] = ()  # parameters that were not estimated
    covariance_type: str = "full"
    kept: Any = None  # which components were not dropped
    given: Any = None  # parameters of these that were given
    pinned: Any = None  # their covariances of which some were given, NaN for the others
    covariances: Any = None  # given with a collection for all of its data sets, or "per task"


class BaseMixture(
    MixtureKnowledge,
    MixturePredictions,
    MixtureFilling,
    DensityMixin,
    AlternatingEstimator,
    auto_wrap_output_keys=None,
):
    """Fit of one data set or of a collection of them."""

    problem_class = MixtureFreeEnergy
    rule = ClosedForm()
    optimizer = training = t_l = t_u = None
    n_epochs = 0
    allow_nan = True
    safeguard = "none"
    accepts = {
        "n_components": integer() | NUMBERS | choice(*CRITERIA),
        "criterion": NONE | choice(*CRITERIA),
        "drop_empty": FLAG,
        "max_iter": integer(),
        "tol": NOT_NEGATIVE,
        "reg_covar": NOT_NEGATIVE,
        "covariance_prior": NOT_NEGATIVE | choice("pooled"),
        "covariance_type": choice(*data.COVARIANCE_AXES),
        "init_params": NONE | choice(*STARTS, *_ALIASES) | SHARES,
        "warm_start": FLAG,
        "fixed": Accepts(f"names among {PARAMETERS}", _are_parameters),
    }

    # What a fit on one data set tells, beside the parameters.
    _told: tuple[str, ...] = ("lower_bound", "objective", "n_iter", "converged")

    @property
    def transform(self):
        raise AttributeError(f"{type(self).__name__} transforms nothing")

    fit_transform = transform_into = transform

    def _check_parameters(self):
        super()._check_parameters()
        self._check_open()

    def _mixture_plan(
        self, optimizer=None, n_components=None, plan=MixturePlan, **more
    ) -> MixturePlan:
        """What data sets are solved with."""
        return plan(
            self._n_most() if n_components is None else n_components,
            self.covariance_type,
            float(self.reg_covar),
            self.covariance_prior,
            int(self.max_iter),
            self.tol,
            int(self.n_init),
            None if self._has_shares else _ALIASES.get(self.init_params, self.init_params),
            bool(self.drop_empty),
            **more,
        )

    def _learn_from(self, tasks, seed, progress, n_epochs) -> dict:
        """What is learned from a collection."""
        return {}

    @classmethod
    def from_parameters(cls, weights, means, covariances, **parameters):
        """A mixture of given parameters, as if it had been fitted to them.

        Parameters
        ----------
        weights : array-like of shape (n_components,)
            Non-negative, of sum 1.
        means : array-like of shape (n_components, n_features)
        covariances : array-like
            In the shape of ``covariances_``.
        **parameters
            Of the constructor, ``covariance_type`` among them; ``n_components`` is known.

        Returns
        -------
        mixture : object
            For `predict`, `score`, `sample`, `impute` and so on; with ``warm_start=True`` `fit`
            goes on from these parameters.

        Raises
        ------
        ValueError
            If a parameter has another shape or cannot be one.
        """
        mixture = cls(len(weights), **parameters)
        mixture._check_parameters()
        found = mixture._checked(weights, means, covariances)
        seed, d = draw_seed(mixture.random_state), found.means.shape[1]
        k = len(found.means)
        given, held = mixture._given(k, d, None)
        about = {"held": held, "given": given, "kept": np.ones(k, bool)}
        fitted = FittedMixture(seed, covariance_type=mixture.covariance_type, **about)
        told = {"n_components_": k, "n_features_in_": d}
        become(mixture, fitted, {**told, **mixture._parameters(found)})
        return mixture

    # Fitting ------------------------------------------------------------------------

    @with_callbacks
    def fit(self, X, y=None, *, covariances=None, sample_weight=None, noise_covariance=None):
        """Fit a mixture to one data set, or learn from a collection.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or collection
            A collection is a list of data sets or an array of shape (n_tasks,
            n_samples, n_features). NaN marks what is missing (at random).
        y : Ignored
        covariances : array-like or collection, default=None
            Known covariances, in place of the constructor's. For a collection also a
            list of arrays, one for each data set, or one array with one more axis.
        sample_weight : array-like of shape (n_samples,) or collection, default=None
            A weight of 2 is the same as a sample that is there twice, 0 as one that is
            not. For a collection one array for each data set.
        noise_covariance : array-like or collection, default=None
            Of Gaussian noise that was added to the samples: the mixture is that of the samples
            without it (extreme deconvolution). Variances (n_samples, n_features) or covariances
            (n_samples, n_features, n_features) of each sample's own, or one for all: a variance,
            (n_features,) or (n_features, n_features). An infinite variance says that an entry is
            missing. For a collection one for all, or a list of one for each data set.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If X is no such thing, has less samples than components or a column without an
            observed entry, or a parameter does not fit. Nothing is changed then.

        Warns
        -----
        ConvergenceWarning
            If the best run did not converge, a component ended without samples or thin (its
            smallest variance less than a thousandth of the data's in any direction), or there
            are less distinct samples than components.
        """
        known = {"covariances": covariances, "sample_weight": sample_weight}
        return self._fit(X, y, **known, noise_covariance=noise_covariance)

    def _fit_one(self, X, y, progress, covariances=None, sample_weight=None, noise_covariance=None):
        array = check_array(as_numbers(X), estimator=self, input_name="X", **CHECKS)
        known = self.covariances if covariances is None else covariances
        task = self._task(array, sample_weight, known, noise_covariance)
        start = task
        if self.warm_start and hasattr(self, "means_"):
            held = {name: task.given[name] for name in task.held}
            start = task._replace(given={**task.given, **self._last(task), **held})
        seed = fit_seed(self.random_state)
        learned = self._prepare(start, {}, seed, progress)
        optimizer = learned.get("learned_optimizer_")
        plan = self._mixture_plan(optimizer, self._n_most(known))
        values = None
        if self._is_open:
            n_samples = len(array) if sample_weight is None else float(np.sum(sample_weight))
            question = self._question(n_samples)
            solved, task, values = count(plan, task, question, seed, progress)
        else:
            (solved,) = plan.solve([start], seed, progress)
        check_sound([solved], [task], len(solved.means))
        if self.verbose:
            say(
                f"{type(self).__name__}: lower bound {solved.lower_bound:.6f} after "
                f"{solved.n_iter} iterations, converged: {solved.converged}"
            )
        told = {"n_components_": len(solved.means), **self._attributes(solved)}
        if values is not None:
            told["criterion_values_"] = values
        fitted = self._left(task, solved, seed, optimizer)
        return fitted, {**column_names(X), **learned, **told}

    def _left(self, task, solved, seed, optimizer) -> FittedMixture:
        """What a fit on one data set leaves behind."""
        kind = self.covariance_type
        task = data.of_components(task, solved.kept, kind)
        given = {name: value for name, value in task.given.items() if name in PARAMETERS}
        about = {"held": task.held, "given": given, "pinned": task.pinned, "kept": solved.kept}
        return FittedMixture(seed, optimizer, covariance_type=kind, **about)

    def _fit_collection(
        self, tasks, y, progress, covariances=None, sample_weight=None, noise_covariance=None
    ):
        if self._is_open:
            raise ValueError(
                "n_components must be one number where a collection is fitted, got "
                f"{self.n_components!r}: choose it on single data sets."
            )
        if self._has_shares and not callable(self.init_params):
            raise ValueError("init_params of a collection may be a name or a function.")
        arrays = check_collection(tasks, self, **CHECKS)
        known = self.covariances if covariances is None else covariances
        tasks = self._new_tasks(arrays, known, sample_weight, noise_covariance)
        seed = fit_seed(self.random_state)
        learned = self._learn_from(tasks, seed, progress, self.n_epochs)
        shared = all(one is covariances for one in self._per_task(covariances, len(arrays)))
        kept = deepcopy(covariances) if shared else None
        fitted = FittedMixture(
            seed,
            learned.get("learned_optimizer_"),
            held=tasks[0].held,
            covariance_type=self.covariance_type,
            covariances=kept if shared else _PER_TASK,
        )
        return fitted, {"n_tasks_in_": len(tasks), **learned}

    def _attributes(self, solved: Solved) -> dict:
        """Public attributes after a fit on one data set."""
        told = {f"{name}_": getattr(solved, name) for name in self._told}
        return {**told, **self._parameters(solved)}

    def _parameters(self, solved) -> dict:
        """Public attributes of parameters."""
        covariances, kind = solved.covariances, self.covariance_type
        try:
            with np.errstate(over="ignore", divide="ignore"):
                factors = data.cholesky_of_precisions(covariances, kind)
                precisions = data.invert(covariances, kind)
        except np.linalg.LinAlgError as error:
            raise ValueError(ILL_DEFINED) from error
        if not np.isfinite(precisions).all():
            raise ValueError(ILL_DEFINED)
        told = {f"{name}_": getattr(solved, name) for name in PARAMETERS}
        return {**told, "precisions_cholesky_": factors, "precisions_": precisions}

    def _chunks(self, tasks) -> list[list[int]]:
        """Numbers of tasks of equal shape, in chunks that fit the memory bound."""
        n_each = int(self.n_init) * int(self.n_components)

        def cost(task):
            return n_each * (task.points.size + 4 * len(task.points))

        return batches(tasks, _kind, cost)

    def _solve_anew(self, arrays, covariances, sample_weight, noise, single) -> list[Solved]:
        kept = self._fitted.covariances
        if covariances is None and isinstance(kept, str):
            raise ValueError(
                "The collection was fitted with covariances for each task: give those of the "
                "new ones as covariances."
            )
        if covariances is None:
            covariances = self.covariances if kept is None else kept
        if single:
            tasks = [self._task(arrays[0], sample_weight, covariances, noise)]
        else:
            tasks = self._new_tasks(arrays, covariances, sample_weight, noise)
        chunks, seed = self._chunks(tasks), self._fitted.seed
        seeds = np.random.RandomState(seed).randint(2**31 - 1, size=len(chunks))
        if len(tasks) == 1:
            seeds = [seed]  # as a fit on one data set
        plan = self._mixture_plan(self._fitted.optimizer)
        done = dict(in_chunks(plan, tasks, chunks, seeds, self.n_jobs, self.verbose))
        solved = [done[i] for i in range(len(tasks))]
        check_sound(solved, tasks, self.n_components)
        return solved
