"""Learned matrix completion with scikit-learn's face."""

import math

import numpy as np

from ._base import BaseCompleter
from ._html import ShowsOptimizer
from ._matrices import count_observed
from ._meta_fit import RECIPES, check_loss_weights, check_rule_options, meta_fit, resolve
from ._solving import to_values
from .alternating import rules_for
from .problems import EmpiricalBayesCompletion, MatrixCompletion, identifiable_components
from .rules import ClosedForm
from .training import History

_PRIORS = ("empirical_bayes", "ridge")


class GSOMatrixCompleter(ShowsOptimizer, BaseCompleter):
    """Matrix completion by learned alternating optimisation.

    Two factors, ``X ≈ U Vᵀ``, are updated in turn by a rule that was trained on
    the global loss over many tasks (Global Scope Optimization, [1]_). ``fit`` of
    one matrix solves it; ``fit`` of a collection trains the rule, and
    ``transform`` then solves every matrix it is given.

    Parameters
    ----------
    n_components : int, default=None
        Columns of the factors, the paper's k_m; at most min(n_samples,
        n_features). By default 10, or less for smaller matrices. With
        ``prior="empirical_bayes"`` an upper bound is enough, and no more components are
        used than so many observed entries can determine: k (p + q - k) of them.
    optimizer : LearnedOptimizer, str, path-like or None, default="pretrained"
        The trained rule to start from: an object, the name of one that comes with
        the package (`LearnedOptimizer.pretrained_names`), or else a file written by
        `LearnedOptimizer.save`. "pretrained" is the completer's own among those that
        come with the package; it is for ``rule="control"`` with
        ``prior="empirical_bayes"``, and other settings then start untrained, as with
        None. Untrained, ``rule="control"`` is the classical closed-form alternation.
    rule : {"control", "step"}, default="control"
        "control": `LSTMControl`, bends the closed-form step of each row. "step":
        `LSTMStep`, the paper's, emits each coordinate's step from its gradient;
        without a trained optimizer, ``fit`` of one matrix trains it on that matrix.
    prior : {"empirical_bayes", "ridge"}, default="empirical_bayes"
        What is minimised: `EmpiricalBayesCompletion`, whose noise and priors are
        estimated, or equation (11) of [1]_ with a fixed λ. "step" always works on
        the latter. Learned rules see data divided by their root mean square.
    alpha : float, default=1e-3
        λ of equation (11); without effect for ``prior="empirical_bayes"``.
    max_iter : int, default=None
        Outer steps, the paper's T. By default 40 for "control", 100 for "step".
    t_l : int, default=None
        Inner steps of each block within an outer step. By default 1 for "control",
        10 for "step". Acts in training and in solving.
    t_u : int, default=None
        Outer steps between two updates of the weights. By default the whole run
        for "control", 10 for "step". Acts only in training.
    meta_loss : {"heldout", "global"}, default=None
        What training minimises where no truth is given: the error on a fresh random
        tenth of the observed entries, hidden from the optimizer, relative to the
        classical rule's; or equation (9) on the observed entries. By default
        "heldout" for "control" and "global" for "step".
    loss_weights : array-like of shape (max_iter,), default=None
        ω_t of equation (9). By default 1 for "global", growing with the square of
        the sweep otherwise.
    n_epochs : int, default=10
        Passes of training over the collection; 0 uses the optimizer as it is.
    batch_size : int, default=8
        Tasks of equal shape in one training batch.
    learning_rate : float, default=None
        Of Adam, equation (10). By default 1e-2 falling to zero along a cosine for
        "control", the paper's constant 1e-3 for "step".
    hidden_size : int, default=None
        LSTM units in each layer of a new network; an optimizer brings its own. By
        default 24 for "control", 20 for "step" (500 in [1]_: slow on a CPU).
    rule_options : dict, default=None
        Further arguments of a new rule: ``n_layers``, ``scale``,
        ``restart_iterate``, ``reset_state``, and ``shared`` (one network for all
        blocks; by default for "control" only). ``restart_iterate`` fights the default
        safeguard, which refuses outer steps that lose what was gained, as a restart
        does: combine it with ``safeguard="none"``.
    n_init : int or "auto", default="auto"
        Random starts of each instance; "auto" is 4. The lowest objective is kept, but with
        ``prior="empirical_bayes"`` the starts' estimates are averaged, weighted by the
        fourth power of the noise precision that each found: a start that recovers the
        matrix takes all, starts that explain a table equally well share. Then "auto" adds
        four at a time, up to 20, to matrices whose best run no other one confirms (to 2 %
        of what it predicts). With more than one start and ``safeguard="step"`` a general
        optimizer (`LearnedOptimizer.is_general`: the one that comes with the package, not
        one that was trained on your tasks) also has one classical run beside them: it
        counts for half of the answer where it explains the data as well, and for less and
        less where it does not.
    safeguard : {"step", "run", "none"}, default="step"
        "step": an outer step whose objective is not finite, or gives back more than
        a tenth of the descent so far, is replaced by the classical one; the last
        iterate is returned if it lies within that bound, else the best. "run":
        besides, the classical rule runs from the same start and the lower objective
        is returned. "none": the rule alone. For arbitrary weights (random, NaN) only
        "run" guarantees at worst the classical answer; "step" promises to stay within
        its bound, which may lie above a classical run. All speak of the objective;
        none promises a lower error on unseen entries.
    validation_fraction : float, default=0.1
        Share of the collection that is set aside to choose the best checkpoint.
    checkpoint : path-like, default=None
        File for the state of training, written every few seconds; needs a
        ``random_state``. Where a fit was killed or interrupted, the same fit goes on from
        there and ends as if nothing had happened. A file of another training is refused.
    random_state : int, RandomState instance or None, default=None
        Seeds starts, masks and weights.
    n_jobs : int or None, default=None
        Processes for collections.
    verbose : int, default=0
        1 shows bars while training and solving, with the loss and the time that is left.
    missing_values : float, None or pandas.NA, default=np.nan
        What marks a missing entry. NaN, None and pandas.NA all stand for any of the three;
        with a number, NaN is refused. Of sparse matrices the entries that are not stored
        are missing, too.
    min_value, max_value : float or array-like of shape (n_features,), default=-inf, inf
        Bounds, for all columns or for each, of what is filled in and of `reconstruct`.
        Observed entries stay as they are.
    keep_empty_features : bool, default=True
        Whether columns without an observed entry stay, filled from the prior. If not, a fit
        on one matrix goes without them, and so does what it completes (scikit-learn's own
        imputers do so by default).
    add_indicator : bool, default=False
        Whether `transform`, after a fit on one matrix, appends a column of 0 and 1 for each
        column that had missing entries in that fit: 1 where the entry was missing.
    copy : bool, default=True
        If not, `transform` fills a writeable floating-point array in place.

    Attributes
    ----------
    components_ : ndarray of shape (k, n_features)
        Vᵀ of the start that weighs most, after a fit on one matrix.
    n_components_ : int
        Components used, k.
    objective_ : float
        Objective reached by that start, in units of the scaled data.
    n_iter_ : int
        Outer steps of that fit.
    n_guarded_ : int
        Outer steps of that fit in which the safeguard acted, for the start kept. Of
        fits on one matrix only: after a fit on a collection the matrices are solved
        by `transform`, which writes no attributes.
    learned_optimizer_ : LearnedOptimizer or None
        The trained rule: pass it on as ``optimizer``.
    history_ : list of dict
        Loss and validation of each training step, if anything was trained;
        ``history_.n_skipped`` counts the steps whose loss was not finite.
    n_tasks_in_ : int
        Number of tasks of that fit.
    n_features_in_ : int
        After a fit on one matrix.
    indicator_ : MissingIndicator or None
        Of the columns that ``add_indicator`` appends, after a fit on one matrix.

    Notes
    -----
    Columns of very different units should be standardised first: the smallest noise
    that is told apart is 1e-5 times the root mean square of the whole matrix.

    See Also
    --------
    ALSMatrixCompleter : The closed-form baseline.
    SGDMatrixCompleter : The gradient baseline.

    References
    ----------
    .. [1] Xia, Huang and Jaimoukha, Meta-learning for Multi-variable Non-convex
       Optimization Problems: Iterating Non-optimums Makes Optimum Possible, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gso import GSOMatrixCompleter
    >>> X = np.outer([1.0, 2, 3, 4, 5], [1.0, 2, 3, 4])
    >>> X[1, 2] = np.nan
    >>> GSOMatrixCompleter(random_state=0).fit_transform(X)[1].round(1)
    array([2., 4., 6., 8.])
    """

    def __init__(
        self,
        n_components=None,
        *,
        optimizer="pretrained",
        rule="control",
        prior="empirical_bayes",
        alpha=1e-3,
        max_iter=None,
        t_l=None,
        t_u=None,
        meta_loss=None,
        loss_weights=None,
        n_epochs=10,
        batch_size=8,
        learning_rate=None,
        hidden_size=None,
        rule_options=None,
        n_init="auto",
        safeguard="step",
        validation_fraction=0.1,
        checkpoint=None,
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
        self.n_components = n_components
        self.optimizer = optimizer
        self.rule = rule
        self.prior = prior
        self.alpha = alpha
        self.max_iter = max_iter
        self.t_l = t_l
        self.t_u = t_u
        self.meta_loss = meta_loss
        self.loss_weights = loss_weights
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.hidden_size = hidden_size
        self.rule_options = rule_options
        self.n_init = n_init
        self.safeguard = safeguard
        self.validation_fraction = validation_fraction
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.missing_values = missing_values
        self.min_value = min_value
        self.max_value = max_value
        self.keep_empty_features = keep_empty_features
        self.add_indicator = add_indicator
        self.copy = copy

    def _check_starts(self):
        if not (isinstance(self.n_init, str) and self.n_init == "auto"):
            super()._check_starts()

    def _check_parameters(self):
        super()._check_parameters()
        self._check_choice("rule", RECIPES)
        self._check_choice("prior", _PRIORS)
        if self.meta_loss is not None:
            self._check_choice("meta_loss", ("heldout", "global"))
        self._check_integers(("n_epochs",), least=0)
        self._check_number(
            "learning_rate",
            "be None or a positive number",
            lambda v: 0 < v < math.inf,
            optional=True,
        )
        self._check_number("validation_fraction", "lie in [0, 1)", lambda v: 0 <= v < 1)
        self._check_checkpoint()
        check_rule_options(self.rule, self.rule_options)
        if self.loss_weights is not None:
            check_loss_weights(self.loss_weights, self._n_outer())

    def _n_outer(self):
        return self.max_iter or RECIPES[self.rule].max_iter

    def _estimates_priors(self):
        return self.rule == "control" and self.prior == "empirical_bayes"

    def _components_for(self, array):
        k = super()._components_for(array)
        if not self._estimates_priors():
            return k
        return identifiable_components(count_observed(array), array.shape, k)

    def _problem(self, values, n_components, scale=None):
        k = n_components
        scale = "rms" if scale is None else scale
        if self._estimates_priors():
            return EmpiricalBayesCompletion(values, k, scale=scale)
        # A start whose product has the size of the scaled data.
        return MatrixCompletion(values, k, alpha=self.alpha, scale=scale, init_scale=k**-0.25)

    def _rules(self, problem, generator):
        if self.learned_optimizer_ is None:
            return rules_for(problem, ClosedForm()), self.t_l
        return rules_for(problem, self.learned_optimizer_.rules(generator)), self.t_l

    def _has_companion(self):
        return self.learned_optimizer_ is not None and self.learned_optimizer_.is_general

    def _learn(self, tasks, truths, seed, progress):
        if self.n_epochs == 0:
            return {"learned_optimizer_": self._given_optimizer(tasks[0]), "history_": History()}
        return meta_fit(self, tasks, truths, seed, progress)

    def _prepare(self, array, seed, progress):
        found = self._given_optimizer(array)
        if found is None and self.rule == "step":
            return meta_fit(self, [array], None, seed, progress)
        return {"learned_optimizer_": found}

    def _given_optimizer(self, array):
        found = resolve(
            self.optimizer,
            self.rule,
            self._problem(to_values([array]), self._components_for(array)),
        )
        if found is None and self.rule == "step" and self.n_epochs == 0:
            raise ValueError("rule='step' needs a trained optimizer or n_epochs >= 1.")
        return found
