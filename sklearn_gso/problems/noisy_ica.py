"""Sources of densities that are estimated, mixed and observed with noise."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ._demixing import fixed_point, row_by_row
from ._linalg import counted, log_determinant, outer, pack, solve_and_invert, unpack
from ._principal import principal
from .base import Problem
from .dictionary_learning import _largest_cosine

# Laplace's density of variance 1 as three Gaussians: shares, variances.
_SHARES, _VARIANCES = (0.22, 0.50, 0.28), (0.08, 0.60, 2.60)
# What it is worth in samples; of the noise, the samples and its share of the data's variance.
_TEMPLATE_WEIGHT, _NOISE_WEIGHT, _NOISE = 50.0, 1.0, 1e-4
_START_NOISE = 0.01
_RIDGE = 1e-6
# Passes over the rows of a demixing at most, and the change that ends them, where it is minimised.
_EXACT = (1000, 1e-13)
_TINY = 1e-300


class Scores(NamedTuple):
    """Gaussians of each sample: (T, n, k), and packed covariances (T, k (k + 1) / 2, n)."""

    mean: Tensor
    covariance: Tensor


class Densities(NamedTuple):
    """Zero-mean Gaussians whose mixture is a source's density: log variances, logits of shares."""

    log_variances: Tensor
    logits: Tensor


class NoisyICA(Problem):
    r"""Independent component analysis with noise, its densities estimated: a free energy.

    Samples are :math:`x_i = B^T y_i + \epsilon_i`, :math:`\epsilon_i \sim N(0, \sigma^2 I)`, and
    the sources :math:`s_i = T y_i` independent, each with a mixture of three zero-mean Gaussians,
    of variances :math:`v_{km}` and shares :math:`\pi_{km}` [1]_. Over the observed entries

    .. math::
        F = \sum_i \Big( \tfrac{|\Omega_i|}2 \log \sigma^2
          + \tfrac{E \|P_i(x_i - B^T y_i)\|^2}{2 \sigma^2}
          - \log |\det T| - \tfrac12 \log |\Sigma_i|
          + \sum_{km} r_{ikm} \Big[\log \tfrac{r_{ikm}}{\pi_{km}}
          + \tfrac12 \log v_{km} + \tfrac{E s_{ik}^2}{2 v_{km}}\Big] \Big)

    for Gaussian posteriors :math:`N(m_i, \Sigma_i)` of the scores :math:`y_i`, and priors that
    keep every variance positive. The mixing of the sources is :math:`B^T T^{-1}`: with T a block
    of its own the descent is not slow where there is little noise, as EM over the mixing is.

    Blocks, each with a minimiser: ``scales``, the logits of r; ``densities``; ``demixing`` T, row
    by row in closed form [2]_; ``scores``; ``mixing`` B; ``noise`` σ².

    Parameters
    ----------
    values : Tensor of shape (T, n_samples, n_features)
        NaN marks a missing entry.
    n_components : int
        Sources, at most n_features.
    n_passes : int or None, default=1
        Passes over the rows of the demixing in one step. None: until it is minimised.
    centre, scale : Tensor of shape (T, 1, n_features) and (T, 1, 1), optional
        What is taken off the columns, and the unit of the rest; by default the observed mean
        and the root mean square.

    Notes
    -----
    Rules move the demixing. Control of its step: ``sharpen`` raises the weights of the samples
    that a row is made of to the power 1 + sharpen / 3, as of a sparser density.

    References
    ----------
    .. [1] Attias, Independent factor analysis, Neural Computation 11, 1999.
    .. [2] Ono, Stable and fast update rules for independent vector analysis based on auxiliary
       function technique, WASPAA 2011.
    """

    block_names = ("scales", "densities", "demixing", "scores", "mixing", "noise")
    moved_names = ("demixing",)
    local_blocks = ("scores", "scales")
    control_names = ("sharpen",)

    def __init__(self, values, n_components, n_passes: int | None = 1, centre=None, scale=None):
        self.n_components, self.passes = n_components, (n_passes, -1.0) if n_passes else _EXACT
        seen = ~values.isnan()
        counts = seen.sum(1, keepdim=True).clamp(min=1)
        self.centre = values.nansum(1, keepdim=True) / counts if centre is None else centre
        centred = (values - self.centre).nan_to_num(0.0)
        if scale is None:
            scale = _root_mean_square(centred, seen)
        self.scale = scale
        self._observe(centred / scale, seen.to(values.dtype))

    def _observe(self, values, seen):
        self.n_tasks, self.values, self.seen = len(values), values, seen
        self.n_seen = seen.sum((1, 2))

    @property
    def task_size(self):  # type: ignore[override]
        k = self.n_components
        return self.values.shape[1] * (k * (k + 1) // 2 + 4 * k + self.values.shape[2])

    @property
    def units(self):
        """Centre and scale of the data, for new rows."""
        return {"centre": self.centre, "scale": self.scale}

    def init(self, generator):
        """Principal components, demixed by a fixed point from a random rotation [3]_.

        References
        ----------
        .. [3] Hyvärinen, Fast and robust fixed-point algorithms for independent component
           analysis, IEEE Transactions on Neural Networks 10, 1999.
        """
        n_tasks, n, _ = self.values.shape
        k, dtype = self.n_components, self.values.dtype
        filled, spread, directions, noise = principal(self.values, self.seen, k, _START_NOISE)
        noise = noise.clamp(min=1e-6)
        deviation = torch.maximum(spread[..., None], noise).sqrt()
        mixing = deviation * directions.mT
        scores = filled @ directions / deviation.mT
        rotation = torch.linalg.qr(torch.randn(n_tasks, k, k, generator=generator, dtype=dtype))[0]
        covariance = pack(torch.diag_embed((noise / deviation.square())[:, :, 0])[..., None])
        logits = torch.tensor(_SHARES, dtype=dtype).log().expand(n_tasks, k, -1)
        return {
            "demixing": fixed_point(rotation, scores),
            "scales": logits[:, None].repeat(1, n, 1, 1),
            "densities": Densities(self._template.log().expand(n_tasks, k, -1), logits),
            "scores": Scores(scores, covariance.expand(-1, -1, n)),
            "mixing": mixing,
            "noise": noise,
        }

    @property
    def _template(self) -> Tensor:
        """Variances of a source's Gaussians before anything is known."""
        shares, variances = torch.tensor([_SHARES, _VARIANCES], dtype=self.values.dtype)
        return variances / (shares * variances).sum()

    # Moments ------------------------------------------------------------------------

    def _squares(self, variables) -> Tensor:
        """Expected squares of the sources, (T, n, k)."""
        scores, demixing = variables["scores"], variables["demixing"]
        spread = counted(outer(demixing)).mT @ scores.covariance
        return (scores.mean @ demixing.mT).square() + spread.mT

    def _misfit(self, variables) -> Tensor:
        """Expected squares of what is unexplained, (T,)."""
        scores, mixing = variables["scores"], variables["mixing"]
        residual = (self.values - scores.mean @ mixing) * self.seen
        spread = counted(outer(mixing.mT)) * (scores.covariance @ self.seen)
        return residual.square().sum((1, 2)) + spread.sum((1, 2))

    def _costs(self, variables) -> Tensor:
        """Minus log joint density of the sources and of their Gaussians, (T, n, k, 3)."""
        log_variances, logits = (block[:, None] for block in variables["densities"])
        ratio = self._squares(variables)[..., None] * torch.exp(-log_variances)
        return 0.5 * (log_variances + ratio) - logits.log_softmax(3)

    def objective(self, variables):
        log_shares = variables["scales"].log_softmax(3)
        sources = log_shares.exp() * (log_shares + self._costs(variables))
        noise, densities = variables["noise"][:, 0, 0], variables["densities"]
        n, shares = self.values.shape[1], torch.tensor(_SHARES, dtype=noise.dtype)
        template = 0.5 * (
            densities.log_variances + self._template * torch.exp(-densities.log_variances)
        )
        template = _TEMPLATE_WEIGHT * shares * (template - densities.logits.log_softmax(2))
        return (
            0.5 * (self.n_seen + _NOISE_WEIGHT) * noise.log()
            + 0.5 * (self._misfit(variables) + _NOISE_WEIGHT * _NOISE) / noise
            + 0.5 * _RIDGE * variables["mixing"].square().sum((1, 2))
            - n * torch.linalg.slogdet(variables["demixing"]).logabsdet
            - 0.5 * log_determinant(variables["scores"].covariance).sum(1)
            + sources.sum((1, 2, 3))
            + template.sum((1, 2))
        )

    def error(self, variables):
        """Variance of a Gaussian entry of the entropy that these have, ``exp(2 F / |Ω|)``."""
        return torch.exp(2 * self.objective(variables) / self.n_seen)

    # Minimisers ---------------------------------------------------------------------

    def minimize_block(self, variables, name, controls=None):
        return getattr(self, f"_best_{name}")(variables, controls or {})

    def _best_scales(self, variables, controls):
        return (-self._costs(variables)).log_softmax(3)

    def _best_densities(self, variables, controls):
        shares = variables["scales"].softmax(3)
        weight = _TEMPLATE_WEIGHT * torch.tensor(_SHARES, dtype=shares.dtype)
        total = shares.sum(1) + weight
        squares = (shares * self._squares(variables)[..., None]).sum(1) + weight * self._template
        return Densities((squares / total).log(), total.log())

    def _precisions(self, variables) -> Tensor:
        """Of the sources given which Gaussian they come from, (T, n, k)."""
        shares = variables["scales"].softmax(3)
        return (shares * torch.exp(-variables["densities"].log_variances[:, None])).sum(3)

    def _best_demixing(self, variables, controls):
        moments, weights = self._moments(variables["scores"]), self._precisions(variables)
        power = 1 + torch.as_tensor(controls.get("sharpen", 0.0), dtype=weights.dtype) / 3
        squares = self._squares(variables)
        total = (weights * squares).sum(1, keepdim=True)
        weights = weights ** (power.mT if power.ndim else power)
        weights = weights * total / (weights * squares).sum(1, keepdim=True)
        curvature = unpack(moments @ weights / self.values.shape[1]).movedim(3, 1)
        return row_by_row(variables["demixing"], curvature, self.passes)

    def _moments(self, scores) -> Tensor:
        """Second moments of the scores, packed."""
        return outer(scores.mean) + scores.covariance

    def _best_scores(self, variables, controls):
        demixing, mixing, noise = (variables[b] for b in ("demixing", "mixing", "noise"))
        precision = outer(demixing) @ self._precisions(variables).mT
        precision = precision + outer(mixing.mT) @ self.seen.mT / noise
        right = mixing @ self.values.mT / noise
        covariance, mean, _ = solve_and_invert(precision, right)
        return Scores(mean.mT, covariance)

    def _best_mixing(self, variables, controls):
        scores, noise = variables["scores"], variables["noise"]
        ridge = _RIDGE * torch.eye(self.n_components, dtype=noise.dtype)
        precision = self._moments(scores) @ self.seen / noise + pack(ridge[None, ..., None])
        return solve_and_invert(precision, scores.mean.mT @ self.values / noise)[1]

    def _best_noise(self, variables, controls):
        total = self._misfit(variables) + _NOISE_WEIGHT * _NOISE
        return (total / (self.n_seen + _NOISE_WEIGHT))[:, None, None]

    # What others ask ------------------------------------------------------------------

    def stands_still(self, before, after, change, tol):
        """Whether an outer step changed the objective by less than ``tol`` an observed entry."""
        return change.abs() <= tol * self.n_seen

    def row_features(self, variables, name):
        demixing, scores = variables["demixing"], variables["scores"]
        squares, weights = self._squares(variables), self._precisions(variables)
        n, d = self.values.shape[1:]
        k = self.n_components
        curvature = unpack(self._moments(scores) @ weights / n).movedim(3, 1)
        pull = torch.einsum("tij,tajl,tal->tai", demixing, curvature, demixing)
        pull = pull - torch.eye(k, dtype=pull.dtype)
        sources = scores.mean @ demixing.mT
        size = squares.mean(1)
        densities = variables["densities"]
        misfit = self._misfit(variables) / (self.values.square().sum((1, 2)) + _TINY)

        def of_task(value):
            return value[:, None].expand_as(size)

        features = [
            (pull.square().mean(2).sqrt() + 1e-8).log() / 4,
            pull.diagonal(dim1=1, dim2=2).clamp(-3, 3),
            (size / (sources.abs().mean(1).square() + _TINY)).clamp(max=1e6).log() / 4,
            (1 - sources.square().mean(1) / (size + _TINY) + 1e-6).log() / 4,
            _largest_cosine(sources.mT),
            (densities.log_variances[..., -1] - densities.log_variances[..., 0]) / 8,
            densities.logits.softmax(2)[..., 0],
            of_task((misfit + 1e-8).log() / 4),
            torch.full_like(size, math.log(n / k) / 4),
            torch.full_like(size, math.log(d / k)),
        ]
        return torch.stack(features, dim=2)

    def take(self, index):
        other = self.copied()
        other.centre, other.scale = self.centre[index], self.scale[index]
        other._observe(self.values[index], self.seen[index])
        return other

    def sources(self, variables) -> Tensor:
        """Expected sources, in units of their deviations, (T, n, k)."""
        return variables["scores"].mean @ variables["demixing"].mT / _deviations(variables)

    def source_mixing(self, variables) -> Tensor:
        """What these sources make of the columns, in units of the data, (T, n_features, k)."""
        mixing = torch.linalg.solve(variables["demixing"].mT, variables["mixing"])
        return self.scale * (mixing.mT * _deviations(variables))

    def about(self, variables) -> dict[str, Tensor]:
        """What a user asks for, by name, in units of the data."""
        noise = (variables["noise"] * self.scale.square())[:, 0, 0]
        mixing, mean = self.source_mixing(variables), self.centre[:, 0]
        return {"mixing": mixing, "mean": mean, "noise_variance": noise}

    def reconstruct(self, variables) -> Tensor:
        """The data as the model says, (T, rows, columns)."""
        return self.centre + self.scale * (variables["scores"].mean @ variables["mixing"])


def _root_mean_square(values, seen) -> Tensor:
    """Of the entries seen, (T, 1, 1); 1 where they are 0. No square overflows."""
    largest = values.abs().amax((1, 2), keepdim=True)
    unit = torch.where(largest > 0, largest, 1.0)
    share = (values / unit).square().sum((1, 2), keepdim=True) / seen.sum((1, 2), keepdim=True)
    return unit * torch.where(share > 0, share, 1.0).sqrt()


def _deviations(variables) -> Tensor:
    """Of the sources by their densities, (T, 1, k)."""
    densities = variables["densities"]
    variance = (densities.logits.softmax(2) * densities.log_variances.exp()).sum(2)
    return variance[:, None].sqrt()
