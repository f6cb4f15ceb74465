"""Observed entries of dense matrices that count by weights of their own."""

from ._observations import Observations


class WeightedObservations(Observations):
    """As `Observations`, sums, products and squares being weighted; counts are not.

    Parameters
    ----------
    observed : Observations
    weights : Tensor of shape (T, p, q)
        Non-negative.
    """

    def __init__(self, observed, weights):
        super().__init__(observed.values * weights, observed.mask * weights)
        self.counts = observed.counts
        self._plain, self._root = observed, weights.sqrt()

    def residual(self, u, v):
        return self._root * self._plain.residual(u, v)

    def entries(self):
        return self._root * self._plain.values

    def times(self, name, residual, other):
        return super().times(name, self._root * residual, other)

    def total_square(self):
        return self.entries().square().sum((1, 2))

    def some(self, n_entries):
        return self
