"""One Gaussian of samples with holes or noise: what starts look at, and the pooled covariance."""

import torch
from torch import Tensor

from ...problems import MixtureIncomplete, MixtureMissing, MixtureNoisy, point
from ...problems._gaussians import CovariancePrior
from ...rules import ClosedForm
from ...solvers import minimize, rules_for

_MAX_ITER, _TOL = 100, 1e-4
# Share of a feature's variance that noise leaves at least.
_LEAST = 1e-2


def complete(
    samples: Tensor, sample_weight: Tensor, variances: Tensor, noise: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Expectations in place of NaN or of noisy samples, by EM for one Gaussian, and its covariance.

    The covariance is drawn to the features' own variances with the weight of D + 2 samples, so
    that it is one where there are less rows than features.

    Parameters
    ----------
    samples : Tensor of shape (T, G, D)
        Centred, with NaN.
    sample_weight : Tensor of shape (T, G)
    variances : Tensor of shape (T, D)
    noise : Tensor, optional
        As for `MixtureNoisy`; T is 1 where there is none.

    Returns
    -------
    completed : Tensor of shape (T, G, D)
    covariance : Tensor of shape (T, 1, D, D)
    """
    d, filled = samples.shape[2], samples.nan_to_num()
    problem: MixtureIncomplete
    if noise is None:
        problem = MixtureMissing(samples, filled, 1, sample_weight=sample_weight)
    else:
        problem = MixtureNoisy(samples, noise, filled, 1, sample_weight=sample_weight)
        added = noise if noise.ndim == 3 else noise.diagonal(dim1=2, dim2=3)
        variances = (variances - added.mean(1)).maximum(_LEAST * variances)
    start = torch.diag_embed(variances)[:, None]
    prior = CovariancePrior.of(start, d + 2, d)
    problem = problem.with_prior(prior)
    variables = problem.start_from(torch.zeros_like(samples[:, :1]), covariances=start)
    run = minimize(
        problem, rules_for(problem, ClosedForm()), variables, _MAX_ITER, tol=_TOL, safeguard="none"
    )
    expected = problem.expectation(run.variables)
    if noise is None:
        expected = torch.where(samples.isnan(), expected, samples)
    return expected, point(run.variables["covariances"])
