"""What the completers share: one matrix or a collection, rows, scores, containers."""

from abc import abstractmethod

import numpy as np
import torch
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from ._answers import completions, deviations, some_entries
from ._estimator import FittedInPlaceOf
from ._fitted_rows import FittedRows, not_meta_fitted
from ._imputing import Imputing
from ._matrices import hide_share, observed_entries, thinned, unseen
from ._progress import CallbackSupportMixin, FitProgress, with_callbacks
from ._solving import draw_seed, solve_batch, solve_collection
from .metrics import relative_error
from .problems import MatrixCompletion
from .search import SAFEGUARDS
from .tasks import (
    as_tasks,
    check_collection,
    check_observed,
    check_truths,
    same_container,
    warn_empty,
)

_OPTIONAL_INTEGERS = ("max_iter", "t_l", "t_u", "n_components", "hidden_size")
_DEFAULT_COMPONENTS = 10
_SCORED_FRACTION = 0.1


def _knows_noise(completer):
    if not completer._estimates_priors():
        raise AttributeError("standard deviations need prior='empirical_bayes', rule='control'")
    return True


class BaseCompleter(
    FittedInPlaceOf,
    FittedRows,
    Imputing,
    CallbackSupportMixin,
    OneToOneFeatureMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Fit and transform of one matrix or of a collection of them."""

    safeguard = "step"
    _private_state = ("_seed", "_fixed", "_rows", "_scale", "_shares", "_columns")

    # What a completer is made of ------------------------------------------------

    @abstractmethod
    def _problem(self, values: torch.Tensor, n_components: int, scale=None) -> MatrixCompletion:
        """The problem of a batch; ``scale`` are units fixed by an earlier fit."""

    @abstractmethod
    def _rules(self, problem, generator):
        """Rules and inner steps to solve with."""

    @abstractmethod
    def _n_outer(self) -> int:
        """Outer steps to solve with."""

    def _learn(self, tasks, truths, seed, progress) -> dict:
        """Attributes learned from a collection, by name."""
        return {}

    def _prepare(self, array, seed, progress) -> dict:
        """Attributes needed before one matrix is solved, by name."""
        return {}

    def _check_parameters(self):
        """Raise for parameters that no data could excuse."""
        self._check_starts()
        self._check_integers(("batch_size", *_OPTIONAL_INTEGERS), _OPTIONAL_INTEGERS)
        self._check_number("alpha", "be a positive number", lambda v: 0 < v < np.inf)
        self._check_choice("safeguard", SAFEGUARDS)
        self._check_imputing()

    def _check_starts(self):
        self._check_integers(("n_init",))

    def _has_companion(self) -> bool:
        """Whether a classical run has a say beside the learned ones."""
        return False

    def _estimates_priors(self) -> bool:
        """Whether the noise is estimated, and with it how uncertain an estimate is."""
        return False

    def _components_for(self, array) -> int:
        """Components for a matrix, NaN where it is not observed."""
        if self.n_components is None:
            return min(_DEFAULT_COMPONENTS, *array.shape)
        return int(self.n_components)

    def _check_components(self, shapes):
        for i, shape in enumerate(shapes):
            if self.n_components is not None and self.n_components > min(shape):
                task = f" (task {i})" if len(shapes) > 1 else ""
                raise ValueError(
                    f"n_components={self.n_components} must be <= "
                    f"min(n_samples, n_features)={min(shape)}{task}."
                )

    # scikit-learn's face --------------------------------------------------------

    @with_callbacks
    def fit(self, X, y=None):
        """Solve one matrix, or learn from a collection.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or collection
            NaN marks missing entries; of a sparse matrix the stored entries are
            the observed ones. A collection is a list of matrices or an array of
            shape (n_tasks, n_samples, n_features).
        y : collection of array-like or None, default=None
            True matrices of a collection, if known: what is learned is then judged
            on them. Ignored for one matrix.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If X is no such thing, has less than two features or no observed
            entry, or ``n_components`` does not fit it. Nothing is changed then.
        """
        self._check_parameters()
        tasks = as_tasks(X)
        if tasks is None:
            return self._fit_one(X, y)
        self._check_for_collection()
        tasks = self._checked_tasks(tasks)
        for task in tasks:
            self._bounds(task.shape[1])
        warn_empty(tasks)
        seed = draw_seed(self.random_state)
        truths = self._check_truths(tasks, y)
        progress = FitProgress(self, X, y)
        learned = self._learn(tasks, truths, seed, progress)
        self._become({"n_tasks_in_": len(tasks), "_seed": seed, **learned})
        progress.end()
        return self

    def _checked_tasks(self, tasks) -> list:
        checks = self._checks(ensure_min_features=2)
        unmasked = [self._unmasked(task) for task in tasks]
        checked = check_collection(unmasked, self, self._marked, **checks)
        self._check_components([task.shape for task in checked])
        return checked

    def _checked_matrix(self, X):
        checks = self._checks(ensure_min_features=2)
        array = self._marked(
            check_array(self._unmasked(X), estimator=self, input_name="X", **checks)
        )
        check_observed(array)
        return array

    def _fit_one(self, X, y):
        array = self._checked_matrix(X)
        self._bounds(array.shape[1])
        seed = draw_seed(self.random_state)
        twin = self._twin()  # fitted in our place, so that nothing is half-fitted
        vars(twin).update(self._choose_columns(array))
        narrow = twin._narrowed(array)
        self._check_components([narrow.shape])
        warn_empty([array], dropped=not self.keep_empty_features)
        validate_data(twin, X, skip_check_array=True)
        progress = FitProgress(self, X, y)
        vars(twin).update(self._prepare(narrow, seed, progress))
        twin._keep(solve_batch(twin, [thinned(narrow)], seed, progress))
        twin._seed = seed
        self._become(vars(twin))
        progress.end()
        return self

    def transform(self, X):
        """Fill the missing entries; observed ones stay as they are.

        After a fit on one matrix every row is completed by itself, given the
        fitted components. After a fit on a collection every matrix is solved as a
        new task, from random starts that depend on ``random_state`` and on the
        batch it is solved in.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or collection

        Returns
        -------
        X_filled : ndarray of shape (n_samples, n_features) or collection
            In the container of X; a list for a tuple.

        Raises
        ------
        ValueError
            For a collection after a fit on one matrix, and for what `fit` refuses.
        """
        arrays = self._validated(X)
        estimates = self._answers(arrays, completions)
        return _packed(X, map(self._filled, arrays, estimates))

    def reconstruct(self, X):
        """Low-rank estimate of all entries, the observed ones included.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or collection

        Returns
        -------
        X_estimated : ndarray of shape (n_samples, n_features) or collection
            Within ``min_value`` and ``max_value``.
        """
        arrays = self._validated(X)
        found = zip(arrays, self._answers(arrays, completions), strict=True)
        return _packed(X, (self._clipped(e, a.shape[1]).astype(a.dtype) for a, e in found))

    @available_if(_knows_noise)
    def transform_std(self, X):
        """Standard deviations of the entries that `transform` fills in.

        Of an entry as it would be measured, noise included: about 90 % of the hidden
        entries of a Gaussian low-rank matrix lie within 1.645 standard deviations of what
        `transform` fills in. From the posterior covariances of the closed-form step,
        scaled by what the observed entries tell of them (each left out in turn, to first
        order); of several starts, the deviation of the mixture of their predictions.
        ``min_value`` and ``max_value`` do not change it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or collection

        Returns
        -------
        deviations : ndarray of shape (n_samples, n_features) or collection
            In the units of X; 0 where X is observed.
        """
        arrays = self._validated(X)
        found = self._answers(arrays, deviations)
        for array, deviation in zip(arrays, found, strict=True):
            rows, columns, _ = observed_entries(self._narrowed(array))
            deviation[rows, columns] = 0
        return _packed(
            X, (d.astype(a.dtype, copy=False) for a, d in zip(arrays, found, strict=True))
        )

    def _validated(self, X) -> list:
        """Checked matrices to complete, one where X is one matrix."""
        check_is_fitted(self, "_seed")
        tasks = as_tasks(X)
        meta_fitted = hasattr(self, "n_tasks_in_")
        if tasks is not None and not meta_fitted:
            raise ValueError(
                f"This {type(self).__name__} was fitted on one matrix and completes rows of "
                "that width; fit it on a collection to complete collections."
            )
        if tasks is None and not meta_fitted:
            checked = validate_data(self, self._unmasked(X), reset=False, **self._checks())
            array = self._marked(checked)
            warn_empty([array], columns=False)
            return [array]
        arrays = [self._checked_matrix(X)] if tasks is None else self._checked_tasks(tasks)
        self._check_components([array.shape for array in arrays])
        warn_empty(arrays)
        return arrays

    def _answers(self, arrays, read, wanted=None) -> list[np.ndarray]:
        """What a reader of `_answers` finds in each matrix."""
        if hasattr(self, "n_tasks_in_"):
            thin = [thinned(array) for array in arrays]
            return solve_collection(self, thin, self._seed, read, wanted)
        wanted = [None] * len(arrays) if wanted is None else wanted
        return [
            self._rows_answers(self._narrowed(array), read, own)[0]
            for array, own in zip(arrays, wanted, strict=True)
        ]

    def score(self, X, y=None):
        """Minus the mean relative error on entries that are hidden from this call.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or collection
        y : array-like of the shape of X or collection, default=None
            The truth; judged are the entries missing in X that it knows. Without
            it (or with one-dimensional y, as a pipeline passes labels) a seeded
            tenth of the observed entries is hidden and judged. A fit on the same
            matrix has seen them.

        Returns
        -------
        score : float
            At most 0; greater is better.

        Raises
        ------
        ValueError
            If a matrix has no observed entry, or no entry to be judged on.
        """
        arrays = self._validated(X)
        for array in arrays:
            check_observed(array)
        single = as_tasks(X) is None
        if single and np.ndim(y) == 1:
            y = None
        truths = self._check_truths(arrays, [y] if single and y is not None else y)
        if truths is None:
            truths = arrays
            arrays = [hide_share(array, _SCORED_FRACTION, self._seed) for array in arrays]
        errors = []
        judged = [unseen(*map(self._narrowed, pair)) for pair in zip(truths, arrays, strict=True)]
        for i, (_, _, values) in enumerate(judged):
            if not len(values):
                raise ValueError(f"Nothing to judge in task {i}: y knows no entry missing in X.")
        found = self._answers(arrays, some_entries, [(r, c) for r, c, _ in judged])
        for array, (_, columns, values), estimates in zip(arrays, judged, found, strict=True):
            estimates = self._clipped(estimates, array.shape[1], columns)
            errors.append(relative_error(values[None], estimates[None]))
        return -float(np.mean(errors))

    def _check_truths(self, tasks, y):
        if y is None:
            return None
        checks = self._checks(ensure_all_finite="allow-nan")
        return [self._marked(truth) for truth in check_truths(y, tasks, self, **checks)]

    @available_if(not_meta_fitted)
    def get_feature_names_out(self, input_features=None):
        """Names of the columns that `transform` gives: the fitted matrix's, then indicators.

        Parameters
        ----------
        input_features : array-like of str or None, default=None

        Returns
        -------
        feature_names_out : ndarray of str objects
        """
        return self._names_out(super().get_feature_names_out(input_features))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _packed(X, results):
    """Results as X came: of one matrix, or in the container of a collection."""
    results = list(results)
    return results[0] if as_tasks(X) is None else same_container(results, X)
