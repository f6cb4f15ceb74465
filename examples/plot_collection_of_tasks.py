"""
A collection of similar tasks
=============================

Many small problems of one kind: train on some, solve the others better and in fewer
sweeps. Each task is a 40 x 30 matrix of rank 3 of which 35 % of the entries are seen,
with a little noise; five components are allowed.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_gso import GSOMatrixCompleter
from sklearn_gso.datasets import make_low_rank_tasks
from sklearn_gso.metrics import relative_error

options = {"shape": (40, 30), "rank": 3, "rate": 0.35, "noise": 0.01}
X_train, _ = make_low_rank_tasks(80, random_state=0, **options)
X_test, truth = make_low_rank_tasks(40, random_state=1, **options)

# %%
# Training needs no ground truth: a tenth of the observed entries is hidden afresh in
# every episode and judged.

trained = GSOMatrixCompleter(5, max_iter=15, n_epochs=8, learning_rate=3e-3, random_state=0)
trained.fit(X_train)

# %%
# The trained optimizer is an object that travels: into other estimators, files,
# pipelines. Here into completers that run for 2 to 40 sweeps.

sweeps = [2, 4, 6, 8, 10, 15, 20, 30, 40]
optimizers = {
    "untrained": None,
    "pretrained": "pretrained",
    "trained on these tasks": trained.learned_optimizer_,
}
curves = {}
for name, optimizer in optimizers.items():
    curves[name] = []
    for max_iter in sweeps:
        completer = GSOMatrixCompleter(
            5, optimizer=optimizer, max_iter=max_iter, n_epochs=0, random_state=0
        )
        estimates = completer.fit(X_test).reconstruct(X_test)
        curves[name].append(
            np.median([relative_error(t, e) for t, e in zip(truth, estimates, strict=True)])
        )
    print(f"{name:24} median error after 10 and 40 sweeps: "
          f"{curves[name][4]:.4f} {curves[name][-1]:.4f}")  # fmt: skip

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
history = trained.history_
left.plot([h["step"] for h in history], [h["loss"] for h in history], ".", label="training")
checked = [h for h in history if "validation" in h]
left.plot(
    [h["step"] for h in checked], [h["validation"] for h in checked], "o-", label="validation"
)
left.set(xlabel="training step", ylabel="loss relative to untrained", title="meta-training")
left.legend()
for name, curve in curves.items():
    right.semilogy(sweeps, curve, "o-", label=name)
right.set(xlabel="sweeps", ylabel="median relative error", title="40 tasks never seen")
right.legend()
figure.tight_layout()
figure.savefig("collection_of_tasks.png", dpi=100)
