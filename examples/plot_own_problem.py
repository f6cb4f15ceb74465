"""
A problem of your own
=====================

Thirty sensors, each with an unknown gain, look at five scenes of which each is a mixture of
eight known patterns: find gains and scenes from the readings (blind calibration, a kind of
blind deconvolution). Two blocks, each a least-squares problem for given others, and a file
of fifty lines: what is minimised, its two block minimisers, and what a learned rule may look
at. The loop, the training and the safeguards need no more.
"""

import matplotlib.pyplot as plt
import torch

from sklearn_gso import LearnedOptimizer
from sklearn_gso.alternating import alternate, rules_for
from sklearn_gso.meta_training import make_episode, meta_train
from sklearn_gso.plotting import TrainingHistoryDisplay
from sklearn_gso.problems import Problem
from sklearn_gso.rules import ClosedForm, LSTMControl
from sklearn_gso.testing import check_problem


class Calibration(Problem):
    """F = ½‖Y - diag(g) B Xᵀ‖² + α/2 (‖g - 1‖² + ‖X‖²), Y of shape (T, sensors, scenes)."""

    block_names = ("scenes", "gains")
    control_names = ("ridge",)
    feature_version = 1

    def __init__(self, readings, patterns, alpha=1e-3):
        self.readings, self.patterns, self.alpha = readings, patterns, alpha
        self.n_tasks = len(readings)

    def init(self, generator):
        """Gains of 1 and random scenes; a block is (T, rows, columns)."""
        (n, p, q), k = self.readings.shape, self.patterns.shape[2]
        gains = torch.ones(n, p, 1, dtype=torch.float64)
        return {"scenes": torch.randn(n, q, k, generator=generator).double(), "gains": gains}

    def fields(self, variables):
        return self.patterns @ variables["scenes"].mT

    def misfit(self, variables):
        return self.readings - variables["gains"] * self.fields(variables)

    def objective(self, variables):
        prior = (variables["gains"] - 1).square().sum((1, 2))
        prior = prior + variables["scenes"].square().sum((1, 2))
        return 0.5 * (self.misfit(variables).square().sum((1, 2)) + self.alpha * prior)

    def minimize_block(self, variables, name, controls=None):
        """Closed form; the control multiplies α, row by row, by its exponential."""
        control = torch.as_tensor((controls or {}).get("ridge", 0.0), dtype=torch.float64)
        ridge = self.alpha * torch.exp(control)
        if name == "gains":
            fields = self.fields(variables)
            seen = (self.readings * fields).sum(2, keepdim=True)
            return (seen + ridge) / (fields.square().sum(2, keepdim=True) + ridge)
        bent = variables["gains"] * self.patterns
        gram = (bent.mT @ bent)[:, None] + ridge[..., None] * torch.eye(bent.shape[2])
        return torch.linalg.solve(gram, (self.readings.mT @ bent)[..., None])[..., 0]

    def row_features(self, variables, name):
        """Two scale-free numbers a row: how badly it is explained, and how large it is."""
        misfit = self.misfit(variables) if name == "gains" else self.misfit(variables).mT
        unit = self.readings.square().mean((1, 2), keepdim=True)
        left = (misfit.square().mean(2, keepdim=True) / unit + 1e-12).log() / 8
        size = (variables[name].square().mean(2, keepdim=True) + 1e-12).log() / 4
        return torch.cat([left, size], dim=2)


# %%
# Random tasks, and the checker: gradients against finite differences, optimality of both
# minimisers, independence of the tasks in a batch, and neutral controls.


def random_tasks(n_tasks, generator):
    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    patterns = normal(n_tasks, 30, 8) / 8**0.5
    readings = torch.exp(normal(n_tasks, 30, 1)) * (patterns @ normal(n_tasks, 8, 5))
    return Calibration(readings + 1e-3 * normal(*readings.shape), patterns)


generator = torch.Generator().manual_seed(0)
check_problem(random_tasks(4, generator))

# %%
# Meta-training, on fresh tasks in every step: `LSTMControl` bends the closed forms and
# learns from the loss of the whole, equation (9) of the paper.

SWEEPS = 20
rule = LSTMControl(
    n_features=2, control_names=Calibration.control_names, hidden_size=16, generator=generator
)
rules = rules_for(random_tasks(1, generator), rule)
validation = [make_episode(random_tasks(16, generator), rules, generator, SWEEPS)]
history = meta_train(
    lambda step: [make_episode(random_tasks(8, generator), rules, generator, SWEEPS)],
    rules,
    40,
    validation=validation,
    learning_rate=1e-2,
    anneal=True,
    averaging=0.9,
)
learned = LearnedOptimizer.from_rules(
    {name: rule for name in Calibration.block_names},
    random_tasks(1, generator),
    trained_on="blind calibration, 30 sensors, 5 scenes, 8 patterns",
)
learned.save("calibration.safetensors")  # a file that runs no code when it is read

# %%
# Fifty tasks that nobody has seen, the same random start for both rules.

test = random_tasks(50, torch.Generator().manual_seed(9))


def way(rule, n_sweeps):
    values = []
    start = test.init(torch.Generator().manual_seed(1))
    with torch.no_grad():
        alternate(
            test,
            rules_for(test, rule),
            start,
            n_sweeps,
            on_sweep=lambda variables: values.append(test.objective(variables)),
        )
    return torch.stack(values)


ways = {"closed form (ALS)": way(ClosedForm(), 200), "learned": way(learned.rules(), SWEEPS)}
closed, ours = ways.values()
better = int((ours[-1] < closed[SWEEPS - 1]).sum())
print(f"median objective after {SWEEPS} sweeps: ALS {closed[SWEEPS - 1].median():.3f}, ", end="")
print(f"learned {ours[-1].median():.3f}, lower on {better} of 50 tasks; ", end="")
print(f"ALS after 200 sweeps {closed[-1].median():.3f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
TrainingHistoryDisplay(history).plot(left)
for name, values in ways.items():
    right.loglog(range(1, len(values) + 1), values.median(1).values, label=name)
right.set(xlabel="sweeps", ylabel="median objective", title="50 tasks never seen")
right.legend()
figure.savefig("own_problem.png", dpi=100)
