"""Learned matrix completion with scikit-learn's face."""

import numpy as np

from ...problems import EmpiricalBayesCompletion, MatrixCompletion, identifiable_components
from ...rules import ClosedForm
from ...solvers import UntilAgree
from ..matrices import count_observed
from ..parameters import NONE, POSITIVE, choice, integer, keep
from .base import BaseCompleter

_DEFAULT_ALPHA = 1e-3


class GSOMatrixCompleter(BaseCompleter):
    """Matrix completion by learned alternating optimisation.

    Two factors, ``X ≈ U Vᵀ``, are updated in turn by a rule that was trained on
    the global loss over many tasks (Global Scope Optimization, [1]_). ``fit`` of
    one matrix solves it; ``fit`` of a collection trains the rule, and
    ``transform`` then solves every matrix it is given.

    Parameters
    ----------
    n_components : int, default=None
        Columns of the factors, the paper's k_m; at most min(n_samples,
        n_features). By default 10, or less for smaller matrices. Without ``alpha``
        an upper bound is enough: at most the largest k with
        k (n_samples + n_features - k) <= n_observed are used.
    optimizer : LearnedOptimizer, str, path-like or None, default="pretrained"
        The trained rule to start from: an object, the name of one that comes with
        the package (`LearnedOptimizer.pretrained_names`), or else a file written by
        `LearnedOptimizer.save`. "pretrained" is the completer's own among those that
        come with the package; it is for ``rule="control"`` without ``alpha``, and other
        settings then start untrained, as with None. Untrained, ``rule="control"`` is the
        classical closed-form alternation.
    rule : {"control", "step"}, Recipe or UpdateRule, default="control"
        "control": `LSTMControl`, bends the closed-form step of each row. "step":
        `LSTMStep`, the paper's, emits each coordinate's step from its gradient;
        without a trained optimizer, ``fit`` of one matrix trains it on that matrix.
        `sklearn_gso.rules.recipe` changes a rule: ``recipe("step", hidden_size=500)``. A
        classical rule, as ``ClosedForm()``, learns nothing.
    alpha : float, default=None
        λ of equation (11) of [1]_, in units of the data over their root mean square. By
        default nothing has to be chosen: rules that use closed forms minimise the free
        energy of `EmpiricalBayesCompletion`, whose noise and priors are estimated with the
        factors; rules that use gradients, as "step", minimise equation (11) with 1e-3.
    scaling : {"auto", "columns", "matrix", "none"}, default="auto"
        Units in which a matrix is solved; all that comes out is in those of X. "columns": every
        column is centred and scaled, as in a table, and, where there are entries enough to
        tell, has a noise of its own. "matrix": one scale for all, which costs a matrix of low
        rank nothing. "auto" is one of these: "columns" where their spreads, or entries that
        were left out, say so. "none": as it is.
    max_iter : int, default=None
        Outer steps, the paper's T, at most. By default 40 for "control", 100 for "step".
    tol : float or None, default=1e-3
        The outer step after the first that changes nothing that counts is a run's last: that
        changes the squared predictions, without ``alpha``, by less than this share of the
        variance they leave unexplained; with it, the objective by less. None: all are made.
    t_l : int, default=None
        Inner steps of each block within an outer step. By default 1 for "control",
        10 for "step". Acts in training and in solving.
    t_u : int, default=None
        Outer steps between two updates of the weights. By default the whole run
        for "control", 10 for "step". Acts only in training.
    n_epochs : int, default=10
        Passes of training over the collection; 0 uses the optimizer as it is.
    training : MetaTraining, default=None
        Further settings of training: loss, batches, learning rate, validation, checkpoint.
    n_init : int or "auto", default="auto"
        Random starts of each instance; "auto" begins with two runs. The run of the lowest
        objective is kept, but without ``alpha`` the runs' estimates are averaged, weighted by
        the fourth power of the noise precision that each estimates: a run that recovers the
        matrix takes all, runs that explain a table equally well share. Then "auto" adds four
        at a time, up to 20, where no other run confirms the best (to 2 % of what it predicts);
        where none does in the end, the first power counts.
        With more than one start and ``safeguard="step"`` a general optimizer
        (`LearnedOptimizer.is_general`: the one that comes with the package, not one that was
        trained on your tasks) also has one classical run beside them, on tables (`scaling_`
        "columns", or columns with noises of their own, as standardised ones have) of at least
        150 rows from where the first run ended: it weighs half of the answer where it explains
        the data as well, and less and less where it does not.
        Without ``alpha`` columns' means stand beside all of them: they take the answer where
        runs predict left-out entries no better.
    safeguard : {"step", "run", "none"}, default="step"
        "step": an outer step whose objective is not finite, or gives back more than
        a tenth of the descent so far, is replaced by the classical one; the last
        iterate is returned if it lies within that bound, else the best. "run":
        besides, the classical rule runs from the same start and the lower objective
        is returned. "none": the rule alone. For arbitrary weights (random, NaN) only
        "run" guarantees at worst the classical result; "step" promises to stay within
        its bound, which may lie above a classical run. All speak of the objective;
        none promises a lower error on unseen entries.
    random_state : int, RandomState instance or None, default=None
        Seeds starts, masks and weights.
    n_jobs : int or None, default=None
        Processes for collections.
    verbose : int, default=0
        1 shows bars while training and solving, with the loss and the remaining time.
    missing_values : float, None or pandas.NA, default=np.nan
        What marks a missing entry. NaN, None and pandas.NA all stand for any of the three;
        with a number, NaN is refused. Of sparse matrices the entries that are not stored
        are missing, too.
    min_value, max_value : float, array-like of shape (n_features,), dict or None, default=-inf, inf
        Bounds, for all columns, for each or by name, of what is filled in and of `reconstruct`.
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
        Vᵀ of the run that weighs most, after a fit on one matrix.
    n_components_ : int
        Components used, k.
    objective_ : float
        Objective of that run, in units of the scaled data.
    scaling_ : {"columns", "matrix", "none"}
        Units that were chosen; for all tasks of a collection the same.
    n_iter_ : int
        Outer steps of that run; joint steps to a fit up to rounding are part of the last one.
    n_guarded_ : int
        Outer steps of that run in which the safeguard acted. Of
        fits on one matrix only: after a fit on a collection the matrices are solved
        by `transform`, which writes no attributes.
    learned_optimizer_ : LearnedOptimizer or None
        The trained rule: pass it on as ``optimizer``.
    history_ : History
        Loss and validation of each training step, if anything was trained;
        ``history_.n_skipped`` counts the steps whose loss was not finite.
    n_tasks_in_ : int
        Number of tasks of a fit on a collection.
    n_features_in_ : int
        After a fit on one matrix.
    indicator_ : MissingIndicator or None
        Of the columns that ``add_indicator`` appends, after a fit on one matrix.

    Notes
    -----
    Columns of one matrix that no row joins, directly or by others, are solved apart, each group
    with components of its own: ``components_`` holds those of all groups; the other attributes
    are of the group of most entries. Tasks of a collection are solved as they are.

    The smallest noise that is told apart is 1e-5 times the units: the root mean square of
    the whole matrix, or the standard deviation of a column. Where a matrix of low rank fits
    up to rounding more entries than any such matrix does, joint steps of both factors
    (`GaussNewton`) end at it, its noise is taken as 3e-7, and no further start is made.

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

    pretrained = "completer"
    accepts = {"alpha": NONE | POSITIVE, "n_init": integer() | choice("auto")}

    def __init__(
        self,
        n_components=None,
        *,
        optimizer="pretrained",
        rule="control",
        alpha=None,
        scaling="auto",
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

    @property
    def problem_class(self):
        """What is minimised."""
        known = self._recipe()
        rule = known.network.untrained() if known else self.rule
        estimates_priors = self.alpha is None and isinstance(rule, ClosedForm)
        return EmpiricalBayesCompletion if estimates_priors else MatrixCompletion

    def _options(self, array, shared):
        k = self._n_components(array)
        if issubclass(self.problem_class, EmpiricalBayesCompletion):
            k = identifiable_components(count_observed(array), array.shape, k)
            return {"n_components": k, **shared}
        alpha = _DEFAULT_ALPHA if self.alpha is None else float(self.alpha)
        # A start whose product has the size of the scaled data.
        init = {"init_scale": k**-0.25}
        return {"n_components": k, "alpha": alpha, "scale": shared["scale"], **init}

    def _policy(self):
        return UntilAgree() if self.n_init == "auto" else super()._policy()
