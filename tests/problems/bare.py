"""The least that a problem must have, as a user would write it."""

import torch

from sklearn_gso.problems import Problem


class Bare(Problem):
    """F = Σ (x y - 1)² over two blocks, and nothing besides."""

    block_names = ("x", "y")

    def __init__(self, n_tasks=2):
        self.n_tasks = n_tasks

    def init(self, generator):
        shape = (self.n_tasks, 3, 2)
        return {
            name: torch.randn(shape, generator=generator, dtype=torch.float64)
            for name in self.block_names
        }

    def objective(self, variables):
        return (variables["x"] * variables["y"] - 1).square().sum((1, 2))
