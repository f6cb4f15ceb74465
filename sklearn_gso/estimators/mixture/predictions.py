"""Predictions, scores and samples of a mixture, of one data set or of a collection."""

import numbers

import numpy as np
from scipy.special import entr, logsumexp, softmax
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ..answering import packed
from ..fitting import of_collection
from ..tasks import as_numbers, as_tasks, check_collection
from .checking import check_means, check_sample_weight
from .criteria import criterion, n_free
from .data import n_pinned
from .noise import check_noise, noise_per_task
from .rows import log_joint

_NAN = {"dtype": [np.float64, np.float32], "ensure_all_finite": "allow-nan"}
CHECKS = {**_NAN, "ensure_min_samples": 2}


class MixturePredictions:
    """What is told of data, from fitted parameters or by solving them anew."""

    def _described(self, X, covariances=None, sample_weight=None, noise=None) -> list[tuple]:
        """Each data set and its noise, and the weights, means and covariances that describe it."""
        check_is_fitted(self)
        collection = as_tasks(X)
        if not of_collection(self):
            if collection is not None:
                raise ValueError(
                    f"This {type(self).__name__} was fitted on one data set and predicts rows of "
                    "that width; fit it on a collection to solve collections."
                )
            if covariances is not None:
                raise ValueError(
                    "covariances are for data sets that are solved anew, after a fit on a "
                    "collection; a fit on one data set has its own."
                )
            array = validate_data(self, as_numbers(X), reset=False, **_NAN)
            return [(check_noise(noise, array), self.weights_, self.means_, self.covariances_)]
        if collection is None:
            arrays = [check_array(as_numbers(X), estimator=self, input_name="X", **CHECKS)]
        else:
            arrays = check_collection(collection, self, **CHECKS)
        single = collection is None
        solved = self._solve_anew(arrays, covariances, sample_weight, noise, single)
        each = [noise] if single else noise_per_task(noise, len(arrays))
        rows = [check_noise(own, array) for own, array in zip(each, arrays, strict=True)]
        return [(own, *one[:3]) for own, one in zip(rows, solved, strict=True)]

    def _joints(self, X, covariances=None, sample_weight=None, noise=None) -> list[np.ndarray]:
        """``log π_k N(x | μ_k, Σ_k + V)`` of each sample of each data set."""
        described = self._described(X, covariances, sample_weight, noise)
        return [log_joint(*one, self.covariance_type) for one in described]

    def predict(self, X, *, covariances=None, noise_covariance=None):
        """The most probable component of each sample.

        After a fit on one data set every row is judged by itself. After a fit on a collection
        every data set is solved as a new one, from random starts that depend on
        ``random_state`` and on the batch it is solved in.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or collection
            Of a row with NaN the observed entries count; one without any tells nothing.
        covariances : array-like or collection, default=None
            Known covariances of data sets that are solved anew, as for `fit`; by default
            those that `fit` was given for all.
        noise_covariance : array-like or collection, default=None
            Of the noise of these samples, as for `fit`; None: they have none.

        Returns
        -------
        labels : ndarray of shape (n_samples,) or collection
            In the container of X; a list for a tuple.
        """
        joints = self._joints(X, covariances, noise=noise_covariance)
        return packed(X, [joint.argmax(axis=1) for joint in joints])

    def fit_predict(
        self, X, y=None, *, covariances=None, sample_weight=None, noise_covariance=None
    ):
        """`fit`, then `predict` of the same data.

        Parameters
        ----------
        X, y, covariances, sample_weight, noise_covariance
            As for `fit`.

        Returns
        -------
        labels : ndarray of shape (n_samples,) or collection
        """
        known = {"covariances": covariances, "sample_weight": sample_weight}
        self.fit(X, **known, noise_covariance=noise_covariance)
        known = known if of_collection(self) else {}
        joints = self._joints(X, **known, noise=noise_covariance)
        return packed(X, [joint.argmax(axis=1) for joint in joints])

    def predict_proba(self, X, *, covariances=None, noise_covariance=None):
        """Probability of each component for each sample.

        Parameters
        ----------
        X, covariances, noise_covariance
            As for `predict`.

        Returns
        -------
        responsibilities : ndarray of shape (n_samples, n_components) or collection
        """
        joints = self._joints(X, covariances, noise=noise_covariance)
        return packed(X, [softmax(joint, axis=1) for joint in joints])

    def score_samples(self, X, *, covariances=None, noise_covariance=None):
        """Log-likelihood of each sample, with its noise: without, the deconvolved density.

        Parameters
        ----------
        X, covariances, noise_covariance
            As for `predict`.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,) or collection
        """
        joints = self._joints(X, covariances, noise=noise_covariance)
        return packed(X, [logsumexp(joint, axis=1) for joint in joints])

    def score(self, X, y=None, *, covariances=None, sample_weight=None, noise_covariance=None):
        """Mean log-likelihood of the samples; of a collection, the mean over its data sets.

        Parameters
        ----------
        X, covariances, noise_covariance
            As for `predict`.
        y : Ignored
        sample_weight : array-like of shape (n_samples,) or collection, default=None
            Weights of the mean. Data sets that are solved anew are solved with them.

        Returns
        -------
        score : float
        """
        collection = as_tasks(X)
        solving = sample_weight if of_collection(self) else None
        joints = self._joints(X, covariances, solving, noise_covariance)
        weights = [sample_weight] if collection is None else sample_weight
        weights = [None] * len(joints) if sample_weight is None else weights
        return float(np.mean([_mean(j, w) for j, w in zip(joints, weights, strict=True)]))

    def sample(self, n_samples=1, *, random_state=None):
        """Draw samples, without noise, from the fitted mixture.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : int, RandomState instance or None, default=None
            By default the mixture's own: the same samples at every call where that is a number.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
        y : ndarray of shape (n_samples,)
            Component of each.
        """
        check_is_fitted(self, "means_", msg="%(name)s samples after a fit on one data set only.")
        if not isinstance(n_samples, numbers.Integral) or n_samples < 1:
            raise ValueError(f"n_samples must be an integer >= 1, got {n_samples!r}.")
        rng = check_random_state(self.random_state if random_state is None else random_state)
        counts = rng.multinomial(n_samples, self.weights_ / self.weights_.sum())
        is_tied, drawn = self.covariance_type == "tied", []
        covariances = [self.covariances_] * len(counts) if is_tied else self.covariances_
        for mean, covariance, count in zip(self.means_, covariances, counts, strict=True):
            if np.ndim(covariance) == 2:
                drawn.append(rng.multivariate_normal(mean, covariance, int(count)))
            else:
                drawn.append(mean + rng.randn(count, len(mean)) * np.sqrt(covariance))
        return np.vstack(drawn), np.repeat(np.arange(len(counts)), counts)

    def trace(self, X, means_init=None, *, noise_covariance=None):
        """EM on one data set from one start, sweep by sweep, without non-local moves.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        means_init : array-like of shape (n_components, n_features), default=None
            Centres to start at; by default this mixture's own kind of start, with what was given of
            the components that are left.
        noise_covariance : array-like, default=None
            As for `fit`.

        Returns
        -------
        answer : Answer
            Of one run with a `Trace`, in coordinates centred at the mean of the samples.
        """
        check_is_fitted(self, "means_")
        array = check_array(as_numbers(X), estimator=self, input_name="X", **CHECKS)
        task = self._task_again(array, noise_covariance)
        if means_init is not None:
            means = check_means(means_init, (self.n_components_, array.shape[1]))
            task = task._replace(given={**task.given, "means": means})
        return self._mixture_plan(n_components=self.n_components_).trace(task, self._fitted.seed)

    def trajectory(self, X, means_init=None):
        """Centres at the start and after every sweep of EM; as `trace`.

        Returns
        -------
        trajectory : ndarray of shape (n_sweeps + 1, n_components, n_features)
        """
        answer = self.trace(X, means_init)
        centre = np.nanmean(np.asarray(as_numbers(X), dtype=np.float64), axis=0)
        problem, (run,) = answer.problem, answer.runs
        way = [problem.parameter(variables, "means")[0] for variables in run.trace.variables]
        return np.stack([means.numpy() + centre for means in way])

    def bic(self, X, *, noise_covariance=None):
        """Bayesian information criterion on one data set; parameters held are not counted.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        noise_covariance : array-like, default=None
            As for `predict`.

        Returns
        -------
        bic : float
            The lower the better.
        """
        return self._criterion("bic", X, noise_covariance)

    def aic(self, X, *, noise_covariance=None):
        """Akaike information criterion on one data set, as `bic`.

        Parameters
        ----------
        X, noise_covariance
            As for `bic`.

        Returns
        -------
        aic : float
        """
        return self._criterion("aic", X, noise_covariance)

    def _criterion(self, name, X, noise):
        if as_tasks(X) is not None:
            raise ValueError("Information criteria are of one data set, not of a collection.")
        (joint,), d = self._joints(X, noise=noise), np.shape(X)[1]
        likelihoods = logsumexp(joint, axis=1)
        values = np.exp(joint - likelihoods[:, None])
        held, pinned = self._fitted.held, self._fitted.pinned
        n_parameters = n_free(self.covariance_type, joint.shape[1], d, held, n_pinned(pinned))
        return criterion(name, likelihoods.sum(), n_parameters, len(X), entr(values).sum())


def _mean(joint, sample_weight) -> float:
    """Mean log-likelihood of the samples of one data set."""
    weights = check_sample_weight(sample_weight, joint)
    return np.average(logsumexp(joint, axis=1), weights=weights)
