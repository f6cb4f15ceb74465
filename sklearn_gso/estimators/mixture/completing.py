"""One Gaussian of samples with holes: estimates that starts look at, and the pooled covariance."""

import torch
from torch import Tensor

from ...problems import MixtureMissing, point
from ...problems._gaussians import CovariancePrior
from ...rules import ClosedForm
from ...solvers import minimize, rules_for

_MAX_ITER, _TOL = 100, 1e-4


def complete(samples: Tensor, sample_weight: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
    """Expectations in place of NaN, by EM for one Gaussian, and its covariance.

    The covariance is drawn to the features' own variances with the weight of D + 2 samples, so
    that it is one where there are less rows than features.

    Parameters
    ----------
    samples : Tensor of shape (1, G, D)
        Centred, with NaN.
    sample_weight : Tensor of shape (1, G)
    variances : Tensor of shape (1, D)

    Returns
    -------
    completed : Tensor of shape (1, G, D)
    covariance : Tensor of shape (1, 1, D, D)
    """
    d = samples.shape[2]
    start = torch.diag_embed(variances)[:, None]
    prior = CovariancePrior.of(start, d + 2, d)
    problem = MixtureMissing(samples, samples.nan_to_num(), 1, sample_weight=sample_weight)
    problem = problem.with_prior(prior)
    variables = problem.start_from(torch.zeros_like(samples[:, :1]), covariances=start)
    run = minimize(
        problem, rules_for(problem, ClosedForm()), variables, _MAX_ITER, tol=_TOL, safeguard="none"
    )
    completed = torch.where(samples.isnan(), problem.expectation(run.variables), samples)
    return completed, point(run.variables["covariances"])
