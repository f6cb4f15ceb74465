"""What the completers share: matrices with holes, dense or sparse, and their completion."""

import numpy as np
from scipy import sparse
from sklearn.utils.metaestimators import available_if

from ...metrics import relative_error
from ...problems import EmpiricalBayesCompletion
from ..answering import packed
from ..base import AlternatingEstimator
from ..fitting import Fitted, about_run, column_names, fitted_on_one
from ..matrices import (
    hide_share,
    line_counts,
    observed_entries,
    telling_rows,
    thinned,
    unseen,
)
from ..parameters import NONE, choice, integer
from ..reporting import with_callbacks
from ..tasks import as_tasks, check_observed, draw_seed, warn_empty
from .checking import Checking
from .imputing import Imputing
from .predictions import (
    FittedMatrix,
    PredictsEntries,
    completions,
    deviations,
    some_entries,
    spread_apart,
)
from .scaling import SCALES, SCALINGS, choose_for_all, name_of
from .unjoined import solved_by_group, stands_alone

_SCORED_FRACTION = 0.1


def _knows_noise(completer):
    if not issubclass(completer.problem_class, EmpiricalBayesCompletion):
        raise AttributeError("standard deviations need estimated priors: alpha=None")
    return True


class BaseCompleter(Checking, PredictsEntries, Imputing, AlternatingEstimator):
    """Fit and transform of one matrix or of a collection of them."""

    allow_nan = True
    accepts = {"n_components": NONE | integer(), "scaling": choice(*SCALINGS)}

    def problem_options(self, array):
        return self._options(array, self._shared_options([array]))

    def _shared_options(self, arrays):
        return choose_for_all(arrays, self._n_components, self.scaling)

    # Fitting --------------------------------------------------------------------------

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
            If X is no such thing or has no observed entry. Nothing is changed then.
        """
        return self._fit(X, y)

    def _fit_one(self, X, y, progress):
        array = self._checked_matrix(X)
        self._bounds(array.shape[1], getattr(X, "columns", None))
        seed = draw_seed(self.random_state)
        columns = None if self.keep_empty_features else np.flatnonzero(line_counts(array)[1])
        narrow = array if columns is None else array[:, columns]
        self._check_components([narrow.shape])
        warn_empty([array], dropped=columns is not None)
        part = telling_rows(narrow, seed)
        shared = self._shared_options([part])
        learned = self._prepare(part, shared, seed, progress)
        optimizer, keep_rows = learned.get("learned_optimizer_"), part is narrow

        def solved(part, columns):
            own = {**shared, "scale": SCALES["columns"]} if stands_alone(part, narrow) else shared
            options = self._options(part, own)
            answer = self._plan(optimizer).solve([thinned(part)], options, seed, progress)
            more = {"columns": columns, "apart": spread_apart(part, answer.problem.scale.ravel())}
            return answer, FittedMatrix.of(answer, options, keep_rows=keep_rows, **more)

        answer, rows = solved_by_group(solved, part, columns, keep_rows)
        right = rows.components()
        return Fitted(seed, optimizer, rows, shared), {
            **column_names(X),
            **learned,
            **about_run(answer),
            "components_": right,
            "n_components_": len(right),
            "scaling_": name_of(shared["scale"]),
            "indicator_": self._indicator_of(array),
        }

    def _fit_collection(self, tasks, y, progress):
        for name, wanted in (("keep_empty_features", True), ("add_indicator", False)):
            if getattr(self, name) is not wanted:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is for a fit on one matrix: completed "
                    "tasks of a collection keep their shapes."
                )
        fitted, attributes = super()._fit_collection(tasks, y, progress)
        return fitted, {**attributes, "scaling_": name_of(fitted.shared["scale"])}

    # Using what was fitted --------------------------------------------------------------

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
            In the container of X; a list for a tuple, and of frames where `set_output` asks for
            them.

        Raises
        ------
        ValueError
            For a collection after a fit on one matrix, and for what `fit` refuses.
        """
        return self._as_asked(X, self._transformed(X))

    def _transformed(self, X, out=None):
        return self._answers(self._validated(X), completions, then=self._filled, out=out)

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
        estimates = zip(arrays, self._answers(arrays, completions), strict=True)
        return packed(X, (self._clipped(e, a.shape[1]).astype(a.dtype) for a, e in estimates))

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
            In the units of X; 0 where X is observed, infinite in columns of which nothing
            is known.
        """
        arrays, rows = self._validated(X), self._fitted.rows
        results = []
        for array, deviation in zip(arrays, self._answers(arrays, deviations), strict=True):
            known_scale = float(array.shape[1] > 1)
            apart = spread_apart(array, known_scale) if rows is None else rows.apart
            deviation = np.where(np.isnan(apart), deviation, apart)
            deviation[observed_entries(self._narrowed(array))[:2]] = 0
            results.append(deviation.astype(array.dtype, copy=False))
        return packed(X, results)

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
        y = None if single and np.ndim(y) == 1 else y
        truths = self._checked_truths(arrays, [y] if single and y is not None else y)
        if truths is None:
            seed = self._fitted.seed
            truths, arrays = arrays, [hide_share(a, _SCORED_FRACTION, seed) for a in arrays]
        judged = [unseen(*map(self._narrowed, pair)) for pair in zip(truths, arrays, strict=True)]
        for i, (_, _, values) in enumerate(judged):
            if not len(values):
                raise ValueError(f"Nothing to judge in task {i}: y knows no entry missing in X.")
        wanted = [(rows, columns) for rows, columns, _ in judged]
        errors = []
        for array, (_, columns, values), estimates in zip(
            arrays, judged, self._answers(arrays, some_entries, wanted), strict=True
        ):
            estimates = self._clipped(estimates, array.shape[1], columns)
            errors.append(relative_error(values[None], estimates[None]))
        return -float(np.mean(errors))

    def _validated(self, X):
        arrays = super()._validated(X)
        if self._fitted.rows is None and as_tasks(X) is None:
            self._check_components([arrays[0].shape])
            warn_empty(arrays)
        return arrays

    def _as_fitted(self, array):
        return thinned(self._narrowed(array))

    def _solved_as(self, array):
        return thinned(array)

    def _cost(self, item):
        """Dense matrices of equal shape are solved in batches, sparse ones each for itself."""
        if sparse.issparse(item.array):
            return np.inf
        (p, q), k = item.array.shape, item.options["n_components"]
        # Few tasks need more starts than the first: larger batches are worth some memory.
        return self._policy().first(companion=True) * (4 * p * q + 3 * (p + q) * (k + 1) ** 2)

    @available_if(fitted_on_one)
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
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
