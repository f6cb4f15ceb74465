"""Dictionary learning with scikit-learn's face."""

import numpy as np
from sklearn.decomposition import sparse_encode
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..problems import DictionaryLearning
from .base import AlternatingEstimator
from .fitting import about_run, fitted_on_one, objectives_of
from .parameters import NONE, POSITIVE, choice, integer, keep
from .solving import Mean
from .tasks import check_columns

ALGORITHMS = ("lasso_lars", "lasso_cd", "lars", "omp", "threshold")


def _codes(problem, variables):
    return variables["codes"]


class GSODictionaryLearning(AlternatingEstimator):
    r"""Dictionary learning by learned alternating optimisation.

    Rows of X are sparse combinations of atoms, ``X ≈ C D``, of

    .. math::
        F(C, D) = \tfrac12 \|P_\Omega(X - C D)\|_F^2 + \alpha \|C\|_1,
        \qquad \|d_k\|_2 \le 1

    over the observed entries: the objective of `sklearn.decomposition.DictionaryLearning`, and
    its interface. ``fit`` of one data set solves it; ``fit`` of a collection trains the rule that
    moves the atoms, and ``transform`` then solves every data set it is given.

    Parameters
    ----------
    n_components : int, default=None
        Atoms, at most n_samples. By default n_features, or n_samples where these are fewer.
    alpha : float, default=1.0
        Weight of the penalty, in the units of X, > 0.
    optimizer : LearnedOptimizer, str, path-like or None, default="pretrained"
        The trained rule to start from; "pretrained" is the one that comes with the package, for
        ``rule="control"``, and None the closed forms.
    rule, t_l, t_u, n_epochs, training, safeguard, n_jobs, verbose
        As of `AlternatingEstimator`.
    max_iter : int, default=100
        Sweeps.
    tol : float, default=1e-6
        A run ends when its objective changes by less than this share of it. None: all sweeps
        are made.
    n_init : int, default=10
        Random starts. The lowest objective wins; those beside the first that are not among the
        best quarter after a tenth, or after two fifths, of the sweeps are given up (none where
        ``safeguard="run"`` compares whole runs).
    transform_algorithm : {"lasso_lars", "lasso_cd", "lars", "omp", "threshold"}, default="omp"
        How `transform` finds codes given the atoms, see `sklearn.decomposition.sparse_encode`.
    transform_n_nonzero_coefs : int, default=None
        Of "lars" and "omp" alone, at most n_components; by default a tenth of the features, at
        least 1.
    transform_alpha : float, default=None
        Penalty of "lasso_lars" and "lasso_cd", threshold of "threshold", and of these alone; by
        default ``alpha``.
    random_state : int, RandomState instance or None, default=None
        Seeds starts and weights.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Atoms, after a fit on one data set.
    error_ : ndarray of shape (n_sweeps + 1,)
        The objective at the start and after each sweep; a learned rule may raise it on the way,
        by what ``safeguard`` allows.
    objective_ : float
        At the end, with exact codes.
    n_iter_, n_guarded_, n_features_in_, n_tasks_in_ : int
        As of `AlternatingEstimator`.
    learned_optimizer_ : LearnedOptimizer or None
        The trained rule.
    history_ : History
        Of a training.

    See Also
    --------
    sklearn.decomposition.DictionaryLearning : Codes row by row, exact in every sweep.

    Notes
    -----
    NaN marks missing entries, in `fit` and in `transform`, where a row's codes are those of its
    observed columns. A row without any has codes of 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gso import GSODictionaryLearning
    >>> X = np.array([[2.0, 0, 0], [0, 0, 3], [-1, 0, 0], [0, 0, 1], [0, 0, np.nan]])
    >>> learner = GSODictionaryLearning(2, alpha=0.1, random_state=0).fit(X)
    >>> np.abs(learner.transform(X)).max(1).round()
    array([2., 3., 1., 1., 0.])
    """

    problem_class = DictionaryLearning
    read = staticmethod(_codes)
    pretrained = "dictionary"
    fit_trace = "objective"
    races = True
    allow_nan = True
    accepts = {
        "n_components": NONE | integer(),
        "alpha": POSITIVE,
        "transform_algorithm": choice(*ALGORITHMS),
        "transform_n_nonzero_coefs": NONE | integer(),
        "transform_alpha": NONE | POSITIVE,
    }

    def __init__(
        self,
        n_components=None,
        *,
        alpha=1.0,
        optimizer="pretrained",
        rule="control",
        max_iter=100,
        tol=1e-6,
        t_l=None,
        t_u=None,
        n_epochs=10,
        training=None,
        n_init=10,
        safeguard="step",
        transform_algorithm="omp",
        transform_n_nonzero_coefs=None,
        transform_alpha=None,
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        keep(self, locals())

    def problem_options(self, array):
        n_components = self.n_components or min(array.shape)
        if n_components > len(array):
            raise ValueError(
                f"n_components={n_components} atoms are more than n_samples={len(array)}: each "
                "sample would be an atom of its own."
            )
        n_nonzero = self.transform_n_nonzero_coefs
        if n_nonzero is not None and n_nonzero > n_components:
            raise ValueError(
                f"transform_n_nonzero_coefs={n_nonzero} is more than n_components={n_components}."
            )
        return {"n_components": int(n_components), "alpha": float(self.alpha)}

    def _about(self, answer):
        atoms = answer.best.variables["atoms"][0].numpy().copy()
        return {**about_run(answer), "components_": atoms, "error_": objectives_of(answer)}

    def transform(self, X):
        """Sparse codes of data.

        After a fit on one data set they belong to its atoms, row by row. After a fit on a
        collection each data set is solved as a new task, and its codes belong to its own atoms.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or collection
            NaN marks missing entries.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components) or collection
            In the container of X; a list for a tuple, and of frames where `set_output` asks for
            them.
        """
        return self._as_asked(X, self._transformed(X))

    def _transformed(self, X, out=None):
        arrays = self._validated(X)
        if self._fitted.rows is not None:
            return [self._codes(arrays[0], self.components_)]
        return self._answers(arrays, Mean(_atoms), then=self._codes, out=out)

    def _codes(self, array, atoms) -> np.ndarray:
        """Codes of rows, those with the same missing entries together."""
        codes = np.zeros((len(array), len(atoms)))
        patterns, which = np.unique(np.isnan(array), axis=0, return_inverse=True)
        for i, pattern in enumerate(patterns):
            if not pattern.all():
                rows, seen = which.ravel() == i, ~pattern
                codes[rows] = sparse_encode(
                    array[rows][:, seen],
                    np.ascontiguousarray(atoms[:, seen]),
                    algorithm=self.transform_algorithm,
                    n_nonzero_coefs=self.transform_n_nonzero_coefs,
                    alpha=self.alpha if self.transform_alpha is None else self.transform_alpha,
                )
        return codes

    @available_if(fitted_on_one)
    def inverse_transform(self, X):
        """Data that belong to codes, all of their entries.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        n_atoms = len(self.components_)
        codes = check_columns(X, n_atoms, f"Codes have {n_atoms} columns, one an atom")
        return codes @ self.components_

    @property
    def _n_features_out(self):
        return len(self.components_)


def _atoms(problem, variables):
    return variables["atoms"]
