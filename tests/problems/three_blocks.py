"""A third problem with three blocks, as a user would write one: CP tensor factorisation."""

import torch

from sklearn_gso.problems import Problem


class TensorFactorisation(Problem):
    """F = ½‖X - Σ_r a_r ∘ b_r ∘ c_r‖² + λ/2 (‖A‖² + ‖B‖² + ‖C‖²), X of shape (T, p, q, s)."""

    block_names = ("A", "B", "C")
    control_names = ("ridge",)
    _axes = {"A": ("B", "C", "tpqs"), "B": ("A", "C", "tqps"), "C": ("A", "B", "tspq")}
    feature_version = 1

    def __init__(self, data, rank, alpha=0.1):
        self.data, self.rank, self.alpha = data, rank, alpha
        self.n_tasks = len(data)

    @classmethod
    def random(cls, seed, n_tasks=2, rank=2):
        g = torch.Generator().manual_seed(seed)
        a, b, c = (torch.randn(n_tasks, n, rank, generator=g).double() for n in (5, 4, 3))
        return cls(torch.einsum("tpr,tqr,tsr->tpqs", a, b, c), rank)

    def init(self, generator):
        sizes = zip(self.block_names, self.data.shape[1:], strict=True)
        return {
            name: torch.randn(self.n_tasks, n, self.rank, generator=generator).double()
            for name, n in sizes
        }

    def objective(self, variables):
        blocks = [variables[name] for name in self.block_names]
        model = torch.einsum("tpr,tqr,tsr->tpqs", *blocks)
        squares = sum(block.square().sum((1, 2)) for block in blocks)
        return 0.5 * ((self.data - model).square().sum((1, 2, 3)) + self.alpha * squares)

    def minimize_block(self, variables, name, controls=None):
        left, right, axes = self._axes[name]
        pair = torch.einsum("tpr,tqr->tpqr", variables[left], variables[right]).flatten(1, 2)
        unfolded = torch.einsum(f"tpqs->{axes}", self.data).flatten(2)
        control = torch.as_tensor((controls or {}).get("ridge", 0.0), dtype=torch.float64)
        ridge = self.alpha * torch.exp(control)
        gram = (pair.mT @ pair)[:, None] + ridge.reshape(*ridge.shape, 1) * torch.eye(self.rank)
        return torch.linalg.solve(gram, (unfolded @ pair)[..., None])[..., 0]

    def row_features(self, variables, name):
        block = variables[name]
        size = (block.norm(dim=2, keepdim=True) + 1e-6).log()
        total = self.data.square().sum((1, 2, 3))
        misfit = (2 * self.objective(variables) / total + 1e-9).log() / 4
        return torch.cat([size, misfit[:, None, None].expand_as(size)], dim=2)

    def take(self, index):
        return type(self)(self.data[index], self.rank, self.alpha)
