"""Scores of a search over two parameters, the paper's figure 3."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..estimators.parameters import keep
from ._axes import Display


class SearchGridDisplay(Display):
    """Heat map of a search over two parameters, the paper's figure 3 for t_l and t_u.

    Parameters
    ----------
    values : ndarray of shape (n_y, n_x)
        Scores; NaN where nothing was tried.
    x_values, y_values : sequence
    x, y : str
        Names of the parameters.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, Figure
    image_ : matplotlib AxesImage
    texts_ : list of matplotlib Text
        The scores, row by row.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gso.plotting import SearchGridDisplay
    >>> scores = np.array([[-0.3, -0.2], [-0.2, -0.1]])
    >>> display = SearchGridDisplay(scores, [5, 10], [1, 2], "t_u", "t_l").plot()
    >>> display.ax_.get_xlabel(), display.ax_.get_ylabel()
    ('t_u', 't_l')
    """

    def __init__(self, values, x_values, y_values, x, y):
        keep(self, locals())

    @classmethod
    def from_estimator(cls, search, x="t_u", y="t_l", *, score="mean_test_score", ax=None):
        """Draw the scores of a fitted search.

        Where the search had more parameters, the best score over those is shown.

        Parameters
        ----------
        search : GridSearchCV, RandomizedSearchCV or a halving search
            Fitted.
        x, y : str, default="t_u", "t_l"
            Parameters; of one inside a pipeline the last part of the name will do.
        score : str, default="mean_test_score"
            Column of ``cv_results_``.
        ax : matplotlib Axes, default=None

        Returns
        -------
        display : SearchGridDisplay

        Raises
        ------
        NotFittedError
        ValueError
            If the search was not over these parameters, or has no such scores.
        """
        check_is_fitted(search, "cv_results_")
        candidates = search.cv_results_["params"]
        if score not in search.cv_results_:
            raise ValueError(f"cv_results_ has no {score!r}.")
        columns = [_full_name(name, candidates) for name in (x, y)]
        pairs = [tuple(candidate[name] for name in columns) for candidate in candidates]
        # Different values, None first.
        x_values, y_values = (
            sorted(set(values), key=lambda value: (value is not None, value))
            for values in zip(*pairs, strict=True)
        )
        values = np.full((len(y_values), len(x_values)), np.nan)
        for (x_value, y_value), result in zip(pairs, search.cv_results_[score], strict=True):
            place = y_values.index(y_value), x_values.index(x_value)
            values[place] = np.fmax(values[place], result)
        return cls(values, x_values, y_values, x, y).plot(ax)

    def _draw(self):
        self.image_ = self.ax_.imshow(self.values, origin="lower", aspect="auto")
        self.figure_.colorbar(self.image_, ax=self.ax_, label="score")
        self.texts_ = []
        for (i, j), value in np.ndenumerate(self.values):
            if np.isfinite(value):
                style = {"color": "k" if self.image_.norm(value) > 0.5 else "w"}
                text = self.ax_.text(j, i, f"{value:.3g}", ha="center", va="center", **style)
                self.texts_.append(text)
        self.ax_.set_xticks(range(len(self.x_values)), map(str, self.x_values))
        self.ax_.set_yticks(range(len(self.y_values)), map(str, self.y_values))
        self.ax_.set(xlabel=self.x, ylabel=self.y)


def _full_name(name, candidates) -> str:
    known = list(dict.fromkeys(key for candidate in candidates for key in candidate))
    fitting = [key for key in known if key == name or key.endswith("__" + name)]
    if len(fitting) != 1 or not all(fitting[0] in candidate for candidate in candidates):
        raise ValueError(f"the search must be over one {name!r} in all its grids; it had {known}.")
    return fitting[0]
