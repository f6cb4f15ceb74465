"""Blind source separation with scikit-learn's face."""

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..problems import NoisyICA, NonnegativeFactorization
from ..rules.accepts import FLAG
from .base import AlternatingEstimator
from .fitting import about_run, fitted_on_one, objectives_of
from .lazy import checked_all
from .parameters import NONE, NOT_NEGATIVE, choice, integer, keep
from .tasks import check_columns

_KINDS = {"sparse": NoisyICA, "nonnegative": NonnegativeFactorization}
_PRETRAINED = {"sparse": "sparse_sources", "nonnegative": "nonnegative_sources"}

# Of what is squared and summed.
_LARGEST = 1e140
_SMALLEST = 1 / _LARGEST


def _sources(problem, variables):
    return problem.sources(variables)


class GSOSourceSeparation(AlternatingEstimator):
    r"""Blind source separation by learned alternating optimisation.

    Rows of X are samples in which sources are mixed, and observed with noise:
    ``X ≈ mean + S @ mixing.T``. Neither is known but that the sources are

    - "sparse": independent, of heavy-tailed densities that are estimated with them, as in
      independent component analysis, with noise in the model (`problems.NoisyICA`);
    - "nonnegative": not negative, and with ``nonnegative_mixing`` their mixing, as in
      non-negative matrix factorisation (`problems.NonnegativeFactorization`).

    ``fit`` of one data set solves it; ``fit`` of a collection trains the rule that moves the
    demixing, or the mixing, and ``transform`` then solves every data set it is given.

    Parameters
    ----------
    n_components : int, default=None
        Sources, at most n_features where these are "sparse", at most n_samples otherwise. By
        default min(n_samples, n_features).
    sources : {"sparse", "nonnegative"}, default="sparse"
        What is known of the sources.
    alpha : float, default=None
        Of "nonnegative" alone: weight of the sum of the sources, in the units of X, the columns
        of the mixing having length 1. By default estimated from the noise.
    nonnegative_mixing : bool, default=True
        Of "nonnegative" alone: whether the mixing is not negative, either.
    optimizer : LearnedOptimizer, str, path-like or None, default="pretrained"
        The trained rule to start from; "pretrained" is the one that comes with the package for
        these sources and ``rule="control"``, and None the closed forms.
    rule, t_l, t_u, n_epochs, training, safeguard, n_jobs, verbose
        As of `AlternatingEstimator`.
    max_iter : int, default=100
        Sweeps at most.
    tol : float, default=1e-6
        A run ends when its objective changes by less than this an observed entry ("sparse"), or
        this share of it ("nonnegative"). None: all sweeps are made.
    n_init : int, default=1
        Random starts. The lowest objective wins; those beside the first that are not among the
        best quarter after a tenth, or after two fifths, of the sweeps are given up.
    random_state : int, RandomState instance or None, default=None
        Seeds starts and weights.

    Attributes
    ----------
    mixing_ : ndarray of shape (n_features, n_components)
        After a fit on one data set. "sparse": of sources of variance 1; "nonnegative": columns
        of length 1 at most.
    mean_ : ndarray of shape (n_features,)
        Of the observed entries; 0 where sources are "nonnegative".
    noise_variance_ : float
        In the units of X.
    alpha_ : float
        Weight of the penalty, of "nonnegative" alone.
    error_ : ndarray of shape (n_sweeps + 1,)
        The objective at the start and after each sweep; a learned rule may raise it on the way,
        by what ``safeguard`` allows.
    objective_, n_iter_, n_guarded_, n_features_in_, n_tasks_in_
        As of `AlternatingEstimator`.
    learned_optimizer_ : LearnedOptimizer or None
        The trained rule.
    history_ : History
        Of a training.

    See Also
    --------
    sklearn.decomposition.FastICA : Without noise in the model, nor missing entries.
    sklearn.decomposition.NMF : Factors of which many explain the data as well.

    Notes
    -----
    Order and signs of the sources are arbitrary, see `metrics.amari_distance`. NaN marks missing
    entries, in `fit` and in `transform`; a row without any entry has expected sources: 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gso import GSOSourceSeparation
    >>> from sklearn_gso.metrics import amari_distance
    >>> rng = np.random.RandomState(0)
    >>> mixing = rng.standard_normal((5, 2))
    >>> X = rng.laplace(size=(500, 2)) @ mixing.T + 0.1 * rng.standard_normal((500, 5))
    >>> separation = GSOSourceSeparation(2, random_state=0).fit(X)
    >>> separation.transform(X).shape
    (500, 2)
    >>> bool(amari_distance(mixing, separation.mixing_) < 0.05)
    True
    """

    read = staticmethod(_sources)
    fit_trace = "objective"
    races = True
    allow_nan = True
    accepts = {
        "n_components": NONE | integer(),
        "sources": choice(*_KINDS),
        "alpha": NONE | NOT_NEGATIVE,
        "nonnegative_mixing": FLAG,
    }

    def __init__(
        self,
        n_components=None,
        *,
        sources="sparse",
        alpha=None,
        nonnegative_mixing=True,
        optimizer="pretrained",
        rule="control",
        max_iter=100,
        tol=1e-6,
        t_l=None,
        t_u=None,
        n_epochs=10,
        training=None,
        n_init=1,
        safeguard="step",
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        keep(self, locals())

    @property
    def problem_class(self):
        """By what is known of the sources."""
        return _KINDS[self.sources]

    @property
    def pretrained(self):
        """Name of the optimizer that comes with the package for these sources."""
        return _PRETRAINED[self.sources]

    @property
    def _is_positive(self) -> bool:
        return self.sources == "nonnegative" and bool(self.nonnegative_mixing)

    def _check_parameters(self):
        super()._check_parameters()
        if self.alpha is not None and self.sources != "nonnegative":
            raise ValueError(
                f"alpha={self.alpha!r} is the penalty of sources='nonnegative' alone: "
                f"densities of sources={self.sources!r} are estimated."
            )

    def problem_options(self, array):
        k = int(self.n_components or min(array.shape))
        sparse, (n, d) = self.sources == "sparse", array.shape
        if n < 2:
            raise ValueError(f"n_samples={n}: sources cannot be told from one sample.")
        if k > (d if sparse else n):
            limit = f"n_features={d}" if sparse else f"n_samples={n}"
            raise ValueError(f"n_components={k} {self.sources} sources are more than {limit}.")
        if sparse:
            return {"n_components": k}
        largest = np.nanmax(np.abs(array), initial=0.0)
        if largest > _LARGEST:
            raise ValueError("The squares of X overflow: its entries are too large; scale them.")
        if 0 < largest < _SMALLEST:
            raise ValueError("The squares of X vanish: its entries are too small; scale them.")
        alpha = None if self.alpha is None else float(self.alpha)
        positive = bool(self.nonnegative_mixing)
        return {"n_components": k, "alpha": alpha, "nonnegative_atoms": positive}

    # Data -----------------------------------------------------------------------------

    def _checked_sign(self, array, where=""):
        """The array, or an error where it cannot be a mixture of what is not negative."""
        if self._is_positive and (least := np.nanmin(array, initial=0.0)) < 0:
            raise ValueError(
                f"Negative values in data passed to {type(self).__name__}{where}, down to "
                f"{least:.3g}: sources='nonnegative' mixes them without negative weights; "
                "nonnegative_mixing=False allows these."
            )
        return array

    def _checked_matrix(self, X):
        return self._checked_sign(super()._checked_matrix(X))

    def _checked_rows(self, X):
        array = self._checked_sign(super()._checked_rows(X))
        known = max(1.0, np.abs(self.mixing_).max())
        if np.nanmax(np.abs(array), initial=0.0) / known > _LARGEST:
            raise ValueError("The squares of X overflow: entries are too large beside the fit's.")
        return array

    def _checked_tasks(self, tasks):
        def checked(i, array):
            return self._checked_sign(array, f", in task {i}")

        return checked_all(checked, super()._checked_tasks(tasks))

    def _cost(self, item):
        n, d = item.array.shape
        k = item.options["n_components"]
        return 4 * int(self.n_init) * n * (d + 4 * k + (k * k if self.sources == "sparse" else 0))

    # What it found ----------------------------------------------------------------------

    def _about(self, answer):
        problem, variables = answer.problem, answer.best.variables
        told = problem.about(variables)
        about = {f"{name}_": value[0].numpy().copy() for name, value in told.items()}
        for name in about.keys() & {"noise_variance_", "alpha_"}:
            about[name] = float(about[name])
        return {**about_run(answer), **about, "error_": objectives_of(answer)}

    @available_if(fitted_on_one)
    def inverse_transform(self, X):
        """Data that belong to sources, all of their entries.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        k = self.mixing_.shape[1]
        sources = check_columns(X, k, f"There are {k} sources, one a column")
        return sources @ self.mixing_.T + self.mean_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = self._is_positive
        return tags
