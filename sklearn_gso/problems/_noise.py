"""Gaussians of rows with noise of their own; samples lie last.

Row g has the covariance ``T = Σ + V_g``. Given the row, what it would be without noise has the
mean ``μ + Σ y`` with ``y = T⁻¹ (x - μ)``, and the covariance ``Σ - Σ T⁻¹ Σ``. Entries that are
missing have infinite noise: there T⁻¹, the inverse of what is observed, is zero.

Matrices of all rows are packed as in `_linalg`, (T, K, D (D + 1) / 2, G); where covariances and
noise are axis-parallel only diagonals are held, (T, K, D, G).
"""

import copy
import math

import torch
from torch import Tensor

from ._gaussians import as_matrices, is_matrix, of_tasks
from ._linalg import apply, log_determinant, outer, pack, solve_and_invert, unpack

# Doubles of all matrices that a part of the rows works on.
_PART_SIZE = 1 << 20


class Noise:
    """Rows, some entries of which may be missing, and the covariances of their noise.

    Parameters
    ----------
    samples : Tensor of shape (T, G, D)
        With NaN where missing.
    noise : Tensor of shape (T, G, D) or (T, G, D, D), or with 1 in place of G
        Variances or covariances of the noise, of each row or of all; finite.
    products : bool
        Whether covariances of components may be matrices, not axis-parallel.
    """

    def __init__(self, samples: Tensor, noise: Tensor, products: bool):
        missing = samples.isnan()
        self.points = samples.nan_to_num().mT.contiguous()
        self.products = products or is_matrix(noise)
        self.observed: Tensor | None = None  # (T, D, G)
        self.mask: Tensor | None = None  # as what is packed, 1 where both features are observed
        if missing.any():
            noise = noise.expand(-1, samples.shape[1], *noise.shape[2:])
            observed = (~missing).to(samples.dtype)
            self.observed = observed.mT.contiguous()
            self.mask = outer(observed) if self.products else self.observed
            # 1 for what is missing: its logarithm is 0.
            self.added = self._packed(noise) * self.mask + self._packed(1 - observed)
        else:
            self.added = self._packed(noise)

    def _packed(self, noise: Tensor) -> Tensor:
        if not self.products:
            return noise.mT.contiguous()
        matrices = noise if is_matrix(noise) else torch.diag_embed(noise)
        return pack(matrices.permute(0, 2, 3, 1))

    @property
    def is_shared(self) -> bool:
        """Whether all rows have the same noise and no holes: so T⁻¹ is the same, too."""
        return self.added.shape[2] == 1

    def take(self, index) -> "Noise":
        other = copy.copy(self)
        for name in ("points", "observed", "mask", "added"):
            values = getattr(self, name)
            setattr(other, name, None if values is None else of_tasks(values, index))
        return other

    def parts(self, n_components: int) -> list[slice]:
        """Slices of the rows that are worked on at once."""
        n_tasks, size, _ = self.added.shape
        n_rows = self.points.shape[2]
        step = max(1, _PART_SIZE // (n_tasks * size * n_components))
        return [slice(i, i + step) for i in range(0, n_rows, step)]

    def inverses(self, covariances: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        """T⁻¹ of some rows, (T, K or 1, pairs or D, n or 1), and log determinants of T."""
        rows = slice(None) if self.is_shared else rows
        base, added = self._of_components(covariances)[..., None], self.added[:, None, :, rows]
        if self.mask is None:
            return self._inverted(base + added)
        mask = self.mask[:, None, :, rows]
        inverse, log_det = self._inverted(base * mask + added)
        return inverse * mask, log_det

    def _of_components(self, covariances: Tensor) -> Tensor:
        """Covariances packed, (T, K or 1, pairs), or their diagonals."""
        if not self.products:
            return covariances
        matrices = as_matrices(covariances, self.points.shape[1])
        matrices = (matrices + matrices.mT) / 2  # a gradient is of both triangles
        return pack(matrices.flatten(0, 1)[..., None])[..., 0].unflatten(0, matrices.shape[:2])

    def _inverted(self, total: Tensor) -> tuple[Tensor, Tensor]:
        if not self.products:
            return total.reciprocal(), total.log().sum(2)
        flat, d = total.flatten(0, 1), self.points.shape[1]
        nothing = flat.new_zeros(len(flat), d, flat.shape[2])
        inverse, _, log_det = solve_and_invert(flat, nothing)
        if torch.is_grad_enabled():
            log_det = log_determinant(flat)
        return inverse.unflatten(0, total.shape[:2]), log_det.unflatten(0, total.shape[:2])

    def pulled(self, means: Tensor, inverse: Tensor, rows: slice) -> Tensor:
        """``y = T⁻¹ (x - μ)`` of some rows, (T, K, D, n)."""
        deviation = self.points[:, None, :, rows] - means[..., None]
        if not self.products:
            return inverse * deviation
        if self.is_shared:
            return self.matrices(inverse)[..., 0] @ deviation
        return apply(inverse, deviation)

    def matrices(self, packed: Tensor) -> Tensor:
        """What is packed, or its diagonal, as (T, K or 1, D, D, n)."""
        if not self.products:
            return torch.diag_embed(packed.mT).permute(0, 1, 3, 4, 2)
        return unpack(packed.flatten(0, 1)).unflatten(0, packed.shape[:2])

    def log_density(self, means: Tensor, inverse: Tensor, log_det: Tensor, rows: slice) -> Tensor:
        """Of what is observed of some rows, (T, K, n)."""
        deviation = self.points[:, None, :, rows] - means[..., None]
        squares = (self.pulled(means, inverse, rows) * deviation).sum(2)
        n_observed = self.points.new_tensor(self.points.shape[1])
        if self.observed is not None:
            n_observed = self.observed[:, None, :, rows].sum(2)
        return -0.5 * (math.log(2 * math.pi) * n_observed + log_det + squares)

    def sums(self, shares: Tensor, inverse: Tensor, pulled: Tensor):
        """``Σ_g r T⁻¹`` and ``Σ_g r y yᵀ``, (T, K, D, D) or diagonals (T, K, D), by shares r."""
        if self.is_shared:
            inverse = inverse * shares.sum(2)[:, :, None, None]
        elif inverse.shape[1] == 1:
            inverse = (shares @ inverse[:, 0].mT)[..., None]
        else:
            inverse = inverse @ shares[..., None]
        if not self.products:
            return inverse[..., 0], (pulled.square() @ shares[..., None])[..., 0]
        return self.matrices(inverse)[..., 0], (pulled * shares[:, :, None]) @ pulled.mT
