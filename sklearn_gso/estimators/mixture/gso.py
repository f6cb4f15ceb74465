"""A Gaussian mixture by EM and a learned judge of moves, or by the paper's own rule."""

import numpy as np

from ...problems import MixtureFreeEnergy, MixtureLikelihood
from ...rules import RECIPES, Judge, LSTMStep, UpdateRule
from ...training import History
from ..learning import JudgeLearner, tell_about
from ..parameters import NONE, POSITIVE, MetaTraining, instance, integer, keep
from .base import BaseMixture
from .searching import moves_as_searched
from .stepping import StepLearner, StepPlan, as_items, check_known

# By default; other numbers are refused where there are no moves.
_MAX_ROUNDS = 200


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
    n_components, criterion, drop_empty
        As for `EMGaussianMixture`; moves are tried with the number chosen. "step" needs a number.
    optimizer : LearnedOptimizer, str, path-like or None, default="pretrained"
        The judge: an object, a file written by `LearnedOptimizer.save`, or "pretrained"
        for the one of the rule that comes with the package. None: moves are tried in random
        order, eight a round; ``fit`` of a collection trains a new judge.
    rule : {"moves", "step"} or Recipe, default="moves"
        "step" is the method of [1]_ itself: networks move weights (as logits, so that they stay
        on the simplex) and centres, equation (16), from each of ``n_init`` starts; covariances
        are given, and ``fit`` of a collection trains on the likelihood of the whole. It ends about
        where EM from one random start does, and far above "moves" (``python -m
        benchmarks.mixture``). ``recipe("moves", hidden_size=32)`` or
        ``recipe("step", hidden_size=500)``, the paper's size, change new networks. Without a
        trained optimizer "step" trains on the data set that it is to fit.
    t_l, t_u : int, default=None
        For "step": inner steps of a block, and outer steps between two updates of the
        weights in training; by default 10 each.
    n_epochs : int, default=50
        Passes of training over the local optima that are gathered from a collection, or over
        its data sets for "step"; 0 uses the optimizer as it is.
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
        Of each run to convergence; outer steps of "step", 100 in the paper.
    max_rounds : int, default=200
        Of moves, from each start that they go on from; 0 tries none. Not for "step".
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
    n_components_, criterion_values_
        As for `EMGaussianMixture`.
    converged_, n_iter_, lower_bound_, objective_
        Of the last run to convergence; where covariances are estimated it goes on, for up to
        ``max_iter`` sweeps, from where the search has left it.
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
    EMGaussianMixture : EM alone, which is all that is done, from each of the starts, where X has
        NaN or a ``noise_covariance``; see its notes.

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

    rule_kind = (Judge, LSTMStep)
    _told = (*BaseMixture._told, "n_rounds", "n_gains")
    accepts = {
        "n_epochs": integer(0),
        "t_l": NONE | integer(),
        "t_u": NONE | integer(),
        "training": NONE | instance(MetaTraining),
        "max_rounds": integer(0),
        "time_limit": NONE | POSITIVE,
    }

    def __init__(
        self,
        n_components=1,
        *,
        criterion=None,
        drop_empty=False,
        optimizer="pretrained",
        rule="moves",
        t_l=None,
        t_u=None,
        n_epochs=50,
        training=None,
        covariance_type="full",
        covariances=None,
        fixed=(),
        tol=1e-6,
        reg_covar=1e-6,
        covariance_prior=1.0,
        max_iter=200,
        max_rounds=_MAX_ROUNDS,
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

    @property
    def _steps(self) -> bool:
        """Whether the rule moves blocks, in place of EM and moves."""
        known = self._recipe()
        return known is not None and issubclass(known.network, UpdateRule)

    @property
    def pretrained(self):
        return "mixture_step" if self._steps else "mixture"

    @property
    def problem_class(self):
        return MixtureLikelihood if self._steps else MixtureFreeEnergy

    def _check_parameters(self):
        super()._check_parameters()
        if isinstance(self.rule, UpdateRule):
            raise ValueError(f"rule must be 'moves', 'step' or a Recipe, got {self.rule!r}.")
        self._check_recipe()
        if self._steps:
            if self.max_rounds != _MAX_ROUNDS:
                raise ValueError("max_rounds is for rule='moves'.")
            if self._is_open:
                raise ValueError("rule='step' needs one number of components.")
            return
        for name in ("t_l", "t_u"):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} is for rule='step'.")
        training, plain = self._training(), MetaTraining()
        for name in ("loss", "loss_weights", "batches_per_step"):
            if np.any(getattr(training, name) != getattr(plain, name)):
                raise ValueError(
                    f"{name} of MetaTraining is for rules that move blocks; a judge learns from "
                    "what moves bring."
                )

    def _check_recipe(self):
        """Raise for fields of a recipe that nothing would use."""
        known, plain = self._recipe(), RECIPES["step" if self._steps else "moves"]
        unused = ("max_iter",) if self._steps else ("max_iter", "shared", "t_u", "loss", "anneal")
        changed = [name for name in unused if getattr(known, name) != getattr(plain, name)]
        if changed:
            raise ValueError(
                f"{changed} of the recipe would not be used: max_iter is a parameter of "
                f"{type(self).__name__}, and judges learn from single moves."
            )

    def _mixture_plan(self, optimizer=None, n_components=None):
        if self._steps:
            more = {"learned": optimizer, "t_l": self.t_l, "time_limit": self.time_limit}
            return super()._mixture_plan(optimizer, n_components, StepPlan, **more)
        more = {"max_rounds": int(self.max_rounds), "time_limit": self.time_limit}
        return super()._mixture_plan(optimizer, n_components, judge=optimizer or "random", **more)

    def _learn(self, tasks, truths, shared, seed, progress, n_epochs):
        return self._learn_from(tasks, seed, progress, n_epochs)

    def _learn_from(self, tasks, seed, progress, n_epochs):
        start, plan = self._resolved(), self._mixture_plan()
        if self._steps:
            return self._learn_steps(tasks, start, plan, seed, progress, n_epochs)
        problems = [plan.problem([tasks[i] for i in chunk]) for chunk in self._chunks(tasks)]
        problems = [problem for problem in problems if problem.n_moves]
        if n_epochs == 0 or not problems:
            return {"learned_optimizer_": start, "history_": History()}
        data = [t for p in problems for t in (p.points, p.sample_weight, *p.fixed.values())]
        checkpoint = self._open_checkpoint(data, seed, start, fixed=sorted(problems[0].fixed))
        settings = (self._recipe(), self._training(), int(n_epochs), bool(self.verbose))
        learner = JudgeLearner(*settings, **moves_as_searched(problems[0]))
        optimizer, history = learner.learn(problems, seed, start, checkpoint, progress)
        tell_about(history, self.verbose)
        return {"learned_optimizer_": optimizer, "history_": history}

    def _learn_steps(self, tasks, start, plan, seed, progress, n_epochs):
        """The networks of "step", trained on the likelihood of the whole."""
        check_known(tasks)
        if n_epochs == 0:
            return {"learned_optimizer_": start, "history_": History()}
        data = [a for t in tasks for a in (t.points, t.weights, *(t.given[n] for n in t.held))]
        checkpoint = self._open_checkpoint(data, seed, start, fixed=sorted(tasks[0].held))
        learner = StepLearner(
            self.problem_class,
            self._recipe(),
            self._training(),
            int(self.max_iter),
            self.t_l,
            self.t_u,
            int(n_epochs),
            bool(self.verbose),
            plan.likelihood,
        )
        optimizer, history = learner.learn(as_items(tasks), None, seed, start, checkpoint, progress)
        tell_about(history, self.verbose)
        return {"learned_optimizer_": optimizer, "history_": history}
