"""
A collection of similar tasks
=============================

Many small problems of one kind, and little time for each: train on some, solve the others
better in ten sweeps. Each task is a 50 x 40 table like one of ratings: every row and every
column has a mean of its own, as large as what five factors add to them, there is 1 % of
noise, and 30 % of the entries are seen. That is nearly as few as can do: 600 entries for
the 581 numbers of a matrix of rank 7.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter, MetaTraining
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.metrics import relative_error
from sklearn_gso.plotting import TrainingHistoryDisplay

options = {"shape": (50, 40), "rank": 5, "rate": 0.3, "mean": 1.0, "noise": 0.01}
X_train, _ = make_low_rank_tasks(40, random_state=0, **options)
X_test, truth = make_low_rank_tasks(20, random_state=1, **options)

# %%
# Training starts from the optimizer that comes with the package, which has seen all
# sorts of matrices, but hardly this sort, and runs of 8 to 80 sweeps. It needs no ground truth:
# a tenth of the observed entries is hidden afresh in every episode and judged. Learned is what
# runs of ten sweeps need.

SWEEPS = 10
trained = GSOMatrixCompleter(
    7, max_iter=SWEEPS, n_epochs=8, training=MetaTraining(learning_rate=3e-3), random_state=0
).fit(X_train)

# %%
# The trained optimizer is an object that travels: into other estimators, files,
# pipelines. Here into completers that run for 5 to 40 sweeps on tasks never seen; beside
# them alternating least squares with a falling λ, whose end was chosen on these tasks.

sweeps = [5, SWEEPS, 20, 40]
common = {"n_components": 7, "n_init": 1, "random_state": 0}
completers = {
    "ALS, falling λ": ALSMatrixCompleter(alpha=1e-2, alpha_start=10.0, **common),
    "untrained": GSOMatrixCompleter(optimizer=None, n_epochs=0, **common),
    "pretrained": GSOMatrixCompleter(n_epochs=0, **common),
    "trained on such tasks": GSOMatrixCompleter(
        optimizer=trained.learned_optimizer_, n_epochs=0, **common
    ),
}
errors = {}
for name, completer in completers.items():
    errors[name] = []
    for max_iter in sweeps:
        estimates = completer.set_params(max_iter=max_iter).fit(X_test).reconstruct(X_test)
        errors[name].append([relative_error(t, e) for t, e in zip(truth, estimates, strict=True)])
    short, long = np.median(errors[name][1]), np.median(errors[name][-1])
    print(f"{name:22} median error after 10 sweeps {short:.3f}, after 40 {long:.3f}")
medians = {name: np.median(found, axis=1) for name, found in errors.items()}
before, after = medians["pretrained"], medians["trained on such tasks"]
assert after[1] < 0.85 * before[1] and after[-1] < before[-1]
assert after[-1] < min(medians["ALS, falling λ"])

# %%
# Left: what training saw. Middle: every test task counts as one in the median. Right:
# the tasks one by one; below the line training has helped. On matrices like those that
# the pretrained optimizer was trained on (Gaussian factors, no means) the same training
# gains little: the pretrained one finds them as it is.

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4))
TrainingHistoryDisplay.from_estimator(trained, ax=left)
left.set(ylabel="loss relative to untrained", title="meta-training")
for name, found in medians.items():
    middle.semilogy(sweeps, found, "o-", label=name)
middle.set(
    xlabel="sweeps", ylabel="median relative error", title="tasks never seen", ylim=(0.01, 1)
)
middle.legend(loc="lower left")
before, after = errors["pretrained"][1], errors["trained on such tasks"][1]
right.loglog(before, after, "o", alpha=0.6)
right.axline((0.01, 0.01), (1, 1), color="k", lw=0.8)
better = np.count_nonzero(np.less(after, before))
right.set(
    xlabel="pretrained",
    ylabel="trained on such tasks",
    title=f"errors after {SWEEPS} sweeps: {better} of {len(truth)} lower",
    xlim=(0.03, 1),
    ylim=(0.03, 1),
)
figure.tight_layout()
figure.savefig("collection_of_tasks.png", dpi=100)
