"""Non-negative matrix factorisation: sources, and their mixing, are not negative."""

import torch
from torch import Tensor

from ._principal import principal
from .dictionary_learning import _TINY, DictionaryLearning, _in_ball, _unit

# The penalty's share of what the misfit is worth, and its bounds in units of the noise's
# deviation (benchmarks/LOG.md); the noise's variance where nothing tells of it.
_SHARE, _BOUNDS, _NOISE = 7.0, (0.2, 2.0), 1e-4


def _clipped(point: Tensor, threshold) -> Tensor:
    return (point - threshold).clamp(min=0)


def _in_orthant(rows: Tensor, radius) -> Tensor:
    """The nearest rows of the ball without negative entries."""
    return _in_ball(rows.clamp(min=0), radius)


class NonnegativeFactorization(DictionaryLearning):
    r"""Squares of what is unexplained by sources that are not negative, and their sum.

    .. math::
        F(C, D, \alpha) = \tfrac12 \|P_\Omega(X - C D)\|_F^2 + \alpha \sum_{ik} c_{ik}
        - 7 \, n k \sigma^2 \log \tfrac\alpha{2 \sigma},
        \qquad C \ge 0, \; \|d_k\|_2 \le 1, \; D \ge 0

    The sum of the codes is least for atoms of norm 1 that enclose the data as tightly as they can,
    which decides among the many factorisations that explain the data as well [1]_. Steps are those
    of `DictionaryLearning` with these projections; the weight α, a block of its own within
    .2 and 2 noise deviations σ, becomes 7 σ² over the mean of the codes. Where it is given
    the last term is absent.

    Parameters
    ----------
    values : Tensor of shape (T, n_samples, n_features)
        NaN marks a missing entry.
    n_components : int
    alpha : float, default=None
        Weight of the penalty, in the units of the data. None: estimated.
    nonnegative_atoms : bool, default=True
        Whether D >= 0 holds, too.
    n_passes : int or None, default=2
        Passes over the coordinates of a block in one step. None: until it is minimised.
    noise : Tensor of shape (T, 1, 1), optional
        Variance σ², by default of what ``n_components`` principal components leave; 1e-4 of the
        mean square where these are all.

    References
    ----------
    .. [1] Hoyer, Non-negative matrix factorization with sparseness constraints, JMLR 5, 2004.
    """

    _nearest_codes = staticmethod(_clipped)

    def __init__(
        self,
        values: Tensor,
        n_components: int,
        alpha=None,
        nonnegative_atoms=True,
        n_passes: int | None = 2,
        noise=None,
    ):
        self._nearest_atoms = _in_orthant if nonnegative_atoms else _in_ball
        super().__init__(values, n_components, 0.0 if alpha is None else alpha, n_passes)
        if noise is None:
            seen = (~values.isnan()).to(values.dtype)
            noise = principal(self.values, seen, n_components, _NOISE).noise
        self.noise = noise
        if alpha is None:
            self.block_names = (*self.block_names, "penalty")

    @property
    def units(self):
        """Codes of new rows are exact, and belong to the noise of the fit."""
        return {**super().units, "noise": self.noise}

    def init(self, generator):
        """Atoms are rows of a random half that span the most, one after another [2]_.

        The penalty is one deviation of the noise; codes are those of the atoms.

        References
        ----------
        .. [2] Araújo et al., The successive projections algorithm for variable selection in
           spectroscopic multicomponent analysis, Chemometrics 57, 2001.
        """
        variables = {"atoms": self.project("atoms", self._extreme_rows(generator))}
        if "penalty" in self.block_names:
            variables["penalty"] = self.noise.sqrt()
        return self._coded(variables)

    def _extreme_rows(self, generator) -> Tensor:
        """Directions of rows, each farthest from the span of those before, (T, k, d)."""
        n_tasks, n = self.values.shape[:2]
        # Rows that are hardly more than noise point anywhere.
        strength = self.values.square().sum(2)
        strength = strength / (strength + strength.mean(1, keepdim=True) + _TINY)
        drawn = torch.rand(n_tasks, n, generator=generator, dtype=strength.dtype) < 0.5
        left = _unit(self.values) * (strength * (0.01 + drawn))[..., None]
        chosen = []
        for _ in range(self.n_components):
            farthest = left.square().sum(2).argmax(1)[:, None, None]
            rows = farthest.expand(-1, 1, left.shape[2])
            chosen.append(_unit(self.values.gather(1, rows)))
            direction = _unit(left.gather(1, rows))
            left = left - (left @ direction.mT) * direction
        return torch.cat(chosen, dim=1)

    def weight(self, variables):
        return variables.get("penalty", self.alpha)

    def objective(self, variables):
        value = super().objective(variables)
        if "penalty" not in self.block_names:
            return value
        # Of its share of the largest one: nothing is negative.
        share = variables["penalty"] / (_BOUNDS[1] * self.noise.sqrt())
        return value - (self._worth(variables) * share.log())[:, 0, 0]

    def _worth(self, variables) -> Tensor:
        return _SHARE * self.noise * variables["codes"][0].numel()

    def gradient(self, variables, name):
        """As of any problem; of codes at 0 the share that leads to feasible ones."""
        codes, alpha = variables["codes"], self.weight(variables)
        if name == "penalty":
            return codes.sum((1, 2), keepdim=True) - self._worth(variables) / alpha
        if name == "atoms":
            return super().gradient(variables, name)
        slope = alpha - self.residual(variables) @ variables["atoms"].mT
        return torch.where(codes == 0, slope.clamp(max=0), slope)

    def project(self, name, block):
        if name == "penalty":
            low, high = (bound * self.noise.sqrt() for bound in _BOUNDS)
            return torch.minimum(torch.maximum(block, low), high)
        return super().project(name, block) if name == "atoms" else block.clamp(min=0)

    def minimize_block(self, variables, name, controls=None):
        if name != "penalty":
            return super().minimize_block(variables, name, controls)
        total = variables["codes"].sum((1, 2), keepdim=True).clamp(min=1e-300)
        return self.project(name, self._worth(variables) / total)

    def sources(self, variables) -> Tensor:
        """The codes, (T, n, k)."""
        return variables["codes"]

    def about(self, variables) -> dict[str, Tensor]:
        """What a user asks for, by name, in units of the data."""
        mixing, alpha = variables["atoms"].mT, self.weight(variables)[:, 0, 0]
        about = {"mixing": mixing, "mean": torch.zeros_like(mixing[:, :, 0]), "alpha": alpha}
        return {**about, "noise_variance": self.noise[:, 0, 0]}

    def take(self, index):
        other = super().take(index)
        other.noise = self.noise[index]
        return other
