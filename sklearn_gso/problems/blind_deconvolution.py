"""Blind deconvolution: signals are one short kernel's convolutions with sources, both unknown."""

import math

import torch
from torch import Tensor

from ._convolution import BOUNDARIES, Grid
from ._proximal import descend, first_of_largest, norm, soft
from ._restoration import of_sum_one, restored, told
from .base import Problem

SOURCES = ("spikes", "smooth")
# Passes at most, and the share of the largest entry that the last one may change, where a block
# is minimised; and where a run ends.
_EXACT, _AT_THE_END = (3000, 1e-10), (300, 1e-6)
_TINY = 1e-300
_FEW = 2.0  # how much longer a kernel starts than that at which all sources are 0


class BlindDeconvolution(Problem):
    r"""Squares of what is unexplained, and an l1 penalty, one kernel for all channels.

    .. math::
        F(k, X) = \min_s \tfrac12 \sum_i \|P_\Omega(y_i - k * S_s x_i)\|^2
        + \alpha \sum_i \|x_i\|_1, \qquad \|k\|_2 \le 1

    "spikes": channels are the signals, sources are sparse [1]_. "smooth": channels are the
    signals' differences along each axis and so are the sources, and kernels are not negative;
    `restored` then finds signals to these kernels. The bound of the norm is reached at a minimum,
    as longer kernels have smaller sources: this fixes the scale and, where sums are given, would
    prefer no blur [2]_. A shift s of all sources by at most half of the kernel's size is free: the
    best kernel is that in the best window. Without it a kernel that is cut off at one end of
    its window stays so [3]_.

    Blocks are minimised by accelerated closed steps: a threshold of sources, a projection of
    kernels. A few of them from where a block stands are enough within an alternation.

    Parameters
    ----------
    values : Tensor of shape (T, n_channels, n)
        Rows are signals, pictures flattened. NaN marks a missing entry.
    kernel_size : tuple of int
        One number for each axis of a signal.
    signal_shape : tuple of int, optional
        By default ``(n,)``.
    boundary : {"circular", "valid"}, default="circular"
        "circular": signals and sources are periodic. "valid": signals are what a convolution
        says without anything beyond the sources' border, of which there are more entries.
    source : {"spikes", "smooth"}, default="spikes"
    alpha : float, default=0.1
        Weight of the penalty, in the units of the data.
    n_passes : int or None, default=8
        Steps within a block. None: until it is minimised.

    Notes
    -----
    Sources follow the kernel, which rules move. Control: ``shrink`` bounds the kernel's norm by
    exp(-max(shrink, 0)), as if the penalty were so much larger. Gradients are of the last step.

    References
    ----------
    .. [1] Lau, Qu, Kuo, Zhou, Zhang and Wright, Short-and-Sparse Deconvolution: A Geometric
       Approach, ICLR 2020.
    .. [2] Zhang, Lau, Kuo, Cheung, Pasupathy and Wright, On the Global Geometry of
       Sphere-Constrained Sparse Blind Deconvolution, CVPR 2017.
    .. [3] Zhang, Kuo and Wright, Structured Local Optima in Sparse Blind Deconvolution, IEEE
       Transactions on Information Theory 66, 2020.
    """

    block_names = ("kernel", "sources")
    moved_names = ("kernel",)
    local_blocks = ("sources",)
    control_names = ("shrink",)

    def __init__(
        self,
        values: Tensor,
        kernel_size: tuple[int, ...],
        signal_shape: tuple[int, ...] | None = None,
        boundary: str = "circular",
        source: str = "spikes",
        alpha: float = 0.1,
        n_passes: int | None = 8,
    ):
        if boundary not in BOUNDARIES or source not in SOURCES:
            known = f"boundary must be one of {BOUNDARIES} and source one of {SOURCES}"
            raise ValueError(f"{known}, got {boundary!r} and {source!r}.")
        self.grid = Grid(tuple(signal_shape or values.shape[2:]), tuple(kernel_size), boundary)
        self.source, self.alpha = source, float(alpha)
        self.passes = (n_passes, -1.0) if n_passes else _EXACT
        self._observe(values)

    def _observe(self, values):
        signals = self.grid.embedded(values)
        self.n_tasks, self.signals = len(values), signals
        smooth = self.source == "smooth"
        channels = self.grid.differences(signals).flatten(1, 2) if smooth else signals
        self.values, self.unseen = told(channels)

    @property
    def task_size(self):  # type: ignore[override]
        return 4 * self.values[0].numel()

    @property
    def units(self):
        """Sources of new rows are exact."""
        return {"n_passes": None}

    def init(self, generator):
        """Spikes: a random stretch of the signals. Smooth: a bump of random width.

        So short that few sources are not 0: a continuation can begin without raising F.
        """
        draw = self._stretch if self.source == "spikes" else self._bump
        kernel = draw(generator)[:, None]
        kernel = kernel / norm(kernel)
        largest = self._slope(kernel)(torch.zeros_like(self.values)).abs().amax((1, 2), True)
        kernel = kernel * (_FEW * self.alpha / largest.clamp(min=_TINY)).clamp(max=1.0)
        sources = self._best_sources(kernel, torch.zeros_like(self.values), self.passes)
        return {"kernel": kernel, "sources": sources}

    def _stretch(self, generator) -> Tensor:
        n_channels, n = self.values.shape[1:]
        channel = torch.randint(n_channels, (self.n_tasks,), generator=generator)
        first = torch.randint(n, (self.n_tasks,), generator=generator)
        return self.grid.stretch(self.values[torch.arange(self.n_tasks), channel], first)

    def _bump(self, generator) -> Tensor:
        width = 0.2 + 0.4 * torch.rand(self.n_tasks, 1, generator=generator, dtype=torch.float64)
        return torch.exp(-0.5 * self.grid.from_middle().square().sum(1) / width.square())

    def _model(self, kernel, sources) -> Tensor:
        grid = self.grid
        return grid.rows(grid.kernel_spectrum(kernel) * grid.spectrum(sources))

    def _misfit(self, kernel, sources) -> Tensor:
        """The model less the data, 0 where nothing is seen."""
        misfit = self._model(kernel, sources) - self.values
        return misfit if self.unseen is None else misfit.masked_fill(self.unseen, 0.0)

    def _shift(self, kernel, sources) -> Tensor:
        """The number of the shift at which the model is nearest to the data, (T,)."""
        with torch.no_grad():
            model, grid = self._model(kernel, sources), self.grid
            gain = self._products(grid.spectrum(model), self.values)
            if self.unseen is not None:
                seen = (~self.unseen).to(model)
                gain = gain - 0.5 * self._products(grid.spectrum(model.square()), seen)
            return first_of_largest(grid.at_shifts(gain))

    def _products(self, spectrum, rows) -> Tensor:
        """Of rows and of what has this spectrum, shifted by each place; over channels, (T, n)."""
        return self.grid.rows((spectrum.conj() * self.grid.spectrum(rows)).sum(1, True))[:, 0]

    def _pull(self, sources, rows) -> Tensor:
        """Products of rows and of sources shifted by each place of the kernel, (T, 1, p)."""
        return self.grid.window(self._products(self.grid.spectrum(sources), rows)[:, None])

    def _aligned(self, kernel, sources) -> Tensor:
        return self.grid.shifted(sources, self._shift(kernel, sources))

    def objective(self, variables):
        kernel, sources = variables["kernel"], variables["sources"]
        squares = self._misfit(kernel, self._aligned(kernel, sources)).square().sum((1, 2))
        return 0.5 * squares + self.alpha * sources.abs().sum((1, 2))

    def gradient(self, variables, name):
        """As of any problem; of sources the subgradient of least norm."""
        kernel, sources = variables["kernel"], variables["sources"]
        shift = self._shift(kernel, sources)
        aligned = self.grid.shifted(sources, shift)
        if name == "kernel":
            return self._pull(aligned, self._misfit(kernel, aligned))
        slope = self.grid.shifted(self._slope(kernel)(aligned), shift, back=True)
        inner = slope + self.alpha * sources.sign()
        return torch.where(sources == 0, soft(slope, self.alpha), inner)

    def _slope(self, kernel):
        """The function of aligned sources that is the gradient of the squares."""
        grid, spectrum = self.grid, self.grid.kernel_spectrum(kernel)
        back = spectrum.conj()
        if self.unseen is None:
            power, data = back * spectrum, back * grid.spectrum(self.values)
            return lambda sources: grid.rows(power * grid.spectrum(sources) - data)
        return lambda sources: grid.rows(back * grid.spectrum(self._misfit(kernel, sources)))

    def project(self, name, block):
        return self._nearest(block, 1.0) if name == "kernel" else block

    def _nearest(self, kernel, bound) -> Tensor:
        """The nearest kernel within a bound."""
        kernel = kernel if self.source == "spikes" else kernel.clamp(min=0)
        return kernel * (bound / norm(kernel)).clamp(max=1.0)

    def minimize_block(self, variables, name, controls=None):
        kernel, sources = variables["kernel"], variables["sources"]
        if name == "sources":
            return self._best_sources(kernel, sources, self.passes)
        shrink = torch.as_tensor((controls or {}).get("shrink", 0.0), dtype=kernel.dtype)
        bound = torch.exp(-shrink.clamp(min=0)).expand(self.n_tasks, 1, 1)
        kernel, sources = self._moved(kernel, sources, bound)
        curvature = self.grid.gram(sources, self.grid.spectrum(sources), self.unseen)
        data = self._pull(sources, self.values)
        return self._best_kernel(kernel, curvature, data, bound)

    def _moved(self, kernel, sources, bound):
        """The kernel in the window that explains most, and the sources moved likewise."""
        with torch.no_grad():
            spectrum, values = self.grid.spectrum(sources), self.values
            if self.unseen is not None:
                here = self._model(kernel, self._aligned(kernel, sources))
                values = torch.where(self.unseen, here, values)
            curvature = self.grid.gram(sources, spectrum, None)
            data = self.grid.windows(self._products(spectrum, values))
            every = self._best_kernel(torch.zeros_like(data), curvature, data, bound)
            value = (every * (every @ curvature / 2 - data)).sum(2)
            number = first_of_largest(-value)
            kernel = every[torch.arange(self.n_tasks), number][:, None]
            return kernel, self.grid.shifted(sources, number)

    def _best_kernel(self, kernel, curvature, data, bound) -> Tensor:
        """Minimisers of quadratics within a bound, for each row of ``data``."""
        # The largest sum of a row bounds the curvature, also along the gradients of a training.
        weight = curvature.abs().sum(2).amax(1)[:, None, None].clamp(min=_TINY)

        def step(kernel):
            return self._nearest(kernel - (kernel @ curvature - data) / weight, bound)

        return descend(self._nearest(kernel, bound), step, self.passes)

    def _best_sources(self, kernel, sources, passes) -> Tensor:
        power = self.grid.kernel_spectrum(kernel).abs().square()
        weight = power.flatten(1).amax(1)[:, None, None].clamp(min=_TINY)
        slope, threshold = self._slope(kernel), self.alpha / weight

        def step(sources):
            return soft(sources - slope(sources) / weight, threshold)

        if passes is _EXACT:  # from nothing: what becomes of one channel depends on no other
            return descend(torch.zeros_like(sources), step, passes)
        return descend(self._aligned(kernel, sources), step, passes)

    def settled(self, variables):
        """With a kernel of norm 1, its largest entry positive, and its exact, aligned sources.

        Where all sources are 0 nothing is known of the kernel: it does nothing.
        """
        kernel = variables["kernel"]
        largest = kernel.gather(2, kernel.abs().argmax(2, keepdim=True))
        size = torch.where(largest == 0, 1.0, norm(kernel) * largest.sign())
        kernel = torch.where(largest == 0, self.grid.impulse(kernel), kernel / size)
        sources = variables["sources"] * size
        return {"kernel": kernel, "sources": self._best_sources(kernel, sources, _AT_THE_END)}

    def restored(self, variables) -> Tensor:
        """Sources of the signals themselves, (T, c, n).

        Of "smooth" those of Huber's function of the differences, beyond alpha / 2, to the kernel
        of sum 1; the noise of differences has twice the variance, so their weight is half.
        """
        if self.source == "spikes":
            return self._aligned(variables["kernel"], variables["sources"])
        kernel = of_sum_one(variables["kernel"])
        weight = self.alpha / 2 * norm(kernel)
        return restored(self.grid, self.signals, kernel, weight, self.alpha / 2)

    def stands_still(self, before, after, change, tol):
        """Whether an outer step changed the objective by less than a share ``tol`` of it."""
        return change.abs() <= tol * self.objective(after)

    def take(self, index):
        other = self.copied()
        other.n_tasks, other.values = len(index), self.values[index]
        other.signals = self.signals[index]
        other.unseen = None if self.unseen is None else self.unseen[index]
        return other

    def with_values(self, values) -> "BlindDeconvolution":
        """The same problem of other data."""
        other = self.copied()
        other._observe(values)
        return other

    def reconstruct(self, variables) -> Tensor:
        """The signals as the model says, ``k * X``, (T, n_channels, n)."""
        kernel = variables["kernel"]
        kernel = kernel if self.source == "spikes" else of_sum_one(kernel)
        return self.grid.extracted(self._model(kernel, self.restored(variables)))

    def row_features(self, variables, name):
        kernel, aligned = variables["kernel"], self._aligned(**variables)
        misfit, n = self._misfit(kernel, aligned), aligned[0].numel()
        pull = self._pull(aligned, misfit)
        whole, left, length, size, push = (
            rows.square().sum((1, 2)).sqrt() + _TINY
            for rows in (self.values, misfit, aligned, kernel, pull)
        )
        used, total = (aligned != 0).sum((1, 2)), self.alpha * aligned.abs().sum((1, 2))
        outer = kernel[..., (self.grid.from_middle().abs() > 0.6).any(1)]
        features = [
            (used / n + 1 / n).log() / 4,
            (total * size / (used.clamp(min=1) * self.alpha**2) + 1e-3).log() / 4,
            (_peaked(aligned, length) / n + 1e-6).log() / 4,
            size.log().clamp(min=-5) / 2,
            (_peaked(kernel, size) / kernel.shape[2] + 1e-6).log() / 4,
            outer.square().sum((1, 2)) / size.square(),
            push / left / length,
            (left / whole + 1e-6).log() / 4,
            total / (total + 0.5 * left.square() + _TINY),
            (self.alpha / whole * n**0.5 + 1e-6).log() / 4,
            torch.full_like(whole, math.log(kernel.shape[2] / n) / 4),
            torch.full_like(whole, float(self.source == "smooth")),
        ]
        return torch.stack(features, dim=1)[:, None]


def _peaked(rows: Tensor, length: Tensor) -> Tensor:
    """Among how many entries the squares are spread, (T,)."""
    return 1 / ((rows / length[:, None, None]).pow(4).sum((1, 2)) + 1e-12)
