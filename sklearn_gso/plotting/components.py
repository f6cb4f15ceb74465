"""What bilinear estimators have learned: atoms, a mixing, a kernel; codes, sources, signals."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..estimators.parameters import keep
from ._axes import Display


class ComponentsDisplay(Display):
    """Atoms, columns of a mixing, or a kernel; beside them codes, sources or signals.

    Parameters
    ----------
    components : array-like of shape (n_components, n_features)
        What belongs to no row.
    rows : array-like of shape (n_samples, n_components) or (n_samples, n_features), default=None
        What belongs to the rows, drawn against their number: codes or sources, one curve a
        component; the restored signals of a kernel, one curve a row.
    shape : tuple of 2 int, default=None
        Of components that are pictures. By default they are drawn as curves.
    max_shown : int, default=16
        Components, and curves, at most; the first ones.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, Figure
    axes_ : dict of str to Axes
        "components" and, where there are rows, "rows".
    image_ : matplotlib AxesImage or None
        Where components are pictures, all of them in one.
    lines_ : list of Line2D
        Curves of the components, where they are none.
    rows_ : list of Line2D

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gso.plotting import ComponentsDisplay
    >>> display = ComponentsDisplay(np.eye(4), shape=(2, 2)).plot()
    >>> display.image_.get_array().shape  # two by two pictures, a line between them
    (5, 5)
    """

    def __init__(self, components, rows=None, *, shape=None, max_shown=16):
        keep(self, locals())

    @classmethod
    def from_estimator(cls, estimator, X=None, *, shape=None, max_shown=16, ax=None):
        """Draw what an estimator has learned from one data set.

        Parameters
        ----------
        estimator : GSODictionaryLearning, GSOSourceSeparation or GSOBlindDeconvolution
            Or any other with ``components_``, ``mixing_`` or ``kernel_``.
        X : array-like of shape (n_samples, n_features), default=None
            Whose codes, sources or restored signals are drawn, too.
        shape : tuple of 2 int, default=None
            Of atoms that are pictures; of a kernel its own.
        max_shown : int, default=16
        ax : matplotlib Axes, default=None

        Returns
        -------
        display : ComponentsDisplay

        Raises
        ------
        NotFittedError
        ValueError
            If it was fitted to a collection, or has no such attribute.
        """
        check_is_fitted(estimator)
        kernel = getattr(estimator, "kernel_", None)
        if kernel is not None:
            components, shape = kernel[None], kernel.shape if kernel.ndim == 2 else None
        elif hasattr(estimator, "mixing_"):
            components = estimator.mixing_.T
        elif hasattr(estimator, "components_"):
            components = estimator.components_
        else:
            raise ValueError(
                f"This {type(estimator).__name__} has no components to draw: fit it on one data "
                "set; in a collection each has its own."
            )
        rows = None if X is None else estimator.transform(X)
        if rows is not None and kernel is not None:
            rows = rows.T
        return cls(components, rows, shape=shape, max_shown=max_shown).plot(ax)

    def _panels(self):
        return ("components",) if self.rows is None else ("components", "rows")

    def _draw(self):
        components = np.asarray(self.components)[: self.max_shown]
        ax, self.image_, self.lines_, self.rows_ = self.axes_["components"], None, [], []
        if self.shape is None:
            self.lines_ = ax.plot(components.reshape(len(components), -1).T)
            ax.set(xlabel="feature")
        else:
            tiles = _tiled(components.reshape(-1, *self.shape))
            self.image_ = ax.imshow(tiles, cmap="gray")
            ax.set(xticks=[], yticks=[])
        if self.rows is not None:
            ax = self.axes_["rows"]
            self.rows_ = ax.plot(np.asarray(self.rows)[:, : self.max_shown], linewidth=0.8)
            ax.set(xlabel="sample")


def _tiled(pictures) -> np.ndarray:
    """Pictures in a square, each over its largest modulus, a line of NaN between them."""
    n, height, width = pictures.shape
    wide = int(np.ceil(np.sqrt(n)))
    high = -(-n // wide)
    tiles = np.full((high * (height + 1) - 1, wide * (width + 1) - 1), np.nan)
    for i, picture in enumerate(pictures):
        top, left = (i // wide) * (height + 1), (i % wide) * (width + 1)
        largest = np.abs(picture).max()
        tiles[top : top + height, left : left + width] = picture / (largest or 1.0)
    return tiles
