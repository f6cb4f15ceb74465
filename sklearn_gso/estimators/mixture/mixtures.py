"""Gaussian mixtures with scikit-learn's face: by EM, and by a learned judge of moves."""

from ...rules import Judge
from ...training import History
from ..learning import JudgeLearner, warn_about
from ..parameters import NONE, MetaTraining, instance, integer, keep
from .base import BaseMixture


class EMGaussianMixture(BaseMixture):
    """Gaussian mixture by expectation maximisation.

    Equal to `sklearn.mixture.GaussianMixture` from equal starts; besides, covariances may be
    known, parameters held, samples weighted, and many data sets solved at once.

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
        Added to the diagonal of estimated covariances.
    max_iter : int, default=100
    n_init : int, default=1
        Starts; the best is kept. With given means all starts are the same, so one is made.
    init_params : {"random", "k-means++", "matched", "tempered"}, default=None
        "random": distinct samples as centres. "k-means++": samples far from each other. "matched":
        clusters, assigned to the known covariances (or weights), or with their own. "tempered":
        deterministic annealing from "random". By default "random" where covariances are known, else
        "matched". scikit-learn's "random_from_data" and "kmeans" stand for "random" and "matched".
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
    a short run, and what gains is kept, unless a component has collapsed on it. Where
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
    tol : float, default=1e-6
    max_iter : int, default=200
        Of each run to convergence.
    n_init : int, default=4
        Starts; the best after a short run goes on. Where the judge, at the end, still
        expects a gain after a short search, as many are made again, three times at most.
        With ``n_init=1`` for both the result is never worse than that of
        `EMGaussianMixture` with the same parameters.
    weights_init, means_init, precisions_init, warm_start, random_state, n_jobs
        As for `EMGaussianMixture`.
    verbose : int, default=0
        1 shows bars while training and solving and prints how a fit on one data set ended.

    Attributes
    ----------
    weights_, means_, covariances_, precisions_, precisions_cholesky_, n_features_in_
        As for `EMGaussianMixture`.
    converged_, n_iter_, lower_bound_
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
    EMGaussianMixture : EM alone.

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
    accepts = {"n_epochs": integer(0), "training": NONE | instance(MetaTraining)}

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
        return super()._mixture_plan(optimizer, judge=optimizer or "random", screens=True)

    def _learn_from(self, tasks, seed, progress):
        start, plan = self._resolved(), self._mixture_plan()
        problems = [plan.problem([tasks[i] for i in chunk]) for chunk in self._chunks(tasks)]
        if self.n_epochs == 0 or not problems[0].n_moves:
            return {"learned_optimizer_": start, "history_": History()}
        data = [t for p in problems for t in (p.points, p.sample_weight, *p.fixed.values())]
        checkpoint = self._open_checkpoint(data, seed, start, fixed=sorted(problems[0].fixed))
        learner = JudgeLearner(
            self._recipe(), self._training(), int(self.n_epochs), bool(self.verbose)
        )
        optimizer, history = learner.learn(problems, seed, start, checkpoint, progress)
        warn_about(history)
        return {"learned_optimizer_": optimizer, "history_": history}
