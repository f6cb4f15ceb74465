"""Gaussian mixture by EM, with scikit-learn's face."""

from ..parameters import keep
from .base import BaseMixture


class EMGaussianMixture(BaseMixture):
    r"""Gaussian mixture by expectation maximisation.

    Equal to `sklearn.mixture.GaussianMixture` from equal starts; besides, covariances may be
    known, have a prior, parameters be held, samples weighted, and many data sets solved at once.

    Parameters
    ----------
    n_components : int, increasing sequence of int or {"bic", "aic", "icl"}, default=1
        Of a sequence the number with the lowest ``criterion`` is chosen in one walk over all
        numbers from the smallest to the largest, see the notes. "bic" and so on: the walk begins
        at 1, and ends when four more components in a row brought nothing by that criterion.
    criterion : {"bic", "aic", "icl"}, default=None
        What chooses from a sequence: the Bayesian information criterion (the default), Akaike's,
        or the integrated completed likelihood, which counts clusters rather than components.
    drop_empty : bool, default=False
        Leave out components that ended without samples (of a weight below 1e-6 samples), with
        what was given of them; else a warning tells of them.
    covariance_type : {"full", "tied", "diag", "spherical"}, default="full"
    covariances : array-like, default=None
        Known covariances, in the shape of ``covariances_``: they are not estimated. In a list,
        None stands for the covariance of a component that is estimated, unless "tied":
        ``[C, None, None]`` holds the first alone.
    fixed : tuple of {"weights", "means", "covariances"}, default=()
        Parameters that are held at the values of ``weights_init``, ``means_init`` and
        ``covariances`` (or ``precisions_init``).
    tol : float, default=1e-3
        A run ends when the mean log-likelihood changes by less.
    reg_covar : float, default=1e-6
        Added to the diagonal of estimated covariances, in units of the features' variances: on
        standardised data it is scikit-learn's, and in other units the fit is the same. With a
        prior it is added to the prior's scale instead.
    covariance_prior : float or "pooled", default=0.0
        Strength of a weak prior of estimated covariances, 1.0 being that of
        `GSOGaussianMixture`. "pooled": a strong one that draws every covariance to that of all
        samples with the weight of 3 n_features samples (3 for "diag" and "spherical"), for
        imputing. 0 is maximum likelihood, the default here, as this class is
        scikit-learn's EM: its likelihood has no bound where samples coincide in some direction.
    max_iter : int, default=100
    n_init : int, default=1
        Starts; of the runs with fewest collapsed components the best is kept. More starts begin
        with the same ones, so they never return less. With given means one is made.
    init_params : {"random", "k-means++", "matched", "tempered"}, callable or array, default=None
        "random": distinct samples as centres. "k-means++": samples far from each other. "matched":
        clusters, assigned to the known covariances (or weights), or with their own; then those of
        the samples as they are, standardised and whitened, of which the best after a few sweeps
        goes on. "tempered": deterministic annealing from "random". By default "random" where
        covariances are known, else "matched". scikit-learn's "random_from_data" and "kmeans"
        stand for "random" and "matched". Or labels of shape (n_samples,) or responsibilities of
        shape (n_samples, n_components) of the rows of X, or a function ``f(X, n_components,
        random_state)`` that returns them, once for each data set: one start is made from what they
        make most likely.
    weights_init : array-like of shape (n_components,), default=None
    means_init : array-like of shape (n_components, n_features), default=None
    precisions_init : array-like, default=None
        Inverse covariances to start at, in the shape of ``precisions_``.
    warm_start : bool, default=False
        Start at the parameters of the fit before.
    random_state : int, RandomState instance or None, default=None
    n_jobs : int or None, default=None
        Processes for collections.
    verbose : int, default=0
        1 shows a bar while solving and prints how a fit on one data set ended.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
    means_ : ndarray of shape (n_components, n_features)
    covariances_, precisions_, precisions_cholesky_ : ndarray
        Of shape (n_components, n_features, n_features), (n_features, n_features),
        (n_components, n_features) or (n_components,), by ``covariance_type``.
    converged_, n_iter_ : bool, int
        Of the run kept.
    lower_bound_ : float
        Mean log-likelihood of the samples at its end.
    objective_ : float
        What was minimised: ``-lower_bound_`` and the penalty of the prior.
    n_components_ : int
        As chosen, and without those dropped.
    criterion_values_ : dict
        Criterion by number of components, where these were chosen.
    n_features_in_ : int
        All of these after a fit on one data set.
    n_tasks_in_ : int
        After a fit on a collection, which learns nothing: each data set that is then
        predicted is solved as a new one.

    See Also
    --------
    GSOGaussianMixture : Goes on from where EM ends.

    Notes
    -----
    The fit depends neither on the order of the samples nor, with integer weights, on
    whether they are repeated or weighted: starts are drawn from the sorted distinct ones.

    NaN marks entries that are missing at random: likelihoods, also of `predict` and `score`, are
    those of the observed part of each row, and EM expects the rest, given that part, for each
    component (`sklearn_gso.problems.MixtureMissing`). Starts are chosen on rows that one Gaussian
    has completed. There are no non-local moves then, and of a collection a judge learns from the
    complete data sets alone. `MixtureImputer` fills in a pipeline.

    The walk over numbers of components goes up by placing one more at a sample of any component
    of the last solution, and from a little above the best number down again by leaving out any
    one; of these starts a race of a few sweeps of EM decides which is run to convergence. With
    the number chosen a search of its own is made, and the better of both is returned. Where
    parameters of single components are given, the walk begins at their number and goes down alone:
    what is given goes with its component. A collection needs one number.

    ``fit(X, noise_covariance=V)`` fits the mixture of what the samples are without noise of these
    known covariances, whose likelihood is that of :math:`N(x_i | \mu_k, \Sigma_k + V_i)` [3]_
    (`sklearn_gso.problems.MixtureNoisy`); NaN has infinite noise. There are no non-local moves,
    ``reg_covar`` is a bound that covariances do not fall below, without being added, and thin
    components are not warned of. ``lower_bound_`` is that of the noisy samples.

    The prior of a covariance :math:`\Sigma_k` is so many samples more, :math:`m`, of a Gaussian
    of covariance :math:`\Lambda` about the component's centre, and what is minimised

    .. math::
        -\frac1n \sum_i \log \sum_k \pi_k N(x_i | \mu_k, \Sigma_k)
            + \frac{m}{2n} \sum_k \Big( \operatorname{tr}(\Lambda \Sigma_k^{-1})
            - D + \log \frac{|\Sigma_k|}{|\Lambda|} \Big)

    with n distinct samples [1]_. :math:`\Lambda` is the covariance within the clusters of
    k-means, plain, standardised or whitened, whichever is smallest, with D + 2 samples (3 for
    "diag" and "spherical") of :math:`K^{-2/D}` times the covariance of all samples among its
    n - K. m is ``covariance_prior`` times (D + 2) / 2 for "full", 2 D + 4 for "tied", 1 for
    "diag" and 1/2 for "spherical". It depends on the data alone. The choice of mclust [2]_, an
    inverse Wishart density of D + 2 degrees of freedom about the covariance of all samples, has
    its mode at a 2D + 3rd part of that and scored lower on held-out rows than no prior
    (benchmarks/LOG.md).

    References
    ----------
    .. [1] Chen and Tan, Inference for multivariate normal mixtures, Journal of Multivariate
       Analysis 100, 2009, whose scale is the covariance of all samples.
    .. [2] Fraley and Raftery, Bayesian regularization for normal mixture estimation and
       model-based clustering, Journal of Classification 24, 2007.
    .. [3] Bovy, Hogg and Roweis, Extreme deconvolution: inferring complete distribution functions
       from noisy, heterogeneous and incomplete observations, Annals of Applied Statistics 5, 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gso import EMGaussianMixture
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> mixture = EMGaussianMixture(2, random_state=0).fit(X)
    >>> np.sort(mixture.means_[:, 0]).round(3)
    array([ 1., 10.])
    >>> known = EMGaussianMixture(2, covariance_type="spherical", covariances=[1.0, 4.0])
    >>> known.fit(X).covariances_
    array([1., 4.])
    """

    def __init__(
        self,
        n_components=1,
        *,
        criterion=None,
        drop_empty=False,
        covariance_type="full",
        covariances=None,
        fixed=(),
        tol=1e-3,
        reg_covar=1e-6,
        covariance_prior=0.0,
        max_iter=100,
        n_init=1,
        init_params=None,
        weights_init=None,
        means_init=None,
        precisions_init=None,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        keep(self, locals())
