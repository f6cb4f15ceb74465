"""A matrix before and after its completion, and how uncertain that is."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..estimators.matrices import densify
from ..estimators.parameters import keep
from ._axes import Display


class CompletionDisplay(Display):
    """A matrix with holes, completed, with its standard deviations, and true.

    Parameters
    ----------
    observed : ndarray of shape (n_samples, n_features)
        NaN where nothing was observed; those entries stay blank.
    completed : ndarray of shape (n_samples, n_features)
    deviations : ndarray of shape (n_samples, n_features), default=None
        Standard deviations of the entries that were filled in.
    truth : ndarray of shape (n_samples, n_features), default=None

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, Figure
        Where the panels are.
    axes_, images_ : dict of str to matplotlib Axes, AxesImage
        The panels: "observed", "completed" and, where known, "standard deviation" and "truth".

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gso.plotting import CompletionDisplay
    >>> X = np.array([[1.0, np.nan], [2.0, 4.0]])
    >>> display = CompletionDisplay.from_predictions(X, np.array([[1.0, 2.0], [2.0, 4.0]]))
    >>> list(display.axes_)
    ['observed', 'completed']
    """

    def __init__(self, observed, completed, deviations=None, truth=None):
        keep(self, locals())

    @classmethod
    def from_estimator(cls, estimator, X, truth=None, *, ax=None, **style):
        """Complete a matrix and draw it.

        Parameters
        ----------
        estimator : completer or imputer
            Fitted. Deviations are drawn if it has ``transform_std``.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        truth : array-like of shape (n_samples, n_features), default=None
        ax : matplotlib Axes, default=None
            Its place is shared by the panels.
        **style
            For ``imshow``, for instance ``cmap``.

        Returns
        -------
        display : CompletionDisplay

        Raises
        ------
        NotFittedError
        """
        check_is_fitted(estimator)
        std = estimator.transform_std(X) if hasattr(estimator, "transform_std") else None
        return cls.from_predictions(X, estimator.transform(X), std, truth, ax=ax, **style)

    @classmethod
    def from_predictions(cls, X, completed, deviations=None, truth=None, *, ax=None, **style):
        """Draw a matrix that was completed before.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        completed : array-like of shape (n_samples, n_features)
        deviations, truth : array-like of shape (n_samples, n_features), default=None
        ax : matplotlib Axes, default=None
        **style
            For ``imshow``.

        Returns
        -------
        display : CompletionDisplay

        Raises
        ------
        ValueError
            If the shapes differ.
        """
        given = [densify(X), completed, deviations, truth]
        arrays = [None if a is None else np.asarray(a, dtype=np.float64) for a in given]
        shapes = {array.shape for array in arrays if array is not None}
        if len(shapes) > 1:
            raise ValueError(f"All matrices must have one shape, got {sorted(shapes)}.")
        return cls(*arrays).plot(ax, **style)

    def _panels(self):
        shown = {
            "observed": self.observed,
            "completed": self.completed,
            "standard deviation": self.deviations,
            "truth": self.truth,
        }
        return {name: matrix for name, matrix in shown.items() if matrix is not None}

    def _draw(self, **style):
        shown = self._panels()
        values = [matrix for name, matrix in shown.items() if name != "standard deviation"]
        common = {"vmin": min(map(np.nanmin, values)), "vmax": max(map(np.nanmax, values)), **style}
        self.images_ = {}
        for name, matrix in shown.items():
            panel = self.axes_[name]
            own = {"cmap": "magma"} if name == "standard deviation" else common
            self.images_[name] = panel.imshow(matrix, aspect="auto", interpolation="none", **own)
            panel.set(title=name, xticks=[], yticks=[])
            if name == "standard deviation":
                self.figure_.colorbar(self.images_[name], ax=panel)
