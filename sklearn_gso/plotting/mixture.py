"""A mixture in the plane: contours, samples, and the way of its centres."""

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from ..estimators import EMGaussianMixture
from ..estimators.parameters import keep
from ._axes import Display


class MixtureDisplay(Display):
    """Contours of a mixture's log-likelihood in the plane, with the way of its centres.

    Parameters
    ----------
    samples : ndarray of shape (n_samples, 2)
    grid : tuple of two ndarray of shape (n_y, n_x)
        Coordinates of the places where the log-likelihood is known.
    log_likelihood : ndarray of shape (n_y, n_x)
    means : ndarray of shape (n_components, 2)
    trajectory : ndarray of shape (n_sweeps + 1, n_components, 2), default=None
        Centres, at the start and after every sweep of EM.
    jumps : bool, default=False
        Whether non-local moves took the components from the end of the trajectory to
        ``means``; arrows say where.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, Figure
    contour_ : matplotlib QuadContourSet
    samples_, means_ : matplotlib Line2D
    trajectories_ : list of matplotlib Line2D
        One for each component; empty without a trajectory.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gso import EMGaussianMixture
    >>> from sklearn_gso.plotting import MixtureDisplay
    >>> X = np.array([[1.0, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> em = EMGaussianMixture(2, means_init=[[0, 0], [9, 0]], random_state=0).fit(X)
    >>> display = MixtureDisplay.from_estimator(em, X)
    >>> [line.get_xydata()[0].tolist() for line in display.trajectories_]
    [[0.0, 0.0], [9.0, 0.0]]
    """

    def __init__(self, samples, grid, log_likelihood, means, trajectory=None, jumps=False):
        keep(self, locals())

    @classmethod
    def from_estimator(cls, mixture, X, *, start=None, ax=None):
        """Draw a mixture fitted to one data set of two features.

        Parameters
        ----------
        mixture : EMGaussianMixture or GSOGaussianMixture
            Fitted to X.
        X : array-like of shape (n_samples, 2)
        start : array-like of shape (n_components, 2), default=None
            Centres from which EM's way is drawn. By default the mixture's own
            ``means_init``; from there arrows show where the moves of
            `GSOGaussianMixture` took the components. Without either no way is drawn.
        ax : matplotlib Axes, default=None

        Returns
        -------
        display : MixtureDisplay

        Raises
        ------
        NotFittedError
            Also after a fit to a collection.
        ValueError
            If there are not two features.
        """
        check_is_fitted(mixture, "means_")
        samples = check_array(X, dtype=np.float64, input_name="X")
        if samples.shape[1] != 2 or mixture.means_.shape[1] != 2:
            raise ValueError(
                f"Mixtures of 2 features can be drawn, X has {samples.shape[1]} and the "
                f"mixture {mixture.means_.shape[1]}."
            )
        own = start is None or start is mixture.means_init
        start = mixture.means_init if start is None else start
        trajectory = None if start is None else mixture.trajectory(samples, start)
        low, high = samples.min(0), samples.max(0)
        margin = (high - low) / 10 + 1e-9
        grid = np.meshgrid(*np.linspace(low - margin, high + margin, 120).T)
        places = np.column_stack([axis.ravel() for axis in grid])
        heights = mixture.score_samples(places).reshape(grid[0].shape)
        jumps = own and trajectory is not None and not isinstance(mixture, EMGaussianMixture)
        return cls(samples, grid, heights, mixture.means_, trajectory, jumps).plot(ax)

    def _draw(self):
        # Even steps down from the peak, twice as deep as half of the plane lies.
        heights = self.log_likelihood
        top, spread = heights.max(), np.ptp(np.quantile(heights, [0.5, 1]))
        levels = np.linspace(top - 2 * max(spread, 1e-6), top, 13)[:-1]
        (self.samples_,) = self.ax_.plot(*self.samples.T, ".", color="0.75", ms=3, zorder=1)
        self.contour_ = self.ax_.contour(*self.grid, heights, levels=levels, alpha=0.6)
        self.trajectories_ = []
        if self.trajectory is not None:
            for way in self.trajectory.swapaxes(0, 1):
                self.trajectories_ += self.ax_.plot(*way.T, "k.-", lw=1, ms=3)
            self.ax_.plot(*self.trajectory[0].T, "s", mfc="none", color="tab:blue", label="start")
            self.trajectories_[0].set_label("way of EM")
            if self.jumps:
                style = {"color": "tab:red", "lw": 1.4}
                for end, mean in zip(self.trajectory[-1], self.means, strict=True):
                    self.ax_.annotate("", mean, end, arrowprops={"arrowstyle": "->", **style})
                self.ax_.plot([], [], label="non-local moves", **style)
        (self.means_,) = self.ax_.plot(*self.means.T, "*", color="tab:red", ms=9, label="centres")
        self.ax_.set(xlabel="feature 1", ylabel="feature 2", aspect="equal")
        self.ax_.legend()
