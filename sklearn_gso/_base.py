"""What the completers share: one matrix or a collection, rows, scores, containers."""

from abc import abstractmethod

import numpy as np
import torch
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from ._estimator import FittedInPlaceOf
from ._progress import CallbackSupportMixin, FitProgress, with_callbacks
from ._solving import draw_seed, solve_batch, solve_collection, to_tensor
from .datasets import hide_entries
from .metrics import relative_error
from .problems import MatrixCompletion
from .problems.base import Variables, map_tensors, point
from .search import SAFEGUARDS, mean_by_shares
from .tasks import (
    as_tasks,
    check_collection,
    check_observed,
    check_truths,
    densify,
    same_container,
    unmask,
    warn_empty,
)

_CHECKS = {
    "accept_sparse": ("csr", "csc", "coo"),
    "dtype": [np.float64, np.float32],
    "ensure_all_finite": "allow-nan",
}
_TASK_CHECKS = {**_CHECKS, "ensure_min_features": 2}
_OPTIONAL_INTEGERS = ("max_iter", "t_l", "t_u", "n_components", "hidden_size")
_DEFAULT_COMPONENTS = 10
_SCORED_FRACTION = 0.1
# Starts that count for less are not kept for new rows.
_LEAST_SHARE = 1e-3


def _not_meta_fitted(completer):
    if hasattr(completer, "n_tasks_in_"):
        raise AttributeError("fitted on a collection, whose tasks have features of their own")
    return True


class BaseCompleter(
    FittedInPlaceOf, CallbackSupportMixin, OneToOneFeatureMixin, TransformerMixin, BaseEstimator
):
    """Fit and transform of one matrix or of a collection of them."""

    safeguard = "step"
    _private_state = ("_seed", "_fixed", "_scale", "_shares")

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
        self._check_integers(("n_init", "batch_size", *_OPTIONAL_INTEGERS), _OPTIONAL_INTEGERS)
        self._check_number("alpha", "be a positive number", lambda v: 0 < v < np.inf)
        self._check_choice("safeguard", SAFEGUARDS)

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
        tasks = check_collection(tasks, self, **_TASK_CHECKS)
        self._check_components([task.shape for task in tasks])
        warn_empty(tasks)
        seed = draw_seed(self.random_state)
        truths = self._check_truths(tasks, y)
        progress = FitProgress(self, X, y)
        learned = self._learn(tasks, truths, seed, progress)
        self._become({"n_tasks_in_": len(tasks), "_seed": seed, **learned})
        progress.end()
        return self

    def _fit_one(self, X, y):
        array = densify(check_array(unmask(X), estimator=self, input_name="X", **_TASK_CHECKS))
        check_observed(array)
        self._check_components([array.shape])
        warn_empty([array])
        seed = draw_seed(self.random_state)
        twin = self._twin()  # fitted in our place, so that nothing is half-fitted
        validate_data(twin, X, skip_check_array=True)
        progress = FitProgress(self, X, y)
        vars(twin).update(self._prepare(array, seed, progress))
        twin._keep(solve_batch(twin, [array], seed, progress))
        twin._seed = seed
        self._become(vars(twin))
        progress.end()
        return self

    def _keep(self, found):
        """What new rows need, as numpy arrays: every start that counts, the best one first."""
        shares = found.shares[:, 0]
        order = shares.argsort(descending=True, stable=True)
        order = order[shares[order] >= _LEAST_SHARE]
        runs = [found.runs[i] for i in order]
        self._shares = (shares[order] / shares[order].sum()).numpy()
        self._fixed = [
            map_tensors(
                lambda tensor: tensor.numpy(),
                {name: block for name, block in run.variables.items() if name != "U"},
            )
            for run in runs
        ]
        solution = runs[0]
        problem = found.problem
        self._scale = problem.scale.numpy()
        right = point(solution.variables["V"])
        self.components_ = (problem.scale[0] * right[0]).numpy().T.copy()
        self.n_components_ = len(self.components_)
        self.n_iter_ = int(solution.n_iter[0])
        self.n_guarded_ = int(solution.n_guarded[0])
        self.objective_ = float(solution.objective[0])

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
        return self._complete(X, keep_observed=True)

    def reconstruct(self, X):
        """Low-rank estimate of all entries, the observed ones included.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or collection

        Returns
        -------
        X_estimated : ndarray of shape (n_samples, n_features) or collection
        """
        return self._complete(X, keep_observed=False)

    def _complete(self, X, keep_observed):
        arrays = self._validated(X)
        filled = [
            _filled(a, s, keep_observed)
            for a, s in zip(arrays, self._estimates(arrays), strict=True)
        ]
        return filled[0] if as_tasks(X) is None else same_container(filled, X)

    def _validated(self, X) -> list[np.ndarray]:
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
            array = densify(validate_data(self, unmask(X), reset=False, **_CHECKS))
            warn_empty([array], columns=False)
            return [array]
        if tasks is None:
            array = densify(check_array(unmask(X), estimator=self, input_name="X", **_TASK_CHECKS))
            check_observed(array)
            arrays = [array]
        else:
            arrays = check_collection(tasks, self, **_TASK_CHECKS)
        self._check_components([array.shape for array in arrays])
        warn_empty(arrays)
        return arrays

    def _estimates(self, arrays) -> list[np.ndarray]:
        """Low-rank estimates of all entries of each matrix."""
        if hasattr(self, "n_tasks_in_"):
            return solve_collection(self, arrays, self._seed)
        return [self._complete_rows(array) for array in arrays]

    def _complete_rows(self, array):
        problem = self._problem(
            to_tensor([array]), self.n_components_, scale=torch.from_numpy(self._scale.copy())
        )

        def estimate(fixed):
            variables: Variables = map_tensors(lambda a: torch.from_numpy(a.copy()), fixed)
            variables["U"] = problem.minimize_block(variables, "U")
            return problem.reconstruct(variables)

        shares = torch.tensor(self._shares)[:, None]
        return mean_by_shares(shares, map(estimate, self._fixed))[0].numpy()

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
            arrays = [_with_some_hidden(a, self._seed) for a in arrays]
        for i, (array, known) in enumerate(zip(arrays, truths, strict=True)):
            if not (np.isnan(array) & ~np.isnan(known)).any():
                raise ValueError(f"Nothing to judge in task {i}: y knows no entry missing in X.")
        errors = [
            relative_error(t, e, where=np.isnan(a))
            for t, e, a in zip(truths, self._estimates(arrays), arrays, strict=True)
        ]
        return -float(np.mean(errors))

    def _check_truths(self, tasks, y):
        return None if y is None else check_truths(y, tasks, self, **_CHECKS)

    @available_if(_not_meta_fitted)
    def get_feature_names_out(self, input_features=None):
        """Names of the columns, those of the fitted matrix.

        Parameters
        ----------
        input_features : array-like of str or None, default=None

        Returns
        -------
        feature_names_out : ndarray of str objects
        """
        return super().get_feature_names_out(input_features)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _filled(array, completed, keep_observed):
    if keep_observed:
        completed = np.where(np.isnan(array), completed, array)
    return completed.astype(array.dtype, copy=False)


def _with_some_hidden(array, seed):
    """A tenth of the observed entries hidden, one at least."""
    n_observed = np.count_nonzero(~np.isnan(array))
    return hide_entries(array, max(_SCORED_FRACTION, 1 / n_observed), seed)
