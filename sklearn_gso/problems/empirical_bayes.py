"""Matrix completion whose priors and noise are estimated with the factors."""

import math

import torch
from torch import Tensor

from ._array_steps import NOISE_PASSES, ArraySteps
from ._exact import ExactFits
from ._left_out import MIN_NOISE, LeftOut
from ._linalg import counted, inner, log_determinant, outer, pack, solve_and_invert, unpack
from ._observations import OTHER
from ._posteriors import Posterior, Prior
from .base import Problem
from .matrix_completion import ROWS_OF_A_TABLE, MatrixCompletion, _lines, _row_control
from .trees import Variables, point


class EmpiricalBayesCompletion(LeftOut, ExactFits, ArraySteps, MatrixCompletion):
    r"""Variational matrix factorisation with re-estimated hyper-parameters.

    With :math:`R_{ij} \sim N(u_i^T v_j, 1/\tau)` on the observed entries,
    :math:`u_i \sim N(m_U, \Lambda_U^{-1})`, :math:`v_j \sim N(m_V, \Lambda_V^{-1})`
    and independent Gaussian posteriors q of all rows, F is the free energy per
    observed entry,

    .. math::
        F = \tfrac1{|\Omega|} \Big( E_q[-\log p(R | U, V, \tau)]
          + KL(q_U \| p_U) + KL(q_V \| p_V)
          + \tfrac\nu2 \sum_{U, V} (tr \Lambda - \log |\Lambda|)
          + \tfrac\kappa2 \sum_j \log(\bar\tau / \tau_j) \Big),

    the last terms being the inverse-Wishart prior of weight :math:`\nu = 1` and, where
    every column has a noise of its own, what draws these together, worth
    :math:`\kappa = 5` entries of a common one. Blocks, each with a minimiser: the
    posteriors ``U`` and ``V``, the priors ``prior_U`` and ``prior_V`` and the precisions
    ``noise``, at most 1e10 in units of the data. No rank and no λ is needed: components
    that the data do not ask for shrink.

    Parameters
    ----------
    values : Tensor of shape (T, p, q), sparse matrix or list of sparse matrices
        The matrices; NaN marks a missing entry. Of scipy's sparse ones the stored
        entries are the observed ones; they are never made dense.
    n_components : int
        An upper bound of the rank.
    scale, centre
        As for `MatrixCompletion`; by default "rms".
    init_scale : float, default=0.1
        Standard deviation of the random start of the means.
    noise : {"matrix", "columns"} or Tensor of bool of shape (T,), default="matrix"
        Whether all entries of a matrix have one noise variance or each column its own; a
        tensor says for which tasks the latter holds.

    Notes
    -----
    Controls: ``data`` and ``prior`` multiply the row's noise precision and prior
    precision by their exponentials.

    References
    ----------
    Lim and Teh, Variational Bayesian approach to movie rating prediction, 2007.
    """

    block_names: tuple[str, ...] = ("U", "prior_U", "V", "prior_V", "noise")
    control_names = ("data", "prior")
    weighs_runs = True
    prior_weight = 1.0
    noise_weight = 5.0
    # Of the free energy, not of equation (11), and that is no sum of squares.
    gradient, linearised = Problem.gradient, Problem.linearised

    def __init__(
        self, values, n_components, scale="rms", init_scale=0.1, noise="matrix", centre=None
    ):
        super().__init__(values, n_components, scale=scale, init_scale=init_scale, centre=centre)
        if isinstance(noise, str):
            if noise not in ("matrix", "columns"):
                raise ValueError(f"noise must be 'matrix' or 'columns', got {noise!r}")
            noise = torch.full((self.n_tasks,), noise == "columns")
        self.by_column = noise[:, None, None]
        self._has_column_noise = bool(noise.any())
        # Of columns that were standardised before only their noises tell.
        self.is_table |= bool(noise.all()) and self.observed.shape[1] >= ROWS_OF_A_TABLE

    @property
    def moved_names(self):
        return ("U", "V")

    def init(self, generator):
        k, dtype = self.n_components, self._dtype
        variables: Variables = {}
        for name, mean in super().init(generator).items():
            identity = torch.eye(k, dtype=dtype).repeat(self.n_tasks, 1, 1)
            covariance = self.init_scale**2 * pack(identity[..., None])
            variables[name] = Posterior(mean, covariance.expand(-1, -1, mean.shape[1]))
            variables["prior_" + name] = Prior(torch.zeros_like(mean[:, :1]), identity)
        n_noises = self.observed.shape[2] if self._has_column_noise else 1
        variables["noise"] = torch.ones(self.n_tasks, 1, n_noises, dtype=dtype)
        return variables

    def _common_noise(self, variables) -> Tensor:
        """One precision for each matrix, (T, 1, 1): of its columns the mean over entries."""
        noise = variables["noise"]
        if not self._has_column_noise:
            return noise
        count = self.row_counts["V"][:, None]
        # Of a row without entries any mean will do.
        count = torch.where(count.sum(2, keepdim=True) > 0, count, 1.0)
        mean = (count * noise).sum(2, keepdim=True) / count.sum(2, keepdim=True)
        return torch.where(self.by_column, mean, noise[..., :1])

    def _row_noise(self, name, variables) -> Tensor:
        """Precision of the entries of each row of a factor, (T, rows) or (T, 1)."""
        return (variables["noise"] if name == "V" else self._common_noise(variables))[:, 0]

    def _weighted(self, name, variables, moments) -> Tensor:
        """Moments of the rows of the other factor as they count for this factor's rows."""
        if name == "V" or not self._has_column_noise:
            return moments
        return moments * (variables["noise"] / self._common_noise(variables))

    def _gram(self, name, variables) -> Tensor:
        """Sums of the other factor's second moments, the block step's curvature."""
        mean, covariance = variables[OTHER[name]]

        def compute():
            moments = self._weighted(name, variables, outer(mean) + covariance)
            return self.observed.sums(name, moments)

        noise = (variables["noise"],) if name == "U" and self._has_column_noise else ()
        return self.remember("gram " + name, (mean, covariance, *noise), compute)

    def minimize_block(self, variables, name, controls=None):
        if name == "noise":
            return self._fit_noise(variables)
        if name.startswith("prior_"):
            factor = name.removeprefix("prior_")
            return self._fit_prior(factor, variables[factor])
        return self.posterior(variables, name, controls or {})

    def _fit_noise(self, variables) -> Tensor:
        if self._uses_arrays:
            return self._array_noise(variables)
        misfit, count = self._expected_misfit(variables)[:, None], self.row_counts["V"][:, None]
        variance = misfit.sum(2, keepdim=True) / count.sum(2, keepdim=True).clamp(min=1)
        common = 1 / variance.clamp(min=MIN_NOISE)
        if not self._has_column_noise:
            return common
        noise, weight = variables["noise"], self.noise_weight
        # log of the mean lies below its tangent: each pass lowers F, and few are needed.
        for _ in range(NOISE_PASSES):
            variance = (misfit + weight / noise.mean(2, keepdim=True)) / (count + weight)
            noise = 1 / variance.clamp(min=MIN_NOISE)
        return torch.where(self.by_column, noise, common)

    def posterior(self, variables, name, controls) -> Posterior:
        """Gaussian posteriors of the rows of one factor, the other one fixed."""
        if self._uses_arrays and (found := self._array_posterior(variables, name, controls)):
            return found
        prior = variables["prior_" + name]
        noise = self._row_noise(name, variables) * torch.exp(_row_control(controls, "data"))
        # Everything in units of the row's noise: fewer passes over (k, k, rows).
        trust = torch.exp(_row_control(controls, "prior")) / noise
        trust = trust.expand_as(self.row_counts[name])[:, None]
        precision = pack(prior.precision[..., None])
        matrix = torch.addcmul(self._gram(name, variables), precision, trust)
        factor = self._weighted(name, variables, point(variables[OTHER[name]]).mT)
        right = self.observed.project(name, factor)
        right = right + (prior.precision @ prior.mean.mT) * trust
        inverse, solution, log_det = solve_and_invert(matrix, right)
        if torch.is_grad_enabled():
            return Posterior(solution.mT, inverse / noise[:, None])
        covariance = inverse.div_(noise[:, None])
        log_det = -(log_det + self.n_components * noise.log())
        self.remember("log determinant " + name, (covariance,), lambda: log_det)
        return Posterior(solution.mT, covariance)

    def _log_determinant(self, name, variables) -> Tensor:
        """Of the covariances of the rows of a factor, (T, rows)."""
        covariance = variables[name].covariance
        return self.remember(
            "log determinant " + name, (covariance,), lambda: log_determinant(covariance)
        )

    def take(self, index):
        other = super().take(index)
        other.by_column = self.by_column[index]
        return other

    def of_columns(self, variables, columns):
        mean, covariance = variables["V"]
        right = Posterior(mean[:, columns], covariance[..., columns])
        noise = _lines({"noise": variables["noise"]}, columns)
        return _lines(self.units, columns), {**variables, "V": right, **noise}

    def project(self, name, block):
        """Matrices of one noise have the same in every column."""
        if name != "noise" or self.by_column.all():
            return block
        return torch.where(self.by_column, block, block.mean(2, keepdim=True))

    def _fit_prior(self, name, posterior) -> Prior:
        """Maximum a posteriori mean and precision of the rows' prior."""
        if self._uses_arrays and (found := self._array_prior(name, posterior)):
            return found
        mean = posterior.mean.mean(1, keepdim=True)
        scatter = self._scatter(name, posterior, mean)
        n_rows = posterior.mean.shape[1]
        covariance = (
            scatter + self.prior_weight * torch.eye(self.n_components, dtype=scatter.dtype)
        ) / (n_rows + self.prior_weight)
        inverse, *_ = solve_and_invert(pack(covariance[..., None]), torch.zeros_like(mean.mT))
        return Prior(mean, unpack(inverse)[..., 0])

    def _scatter(self, name, posterior, mean):
        def compute():
            deviation = posterior.mean - mean
            spread = unpack(posterior.covariance.sum(-1, keepdim=True))[..., 0]
            return spread + deviation.mT @ deviation

        return self.remember("scatter " + name, (*posterior, mean), compute)

    def _expected_misfit(self, variables) -> Tensor:
        """Posterior mean of the squared residuals, summed over each column, (T, q)."""
        tensors = (*variables["U"], *variables["V"])
        sum_misfit = self._array_misfit if self._uses_arrays else self._sum_misfit
        return self.remember("misfit", tensors, lambda: sum_misfit(variables))

    def _sum_misfit(self, variables):
        # Non-negative terms only: differences of large sums would lose the small residual.
        (_, cov_u), (v, cov_v) = variables["U"], variables["V"]
        spread_v = inner(cov_v, self._gram("V", variables))  # known from the step of V
        spread_u = inner(outer(v), self.observed.sums("V", cov_u))
        return self.misfits(variables)["V"] + spread_u + spread_v

    def objective(self, variables):
        if self._uses_arrays:
            return self._array_objective(variables)
        noise, n_observed = variables["noise"][:, 0], self.n_observed.clamp(min=1)
        entropy = self.row_counts["V"] * torch.log(2 * math.pi / noise)
        energy = 0.5 * (entropy + noise * self._expected_misfit(variables)).sum(1)
        for name in ("U", "V"):
            energy = energy + self._divergence(name, variables)
        if self._has_column_noise:
            spread = noise.mean(1, keepdim=True).log() - noise.log()
            energy = energy + 0.5 * self.noise_weight * spread.sum(1)
        return energy / n_observed

    def _divergence(self, name, variables) -> Tensor:
        """KL of the rows' posteriors from their prior, and the prior's own penalty."""
        posterior, prior = variables[name], variables["prior_" + name]
        n_rows = posterior.mean.shape[1]
        scatter = self._scatter(name, posterior, prior.mean)
        log_det_prior = log_determinant(pack(prior.precision[..., None]))[:, 0]
        log_det = self._log_determinant(name, variables).sum(1)
        trace = prior.precision.diagonal(dim1=1, dim2=2).sum(1)
        return 0.5 * (
            (prior.precision * scatter).sum((1, 2))
            - log_det
            - n_rows * (log_det_prior + self.n_components)
            + self.prior_weight * (trace - log_det_prior)
        )

    def unexplained(self, variables):
        variance = (self.row_counts["V"] / variables["noise"][:, 0]).sum(1)
        return (variance / self.n_observed.clamp(min=1)).clamp(min=MIN_NOISE)

    def stands_still(self, before, after, change, tol):
        """Whether predictions changed by less than a share of what is unexplained.

        In squares. The free energy goes on falling long after, on tables, and hardly does
        where a learned rule is about to find what a matrix of low rank is made of.
        """
        return self.difference(after, before).square() < tol * self.unexplained(after)

    def row_features(self, variables, name):
        if self._uses_arrays:
            return self._array_features(variables, name)
        posterior, prior = variables[name], variables["prior_" + name]
        k = self.n_components
        count = self.row_counts[name]
        square = self.misfits(variables)[name] / count.clamp(min=1)
        noise = self._row_noise(name, variables)
        deviation = point(posterior) - prior.mean
        distance = (deviation @ prior.precision * deviation).sum(2) / k
        precision = counted(pack(prior.precision[..., None]))
        uncertain = (posterior.covariance * precision).sum(1) / k
        return torch.stack(
            [
                (count / k).clamp(min=0.1).log(),
                count / point(variables[OTHER[name]]).shape[1],
                (square + 1e-12).log() / 8,
                (square * noise + 1e-4).log() / 4,
                noise.log().expand_as(count) / 8,
                (distance + 1e-4).log() / 4,
                (uncertain + 1e-8).log() / 4,
                torch.full_like(count, math.log(k) / 2),
            ],
            dim=2,
        )


def identifiable_components(n_observed: int, shape: tuple[int, int], n_components: int) -> int:
    """The most components, up to ``n_components``, that so many entries can determine.

    A p x q matrix of rank k has k (p + q - k) degrees of freedom; more components than
    there are observed entries for only slow the others down and lose to them.
    """
    total = sum(shape)
    root = math.sqrt(max(0.0, total**2 - 4.0 * n_observed))
    return max(1, min(n_components, int((total - root) / 2)))
