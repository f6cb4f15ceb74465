"""Dictionary learning as a user would write it: a problem of three blocks, and its estimator."""

import numpy as np
import torch

from sklearn_gso import AlternatingEstimator
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
        left = self.misfit(variables).square().mean((1, 2), keepdim=True)
        left = ((left + 1e-9) / (self.values.square().mean((1, 2), keepdim=True) + 1e-9)).log() / 4
        return torch.cat([size, left.expand_as(size)], dim=2)

    def take(self, index):
        other = self.copied()
        other.values = self.values[index]
        other.n_tasks = len(other.values)
        return other

    def reconstruct(self, variables):
        return variables["codes"] @ variables["atoms"]


class SparseCoder(AlternatingEstimator):
    """Dictionary learning: `transform` returns the codes."""

    problem_class = SparseCoding

    def __init__(
        self,
        n_atoms=8,
        alpha=0.1,
        *,
        optimizer=None,
        rule="control",
        max_iter=None,
        t_l=None,
        t_u=None,
        n_epochs=10,
        training=None,
        n_init=1,
        safeguard="step",
        random_state=None,
        n_jobs=None,
    ):
        super().__init__(
            optimizer=optimizer,
            rule=rule,
            max_iter=max_iter,
            t_l=t_l,
            t_u=t_u,
            n_epochs=n_epochs,
            training=training,
            n_init=n_init,
            safeguard=safeguard,
            random_state=random_state,
            n_jobs=n_jobs,
        )
        self.n_atoms, self.alpha = n_atoms, alpha

    def problem_options(self, array):
        return {"n_atoms": self.n_atoms, "alpha": self.alpha}

    @staticmethod
    def read(problem, variables):
        return variables["codes"]


def draw_tasks(n_tasks, seed, n_rows=20, n_atoms=3, n_columns=8):
    """Sparse combinations of random unit atoms, with 1 % of noise."""
    rng = np.random.RandomState(seed)
    atoms = rng.standard_normal((n_tasks, n_atoms, n_columns))
    atoms /= np.linalg.norm(atoms, axis=2, keepdims=True)
    shape = (n_tasks, n_rows, n_atoms)
    codes = rng.standard_normal(shape) * (rng.rand(*shape) < 0.4)
    return codes @ atoms + 0.01 * rng.standard_normal((n_tasks, n_rows, n_columns))
