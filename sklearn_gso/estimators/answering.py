"""What a fitted estimator says of new rows, or of new data sets."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    OneToOneFeatureMixin,
    TransformerMixin,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .fitting import fitted_on_one, of_collection
from .lazy import mapped
from .parallel import in_chunks, largest_of, share_of_threads
from .reporting import Progress
from .solving import Item, Mean, Plan, kind_of, reconstruction
from .tasks import as_tasks, batches, in_frames, same_container


def _result(array, result):
    return result


class Answering(TransformerMixin):
    """The part of an estimator that transforms and scores."""

    def transform(self, X):
        """What the model says of data: of rows, or of new data sets.

        After a fit on one data set every row is solved by itself, given what was fitted.
        After a fit on a collection every data set is solved as a new task, from random starts
        that depend on ``random_state`` and on the batch it is solved in.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or collection

        Returns
        -------
        X_new : ndarray or collection
            In the container of X; a list for a tuple, and of frames where `set_output` asks for
            them.
        """
        return self._as_asked(X, self._transformed(X))

    def _as_asked(self, X, results):
        """What `transform` returns, in the container of X or in the one that was asked for."""
        result, tasks = packed(X, results), as_tasks(X)
        own = None if self.read is reconstruction else type(self).__name__.lower()
        if tasks is not None:
            return in_frames(result, tasks, self, own)
        # scikit-learn sees to frames of a fit on one data set, whose columns have names.
        return in_frames([result], [X], self, own)[0] if of_collection(self) else result

    def transform_into(self, X, out):
        """`transform` of a collection that need not fit into memory, nor what comes out.

        Data sets are read when they are solved, a batch at a time, and each result is written
        as soon as it is there.

        Parameters
        ----------
        X : collection
            Any sequence of matrices: a list, a memory map, or an object with ``__len__`` and
            ``__getitem__``, as a torch ``Dataset``.
        out : object
            Task ``i`` is written by ``out[i] = result``: a memory map of the shape of all results,
            a dict, or an object with ``__setitem__``.

        Returns
        -------
        out : object

        Raises
        ------
        NotFittedError
        ValueError
            After a fit on one data set, or if X is no collection.
        """
        check_is_fitted(self)
        if self._fitted.rows is not None or as_tasks(X) is None:
            raise ValueError(
                "transform_into takes a collection of a task or more, after a fit on a collection."
            )
        if out is None:
            raise ValueError("out must take out[i] = result; transform returns a list.")
        return self._transformed(X, out)

    def _transformed(self, X, out=None):
        """What `transform` returns of each data set."""
        return self._answers(self._validated(X), Mean(self.read), out=out)

    def score(self, X, y=None):
        """Minus the mean error of what is solved: of these rows, or of new data sets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or collection
        y : Ignored

        Returns
        -------
        score : float
            The greater the better; the error is the problem's.
        """
        return -float(np.mean(self._answers(self._validated(X), Mean(_error))))

    def trace(self, X):
        """Solve one data set as a new task, and keep what happens in each sweep.

        Of the data that the estimator was fitted to, this is the fit once more.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        answer : Answer
            Each of whose runs has a `Trace`.

        Raises
        ------
        NotFittedError
        ValueError
            For what `transform` refuses, and for a collection.
        """
        check_is_fitted(self)
        if as_tasks(X) is not None:
            raise ValueError("One data set can be traced at a time, got a collection.")
        (array,), fitted = self._validated(X), self._fitted
        array = self._as_fitted(array)
        plan, options = self._plan(fitted.optimizer), self._options(array, fitted.shared)
        return plan.solve([array], options, fitted.seed, Progress(), trace=True)

    def _as_fitted(self, array):
        """A checked data set as a fit solves it."""
        return array

    def _solved_as(self, array):
        """A checked data set of a collection as it is solved."""
        return array

    def _validated(self, X):
        """Checked data to be solved, one where X is one data set."""
        check_is_fitted(self)
        tasks = as_tasks(X)
        if self._fitted.rows is None:
            return [self._checked_matrix(X)] if tasks is None else self._checked_tasks(tasks)
        if tasks is not None:
            raise ValueError(
                f"This {type(self).__name__} was fitted on one data set and takes rows of that "
                "width; fit it on a collection to solve collections."
            )
        return [self._checked_rows(X)]

    def _answers(self, arrays, read, wanted=None, then=_result, out=None):
        """What a reader makes of each data set; the same for any ``n_jobs``.

        In a list, or by item in ``out``, are ``then(array, result)``.
        """
        wanted, fitted = wanted or [None] * len(arrays), self._fitted
        with share_of_threads(size=largest_of(arrays)):
            if fitted.rows is not None:
                pairs = zip(arrays, wanted, strict=True)
                return [then(a, fitted.rows.read(read, a, own)) for a, own in pairs]

            items = self._items(mapped(self._solved_as, arrays), wanted, fitted.shared)
            chunks = batches(items, kind_of, self._cost)
            seeds = np.random.RandomState(fitted.seed).randint(2**31 - 1, size=len(chunks))
            solve = _Reading(self._plan(fitted.optimizer), read)
            out = [None] * len(items) if out is None else out
            for i, result in in_chunks(solve, items, chunks, seeds, self.n_jobs, self.verbose):
                out[i] = then(arrays[i], result)
            return out

    def _cost(self, item: Item) -> float:
        """Doubles that solving a data set takes."""
        return 4 * int(self.n_init) * item.array.size

    @available_if(fitted_on_one)
    def get_feature_names_out(self, input_features=None):
        """Names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns of X, where the columns that come out are those of X.

        Returns
        -------
        feature_names_out : ndarray of str objects
        """
        if self.read is reconstruction:
            return OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        return ClassNamePrefixFeaturesOutMixin.get_feature_names_out(self, input_features)

    @property
    def _n_features_out(self) -> int:
        check_is_fitted(self)
        nothing = np.zeros((1, self.n_features_in_))
        return self._fitted.rows.read(Mean(self.read), nothing).shape[1]


@dataclass(frozen=True)
class _Reading:
    """Solve and read, for `in_chunks`."""

    plan: Plan
    read: Any

    def __call__(self, items, seed, progress):
        return self.plan.read(self.read, items, seed, progress)


def _error(problem, variables):
    return problem.error(variables)


def packed(X, results):
    """Results as X came: of one data set, or in the container of a collection."""
    results = list(results)
    return results[0] if as_tasks(X) is None else same_container(results, X)
