"""The free energy that EM minimises block by block."""

import torch
from torch import Tensor

from . import _mixture_moves
from ._array_moves import halved
from ._em_step import EMStep, pays
from ._gaussians import fit_covariances, times
from ._mixture_features import component_features, move_features
from .base import Problem
from .mixture_likelihood import MixtureLikelihood

# As in scikit-learn: empty components divide by it.
_MIN_COUNT = 10 * torch.finfo(torch.float64).eps
# Features beyond which halves of a component are looked at.
_MANY = 60


class MixtureFreeEnergy(MixtureLikelihood):
    r"""The function of which EM is the block minimiser (Neal and Hinton, 1998).

    .. math::
        F(\pi, \mu, \Sigma, r) = \frac1{\sum_g s_g} \sum_{g, k} s_g r_{kg}
            \log \frac{r_{kg}}{\pi_k N(x_g | \mu_k, \Sigma_k)}

    The last block, ``responsibilities``, holds logits of r, (T, K, G). Its minimiser is
    the E-step, after which F equals equation (15): so it does after every sweep.

    Parameters
    ----------
    samples, n_components, covariance_type, fixed, sample_weight, reg_covar, prior, pinned
        As for `MixtureLikelihood`.

    Notes
    -----
    Control of the parameters' steps: ``temperature`` raises the responsibilities to
    the power ``exp(-control)``, averaged over the rows: deterministic annealing.
    An empty component stays where it is.
    """

    control_names = ("temperature",)
    local_blocks = ("responsibilities",)
    gradient = Problem.gradient  # with the responsibilities held

    def copied(self):
        other = super().copied()
        other._step = None
        return other

    def _prepare(self):
        super()._prepare()
        self._step = None  # made where it is first needed
        self.block_names += ("responsibilities",)

    def start_from(self, means, weights=None, covariances=None):
        variables = super().start_from(means, weights, covariances)
        variables["responsibilities"] = self._expect(variables)[0]
        return variables

    def _expect(self, variables) -> tuple[Tensor, Tensor]:
        """The E-step: logits of the responsibilities and log-likelihoods (T, 1, G)."""

        def compute():
            self.forget("values", "moments")  # of an earlier E-step
            joint = self.log_joint(variables)
            peak = joint.amax(1, keepdim=True)
            scaled = (joint - peak).exp_()
            total = scaled.sum(1, keepdim=True)
            log_likelihood = peak + total.log()
            divide = torch.div if scaled.requires_grad else Tensor.div_
            self.remember("values", (joint,), lambda: divide(scaled, total))
            return joint, log_likelihood

        return self.remember("expect", self.parameters(variables), compute)

    def log_likelihood(self, variables):
        return self._expect(variables)[1]

    def responsibilities(self, variables) -> Tensor:
        """Of each component for each sample, (T, K, G)."""
        logits = variables["responsibilities"]
        return self.remember("values", (logits,), lambda: torch.softmax(logits, dim=1))

    def objective(self, variables):
        logits = variables["responsibilities"]
        about = (*self.parameters(variables), logits)
        return self.remember("objective", about, lambda: self._free_energy(variables, logits))

    def _free_energy(self, variables, logits) -> Tensor:
        expected, log_likelihood = self._expect(variables)
        terms = -log_likelihood
        if logits is not expected:
            logs = torch.log_softmax(logits, dim=1)
            terms = (logs.exp() * (logs - expected)).sum(1, keepdim=True)
        return self.penalty(variables) + (self.sample_weight * terms).sum((1, 2)) / self.total

    def minimize_blocks(self, variables, n_times=1):
        if not n_times or not self._steps_in_arrays:
            return super().minimize_blocks(variables, n_times)
        step = self._array_step(variables["means"], self.responsibilities(variables), n_times)
        parameters, joint = self.parameters(step.variables), step.variables["responsibilities"]
        self.forget("moments")
        self.remember("inverse_covariances", parameters[2:], lambda: step.inverses)
        self.remember("values", (joint,), lambda: step.values)
        self.remember("expect", parameters, lambda: (joint, step.log_likelihood))
        self.remember("objective", (*parameters, joint), lambda: step.objective)
        return step.variables

    @property
    def _steps_in_arrays(self):
        return self.has_short_steps and pays(self)

    @property
    def _array_step(self) -> EMStep:
        if self._step is None:
            self._step = EMStep(self, _MIN_COUNT)
        return self._step

    def minimize_block(self, variables, name, controls=None):
        if name == "responsibilities":
            return self._expect(variables)[0]
        shares, moments = self._moments(variables, (controls or {}).get("temperature"))
        counts, sums, _ = moments
        if name == "weights":
            return torch.log(counts + _MIN_COUNT)[..., None]
        counts = counts + _MIN_COUNT
        if name == "means":
            return (sums + _MIN_COUNT * variables["means"]) / counts[..., None]
        means = self.parameter(variables, "means")
        return self.with_pinned(self._fitted_covariances(means, shares, moments, counts))

    def fitted(self, shares) -> tuple[Tensor, Tensor, Tensor]:
        """Counts, means and covariances that weighted responsibilities (T, m, G) make likeliest."""
        moments = self._moments_of(shares)
        counts = moments[0] + _MIN_COUNT
        means = moments[1] / counts[..., None]
        return counts, means, self._fitted_covariances(means, shares, moments, counts)

    def _fitted_covariances(self, means, shares, moments, counts) -> Tensor:
        kind = self.covariance_type
        if self._monomials:
            result = self._monomials.covariances(
                kind, means, moments, self.reg_covar, counts, self.prior
            )
            if result is not None:
                return result
        return fit_covariances(kind, self.points, means, shares, self.reg_covar, counts, self.prior)

    def _moments(self, variables, temperature=None):
        """Weighted responsibilities (T, K, G), and their sums over 1, features and products."""
        logits = variables["responsibilities"]

        def compute():
            values = self.responsibilities(variables)
            if temperature is not None:
                power = torch.exp(-torch.as_tensor(temperature, dtype=logits.dtype))
                power = power.mean(1, keepdim=True) if power.ndim else power
                values = torch.softmax(power * logits, dim=1)
            shares = values if self._weighs_equally else self.sample_weight * values
            return shares, self._moments_of(shares)

        if temperature is not None:
            return compute()
        return self.remember("moments", (logits,), compute)

    def _moments_of(self, shares) -> tuple[Tensor, Tensor, Tensor | None]:
        """Of weighted responsibilities: over 1, features, and products where these are kept."""
        if self._monomials:
            return self._monomials.moments(shares, self.covariance_type == "tied")
        return shares.sum(2), times(shares, self.points.mT), None

    def row_features(self, variables, name):
        return component_features(self, variables)

    move_features = move_features
    rearranged = _mixture_moves.rearrange_components

    def moved(self, variables, move, generator):
        if not self._steps_in_arrays:
            return _mixture_moves.move_components(self, variables, move, generator)
        pair = torch.stack([self.moves.first[move], self.moves.second[move]], dim=1)
        moved = halved(self._array_step, variables, pair, generator)
        joint = moved.variables["responsibilities"]
        self.remember("values", (joint,), lambda: moved.values)
        return moved.variables

    @property
    def moves(self):
        """Numbers of the components that each non-local move concerns."""
        tell = bool(self.fixed.keys() & _mixture_moves.TELLING) or self.pinned is not None
        return _mixture_moves.list_moves(self.n_components, exchanges=tell)

    @property
    def judge_name(self):  # type: ignore[override]
        """Which judge of an optimizer orders the moves: estimates adapt to most optima."""
        return "moves" if "covariances" in self.fixed else "estimated"

    @property
    def n_moves(self):
        return 0 if "means" in self.fixed or self._halves_fit_noise() else len(self.moves.first)

    def _halves_fit_noise(self) -> bool:
        """Whether moves, which cut a component in two, would leave halves of too few samples.

        In many features full covariances of less samples than features fit any halves: the
        objective falls, and plain clusters are lost.
        """
        if "covariances" in self.fixed or self.covariance_type != "full":
            return False
        n_each = self.points.shape[1] / (2 * self.n_components)
        return self.n_features > _MANY and n_each < self.n_features

    def n_collapsed(self, variables):
        """Components of less distinct samples than their covariance needs: it has no bound."""
        bounded = "covariances" in self.fixed or self.prior is not None
        if bounded or self.covariance_type == "tied":
            return super().n_collapsed(variables)
        least = self.n_features + 1 if self.covariance_type == "full" else 2
        few = self.responsibilities(variables).sum(2) < least
        return (few & ~self.is_pinned).sum(1)
