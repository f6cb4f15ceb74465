"""The course of a meta-training."""

from sklearn.utils.validation import check_is_fitted

from ..estimators.parameters import keep
from ._axes import Display


class TrainingHistoryDisplay(Display):
    """Loss and validation against the steps of meta-training.

    Parameters
    ----------
    history : list of dict
        ``history_`` of an estimator fitted to a collection: ``step``, ``loss`` and,
        where it was computed, ``validation``, that of the start as step -1.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, Figure
    loss_, validation_ : matplotlib Line2D
        ``validation_`` is None if nothing was validated.

    Examples
    --------
    >>> from sklearn_gso.plotting import TrainingHistoryDisplay
    >>> display = TrainingHistoryDisplay([{"step": 0, "loss": 2.0}, {"step": 1, "loss": 1.0}])
    >>> display.plot().loss_.get_ydata()
    array([2., 1.])
    """

    def __init__(self, history):
        keep(self, locals())

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Draw what an estimator that was fitted to a collection remembers.

        Parameters
        ----------
        estimator : GSOMatrixCompleter or GSOGaussianMixture
        ax : matplotlib Axes, default=None

        Returns
        -------
        display : TrainingHistoryDisplay

        Raises
        ------
        NotFittedError
        ValueError
            If the estimator is fitted and has not trained anything.
        """
        check_is_fitted(estimator)
        history = getattr(estimator, "history_", None)
        if not history:
            raise ValueError(
                f"This {type(estimator).__name__} has trained nothing: fit it on a collection, "
                "with n_epochs of at least 1."
            )
        return cls(history).plot(ax)

    def _draw(self):
        (self.loss_,) = self.ax_.plot(*_columns(self.history, "loss"), ".", label="training")
        self.validation_ = None
        checked = _columns(self.history, "validation")
        if checked[0]:
            (self.validation_,) = self.ax_.plot(*checked, "o-", label="validation")
        self.ax_.set(xlabel="training step", ylabel="loss")
        self.ax_.legend()


def _columns(history, name):
    known = [record for record in history if name in record]
    return [record["step"] for record in known], [record[name] for record in known]
