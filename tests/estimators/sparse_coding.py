"""Dictionary learning as a user would write it: the estimator."""

import numpy as np

from sklearn_gso import AlternatingEstimator

from ..problems.sparse_coding import SparseCoding


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
