"""What is known of the rows of a factor."""

from typing import NamedTuple

from torch import Tensor


class Posterior(NamedTuple):
    """Independent Gaussians over the rows of a factor.

    ``mean`` is (T, rows, k); ``covariance`` holds the upper triangles of symmetric
    matrices, (T, k (k + 1) / 2, rows), rows last so that the algebra runs along
    contiguous memory.
    """

    mean: Tensor
    covariance: Tensor


class Prior(NamedTuple):
    """The Gaussian from which the rows of a factor come: (T, 1, k) and (T, k, k)."""

    mean: Tensor
    precision: Tensor
