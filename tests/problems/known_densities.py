"""Blocks on a simplex, as a user would write them: the weights of known densities, by EM."""

import torch

from sklearn_gso.problems import Problem


def on_simplex(rows):
    """The nearest rows that are non-negative and sum to 1."""
    falling = rows.sort(-1, descending=True).values
    excess = (falling.cumsum(-1) - 1) / torch.arange(1, rows.shape[-1] + 1)
    n_positive = (falling > excess).sum(-1, keepdim=True)
    return (rows - excess.gather(-1, n_positive - 1)).clamp(min=0)


class KnownDensities(Problem):
    """F = Σ_nk r_nk (log r_nk - log π_k - log p_nk), rows of r and π on the simplex."""

    block_names = ("weights", "shares")

    def __init__(self, log_densities):
        self.log_densities, self.n_tasks = log_densities, len(log_densities)

    @classmethod
    def random(cls, seed, n_tasks=2):
        g = torch.Generator().manual_seed(seed)
        return cls(2 * torch.randn(n_tasks, 15, 3, generator=g, dtype=torch.float64))

    def init(self, generator):
        n_tasks, n, k = self.log_densities.shape
        weights = torch.full((n_tasks, 1, k), 1 / k, dtype=torch.float64)
        shares = torch.rand(n_tasks, n, k, generator=generator, dtype=torch.float64)
        return {"weights": weights, "shares": on_simplex(shares)}

    def project(self, name, block):
        return on_simplex(block)

    def objective(self, variables):
        weights, shares = variables["weights"], variables["shares"]
        expected = weights.log() + self.log_densities
        return (torch.xlogy(shares, shares) - shares * expected).sum((1, 2))

    def minimize_block(self, variables, name, controls=None):
        if name == "weights":
            return variables["shares"].mean(1, keepdim=True)
        return torch.softmax(variables["weights"].log() + self.log_densities, dim=2)
