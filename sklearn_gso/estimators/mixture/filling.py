"""What is missing or hidden by noise: filled by what a mixture expects, or draws."""

import numbers

import numpy as np

from ..answering import packed
from ..tasks import as_tasks, draw_seed
from .rows import drawn, expected, posterior


class MixtureFilling:
    """What a mixture tells of missing entries, and of noisy ones."""

    def impute(self, X, *, covariances=None, noise_covariance=None):
        r"""Fill missing entries by their expectation given the observed ones of their row.

        .. math::
            E[x_M | x_O] = \sum_k r_k
                \big(\mu_{kM} + \Sigma_{kMO} \Sigma_{kOO}^{-1} (x_O - \mu_{kO})\big)

        with the responsibilities :math:`r_k` of the observed entries; of a row without any
        these are the weights.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or collection
            NaN marks what is missing.
        covariances : array-like or collection, default=None
            Known covariances of data sets that are solved anew, as for `predict`.
        noise_covariance : array-like or collection, default=None
            Of the noise of these samples, as for `fit`; None: they have none.

        Returns
        -------
        filled : ndarray of shape (n_samples, n_features) or collection
            Observed entries are as they were, noisy ones too; expected is what is without noise.

        See Also
        --------
        sklearn_gso.MixtureImputer : The same as a step of a pipeline.
        """
        described = self._described(X, covariances, noise=noise_covariance)
        return packed(X, [expected(*one, self.covariance_type) for one in described])

    def denoise(self, X, *, noise_covariance, covariances=None, return_cov=False):
        r"""Mean, and covariance, of what each row is without its noise, given the row.

        .. math::
            E[v | x] = \sum_k r_k \big(\mu_k + \Sigma_k (\Sigma_k + V)^{-1} (x - \mu_k)\big)

        with the responsibilities :math:`r_k` of the noisy row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or collection
            NaN marks what is missing.
        noise_covariance : array-like or collection
            Of the noise of these samples, as for `fit`.
        covariances : array-like or collection, default=None
            As for `impute`.
        return_cov : bool, default=False

        Returns
        -------
        mean : ndarray of shape (n_samples, n_features) or collection
        covariance : ndarray of shape (n_samples, n_features, n_features) or list of them
            Only if ``return_cov``.
        """
        described = self._described(X, covariances, noise=noise_covariance)
        told = [posterior(*one, self.covariance_type) for one in described]
        mean = packed(X, [mean for mean, _ in told])
        if not return_cov:
            return mean
        covariance = [covariance for _, covariance in told]
        return mean, covariance[0] if as_tasks(X) is None else covariance

    def sample_missing(self, X, n_samples=1, *, random_state=None, covariances=None):
        """Draw missing entries, all of a row together, given the observed ones of their row.

        What is drawn for a row depends, by the random numbers, on the rows beside it.

        For multiple imputation: what is computed from each of several completions varies as
        much as the missing entries leave open, the parameters being taken for known.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or collection
            NaN marks what is missing.
        n_samples : int, default=1
        random_state : int, RandomState instance or None, default=None
            By default the mixture's own: the same draws at every call where that is a number.
        covariances : array-like or collection, default=None
            As for `impute`.

        Returns
        -------
        filled : ndarray of shape (n_samples, n_rows, n_features) or collection
        """
        if not isinstance(n_samples, numbers.Integral) or n_samples < 1:
            raise ValueError(f"n_samples must be an integer >= 1, got {n_samples!r}.")
        described = self._described(X, covariances)
        seed = draw_seed(self.random_state if random_state is None else random_state)
        seeds = np.random.RandomState(seed).randint(2**31 - 1, size=len(described))
        settings = (self.covariance_type, int(n_samples))
        pairs = zip(described, seeds, strict=True)
        return packed(X, [drawn(*one, *settings, int(own)) for one, own in pairs])
