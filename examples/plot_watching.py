"""
Watching it work
================

Figure 4 of the paper for one matrix: the loss, on the observed entries, and the error, on
hidden ones, sweep by sweep. A low loss is not yet a low error. The peers have the best of
some settings, by the truth. Alternating least squares (ALS) that is told the rank ends as low
as GSO, which is not told. Then the same run from within: what the learned rule asks of the
closed-form step.
"""

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter, SGDMatrixCompleter
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.plotting import CompletionDisplay, ControlsDisplay, ConvergenceDisplay

X, truth = make_low_rank_tasks(
    1, shape=(60, 50), rank=3, rate=0.3, noise=0.02, factors="gaussian", random_state=0
)
X, truth = X[0], truth[0]

common = {"n_components": 5, "max_iter": 40, "random_state": 0}
gso = GSOMatrixCompleter(**common).fit(X)
peers = {
    "ALS, falling λ": ALSMatrixCompleter(alpha=1e-2, alpha_start=100.0, **common),
    "ALS, rank told": ALSMatrixCompleter(alpha=1e-2, **{**common, "n_components": 3}),
    "SGD": SGDMatrixCompleter(alpha=0.1, learning_rate=3e-2, **common),
}
peers = {name: peer.fit(X) for name, peer in peers.items()}

display = ConvergenceDisplay.from_estimator(gso, X, truth, peers=peers, name="GSO")
display.figure_.savefig("watching.png", dpi=100)
for name, error in display.error.items():
    print(f"{name:15} loss {display.loss[name][-1]:.3f}, error {error[-1]:.4f}")
error = {name: values[-1] for name, values in display.error.items()}
assert error["GSO"] < 1.01 * error["ALS, rank told"] < 0.8 * error["ALS, falling λ"]

# %%
# The controls are logarithms of factors: how much the rule trusts the data and the prior
# more than the closed form does, row by row; then how far it goes and how much of the last
# step it keeps. Thin lines are the closed form.

ControlsDisplay.from_estimator(gso, X)

# %%
# The matrix itself.

CompletionDisplay.from_estimator(gso, X, truth, cmap="RdBu_r")
