"""Loss and error against sweeps, the paper's figure 4."""

import numpy as np

from ..estimators.completion.base import BaseCompleter
from ..estimators.matrices import densify
from ..estimators.parameters import keep
from ..metrics import relative_error
from ..solvers import Answer, weighted_average
from ._axes import Display


class ConvergenceDisplay(Display):
    """Loss and error of completers against their sweeps, the paper's figure 4.

    Both are relative errors and share an axis: the loss is that on the observed entries
    (the data term of equation (11), which all completers have in common), the error
    that on the entries whose truth is known but hidden from them.

    Parameters
    ----------
    loss : dict of str to array-like of shape (n_sweeps + 1,)
        For each completer, before the first sweep and after each.
    error : dict of str to array-like of shape (n_sweeps + 1,), default=None
        The same on hidden entries.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, Figure
    lines_ : list of matplotlib Line2D
        Error and loss of each completer, in this order; the loss alone without truth.

    Examples
    --------
    >>> from sklearn_gso import ALSMatrixCompleter
    >>> from sklearn_gso.datasets import make_low_rank_tasks
    >>> from sklearn_gso.plotting import ConvergenceDisplay
    >>> X, truth = make_low_rank_tasks(1, shape=(20, 15), rank=2, rate=0.6, random_state=0)
    >>> als = ALSMatrixCompleter(2, max_iter=30, random_state=0).fit(X[0])
    >>> display = ConvergenceDisplay.from_estimator(als, X[0], truth[0])
    >>> display.ax_.get_xlabel()
    'sweeps'
    """

    def __init__(self, loss, error=None):
        keep(self, locals())

    @classmethod
    def from_estimator(cls, estimator, X, truth=None, *, peers=None, name=None, ax=None):
        """Trace the solving of a matrix by each completer, and draw it.

        Of the matrix that a completer was fitted to this is the fit itself.

        Parameters
        ----------
        estimator : completer
            Fitted, on X or on a collection.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Of a sparse matrix the stored entries are observed.
        truth : array-like of shape (n_samples, n_features), default=None
            The matrix without holes; NaN where it is not known.
        peers : dict of str to completer, default=None
            More fitted completers, by the name to be shown.
        name : str, default=None
            Of the estimator; by default that of its class.
        ax : matplotlib Axes, default=None

        Returns
        -------
        display : ConvergenceDisplay

        Raises
        ------
        NotFittedError
            If one of the completers is not fitted.
        TypeError
            If one of them is no completer of this package.
        ValueError
            For what ``transform`` refuses, and for a collection.
        """
        loss: dict = {}
        error: dict | None = None if truth is None else {}
        for label, one in {name or type(estimator).__name__: estimator, **(peers or {})}.items():
            if not isinstance(one, BaseCompleter):
                raise TypeError(f"{type(one).__name__} is no completer of sklearn_gso.")
            estimates = estimates_of(one.trace(X))
            matrix = densify(one._narrowed(*one._validated(X)))
            observed = ~np.isnan(matrix)
            loss[label] = _errors(matrix, estimates, observed)
            if error is not None:
                known = one._narrowed(np.asarray(truth, dtype=np.float64))
                error[label] = _errors(known, estimates, ~observed)
        return cls(loss, error).plot(ax)

    def _draw(self):
        self.lines_ = []
        for name, loss in self.loss.items():
            colour = None
            if self.error is not None:
                self.lines_ += self.ax_.semilogy(self.error[name], label=f"{name}: error")
                colour = self.lines_[-1].get_color()
            style = {"color": colour, "linestyle": "--", "alpha": 0.7}
            self.lines_ += self.ax_.semilogy(loss, label=f"{name}: loss", **style)
        self.ax_.set(xlabel="sweeps", ylabel="relative error")
        self.ax_.legend()


def estimates_of(answer: Answer) -> list[np.ndarray]:
    """Estimates of a traced matrix before each sweep and at the end: the runs, as they weigh."""
    # A trace is of all runs of a batch; each ends where it ends, at what it returned.
    ways = [[*run.trace.variables[: int(run.n_iter[0])], run.variables] for run in answer.runs]
    ways += [] if answer.baseline is None else [[answer.baseline.variables]]
    weights, estimates = answer.parts()[0], []
    for i in range(max(map(len, ways))):
        # A run that has ended before stays where it is.
        now = [way[min(i, len(way) - 1)] for way in ways]
        values = (answer.problem.reconstruct(variables) for variables in now)
        estimates.append(weighted_average(weights, values)[0].numpy())
    return estimates


def _errors(truth, estimates, where) -> np.ndarray:
    """Of each estimate; NaN, which is not drawn, where a run was not finite."""
    return np.array(
        [relative_error(truth, e, where) if np.isfinite(e).all() else np.nan for e in estimates]
    )
