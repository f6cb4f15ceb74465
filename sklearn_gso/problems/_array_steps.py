"""The steps of factors with posteriors in NumPy: on tables calls cost more than work.

Matrices of rows are packed rows first (`_packed_rows`); what a problem holds is the transpose.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ._left_out import MIN_NOISE
from ._observations import OTHER
from ._packed_rows import empty, inner, inverted, outer, parts, places, quadratic
from ._posteriors import Posterior, Prior

NOISE_PASSES = 8
# Of the squares of a row's entries: smaller residuals are told from the entries themselves.
_TOLD = 1e-9


def _array(tensor: Tensor) -> np.ndarray:
    return (tensor.detach() if tensor.requires_grad else tensor).numpy()


class ArraySteps:
    """What `EmpiricalBayesCompletion` does with dense matrices where no gradient is asked for.

    Each method answers as the one of the same name does without ``array``.
    """

    observed: Any
    by_column: Tensor
    row_counts: dict[str, Tensor]
    n_observed: Tensor
    n_components: int
    prior_weight: float
    noise_weight: float
    remember: Any
    forget: Any
    misfits: Any
    _expected_misfit: Any
    _log_determinant: Any

    @property
    def _uses_arrays(self) -> bool:
        return not torch.is_grad_enabled()

    def _array_gram(self, name, variables, weight=None) -> np.ndarray:
        mean, covariance = variables[OTHER[name]]
        if name == "U":
            return self._moment_sums(name, mean, covariance, weight)

        def compute():
            if self.observed.has_costly_residuals:
                return self._moment_sums("V", mean, covariance)
            return self._moment_sums("V", mean) + self._spread_sums(variables)

        # The noise asks for it, too.
        return self.remember("array gram V", (mean, covariance), compute)

    def _spread_sums(self, variables) -> np.ndarray:
        """Sums of the covariances of U over each column's entries, packed."""
        covariance = variables["U"].covariance
        return self.remember(
            "spread sums",
            (covariance,),
            lambda: self.observed.sums_of_rows("V", _array(covariance.mT)),
        )

    def _square_sums(self, name, variables) -> np.ndarray:
        """``Σ v vᵀ`` of the other factor's rows v over each row's entries, packed."""
        mean = variables[OTHER[name]].mean
        return self.remember("square sums " + name, (mean,), lambda: self._moment_sums(name, mean))

    def _moment_sums(self, name, mean, covariance=None, weight=None) -> np.ndarray:
        """Of the other factor's rows: ``Σ w (v vᵀ + cov)`` over each row's entries, packed."""
        moments = outer(_array(mean))
        if covariance is not None:
            moments += _array(covariance.mT)
        if weight is not None:
            moments *= weight
        return self.observed.sums_of_rows(name, moments)

    def _products(self, name, variables) -> np.ndarray:
        """``Σ x v``, (T, rows, k)."""
        mean = variables[OTHER[name]].mean
        return self.remember(
            "products " + name,
            (mean,),
            lambda: self.observed.products_of_rows(name, _array(mean)),
        )

    def _misfit(self, name, variables) -> np.ndarray:
        """Squared residuals summed over each row of a factor, (T, rows)."""
        if self.observed.has_costly_residuals:
            mean = _array(variables[name].mean)
            square = quadratic(mean, self._square_sums(name, variables))
            if (misfit := self._from_sums(name, variables, square)) is not None:
                return misfit
        return self.misfits(variables)[name].numpy()

    def _from_sums(self, name, variables, square) -> np.ndarray | None:
        """``Σ x² - 2 uᵀ Σ x v + square`` of each row: None where the difference loses its digits.

        The step of the row needs these sums anyway; a pass over the entries may cost more.
        """
        mean, total = _array(variables[name].mean), self._total_squares()[name].numpy()
        misfit = total - 2 * (mean * self._products(name, variables)).sum(2) + square
        return misfit if (misfit >= _TOLD * total).all() else None

    def _total_squares(self) -> dict[str, Tensor]:
        return self.remember("squares", (), lambda: self.observed.squares(self.observed.entries()))

    def _array_row_noise(self, name, variables) -> tuple[np.ndarray, np.ndarray | None]:
        """Also what the rows of the other factor count for, where that differs."""
        noise, count = _array(variables["noise"])[:, 0], self.row_counts["V"].numpy()
        if name == "V" or noise.shape[1] == 1:
            return noise, None
        # Of a matrix without entries any mean will do.
        count = count + (count.sum(1, keepdims=True) == 0)
        mean = (count * noise).sum(1, keepdims=True) / count.sum(1, keepdims=True)
        common = np.where(self.by_column.numpy()[:, 0], mean, noise[:, :1])
        return common, (noise / common)[..., None]

    @np.errstate(all="ignore")
    def _array_posterior(self, variables, name, controls) -> Posterior | None:
        """None where a matrix is not definite up to rounding."""
        other, prior = variables[OTHER[name]], variables["prior_" + name]
        shape = self.row_counts[name].shape
        noise, weight = self._array_row_noise(name, variables)
        if weight is None:
            right = self._products(name, variables)
        else:
            right = self.observed.products_of_rows(name, weight * _array(other.mean))
        if "data" in controls:
            noise = noise * np.exp(_control(controls["data"]))
        # Everything in units of the row's noise.
        unit = np.broadcast_to(1 / noise, shape)[..., None]
        trust = unit
        if "prior" in controls:
            trust = unit * np.exp(_control(controls["prior"]))[..., None]
        precision, place = _array(prior.precision), places(self.n_components)
        right = right + trust * (_array(prior.mean) @ precision)
        gram = self._array_gram(name, variables, weight)
        matrix = gram if name == "U" else empty(*gram.shape)
        precision = precision[:, None, place.first, place.second]
        for part in parts(gram):
            np.add(gram[:, part], trust[:, part] * precision, out=matrix[:, part])
        self.forget("square sums " + name)
        if name == "U":
            self.forget("products U")
        solved = inverted(matrix, right)
        if solved is None:
            return None
        inverse, solution, log_det = solved
        inverse *= unit
        covariance = torch.from_numpy(inverse).mT
        log_det = torch.from_numpy(self.n_components * np.log(unit[..., 0]) - log_det)
        self.remember("log determinant " + name, (covariance,), lambda: log_det)
        return Posterior(torch.from_numpy(solution), covariance)

    @np.errstate(all="ignore")
    def _array_prior(self, name, posterior) -> Prior | None:
        """None where the covariance is not definite up to rounding."""
        weight = self.prior_weight
        mean = torch.from_numpy(_array(posterior.mean).mean(1, keepdims=True))
        scatter = self._array_scatter(name, posterior, mean)
        covariance = scatter + weight * np.eye(self.n_components)
        covariance /= posterior.mean.shape[1] + weight
        factor, failed = torch.linalg.cholesky_ex(torch.from_numpy(covariance))
        if failed.any():
            return None
        return Prior(mean, torch.cholesky_inverse(factor))

    def _array_scatter(self, name, posterior, centre) -> np.ndarray:
        def compute():
            k = self.n_components
            spread = _array(posterior.covariance).sum(2).take(places(k).number, axis=1)
            deviation = _array(posterior.mean) - _array(centre)
            return spread.reshape(-1, k, k) + deviation.swapaxes(1, 2) @ deviation

        return self.remember("array scatter " + name, (*posterior, centre), compute)

    @np.errstate(all="ignore")
    def _array_noise(self, variables) -> Tensor:
        misfit, count = _array(self._expected_misfit(variables)), self.row_counts["V"].numpy()
        variance = misfit.sum(1, keepdims=True) / np.maximum(count.sum(1, keepdims=True), 1)
        common = 1 / np.maximum(variance, MIN_NOISE)
        noise, weight = _array(variables["noise"])[:, 0], self.noise_weight
        if noise.shape[1] > 1:
            for _ in range(NOISE_PASSES):
                variance = (misfit + weight / noise.mean(1, keepdims=True)) / (count + weight)
                noise = 1 / np.maximum(variance, MIN_NOISE)
            common = np.where(self.by_column.numpy()[:, 0], noise, common)
        return torch.from_numpy(common[:, None])

    @np.errstate(all="ignore")
    def _array_misfit(self, variables) -> Tensor:
        (mean, covariance), gram = variables["V"], self._array_gram("V", variables)
        mean, own = _array(mean), inner(_array(covariance.mT), gram)
        found = None
        if self.observed.has_costly_residuals:
            found = self._from_sums("V", variables, own + quadratic(mean, gram))
        if found is None:
            own += quadratic(mean, self._spread_sums(variables))
            found = own + self._misfit("V", variables)
        self.forget("array gram V", "spread sums", "square sums V", "products V")
        return torch.from_numpy(found)

    @np.errstate(all="ignore")
    def _array_objective(self, variables) -> Tensor:
        noise, count = _array(variables["noise"])[:, 0], self.row_counts["V"].numpy()
        misfit = _array(self._expected_misfit(variables))
        energy = (count * np.log(2 * math.pi / noise) + noise * misfit).sum(1)
        for name in ("U", "V"):
            energy += self._array_divergence(name, variables)
        if noise.shape[1] > 1:
            spread = np.log(noise.mean(1, keepdims=True)) - np.log(noise)
            energy += self.noise_weight * spread.sum(1)
        return torch.from_numpy(0.5 * energy) / self.n_observed.clamp(min=1)

    def _array_divergence(self, name, variables) -> np.ndarray:
        """Twice the divergence."""
        posterior, prior = variables[name], variables["prior_" + name]
        precision, n_rows = _array(prior.precision), posterior.mean.shape[1]
        scatter = self._array_scatter(name, posterior, prior.mean)
        log_det = np.linalg.slogdet(precision)[1]
        own = _array(self._log_determinant(name, variables)).sum(1)
        trace = np.trace(precision, axis1=1, axis2=2)
        divergence = (precision * scatter).sum((1, 2)) - own
        divergence -= n_rows * (log_det + self.n_components)
        return divergence + self.prior_weight * (trace - log_det)

    @np.errstate(all="ignore")
    def _array_features(self, variables, name) -> Tensor:
        posterior, prior = variables[name], variables["prior_" + name]
        k, place = self.n_components, places(self.n_components)
        count, precision = self.row_counts[name].numpy(), _array(prior.precision)
        square = self._misfit(name, variables) / np.maximum(count, 1)
        noise, _ = self._array_row_noise(name, variables)
        deviation = _array(posterior.mean) - _array(prior.mean)
        distance = (deviation @ precision * deviation).sum(2) / k
        packed = precision[:, place.first, place.second] * place.times
        uncertain = (_array(posterior.covariance.mT) @ packed[..., None])[..., 0] / k
        features = np.empty((*count.shape, 8))
        features[..., 0] = np.log(np.maximum(count / k, 0.1))
        features[..., 1] = count / variables[OTHER[name]].mean.shape[1]
        features[..., 2] = np.log(square + 1e-12) / 8
        features[..., 3] = np.log(square * noise + 1e-4) / 4
        features[..., 4] = np.log(noise) / 8
        features[..., 5] = np.log(distance + 1e-4) / 4
        features[..., 6] = np.log(uncertain + 1e-8) / 4
        features[..., 7] = math.log(k) / 2
        return torch.from_numpy(features)


def _control(value) -> np.ndarray:
    """A control, (T, rows, 1) or a number, as (T, rows) or (1, 1)."""
    if isinstance(value, Tensor) and value.ndim:
        return _array(value)[..., 0]
    return np.full((1, 1), float(value))
