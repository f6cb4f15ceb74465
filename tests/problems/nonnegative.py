"""A problem with a feasible set, as a user would write it: two non-negative rank-one terms."""

import torch

from sklearn_gso.problems import Problem, point, with_point


class NonnegativeFactorisation(Problem):
    """F = ½‖X - Σ_r w_r h_rᵀ‖² + λ/2 Σ_r (‖w_r‖² + ‖h_r‖²), all w_r, h_r >= 0, X (T, p, q).

    Column by column the minimiser is exact: what a ridge regression gives, cut off at zero.
    """

    block_names = ("w1", "h1", "w2", "h2")
    control_names = ("ridge",)

    def __init__(self, values, alpha=0.1):
        self.values, self.alpha, self.n_tasks = values, alpha, len(values)

    @classmethod
    def random(cls, seed, n_tasks=2):
        """Noise without structure puts a good part of the minimisers on the bound."""
        g = torch.Generator().manual_seed(seed)
        return cls(torch.randn(n_tasks, 8, 6, generator=g, dtype=torch.float64))

    def init(self, generator):
        sizes = dict(zip("wh", self.values.shape[1:], strict=True))
        return {
            name: torch.rand(self.n_tasks, sizes[name[0]], 1, generator=generator).double()
            for name in self.block_names
        }

    def project(self, name, block):
        return with_point(block, point(block).clamp(min=0))

    def misfit(self, variables, without=""):
        terms = (variables["w" + r] @ variables["h" + r].mT for r in "12" if r != without)
        return self.values - sum(terms)

    def objective(self, variables):
        squares = sum(block.square().sum((1, 2)) for block in variables.values())
        return 0.5 * (self.misfit(variables).square().sum((1, 2)) + self.alpha * squares)

    def minimize_block(self, variables, name, controls=None):
        kind, r = name
        target = self.misfit(variables, without=r)
        target, other = (target, "h" + r) if kind == "w" else (target.mT, "w" + r)
        control = torch.as_tensor((controls or {}).get("ridge", 0.0), dtype=torch.float64)
        curvature = variables[other].square().sum((1, 2), keepdim=True)
        return ((target @ variables[other]) / (curvature + self.alpha * control.exp())).clamp(min=0)

    def row_features(self, variables, name):
        misfit = self.misfit(variables).square()
        rows = misfit.mean(2 if name[0] == "w" else 1)
        return torch.stack([(variables[name][..., 0] + 1e-3).log(), (rows + 1e-9).log()], 2) / 4

    def take(self, index):
        other = self.copied()
        other.values, other.n_tasks = self.values[index], len(index)
        return other
