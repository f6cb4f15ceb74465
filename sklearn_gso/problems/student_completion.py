"""Matrix completion with entries that may be anything: noise of Student's t."""

import math

import torch
from torch import Tensor

from ._left_out import MIN_NOISE
from ._linalg import counted, outer
from ._observations import Observations
from ._sparse_observations import SparseObservations, observe
from ._weighted_observations import WeightedObservations
from .empirical_bayes import EmpiricalBayesCompletion

# Median modulus of a normal variable.
_NORMAL = 0.6745
# Of the precision from one outer step to the next.
_FALLS = 1.1
# Weight below which an entry is left out of an exact fit.
_OUTLYING = 0.1
# Passes over the weights and the left factor of new rows.
_ROW_SWEEPS = 30


class StudentCompletion(EmpiricalBayesCompletion):
    r"""`EmpiricalBayesCompletion` whose noise has Student's distribution, a scale for each entry.

    With :math:`R_{ij} \sim N(u_i^T v_j, 1 / (\tau w_{ij}))` and
    :math:`w_{ij} \sim Gamma(\nu/2, \nu/2)` an entry is Student's t with :math:`\nu` degrees of
    freedom about its estimate. The weights are one more block, Gamma posteriors of shape
    :math:`(\nu + 1) / 2` given by their means, with the minimiser

    .. math:: \bar w_{ij} = \frac{\nu + 1}{\nu + \tau E_q (R_{ij} - u_i^T v_j)^2},

    and F gains :math:`\tfrac1{|\Omega|} \sum_\Omega KL(q_w \| p_w) - \tfrac12 E_q \log w_{ij}`. All
    other blocks have the minimisers of entries that count by their weights. An entry far from
    what the others say of it weighs nothing.

    Parameters
    ----------
    values : Tensor of shape (T, p, q)
        The matrices; NaN marks a missing entry. Sparse ones are refused: each entry has a weight.
    n_components : int
        An upper bound of the rank.
    degrees_of_freedom : float, default=4.0
        :math:`\nu`, positive; of infinitely many the noise is Gaussian and all weights are 1.
    scale, centre, init_scale, noise
        As for `EmpiricalBayesCompletion`.

    Raises
    ------
    TypeError
        For sparse matrices.
    ValueError
        For degrees of freedom that are not positive.

    References
    ----------
    Lange, Little and Taylor, Robust statistical modeling using the t distribution, 1989.
    """

    block_names = ("U", "prior_U", "V", "prior_V", "weights", "noise")
    local_blocks = ("U", "weights")

    def __init__(self, values, n_components, degrees_of_freedom=4.0, **options):
        if not degrees_of_freedom > 0:
            raise ValueError(f"degrees_of_freedom must be positive, got {degrees_of_freedom!r}")
        self.degrees_of_freedom = float(degrees_of_freedom)
        observed = observe(values)
        # One without entries stands for any, where single ones are predicted.
        if isinstance(observed, SparseObservations) and len(observed.values):
            raise TypeError("StudentCompletion takes no sparse matrices: each entry has a weight.")
        super().__init__(observed, n_components, **options)

    def init(self, generator):
        """A random start whose weights and noise are those about 0, in units of the median entry.

        An outlier is far from 0, and begins with little weight.
        """
        variables, nu = super().init(generator), self.degrees_of_freedom
        if math.isinf(nu):
            return {**variables, "weights": self._ones()}
        sizes = self.observed.values.abs()
        known = torch.where(self.observed.mask > 0, sizes, torch.nan).flatten(1)
        usual = (known.nanmedian(1).values / _NORMAL).nan_to_num(nan=1.0)[:, None, None]
        usual = torch.where(usual > 0, usual, 1.0)
        weights = (nu + 1) / (nu + (sizes / usual).square())
        noise = variables["noise"] / usual.square().clamp(min=MIN_NOISE)
        weights = torch.where(self.observed.mask > 0, weights, 1.0)
        return {**variables, "weights": weights, "noise": noise}

    def _ones(self):
        return torch.ones(self.observed.shape, dtype=self._dtype)

    def _weighted_by(self, weights: Tensor) -> EmpiricalBayesCompletion:
        """The problem of the same blocks whose entries count by their weights."""
        if torch.is_inference_mode_enabled() or weights.is_inference():
            return self._with_weights(weights)
        memory = self.__dict__.setdefault("_memory", {})
        known, version, problem = memory.get("weighted", (None, 0, None))
        if known is not weights or version != weights._version:
            problem = self._with_weights(weights)
            memory["weighted"] = weights, weights._version, problem
        return problem

    def _with_weights(self, weights):
        other = self.copied()
        other.observed = WeightedObservations(self.observed, weights)
        return other

    def minimize_block(self, variables, name, controls=None):
        if name == "weights":
            return self._fit_weights(variables)
        weighted = self._weighted_by(variables["weights"])
        return EmpiricalBayesCompletion.minimize_block(weighted, variables, name, controls)

    def _fit_weights(self, variables) -> Tensor:
        nu = self.degrees_of_freedom
        if math.isinf(nu):
            return self._ones()
        weights = (nu + 1) / (nu + variables["noise"] * self.expected_squares(variables))
        return torch.where(self.observed.mask > 0, weights, 1.0)

    def expected_squares(self, variables) -> Tensor:
        """Posterior means of the squared residuals of all entries, (T, p, q)."""
        (u, cov_u), (v, cov_v) = variables["U"], variables["V"]
        spread = counted(outer(u) + cov_u).mT @ cov_v + counted(cov_u).mT @ outer(v)
        return self.observed.residual(u, v).square() + spread

    def objective(self, variables):
        weighted = self._weighted_by(variables["weights"])
        value = EmpiricalBayesCompletion.objective(weighted, variables)
        return value + self._divergence_of_weights(variables["weights"])

    def _divergence_of_weights(self, weights) -> Tensor:
        """``KL - E log w / 2`` of the weights' posteriors, over the number of entries, (T,)."""
        if math.isinf(self.degrees_of_freedom):
            return torch.zeros(self.n_tasks, dtype=self._dtype)
        half = weights.new_tensor(self.degrees_of_freedom / 2)
        shape = half + 0.5
        rate = shape / weights
        mean_log = torch.digamma(shape) - rate.log()
        divergence = (shape - half) * torch.digamma(shape) - shape.lgamma() + half.lgamma()
        divergence = divergence + half * (rate / half).log() + half * weights - shape
        total = (self.observed.mask * (divergence - 0.5 * mean_log)).sum((1, 2))
        return total / self.n_observed.clamp(min=1)

    def stands_still(self, before, after, change, tol):
        """Also whether the noise falls no more: where there is none it tells ever more outliers."""
        falls = (after["noise"] / before["noise"]).mean((1, 2)) > _FALLS
        return super().stands_still(before, after, change, tol) & ~falls

    def row_features(self, variables, name):
        weighted = self._weighted_by(variables["weights"])
        return EmpiricalBayesCompletion.row_features(weighted, variables, name)

    def beside_baseline(self, variables):
        weighted = self._weighted_by(variables["weights"])
        return EmpiricalBayesCompletion.beside_baseline(weighted, variables)

    def surprise(self, variables):
        weighted = self._weighted_by(variables["weights"])
        return EmpiricalBayesCompletion.surprise(weighted, variables)

    def with_rows(self, variables):
        """The left factor and the weights of rows, in turn.

        The noise falls geometrically to its own, from the data's: with little of it a row that
        fits some entries exactly, whichever, would stay where it is.
        """
        noise, found = variables["noise"], {**variables, "weights": self._ones()}
        for i in range(_ROW_SWEEPS):
            found["noise"] = noise ** ((i + 1) / _ROW_SWEEPS)
            for name in self.local_blocks:
                found[name] = self.minimize_block(found, name)
        return {**found, "noise": noise}

    # Exact fits, of what is no outlier ------------------------------------------------------

    def _told(self, variables) -> Tensor:
        """Which entries are no outliers: 1 or 0, (T, p, q)."""
        return (variables["weights"] > _OUTLYING).to(self._dtype)

    def exact_part(self, variables):
        told, observed = self._told(variables), self.observed
        return self._with_data(Observations(observed.values * told, observed.mask * told))

    def with_exact(self, variables, found):
        weighted = self._weighted_by(self._told(variables))
        found = EmpiricalBayesCompletion.with_exact(weighted, variables, found)
        return {**found, "weights": self._fit_weights(found)}
