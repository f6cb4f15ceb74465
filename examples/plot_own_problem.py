"""
A problem and an estimator of your own
======================================

Dictionary learning: rows of data are sparse combinations of a few atoms, both unknown. scikit-learn
has it, with atoms of norm 1, and solves it as well. Here it is a *problem of your own*, three
blocks with closed forms, and with ten more lines an *estimator of your own*, which learns from a
collection of such data sets, goes into pipelines and searches, and is saved and loaded.
"""

import joblib
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_gso import AlternatingEstimator
from sklearn_gso.plotting import TrainingHistoryDisplay
from sklearn_gso.problems import Problem, check_problem

# %%
# The problem. An l1 penalty has no closed form, but the modulus of c is the minimum over w of
# (w c² + 1 / w) / 2: with the weights w as one more block every block has one.


class SparseCoding(Problem):
    """F = ½‖X - C D‖² + α/2 Σ (w (c² + ε) + 1/w) + ½‖D‖², X of shape (T, rows, columns)."""

    block_names = ("codes", "weights", "atoms")
    local_blocks = ("codes", "weights")  # one for each row of X
    moved_names = ("codes", "atoms")  # what rules move; the weights are always minimised
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
        misfit = self.misfit(variables).square().sum((1, 2))
        return 0.5 * (misfit + penalty + d.square().sum((1, 2)))

    def minimize_block(self, variables, name, controls=None):
        """Closed forms; the control multiplies the penalty of each row by its exponential."""
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
        """Scale-free numbers about each row: its size, and how much is unexplained."""
        size = (variables[name].square().mean(2, keepdim=True) + 1e-9).log() / 4
        left = self.misfit(variables).square().mean((1, 2), keepdim=True)
        left = ((left + 1e-9) / (self.values.square().mean((1, 2), keepdim=True) + 1e-9)).log() / 4
        return torch.cat([size, left.expand_as(size)], dim=2)

    def reconstruct(self, variables):
        return variables["codes"] @ variables["atoms"]


class SparseCoder(AlternatingEstimator):
    """Dictionary learning: `transform` returns the codes."""

    problem_class = SparseCoding

    def __init__(self, n_atoms=8, alpha=0.1, *, optimizer=None, max_iter=None, t_l=None, t_u=None,
                 n_epochs=10, n_init=1, random_state=None):  # fmt: skip
        super().__init__(optimizer=optimizer, max_iter=max_iter, t_l=t_l, t_u=t_u,
                         n_epochs=n_epochs, n_init=n_init, random_state=random_state)  # fmt: skip
        self.n_atoms, self.alpha = n_atoms, alpha

    def problem_options(self, array):
        return {"n_atoms": self.n_atoms, "alpha": self.alpha}

    @staticmethod
    def read(problem, variables):
        return variables["codes"]


# %%
# The checker looks at gradients, at the optimality of every minimiser, at the independence of
# the tasks in a batch and at the controls, and names the block that is wrong.


def draw_tasks(n_tasks, seed, n_rows=60, n_atoms=8, n_columns=20):
    """Sparse combinations of random unit atoms, with 1 % of noise."""
    rng = np.random.RandomState(seed)
    atoms = rng.standard_normal((n_tasks, n_atoms, n_columns))
    atoms /= np.linalg.norm(atoms, axis=2, keepdims=True)
    used = rng.rand(n_tasks, n_rows, n_atoms) < 0.25
    codes = used * rng.standard_normal((n_tasks, n_rows, n_atoms))
    return codes @ atoms + 0.01 * rng.standard_normal((n_tasks, n_rows, n_columns))


check_problem(SparseCoding(torch.from_numpy(draw_tasks(3, 0)), 8, 0.1))

# %%
# One data set is solved, as scikit-learn does it, and so are new rows.

one = draw_tasks(1, 1)[0]
coder = SparseCoder(max_iter=100, random_state=0).fit(one)
print("codes", coder.transform(one[:3]).shape, "objective", round(coder.objective_, 2))

# %%
# A collection trains a rule that steers the closed forms; it then solves data sets that nobody
# has seen, in twenty sweeps. Ten times as many of the closed forms end a little lower.

SWEEPS = 20
trained = SparseCoder(max_iter=SWEEPS, n_epochs=12, random_state=0).fit(draw_tasks(48, 2))
test = draw_tasks(20, 3)
plain = SparseCoder(max_iter=SWEEPS, n_epochs=0, random_state=0).fit(test)
patient = SparseCoder(max_iter=10 * SWEEPS, n_epochs=0, random_state=0).fit(test)
scores = {"trained, 20 sweeps": trained, "closed forms, 20": plain, "closed forms, 200": patient}
scores = {name: -coder.score(test) for name, coder in scores.items()}
print({name: round(score, 2) for name, score in scores.items()})
assert scores["trained, 20 sweeps"] < 0.95 * scores["closed forms, 20"]
assert scores["trained, 20 sweeps"] < 1.02 * scores["closed forms, 200"]

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
TrainingHistoryDisplay.from_estimator(trained, ax=left)
right.bar(scores.keys(), scores.values())
right.set(title="objective, 20 data sets never seen", ylim=(10, None))
figure.savefig("own_problem.png", dpi=100)

# %%
# It is an estimator as any other: pipelines, searches, files. The learned optimizer travels as a
# parameter; its file runs no code when it is read.

trained.learned_optimizer_.save("sparse_coder.safetensors")
learned = SparseCoder(optimizer="sparse_coder.safetensors", max_iter=SWEEPS, random_state=0)
pipeline = make_pipeline(StandardScaler(), learned).fit(one)
search = GridSearchCV(learned.set_params(n_epochs=1), {"t_l": [1, 2]}, cv=2).fit(list(test[:8]))
print("search over t_l:", search.best_params_)
joblib.dump(pipeline, "pipeline.joblib")
print(np.array_equal(joblib.load("pipeline.joblib").transform(one), pipeline.transform(one)))
