"""Matrix completion whose observed entries may be outliers."""

from typing import Any

import numpy as np

from ...problems import StudentCompletion
from ...rules import ClosedForm, LSTMControl
from ...rules.accepts import real
from ..answering import packed
from ..parameters import keep
from ..solving import Mean
from .completers import GSOMatrixCompleter

_POSITIVE = real("a positive number, which may be infinite", lambda v: v > 0)


def _weights(problem, variables):
    return variables["weights"]


class RobustMatrixCompleter(GSOMatrixCompleter):
    """Matrix completion whose noise has Student's distribution: outliers count for nothing.

    As `GSOMatrixCompleter`, which minimises the free energy of `StudentCompletion`: each observed
    entry has a scale of its own, one more block with a closed form. An entry that is far from what
    the others say of it loses its weight.

    Parameters
    ----------
    n_components : int, default=None
        Upper bound of the rank, as of `GSOMatrixCompleter`.
    degrees_of_freedom : float, default=4.0
        Of Student's distribution: the fewer, the less an outlier counts, and the less is made of
        noise that is Gaussian. With ``float("inf")`` the noise is Gaussian.
    optimizer : LearnedOptimizer, str, path-like or None, default="pretrained"
        As of `GSOMatrixCompleter`. None of those that come with the package was trained on such
        noise: "pretrained" starts untrained, with the classical closed-form alternation.
    rule : {"control"} or UpdateRule, default="control"
        As of `GSOMatrixCompleter`, of rules that use closed forms.
    scaling : {"auto", "columns", "matrix", "none"}, default="matrix"
        As of `GSOMatrixCompleter`. What "auto" looks at, and the units of "columns", are those of
        all entries, outliers included.
    max_iter, tol, t_l, t_u, n_epochs, training, n_init, safeguard, random_state, \
n_jobs, verbose, missing_values, min_value, max_value, keep_empty_features, add_indicator, copy
        As of `GSOMatrixCompleter`; sparse matrices are refused.

    See Also
    --------
    GSOMatrixCompleter : With Gaussian noise, and all other attributes.

    References
    ----------
    .. [1] Lange, Little and Taylor, Robust statistical modeling using the t distribution, 1989.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gso import RobustMatrixCompleter
    >>> X = np.outer(np.arange(1.0, 9), np.arange(1.0, 8))
    >>> X[1, 2], X[3, 3] = np.nan, 100
    >>> completer = RobustMatrixCompleter(random_state=0).fit(X)
    >>> completer.transform(X)[1].round(1)
    array([ 2.,  4.,  6.,  8., 10., 12., 14.])
    """

    accepts = {"degrees_of_freedom": _POSITIVE}
    rule_kind: Any = (LSTMControl, ClosedForm)
    alpha = None

    def __init__(
        self,
        n_components=None,
        *,
        degrees_of_freedom=4.0,
        optimizer="pretrained",
        rule="control",
        scaling="matrix",
        max_iter=None,
        tol=1e-3,
        t_l=None,
        t_u=None,
        n_epochs=10,
        training=None,
        n_init="auto",
        safeguard="step",
        random_state=None,
        n_jobs=None,
        verbose=0,
        missing_values=np.nan,
        min_value=-np.inf,
        max_value=np.inf,
        keep_empty_features=True,
        add_indicator=False,
        copy=True,
    ):
        keep(self, locals())

    problem_class: Any = StudentCompletion

    def _options(self, array, shared):
        options = super()._options(array, shared)
        return {**options, "degrees_of_freedom": float(self.degrees_of_freedom)}

    def entry_weights(self, X):
        """What each observed entry counts: near 0 for outliers, about 1 for others.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or collection
            As for `transform`.

        Returns
        -------
        weights : ndarray of shape (n_samples, n_features) or collection
            NaN where X is missing. Without the columns that the fit dropped.
        """
        arrays = self._validated(X)
        answers = self._answers(arrays, Mean(_weights))
        weights = zip(map(self._narrowed, arrays), answers, strict=True)
        return packed(X, [np.where(np.isnan(a), np.nan, w).astype(a.dtype) for a, w in weights])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags
