"""
One matrix full of holes
========================

Breast cancer data of scikit-learn, standardised, half of the entries hidden: complete
it, and compare what was filled in with what had been there.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.preprocessing import StandardScaler

from sklearn_gso import ALSMatrixCompleter, GSOMatrixCompleter
from sklearn_gso.datasets import hide_entries
from sklearn_gso.metrics import relative_error

truth = StandardScaler().fit_transform(load_breast_cancer().data)
X = hide_entries(truth, 0.5, random_state=0)
hidden = np.isnan(X)

completers = {
    "column means": SimpleImputer(),
    "KNNImputer": KNNImputer(),
    "ALS, k = 10": ALSMatrixCompleter(random_state=0),
    "GSO, as it comes": GSOMatrixCompleter(random_state=0),
}
errors = {}
for name, completer in completers.items():
    completed = completer.fit_transform(X)
    errors[name] = relative_error(truth, completed, where=hidden)
    print(f"{name:18} error on the hidden entries {errors[name]:.3f}")

# %%
# The last one is ours. Left: 60 rows with holes, completed, and true.

figure, axes = plt.subplots(1, 4, figsize=(12, 4.5), width_ratios=[1, 1, 1, 1.3])
pictures = {"50 % hidden": X, "completed": completed, "truth": truth}
for axis, (name, matrix) in zip(axes, pictures.items(), strict=False):
    axis.imshow(matrix[:60], cmap="RdBu_r", vmin=-3, vmax=3, aspect="auto", interpolation="none")
    axis.set(title=name, xlabel="feature", xticks=[], yticks=[])
axes[3].plot(truth[hidden], completed[hidden], ",", alpha=0.5)
axes[3].axline((0, 0), slope=1, color="k", lw=0.8)
axes[3].set(
    xlabel="truth",
    ylabel="filled in",
    title=f"relative error {errors['GSO, as it comes']:.2f}",
    xlim=(-4, 6),
    ylim=(-4, 6),
)
figure.tight_layout()
figure.savefig("one_matrix.png", dpi=100)
