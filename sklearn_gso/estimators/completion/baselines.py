"""Classical matrix completion, Algorithm 1, with the same face and the same engine."""

import numpy as np

from ...problems import MatrixCompletion
from ...rules import ClosedForm, GeometricContinuation, GradientDescent
from ..parameters import NONE, POSITIVE, integer, keep, real
from .base import BaseCompleter
from .scaling import is_tall

# λ by default: the paper's, and for tables, where most of a column is noise, one that keeps
# errors below those of column means (benchmarks/LOG.md).
_ALPHA, _TABLE_ALPHA = 1e-3, 3.0


class _ClassicalCompleter(BaseCompleter):
    """Algorithm 1 on equation (11)."""

    problem_class = MatrixCompletion
    optimizer = training = tol = t_l = t_u = None
    n_epochs = 0
    safeguard = "step"
    accepts = {"alpha": NONE | POSITIVE, "max_iter": integer()}

    def _shared_options(self, arrays):
        scale = super()._shared_options(arrays)["scale"]
        if scale == "rms" and self.scaling == "auto":
            # λ counts in the units of the data, unless these are a table: one λ has to fit.
            scale = "columns" if is_tall(arrays[0]) else None
        return {"scale": scale}

    def _options(self, array, shared):
        default = _TABLE_ALPHA if shared["scale"] == "columns" else _ALPHA
        alpha = default if self.alpha is None else float(self.alpha)
        return {"n_components": self._n_components(array), "alpha": alpha, **shared}


class ALSMatrixCompleter(_ClassicalCompleter):
    """Matrix completion by alternating least squares, Algorithm 1 in closed form.

    Minimises equation (11) of the paper,
    ``||P(X - U Vᵀ)||² / 2 + alpha (||U||² + ||V||²) / 2``.

    Parameters
    ----------
    n_components : int, default=None
        Columns of the factors, the paper's k_m. By default 10, or less for smaller
        matrices.
    alpha : float, default=None
        λ, in the units that ``scaling`` sets. By default 3 where these are the columns', else
        1e-3.
    alpha_start : float, default=None
        Continuation: λ falls geometrically from here to ``alpha`` over the first
        70 % of the outer steps. 10 is a far stronger baseline than none.
    scaling : {"auto", "columns", "matrix", "none"}, default="auto"
        As in `GSOMatrixCompleter`, but "auto" is "columns" or "none".
    max_iter : int, default=100
        Outer steps, the paper's T.
    n_init : int, default=1
        Random starts; the lowest objective is kept.
    random_state : int, RandomState instance or None, default=None
    n_jobs : int or None, default=None
        Processes for collections.
    verbose : int, default=0
        1 shows a bar while solving, with the objective and the time that is left.
    missing_values, min_value, max_value, keep_empty_features, add_indicator, copy
        As in `GSOMatrixCompleter`.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Vᵀ, after a fit on one matrix; of columns that no row joins those of each group, to which
        of most entries the other attributes belong.
    n_components_ : int
    objective_ : float
        Equation (11) at the solution.
    n_iter_ : int
    n_features_in_ : int
    n_tasks_in_ : int
        After a fit on a collection, which learns nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gso import ALSMatrixCompleter
    >>> X = np.outer([1.0, 2, 3, 4, 5], [1.0, 2, 3, 4])
    >>> X[1, 2] = np.nan
    >>> ALSMatrixCompleter(1, random_state=0).fit_transform(X)[1].round(1)
    array([2., 4., 6., 8.])
    """

    safeguard = "none"  # each step minimises exactly: there is nothing to guard
    accepts = {"alpha_start": NONE | POSITIVE}

    def __init__(
        self,
        n_components=None,
        *,
        alpha=None,
        alpha_start=None,
        scaling="auto",
        max_iter=100,
        n_init=1,
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
    def rule(self):
        """Closed forms, with continuation where ``alpha_start`` is given."""
        if self.alpha_start is None:
            return ClosedForm()
        return ClosedForm(GeometricContinuation(self.alpha_start, self._least_alpha))

    @property
    def _least_alpha(self):
        return _ALPHA if self.alpha is None else self.alpha

    def _options(self, array, shared):
        options = super()._options(array, shared)
        return options if self.alpha_start is None else {**options, "alpha": self._least_alpha}

    def _check_parameters(self):
        super()._check_parameters()
        if self.alpha_start is not None and self.alpha_start < self._least_alpha:
            raise ValueError(
                f"alpha_start must be at least alpha={self._least_alpha!r}, "
                f"got {self.alpha_start!r}."
            )


class SGDMatrixCompleter(_ClassicalCompleter):
    """Matrix completion by alternating gradient descent, Algorithm 1.

    Parameters
    ----------
    n_components : int, default=None
        Columns of the factors, the paper's k_m. By default 10, or less for smaller
        matrices.
    alpha : float, default=None
        λ of equation (11), in the units that ``scaling`` sets. By default 3 where these are
        the columns', else 1e-3.
    learning_rate : float, default=1e-3
        The paper's. Large data need less: a run that diverges returns its best
        iterate.
    batch_fraction : float, default=None
        Share of the observed entries in a mini-batch, in (0, 1]. By default the
        full gradient, which is what the paper's "SGD" does.
    scaling : {"auto", "columns", "matrix", "none"}, default="auto"
        As in `GSOMatrixCompleter`, but "auto" is "columns" or "none".
    max_iter : int, default=100
        Outer steps, the paper's T.
    t_l : int, default=10
        Gradient steps of each factor within an outer step.
    n_init : int, default=1
        Random starts; the lowest objective is kept.
    random_state : int, RandomState instance or None, default=None
    n_jobs : int or None, default=None
        Processes for collections.
    verbose : int, default=0
        1 shows a bar while solving, with the objective and the time that is left.
    missing_values, min_value, max_value, keep_empty_features, add_indicator, copy
        As in `GSOMatrixCompleter`.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Vᵀ, after a fit on one matrix; of columns that no row joins those of each group, to which
        of most entries the other attributes belong.
    n_components_ : int
    objective_ : float
        Equation (11) at the solution.
    n_iter_ : int
    n_features_in_ : int
    n_tasks_in_ : int
        After a fit on a collection, which learns nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gso import SGDMatrixCompleter
    >>> X = np.outer([1.0, 2, 3, 4, 5], [1.0, 2, 3, 4])
    >>> X[1, 2] = np.nan
    >>> SGDMatrixCompleter(1, random_state=0).fit_transform(X)[1].round(1)
    array([2., 4., 6., 8.])
    """

    accepts = {
        "learning_rate": POSITIVE,
        "batch_fraction": NONE | real("a number in (0, 1]", lambda v: 0 < v <= 1),
    }

    def __init__(
        self,
        n_components=None,
        *,
        alpha=None,
        learning_rate=1e-3,
        batch_fraction=None,
        scaling="auto",
        max_iter=100,
        t_l=10,
        n_init=1,
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
    def rule(self):
        """Gradient descent, on mini-batches where ``batch_fraction`` is given."""
        return GradientDescent(self.learning_rate, self.batch_fraction)
