"""A mixture as a step of a pipeline that fills missing entries."""

from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from ..parameters import NONE, check_table, instance
from ..tasks import as_numbers
from .base import BaseMixture
from .gso import GSOGaussianMixture

_CHECKS = {"dtype": ["float64", "float32"], "ensure_all_finite": "allow-nan"}


class MixtureImputer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Imputer that fills missing entries by what a Gaussian mixture expects.

    New rows are filled one by one, by the mixture of the rows of ``fit``. Columns may have any
    units, no `StandardScaler` is needed, unless covariances are "spherical".

    Parameters
    ----------
    mixture : GSOGaussianMixture or EMGaussianMixture, default=None
        By default ``GSOGaussianMixture(3, covariance_prior="pooled", random_state=0)``.

    Attributes
    ----------
    mixture_ : GSOGaussianMixture or EMGaussianMixture
        A copy, fitted.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        Where the columns of X have names that are strings.

    See Also
    --------
    GSOMatrixCompleter : Imputes by low rank, with bounds of columns and indicators.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gso import EMGaussianMixture, MixtureImputer
    >>> X = np.array([[1.0, 2], [2, 4], [3, np.nan], [4, 8], [np.nan, 10]])
    >>> MixtureImputer(EMGaussianMixture()).fit_transform(X).round(1)
    array([[ 1.,  2.],
           [ 2.,  4.],
           [ 3.,  6.],
           [ 4.,  8.],
           [ 5., 10.]])
    """

    accepts = {"mixture": NONE | instance(BaseMixture)}

    def __init__(self, mixture=None):
        self.mixture = mixture

    def fit(self, X, y=None):
        """Fit the mixture to what is observed.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            NaN marks what is missing.
        y : Ignored

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a column has no observed entry, or there are less rows than components.
        """
        check_table(self, self.accepts)
        mixture = self.mixture
        if mixture is None:
            mixture = GSOGaussianMixture(3, covariance_prior="pooled", random_state=0)
        array = validate_data(self, as_numbers(X), **_CHECKS)
        self.mixture_ = clone(mixture).fit(array)
        return self

    def transform(self, X):
        """Fill missing entries; observed ones are as they were.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        filled : ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        return self.mixture_.impute(validate_data(self, as_numbers(X), reset=False, **_CHECKS))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
