"""What factor models ask of the entries they see, and the answers of dense tensors.

``name`` is the factor, "U" or "V", whose rows the answer belongs to. A residual is
whatever `residual` returns: only its own observations can read it.
"""

import numpy as np
import torch
from torch import Tensor

OTHER = {"U": "V", "V": "U"}


class Observations:
    """The observed entries of T matrices of shape (p, q): values, zero elsewhere, and a mask.

    Attributes
    ----------
    shape : tuple of int
    counts : dict of str to Tensor
        Observed entries of each row of each factor, (T, p) and (T, q).
    one_start_at_a_time : bool
        Whether several starts would cost memory and win no time.
    has_costly_residuals : bool
        Whether sums of the entries and of products cost less.
    """

    one_start_at_a_time = False
    has_costly_residuals = False
    shape: tuple[int, int, int]
    counts: dict[str, Tensor]

    def __init__(self, values: Tensor, mask: Tensor):
        self.values, self.mask = values, mask
        n_tasks, p, q = values.shape
        self.shape = n_tasks, p, q
        self.counts = {"U": mask.sum(2), "V": mask.sum(1)}
        # One orientation for each factor, so that no formula is written twice.
        self._across = {"U": (values.mT, mask.mT), "V": (values, mask)}

    @classmethod
    def of(cls, values: Tensor) -> "Observations":
        """Of matrices in which NaN marks a missing entry."""
        mask = ~torch.isnan(values)
        filled = torch.where(mask, values, torch.zeros((), dtype=values.dtype))
        return cls(filled, mask.to(values.dtype))

    def sums(self, name: str, moments: Tensor) -> Tensor:
        """Sums over each row's observed entries of (T, m, others) moments: (T, m, rows)."""
        return moments @ self._across[name][1]

    def project(self, name: str, factor: Tensor) -> Tensor:
        """``factor @ values``, of (T, k, others): (T, k, rows)."""
        return factor @ self._across[name][0]

    def sums_of_rows(self, name: str, rows: np.ndarray) -> np.ndarray:
        """As `sums` without gradients, in NumPy and rows first: of (T, others, m), (T, rows, m)."""
        return self._across[name][1].mT.numpy() @ rows

    def products_of_rows(self, name: str, rows: np.ndarray) -> np.ndarray:
        """As `project`, likewise: of (T, others, k), (T, rows, k)."""
        return self._across[name][0].mT.numpy() @ rows

    def residual(self, u: Tensor, v: Tensor) -> Tensor:
        """``P_Ω(R - U Vᵀ)``."""
        return torch.baddbmm(self.values, u, v.mT, alpha=-1).mul_(self.mask)

    def products(self, u: Tensor, v: Tensor) -> Tensor:
        """``P_Ω(U Vᵀ)``, in the form of a residual."""
        return (u @ v.mT).mul_(self.mask)

    def squares(self, residual: Tensor) -> dict[str, Tensor]:
        """Squared residuals summed over each row of each factor. May spoil the residual."""
        # Large batches pay more for fresh memory than for arithmetic.
        squares = residual.square() if residual.requires_grad else residual.square_()
        return {"U": squares.sum(2), "V": squares.sum(1)}

    def times(self, name: str, residual: Tensor, other: Tensor) -> Tensor:
        """The residual, rows along the named factor, times the other one: (T, rows, k)."""
        return (residual if name == "U" else residual.mT) @ other

    def largest(self) -> Tensor:
        """Largest modulus of each matrix, (T, 1, 1)."""
        return self.values.abs().amax((1, 2), keepdim=True)

    def total_square(self) -> Tensor:
        """Sum of the squares of each matrix, (T,)."""
        return self.values.square().sum((1, 2))

    def standardised(self, centre: Tensor, scale: Tensor) -> "Observations":
        """The same entries less a centre, in units of a scale, each (T, 1, 1) or (T, 1, q).

        Columns of scale 0 are left out.
        """
        used = scale > 0
        mask = self.mask if used.all() else self.mask * used
        return Observations((self.values - centre).mul_(mask) / torch.where(used, scale, 1.0), mask)

    def entries(self) -> Tensor:
        """A copy of the entries, in the form of a residual."""
        return self.values.clone()

    def column_sums(self) -> Tensor:
        """Of the observed entries, (T, 1, q)."""
        return self.values.sum(1, keepdim=True)

    def split(self, fraction: float, generator) -> tuple["Observations", "Observations"]:
        """The entries without, and only, a random share."""
        draw = torch.rand(self.shape, generator=generator, dtype=self.mask.dtype)
        out = self.mask * (draw < fraction)
        kept = self.mask - out
        return Observations(self.values * kept, kept), Observations(self.values * out, out)

    def some(self, n_entries: int) -> "Observations":
        """A random share, always the same one, of about so many entries where that saves time."""
        return self

    def take(self, index: Tensor) -> "Observations":
        """Some of the matrices, by number."""
        return Observations(self.values[index], self.mask[index])

    def root_mean_square(self) -> Tensor:
        """Of the observed entries, (T, 1, 1); 1 for zero matrices. Squares never overflow."""
        largest = self.largest()
        largest = torch.where(largest > 0, largest, 1.0)
        n_observed = self.counts["U"].sum(1).clamp(min=1)
        mean = self.standardised(torch.zeros_like(largest), largest).total_square() / n_observed
        scale = largest * torch.where(mean > 0, mean, 1.0).sqrt()[:, None, None]
        return scale.clamp(min=torch.finfo(scale.dtype).tiny)
