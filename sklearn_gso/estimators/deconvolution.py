"""Blind deconvolution with scikit-learn's face."""

import math

import torch
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..problems import BlindDeconvolution
from ..problems._convolution import BOUNDARIES, Grid
from ..problems.blind_deconvolution import SOURCES
from .base import AlternatingEstimator
from .fitting import about_run, fitted_on_one, objectives_of
from .parameters import NONE, POSITIVE, Accepts, choice, integer, keep
from .reporting import warn
from .tasks import check_columns

# Of a signal's sides, where nobody says how large the kernel is.
_SHARE = 5
PAIR = Accepts(
    "a pair of integers >= 1",
    lambda v: isinstance(v, tuple | list) and len(v) == 2 and all(map(integer().fits, v)),
)


def _restored(problem, variables):
    return problem.restored(variables)


class GSOBlindDeconvolution(AlternatingEstimator):
    r"""Blind deconvolution by learned alternating optimisation.

    Rows of X are signals, each the convolution of a source of its own with one short kernel that
    is common to all of them, ``x_i ≈ k * s_i``. Kernel and sources are estimated together by

    .. math::
        \min_{k, S} \tfrac12 \sum_i \|P_\Omega(x_i - k * s_i)\|^2 + \alpha \sum_i \|s_i\|_1,
        \qquad \|k\|_2 \le 1,

    of the signals (``source="spikes"``) or of their differences (``source="smooth"``), over the
    observed entries and over all places of the kernel within its window. ``fit`` of one data set
    solves it; ``fit`` of a collection trains the rule that moves the kernel, and ``transform``
    then solves every data set it is given with a kernel of its own.

    Parameters
    ----------
    kernel_size : int or tuple of 2 int, default=None
        Length of the kernel, or height and width; an int is both of them. A larger window than
        the kernel needs costs little. By default a fifth of the signal's sides.
    signal_shape : tuple of 2 int, default=None
        Height and width where rows are flattened pictures. By default they are sequences.
    boundary : {"circular", "valid"}, default="circular"
        "circular": signals and sources are periodic, and the kernel's middle is its origin, as in
        ``scipy.ndimage.convolve(source, kernel, mode="wrap")``. "valid": sources are longer than
        signals, as in ``scipy.signal.convolve(source, kernel, "valid")``.
    source : {"spikes", "smooth"}, default="spikes"
        "spikes": few entries of a source are not 0. "smooth": few differences between neighbours
        are large, as in pictures; the kernel is not negative and sums to 1.
    alpha : float, default=0.1
        Weight of the penalty, in the units of X, > 0: one to two standard deviations of the
        noise, or more.
    optimizer : LearnedOptimizer, str, path-like or None, default=None
        The trained rule to start from. None: the closed forms. "pretrained" is the rule that
        comes with the package, for ``rule="control"``: measured, it is hardly better and
        takes a third longer.
    rule, max_iter, t_l, t_u, n_epochs, training, safeguard, n_jobs, verbose
        As of `AlternatingEstimator`.
    tol : float, default=None
        A run ends when its objective changes by less than this share of it. By default all
        sweeps are made: a learned rule ends its continuation with the last one.
    n_init : int, default=10
        Random starts. The lowest objective wins; those beside the first that are not among the
        best quarter after a tenth, or after two fifths, of the sweeps are given up (none where
        ``safeguard="run"`` compares whole runs).
    random_state : int, RandomState instance or None, default=None
        Seeds starts and weights.

    Attributes
    ----------
    kernel_ : ndarray of shape (kernel_size,) or of that height and width
        After a fit on one data set. Of "spikes" its norm is 1 and its largest entry positive.
    error_ : ndarray of shape (n_sweeps + 1,)
        The objective at the start and after each sweep.
    objective_ : float
        At the end, with exact sources.
    n_iter_, n_guarded_, n_features_in_, n_tasks_in_ : int
        As of `AlternatingEstimator`.
    learned_optimizer_ : LearnedOptimizer or None
        The trained rule.
    history_ : History
        Of a training.

    See Also
    --------
    sklearn_gso.metrics.shifted_cosine : Kernels are known up to shift, and spikes up to sign.

    Notes
    -----
    NaN marks missing entries, in `fit` and in `transform`. A row without any has a source of 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_gso import GSOBlindDeconvolution
    >>> from sklearn_gso.metrics import shifted_cosine
    >>> spikes, kernel = np.zeros((1, 60)), np.array([2.0, -1, 2])
    >>> spikes[0, [5, 17, 30, 41, 53]] = 3, -2, 1, 2, -3
    >>> X = sum(k * np.roll(spikes, i) for i, k in enumerate(kernel))
    >>> model = GSOBlindDeconvolution(3, random_state=0).fit(X)
    >>> round(shifted_cosine(kernel, model.kernel_), 3)
    1.0
    """

    problem_class = BlindDeconvolution
    pretrained = "deconvolution"
    fit_trace = "objective"
    races = True
    allow_nan = True
    read = staticmethod(_restored)
    accepts = {
        "kernel_size": NONE | integer() | PAIR,
        "signal_shape": NONE | PAIR,
        "boundary": choice(*BOUNDARIES),
        "source": choice(*SOURCES),
        "alpha": POSITIVE,
    }

    def __init__(
        self,
        kernel_size=None,
        *,
        signal_shape=None,
        boundary="circular",
        source="spikes",
        alpha=0.1,
        optimizer=None,
        rule="control",
        max_iter=None,
        tol=None,
        t_l=None,
        t_u=None,
        n_epochs=10,
        training=None,
        n_init=10,
        safeguard="step",
        random_state=None,
        n_jobs=None,
        verbose=0,
    ):
        keep(self, locals())

    def problem_options(self, array):
        n = array.shape[1]
        shape = (n,) if self.signal_shape is None else tuple(map(int, self.signal_shape))
        if math.prod(shape) != n:
            raise ValueError(
                f"signal_shape={shape} has {math.prod(shape)} entries; rows of X have {n}."
            )
        size = self.kernel_size
        if size is None:
            size = tuple(max(1, side // _SHARE) for side in shape)
        elif isinstance(size, tuple | list):
            size = tuple(map(int, size))
        else:
            size = (int(size),) * len(shape)
        if len(size) != len(shape):
            raise ValueError(f"kernel_size={size} has two sides, signals are sequences.")
        if any(p > side for p, side in zip(size, shape, strict=True)):
            raise ValueError(
                f"The kernel of size {size} is larger than the signals of shape {shape}."
            )
        return {
            "kernel_size": size,
            "signal_shape": shape,
            "boundary": self.boundary,
            "source": self.source,
            "alpha": float(self.alpha),
        }

    def _about(self, answer):
        if not answer.best.variables["sources"].any():
            warn(
                f"alpha={self.alpha!r} is so large for these data that every source is 0, and "
                "nothing is known of the kernel: lower alpha."
            )
        kernel = answer.best.variables["kernel"][0, 0].numpy().reshape(answer.problem.grid.size)
        total = kernel.sum() if self.source == "smooth" else 1.0
        told = {"kernel_": kernel / (total or 1.0), "error_": objectives_of(answer)}
        return {**about_run(answer), **told}

    def _grid(self) -> Grid:
        options = self._fitted.rows.options
        return Grid(*(options[name] for name in ("signal_shape", "kernel_size", "boundary")))

    @available_if(fitted_on_one)
    def inverse_transform(self, X):
        """Signals that belong to sources.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_source_entries)
            As `transform` returns them.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        grid = self._grid()
        n = math.prod(grid.full)
        sources = check_columns(X, n, f"Sources have {n} entries")
        kernel = torch.from_numpy(self.kernel_.reshape(1, 1, -1))
        spectrum = grid.spectrum(torch.from_numpy(sources)[None])
        return grid.extracted(grid.rows(grid.kernel_spectrum(kernel) * spectrum))[0].numpy()
