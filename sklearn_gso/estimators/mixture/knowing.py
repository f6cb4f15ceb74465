"""What a mixture is given: parameters that are known or to start at, numbers to choose among."""

from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from ...problems.mixture_likelihood import PARAMETERS
from ..parameters import Accepts, integer
from . import checking, data
from .counting import Question
from .noise import check_noise, noise_per_task

_NUMBER = integer()


def _are_numbers(value) -> bool:
    if not isinstance(value, list | tuple | range | np.ndarray) or not len(value):
        return False
    return all(_NUMBER.fits(one) for one in value) and bool(np.all(np.diff(value) > 0))


SHARES = Accepts(
    "a function of X, n_components and random_state, or the labels or responsibilities it returns",
    lambda v: callable(v) or isinstance(v, list | tuple | np.ndarray),
)
NUMBERS = Accepts("an increasing sequence of them", _are_numbers)


class Parameters(NamedTuple):
    """Of a mixture, in the shapes of the user."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray


class MixtureKnowledge:
    """The part of a mixture that reads what it is given."""

    @property
    def _is_open(self) -> bool:
        """Whether the number of components is to be chosen."""
        return not _NUMBER.fits(self.n_components)

    def _question(self, n_samples) -> Question:
        """Among which numbers of components is to be chosen, and by what."""
        if isinstance(self.n_components, str):
            return Question(None, self.n_components, n_samples)
        numbers = tuple(int(number) for number in self.n_components)
        return Question(numbers, self.criterion or "bic", n_samples)

    def _check_open(self):
        """Raise for parameters that the choice of a number excludes, or that need one."""
        named = isinstance(self.n_components, str)
        if self.criterion is not None and (named or not self._is_open):
            raise ValueError(
                "criterion chooses among several n_components, given as a sequence; "
                f"n_components is {self.n_components!r}."
            )
        if self._is_open and self.warm_start:
            raise ValueError("warm_start needs one number of components.")
        if self._is_open and self._has_shares:
            raise ValueError("init_params that gives responsibilities needs one n_components.")

    def _n_most(self, covariances=None) -> int:
        """The number of components, or the largest to begin with where one is chosen."""
        if not isinstance(self.n_components, str):
            return int(np.max(self.n_components))
        if self.covariance_type == "tied":
            covariances, precisions = None, None
        else:
            precisions = self.precisions_init
        for values in (covariances, precisions, self.means_init, self.weights_init):
            if values is not None and not np.isscalar(values):
                return len(values)
        return 1

    def _given(self, k, n_features, covariances) -> tuple[dict, tuple]:
        """Parameters that are known or to start at, and the names of the known ones.

        Covariances of single components are not among them.
        """
        given, kind, sizes = {}, self.covariance_type, (k, n_features)
        if self.weights_init is not None:
            given["weights"] = checking.check_weights(self.weights_init, sizes)
        if self.means_init is not None:
            given["means"] = checking.check_means(self.means_init, sizes)
        single = checking.are_single(covariances)
        if covariances is not None and not single:
            if self.precisions_init is not None:
                raise ValueError("Give covariances or precisions_init, not both.")
            given["covariances"] = checking.check_covariances(covariances, kind, sizes)
        elif self.precisions_init is not None:
            name = "precisions_init"
            precisions = checking.check_covariances(self.precisions_init, kind, sizes, name)
            given["covariances"] = data.invert(precisions, kind)
        held = set(self.fixed)
        if covariances is not None and not single:
            held.add("covariances")
        for name in sorted(held - given.keys()):
            source = "covariances or precisions" if name == "covariances" else name
            raise ValueError(f"{name!r} is fixed, but {source}_init gives no value.")
        return given, tuple(name for name in PARAMETERS if name in held)

    def _checked(self, weights, means, covariances) -> Parameters:
        """Parameters that are set by hand."""
        shape = np.shape(means)
        sizes = (int(self.n_components), shape[-1] if len(shape) == 2 else 0)
        return Parameters(
            checking.check_weights(weights, sizes, "weights"),
            checking.check_means(means, sizes, "means"),
            checking.check_covariances(covariances, self.covariance_type, sizes),
        )

    def _task(self, array, sample_weight, covariances, noise=None) -> data.Task:
        weights = checking.check_sample_weight(sample_weight, array)
        array, noise = check_noise(noise, array)
        k, pinned = self._n_most(covariances), None
        given, held = self._given(k, array.shape[1], covariances)
        if checking.are_single(covariances):
            sizes = (k, array.shape[1])
            pinned = checking.check_single(covariances, self.covariance_type, sizes)
        if self._has_shares:
            given["responsibilities"] = self._shares(array, k)
        return data.as_task(array, weights, k, given, held, pinned, noise)

    def _task_again(self, array, noise) -> data.Task:
        """A data set with what the fit was given of the components that are left."""
        fitted, given = self._fitted, dict(self._fitted.given)
        array, noise = check_noise(noise, array)
        if self._has_shares:
            shares = self._shares(array, len(fitted.kept))
            given["responsibilities"] = shares[:, fitted.kept]
        about = (self.n_components_, given, fitted.held, fitted.pinned, noise)
        return data.as_task(array, None, *about)

    @property
    def _has_shares(self) -> bool:
        """Whether ``init_params`` gives responsibilities to start at."""
        return self.init_params is not None and not isinstance(self.init_params, str)

    def _shares(self, array, k) -> np.ndarray:
        shares = self.init_params
        if callable(shares):
            shares = shares(array.copy(), k, check_random_state(self.random_state))
        return checking.check_responsibilities(shares, len(array), k)

    def _per_task(self, covariances, n_tasks) -> list:
        ndim = len(data.COVARIANCE_AXES[self.covariance_type])
        return data.per_task(covariances, n_tasks, ndim, "covariances")

    def _new_tasks(self, arrays, covariances, sample_weight, noise_covariance=None):
        """Tasks of a collection; errors name them."""
        known = self._per_task(covariances, len(arrays))
        weights = data.per_task(sample_weight, len(arrays), 1, "sample_weight")
        if sample_weight is not None and any(w is sample_weight for w in weights):
            raise ValueError("sample_weight must hold one array for each task of the collection.")
        noise, tasks = noise_per_task(noise_covariance, len(arrays)), []
        for i, array in enumerate(arrays):
            try:
                tasks.append(self._task(array, weights[i], known[i], noise[i]))
            except ValueError as error:
                raise ValueError(f"Task {i} of the collection: {error}") from error
        return tasks

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
