"""One estimator for every problem."""

from sklearn.base import BaseEstimator

from ..problems import Problem
from ..rules import UpdateRule
from ..solvers.safeguard import SAFEGUARDS
from .answering import Answering
from .fitting import Fitting
from .parameters import COMMON, NONE, NOT_NEGATIVE, MetaTraining, choice, instance, integer, keep
from .reporting import ShowsOptimizer, with_callbacks
from .solving import reconstruction


class AlternatingEstimator(Fitting, Answering, ShowsOptimizer, BaseEstimator):
    """An estimator for a problem of your own, or of this package.

    Derive from it, name the problem and its options, and get: ``fit`` of one data set, which
    solves it, or of a collection of them, which trains a rule; ``transform`` of new rows after
    the former and of new data sets after the latter; ``score``, persistence, progress,
    checkpoints, ``random_state`` and ``n_jobs``.

    Parameters
    ----------
    optimizer : LearnedOptimizer, str, path-like or None, default=None
        The trained rule to start from: an object, the name of one that comes with the package,
        or a file written by `LearnedOptimizer.save`.
    rule : str, Recipe or UpdateRule, default="control"
        "control": `LSTMControl` steers closed forms. "step": `LSTMStep`, the paper's, emits
        each coordinate's step from its gradient. A `Recipe` changes their size or defaults; a
        classical rule (`ClosedForm`, `GradientDescent`) learns nothing.
    max_iter : int, default=None
        Outer steps, the paper's T. By default those of the recipe, 100 for classical rules.
    tol : float, default=None
        A run ends when its objective changes by less. By default it makes all its steps.
    t_l : int, default=None
        Inner steps of each block within an outer step; by default the rule's. Acts in training
        and in solving.
    t_u : int, default=None
        Outer steps between two updates of the weights; by default the recipe's. Acts only in
        training.
    n_epochs : int, default=10
        Passes of training over a collection; 0 uses the optimizer as it is.
    training : MetaTraining, default=None
        Further settings of training.
    n_init : int, default=1
        Random starts.
    safeguard : {"step", "run", "none"}, default="step"
        What keeps a learned rule in bounds, see `solvers.minimize`.
    random_state : int, RandomState instance or None, default=None
    n_jobs : int or None, default=None
        Processes for collections.
    verbose : int, default=0
        1 shows bars while training and solving.

    Attributes
    ----------
    objective_ : float
        Of the run that weighs most, after a fit on one data set.
    n_iter_, n_guarded_ : int
        Its outer steps, and those in which the safeguard acted.
    n_features_in_ : int
    learned_optimizer_ : LearnedOptimizer or None
        The trained rule: pass it on as ``optimizer``.
    history_ : History
        Of the training, if anything was trained.
    n_tasks_in_ : int
        After a fit on a collection.

    Notes
    -----
    What a class of your own says:

    - ``problem_class``: the `Problem`. It is made of values (T, rows, columns) and of what
      ``problem_options(array)`` returns. Its ``local_blocks`` belong to the rows: new ones get
      theirs by ``minimize_block``, in this order, the other blocks being kept.
    - ``read(problem, variables)``, a static method: what `transform` returns, (T, rows, ...);
      by default the problem's ``reconstruct``.
    - ``allow_nan``: whether NaN may mark missing entries. ``pretrained``: the name of the
      optimizer that "pretrained" stands for. ``accepts``: what parameters of your own may be,
      by name (`sklearn_gso.estimators.parameters`).
    """

    problem_class: type[Problem]
    pretrained: str | None = None
    read = staticmethod(reconstruction)
    rule_kind: type = UpdateRule
    allow_nan = False
    accepts = {
        **COMMON,
        "max_iter": NONE | integer(),
        "tol": NONE | NOT_NEGATIVE,
        "t_l": NONE | integer(),
        "t_u": NONE | integer(),
        "n_epochs": integer(0),
        "training": NONE | instance(MetaTraining),
        "n_init": integer(),
        "safeguard": choice(*SAFEGUARDS),
    }

    def __init__(
        self,
        *,
        optimizer=None,
        rule="control",
        max_iter=None,
        tol=None,
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

    @with_callbacks
    def fit(self, X, y=None):
        """Solve one data set, or learn from a collection.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or collection
            A collection is a list of data sets or an array of shape (n_tasks, n_samples,
            n_features).
        y : Ignored

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If X or a parameter is not what it should be. Nothing is changed then.
        """
        return self._fit(X, y)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.allow_nan
        return tags
