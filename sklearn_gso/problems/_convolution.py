"""Convolutions on a periodic grid, one kernel for all channels of a task."""

import math
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

BOUNDARIES = ("circular", "valid")


class Grid(NamedTuple):
    """Where signals, sources and kernels lie; rows are flattened signals.

    Sources live on a periodic grid. That of "circular" signals is their own, with the kernel's
    middle, ``size // 2``, as its origin. "valid" ones see a part of a larger one, as
    ``scipy.signal.convolve(source, kernel, "valid")`` does.

    Attributes
    ----------
    shape : tuple of int
        Of a signal.
    size : tuple of int
        Of the kernel, along the same axes.
    boundary : {"circular", "valid"}
    """

    shape: tuple[int, ...]
    size: tuple[int, ...]
    boundary: str

    @property
    def full(self) -> tuple[int, ...]:
        """Shape of a source."""
        if self.boundary == "circular":
            return self.shape
        return tuple(n + p - 1 for n, p in zip(self.shape, self.size, strict=True))

    @property
    def axes(self) -> tuple[int, ...]:
        return tuple(range(-len(self.shape), 0))

    # Signals and the grid -------------------------------------------------------------

    def embedded(self, rows: Tensor) -> Tensor:
        """Signals (T, c, n) where a row on the grid has them; NaN around."""
        signals = rows.unflatten(-1, self.shape)
        if self.boundary == "circular":
            return signals.roll(tuple(p // 2 for p in self.size), self.axes).flatten(2)
        margins = [margin for p in reversed(self.size) for margin in (p - 1, 0)]
        return torch.nn.functional.pad(signals, margins, value=math.nan).flatten(2)

    def extracted(self, rows: Tensor) -> Tensor:
        """The signals of rows on the grid: what undoes `embedded`."""
        full = rows.unflatten(-1, self.full)
        if self.boundary == "circular":
            return full.roll(tuple(-(p // 2) for p in self.size), self.axes).flatten(2)
        return full[(..., *(slice(p - 1, None) for p in self.size))].flatten(2)

    # Convolutions ---------------------------------------------------------------------

    def spectrum(self, rows: Tensor) -> Tensor:
        """Fourier coefficients of rows on the grid."""
        return torch.fft.rfftn(rows.unflatten(-1, self.full), dim=self.axes)

    def kernel_spectrum(self, kernel: Tensor) -> Tensor:
        """Fourier coefficients of kernels (..., p)."""
        return torch.fft.rfftn(kernel.unflatten(-1, self.size), s=self.full, dim=self.axes)

    def rows(self, spectrum: Tensor) -> Tensor:
        """The rows of Fourier coefficients."""
        return torch.fft.irfftn(spectrum, s=self.full, dim=self.axes).flatten(2)

    def window(self, rows: Tensor) -> Tensor:
        """What of rows on the grid lies where a kernel does, (..., p)."""
        full = rows.unflatten(-1, self.full)
        return full[(..., *(slice(p) for p in self.size))].flatten(2)

    def gram(self, sources: Tensor, spectrum: Tensor, unseen: Tensor | None) -> Tensor:
        """Products of sources shifted by each place of a kernel, over what is seen, (T, p, p)."""
        power = spectrum.abs().square().sum(1, keepdim=True)
        places = self._places()
        gram = self.rows(power)[:, 0, self._numbers(places[:, None] - places)]
        if unseen is None:
            return gram
        where = unseen.flatten(0, 1).any(0).nonzero()[:, 0]
        here = torch.stack(torch.unravel_index(where, self.full), dim=1)
        shifted = sources[..., self._numbers(here[:, None] - places)]
        shifted = (shifted * unseen[..., where, None]).flatten(1, 2)
        return gram - shifted.mT @ shifted

    # Places ---------------------------------------------------------------------------

    def _places(self) -> Tensor:
        """Coordinates of a kernel's entries, (p, n_axes)."""
        return torch.tensor(list(product(*map(range, self.size))))

    def _numbers(self, places: Tensor) -> Tensor:
        """Which entry of a row places are, modulo the grid."""
        number = torch.zeros(places.shape[:-1], dtype=torch.long)
        for axis, n in enumerate(self.full):
            number = number * n + places[..., axis] % n
        return number

    def stretch(self, rows: Tensor, first: Tensor) -> Tensor:
        """What of rows (T, n) begins at entries ``first`` (T,) and fills half a kernel, (T, p).

        It lies in the kernel's middle; ones where there is nothing.
        """
        begin = torch.stack(torch.unravel_index(first, self.full), dim=1)
        middle = (self.from_middle().abs() <= 0.5).all(1)
        stretch = rows.gather(1, self._numbers(begin[:, None] + self._places())) * middle
        return torch.where(stretch.any(1, keepdim=True), stretch, middle.to(stretch))

    def shifts(self) -> Tensor:
        """By up to half of a kernel along each axis, by nothing first, (n_shifts, n_axes)."""
        steps = [range(-(p // 2), p // 2 + 1) for p in self.size]
        return torch.tensor(sorted(product(*steps), key=lambda shift: sum(map(abs, shift))))

    def at_shifts(self, rows: Tensor) -> Tensor:
        """The entries of rows (T, n) whose places are `shifts`, (T, n_shifts)."""
        return rows[:, self._numbers(self.shifts())]

    def windows(self, rows: Tensor) -> Tensor:
        """What of rows (T, n) lies where kernels moved by each of `shifts` do, (T, n_shifts, p)."""
        return rows[:, self._numbers(self.shifts()[:, None] + self._places())]

    def shifted(self, rows: Tensor, number: Tensor, back: bool = False) -> Tensor:
        """Rows (T, c, n) moved, or moved back, by one of `shifts` a task, by number (T,)."""
        if not number.any():
            return rows
        moved = self.shifts()[number][:, None] * (1 if back else -1)
        every = torch.arange(rows.shape[2])
        places = torch.stack(torch.unravel_index(every, self.full), dim=1)
        return rows.gather(2, self._numbers(places + moved)[:, None].expand_as(rows))

    def from_middle(self) -> Tensor:
        """Coordinates of a kernel's entries, -1 and 1 being just outside its ends, (p, n_axes)."""
        size = torch.tensor(self.size)
        return (2 * self._places() + 1 - size) / (size + 1.0)

    def impulse(self, kernel: Tensor) -> Tensor:
        """The kernel that does nothing, like another one."""
        impulse = torch.zeros_like(kernel)
        impulse[..., self.from_middle().abs().amax(1).argmin()] = 1.0
        return impulse

    # Differences ----------------------------------------------------------------------

    def differences(self, rows: Tensor) -> Tensor:
        """From each place to the next along each axis, (T, c, n_axes, n)."""
        full = rows.unflatten(-1, self.full)
        return torch.stack([(full - full.roll(1, axis)).flatten(2) for axis in self.axes], dim=2)

    def differences_back(self, steps: Tensor) -> Tensor:
        """The transpose of `differences`."""
        total = torch.zeros_like(steps[:, :, 0])
        for i, axis in enumerate(self.axes):
            step = steps[:, :, i].unflatten(-1, self.full)
            total = total + (step - step.roll(-1, axis)).flatten(2)
        return total

    def roughness(self) -> Tensor:
        """What `differences` and its transpose do to Fourier coefficients."""
        total = torch.zeros((), dtype=torch.float64)
        for axis, n in zip(self.axes, self.full, strict=True):
            frequency = torch.fft.rfftfreq(n) if axis == -1 else torch.fft.fftfreq(n)
            square = 4 * torch.sin(math.pi * frequency.double()).square()
            total = total + square.reshape(-1, *[1] * (-axis - 1))
        return total
