"""Dictionary learning, as a user would write it: the problem of examples/plot_own_problem.py."""

import torch

from sklearn_gso.problems import Problem


class SparseCoding(Problem):
    """F = ½‖X - C D‖² + α/2 Σ (w (c² + ε) + 1/w) + ½‖D‖², X of shape (T, rows, columns)."""

    block_names = ("codes", "weights", "atoms")
    local_blocks = ("codes", "weights")
    moved_names = ("codes", "atoms")
    control_names = ("ridge",)
    tiny = 1e-6

    def __init__(self, values, n_atoms, alpha):
        self.values, self.n_atoms, self.alpha = values, n_atoms, alpha
        self.n_tasks = len(values)

    @classmethod
    def random(cls, seed, n_tasks=2):
        """Rows made of a quarter of four unit atoms each, with 1 % of noise."""
        g = torch.Generator().manual_seed(seed)

        def normal(*shape):
            return torch.randn(n_tasks, *shape, generator=g, dtype=torch.float64)

        atoms = torch.nn.functional.normalize(normal(4, 6), dim=2)
        codes = normal(12, 4) * (torch.rand(n_tasks, 12, 4, generator=g) < 0.25)
        return cls(codes @ atoms + 0.01 * normal(12, 6), 4, 0.1)

    def init(self, generator):
        (T, p, q), k = self.values.shape, self.n_atoms
        atoms = torch.randn(T, k, q, generator=generator, dtype=torch.float64)
        ones = torch.ones(T, p, k, dtype=torch.float64)
        return {"codes": 0 * ones, "weights": ones, "atoms": atoms}

    def misfit(self, variables):
        return self.values - variables["codes"] @ variables["atoms"]

    def objective(self, variables):
        c, w, d = (variables[name] for name in self.block_names)
        penalty = self.alpha * (w * (c.square() + self.tiny) + 1 / w).sum((1, 2))
        return 0.5 * (
            self.misfit(variables).square().sum((1, 2)) + penalty + d.square().sum((1, 2))
        )

    def minimize_block(self, variables, name, controls=None):
        c, w, d = (variables[name] for name in self.block_names)
        if name == "weights":
            return (c.square() + self.tiny).rsqrt()
        bent = torch.exp(torch.as_tensor((controls or {}).get("ridge", 0.0), dtype=torch.float64))
        if name == "codes":
            gram = (d @ d.mT)[:, None] + torch.diag_embed(self.alpha * w * bent)
            return torch.linalg.solve(gram, (self.values @ d.mT)[..., None])[..., 0]
        gram = c.mT @ c + torch.diag_embed((bent * torch.ones_like(d[..., :1]))[..., 0])
        return torch.linalg.solve(gram, c.mT @ self.values)

    def row_features(self, variables, name):
        size = (variables[name].square().mean(2, keepdim=True) + 1e-9).log() / 4
        misfit = self.misfit(variables).square().mean((1, 2), keepdim=True)
        total = self.values.square().mean((1, 2), keepdim=True)
        unexplained = ((misfit + 1e-9) / (total + 1e-9)).log() / 4
        return torch.cat([size, unexplained.expand_as(size)], dim=2)

    def take(self, index):
        other = self.copied()
        other.values = self.values[index]
        other.n_tasks = len(other.values)
        return other

    def reconstruct(self, variables):
        return variables["codes"] @ variables["atoms"]
