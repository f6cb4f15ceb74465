"""Piecewise smooth sources of signals whose kernel is known."""

import torch
from torch import Tensor

from ._convolution import Grid
from ._proximal import descend

# All of them: what becomes of a signal depends on no other.
_PASSES = 300, -1.0


def told(rows: Tensor) -> tuple[Tensor, Tensor | None]:
    """Rows with 0 in place of NaN, and where that is, if anywhere."""
    unseen = rows.isnan()
    return rows.nan_to_num(0.0), unseen if unseen.any() else None


def restored(grid: Grid, signals: Tensor, kernel: Tensor, weight: Tensor, delta: float):
    r"""Least squares with Huber's function h of the differences, by its half-quadratic form.

    .. math::
        \min_X \tfrac12 \|P_\Omega(Y - k * X)\|^2 + \beta \sum h_\delta(\nabla X)

    The differences' parts beyond ``delta`` are a threshold; given these, a division by Fourier
    coefficients is exact but for what is not seen, which the model fills.

    Parameters
    ----------
    grid : Grid
    signals : Tensor of shape (T, c, n)
        On the grid, NaN where nothing is seen.
    kernel : Tensor of shape (T, 1, p)
    weight : Tensor of shape (T, 1, 1)
        Of the differences, β.
    delta : float
        Below it they count by their square.
    """
    (values, unseen), spectrum = told(signals), grid.kernel_spectrum(kernel)
    stiffness = (weight / delta).reshape(-1, *[1] * (spectrum.ndim - 1)) * grid.roughness()
    curvature = spectrum.abs().square() + stiffness

    def step(sources):
        misfit = grid.rows(spectrum * grid.spectrum(sources)) - values
        misfit = misfit if unseen is None else misfit.masked_fill(unseen, 0.0)
        bent = weight * grid.differences_back((grid.differences(sources) / delta).clamp(-1, 1))
        slope = spectrum.conj() * grid.spectrum(misfit) + grid.spectrum(bent)
        return sources - grid.rows(slope / curvature.clamp(min=1e-300))

    start = values
    if unseen is not None:
        seen = (~unseen).sum(2, keepdim=True).clamp(min=1)
        start = torch.where(unseen, values.sum(2, keepdim=True) / seen, values)
    return descend(start, step, _PASSES)


def of_sum_one(kernel: Tensor) -> Tensor:
    return kernel / kernel.sum(2, keepdim=True).clamp(min=1e-300)
