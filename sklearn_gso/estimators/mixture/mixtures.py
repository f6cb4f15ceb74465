"""Gaussian mixtures with scikit-learn's face: by EM, and by a learned judge of moves."""

from ...rules import Judge
from ...training import History
from ..learning import JudgeLearner, warn_about
from ..parameters import NONE, POSITIVE, MetaTraining, instance, integer, keep
from .base import BaseMixture


class EMGaussianMixture(BaseMixture):
    r"""Gaussian mixture by expectation maximisation.

    Equal to `sklearn.mixture.GaussianMixture` from equal starts; besides, covariances may be
    known, have a prior, parameters be held, samples weighted, and many data sets solved at once.

    Parameters
    ----------
    n_components : int, default=1
    covariance_type : {"full", "tied", "diag", "spherical"}, default="full"
    covariances : array-like, default=None
        Known covariances, in the shape of ``covariances_``: they are not estimated.
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
    init_params : {"random", "k-means++", "matched", "tempered"}, default=None
        "random": distinct samples as centres. "k-means++": samples far from each other. "matched":
        clusters, assigned to the known covariances (or weights), or with their own; then those of
        the samples as they are, standardised and whitened, of which the best after a few sweeps
        goes on. "tempered": deterministic annealing from "random". By default "random" where
        covariances are known, else "matched". scikit-learn's "random_from_data" and "kmeans"
        stand for "random" and "matched".
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
    component (`sklearn_gso.problems.MixtureMissing`). Starts are found on rows that one Gaussian
    has completed. There are no non-local moves then, and of a collection a judge learns from the
    complete data sets alone. `MixtureImputer` fills in a pipeline.

    The prior of a covariance :math:`\Sigma_k` is so many samples more, :math:`m`, of a Gaussian
    of covariance :math:`\Lambda` about the component's centre, and what is minimised

    .. math::
        -\frac1n \sum_i \log \sum_k \pi_k N(x_i | \mu_k, \Sigma_k)
            + \frac{m}{2n} \sum_k \Big( \operatorname{tr}(\Lambda \Sigma_k^{-1})
            - D + \log \frac{|\Sigma_k|}{|\Lambda|} \Big)

    with n distinct samples [1]_. :math:`\Lambda` is the covariance within the clusters of
    k-means, plain, standardised or whitened, whichever is smallest; m is ``covariance_prior``
    times (D + 2) / 4 for "full", D + 2 for "tied", 1/2 for "diag" and "spherical". It depends on
    the data alone. The choice of mclust [2]_, an inverse Wishart density of D + 2 degrees of
    freedom about the covariance of all samples, has its mode at a 2D + 3rd part of that and
    scored lower on held-out rows than no prior (benchmarks/LOG.md).

    References
    ----------
    .. [1] Chen and Tan, Inference for multivariate normal mixtures, Journal of Multivariate
       Analysis 100, 2009, whose scale is the covariance of all samples.
    .. [2] Fraley and Raftery, Bayesian regularization for normal mixture estimation and
       model-based clustering, Journal of Classification 24, 2007.

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


class GSOGaussianMixture(BaseMixture):
    """Gaussian mixture by EM and learned non-local moves.

    EM runs to a local optimum. From there a component may be placed elsewhere, or two may
    change places; a judge, trained on many data sets, says which of these moves are worth
    a short run, and what gains is kept; a prior of the covariances keeps a component that
    collapses from being a gain (without it, ``covariance_prior=0``, such moves are refused). Where
    covariances are known, all components may change places at once. ``fit`` of a collection
    trains the judge, and ``predict`` then solves every data set it is given.

    Parameters
    ----------
    n_components : int, default=1
    optimizer : LearnedOptimizer, str, path-like or None, default="pretrained"
        The judge: an object, a file written by `LearnedOptimizer.save`, or "pretrained"
        for the one that comes with the package. None: moves are tried in random order,
        with the same budget; ``fit`` of a collection trains a new judge.
    rule : "moves" or Recipe, default="moves"
        ``recipe("moves", hidden_size=32)`` changes the size of a new judge.
    n_epochs : int, default=50
        Passes of training over the local optima that are gathered from a collection; 0 uses
        the optimizer as it is.
    training : MetaTraining, default=None
        Further settings of training: batches, learning rate, validation, checkpoint.
    covariance_type, covariances, fixed, reg_covar, init_params
        As for `EMGaussianMixture`.
    covariance_prior : float or "pooled", default=1.0
        Strength of a weak prior of estimated covariances, see the notes of
        `EMGaussianMixture`; starts and moves are judged by the penalised likelihood, which has
        a bound. "pooled" as for `EMGaussianMixture`. 0 is maximum likelihood: a component may
        then shrink onto samples that coincide, and a warning names it.
    tol : float, default=1e-6
    max_iter : int, default=200
        Of each run to convergence.
    max_rounds : int, default=200
        Of moves, from each start that they go on from; 0 tries none.
    time_limit : float, default=None
        Seconds after which no further step is made, for each data set or batch of equal ones;
        the best run so far is returned, with a warning if it did not converge.
    n_init : int, default=4
        Starts. Where covariances are estimated, moves go on from the first, and from a later
        one that leads further down than all before: more starts never end higher. Where they
        are known the best after a short run goes on, and where the judge, at the end, still
        expects a gain after a short search, as many are made again, three times at most.
        With ``n_init=1`` for both, ``objective_`` is never higher than that of
        `EMGaussianMixture` with the same parameters.
    weights_init, means_init, precisions_init, warm_start, random_state, n_jobs
        As for `EMGaussianMixture`.
    verbose : int, default=0
        1 shows bars while training and solving and prints how a fit on one data set ended.

    Attributes
    ----------
    weights_, means_, covariances_, precisions_, precisions_cholesky_, n_features_in_
        As for `EMGaussianMixture`.
    converged_, n_iter_, lower_bound_, objective_
        Of the last run to convergence.
    n_rounds_, n_gains_ : int
        Rounds of moves that were tried, and those that brought a gain.
    learned_optimizer_ : LearnedOptimizer or None
        The judge: pass it on as ``optimizer``.
    history_ : History
        Of the training, after a fit on a collection.
    n_tasks_in_ : int
        Number of data sets of that fit.

    See Also
    --------
    EMGaussianMixture : EM alone, which is all that is done where X has NaN; see its notes.

    References
    ----------
    .. [1] Xia, Huang and Jaimoukha, Meta-learning for Multi-variable Non-convex
       Optimization Problems: Iterating Non-optimums Makes Optimum Possible, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gso import GSOGaussianMixture
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> mixture = GSOGaussianMixture(2, optimizer=None, random_state=0).fit(X)
    >>> np.sort(mixture.means_[:, 0]).round(3)
    array([ 1., 10.])
    """

    pretrained = "mixture"
    rule_kind = Judge
    _told = (*BaseMixture._told, "n_rounds", "n_gains")
    accepts = {
        "n_epochs": integer(0),
        "training": NONE | instance(MetaTraining),
        "max_rounds": integer(0),
        "time_limit": NONE | POSITIVE,
    }

    def __init__(
        self,
        n_components=1,
        *,
        optimizer="pretrained",
        rule="moves",
        n_epochs=50,
        training=None,
        covariance_type="full",
        covariances=None,
        fixed=(),
        tol=1e-6,
        reg_covar=1e-6,
        covariance_prior=1.0,
        max_iter=200,
        max_rounds=200,
        time_limit=None,
        n_init=4,
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

    def _check_parameters(self):
        super()._check_parameters()
        training = self._training()
        for name in ("loss", "loss_weights"):
            if getattr(training, name) is not None:
                raise ValueError(
                    f"{name} of MetaTraining is for rules that move blocks; a judge learns from "
                    "what moves bring."
                )

    def _mixture_plan(self, optimizer=None):
        more = {"max_rounds": int(self.max_rounds), "time_limit": self.time_limit}
        return super()._mixture_plan(optimizer, judge=optimizer or "random", **more)

    def _learn_from(self, tasks, seed, progress):
        start, plan = self._resolved(), self._mixture_plan()
        problems = [plan.problem([tasks[i] for i in chunk]) for chunk in self._chunks(tasks)]
        problems = [problem for problem in problems if problem.n_moves]
        if self.n_epochs == 0 or not problems:
            return {"learned_optimizer_": start, "history_": History()}
        data = [t for p in problems for t in (p.points, p.sample_weight, *p.fixed.values())]
        checkpoint = self._open_checkpoint(data, seed, start, fixed=sorted(problems[0].fixed))
        learner = JudgeLearner(
            self._recipe(), self._training(), int(self.n_epochs), bool(self.verbose)
        )
        optimizer, history = learner.learn(problems, seed, start, checkpoint, progress)
        warn_about(history)
        return {"learned_optimizer_": optimizer, "history_": history}
