"""
Flowers
=======

Figure 8 of the paper: ten flowers of 10,000 samples, each of six petals whose covariances
are known, whose centres and weights are not. A petal fits one place only, so nearly every
start of expectation maximisation (EM) ends with petals across others.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Ellipse

from sklearn_gso import EMGaussianMixture, GSOGaussianMixture
from sklearn_gso.datasets import make_mixture_tasks

K = 6
X, truth = make_mixture_tasks(
    10, n_samples=10_000, n_components=K, layout="flower", spread=5.0, random_state=0
)

# %%
# Both begin at the same random samples: one start, the same ``random_state``. EM stops at
# the first local optimum. GSO goes on from there: a judge, trained on other mixtures, says
# which component to place elsewhere and which two to exchange. EM gets ten starts besides. The
# best known solution is the best of all these and of EM from the truth.

common = {"tol": 1e-6, "max_iter": 200, "random_state": 0}
fitted = {"EM": [], "EM, ten starts": [], "GSO": []}
best = []
for samples, means, covariances in zip(X, truth.means, truth.covariances, strict=True):
    known = {"covariances": covariances, **common}
    fitted["EM"].append(EMGaussianMixture(K, n_init=1, **known).fit(samples))
    fitted["GSO"].append(GSOGaussianMixture(K, n_init=1, **known).fit(samples))
    fitted["EM, ten starts"].append(EMGaussianMixture(K, n_init=10, **known).fit(samples))
    from_truth = EMGaussianMixture(K, means_init=means, **known).fit(samples)
    last = [several[-1] for several in fitted.values()]
    best.append(min(-mixture.score(samples) for mixture in (from_truth, *last)))

gaps = {
    name: np.array([-m.score(samples) for m, samples in zip(found, X, strict=True)]) - best
    for name, found in fitted.items()
}
print("gap to the best known negative log-likelihood per sample")
for name, gap in gaps.items():
    print(f"{name:14}", *(f"{g:.3f}" for g in gap), f" mean {gap.mean():.4f}")
assert gaps["GSO"].mean() < 0.01 < gaps["EM, ten starts"].mean()

# %%
# Ellipses of two standard deviations; a gap of 0 is the best known solution.


def draw_ellipses(axis, mixture, **style):
    for mean, covariance in zip(mixture.means_, mixture.covariances_, strict=True):
        (small, large), axes = np.linalg.eigh(covariance)
        angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))
        size = 4 * np.sqrt([large, small])
        axis.add_patch(Ellipse(mean, *size, angle=angle, fill=False, **style))


figure, axes = plt.subplots(2, 5, figsize=(13, 6), sharex=True, sharey=True)
for i, axis in enumerate(axes.flat):
    axis.plot(*X[i, ::5].T, ",", color="0.6", zorder=1)
    draw_ellipses(axis, fitted["GSO"][i], color="tab:red", lw=1.8, zorder=2)
    draw_ellipses(axis, fitted["EM"][i], color="k", ls="--", lw=1.2, zorder=3)
    axis.set(aspect="equal", xlim=(-10.5, 10.5), ylim=(-10.5, 10.5))
    axis.set_title(f"gap: EM {gaps['EM'][i]:.2f}, GSO {gaps['GSO'][i]:.2f}", fontsize=10)
for axis in axes[-1]:
    axis.set_xlabel("feature 1")
for axis in axes[:, 0]:
    axis.set_ylabel("feature 2")
handles = [
    plt.Line2D([], [], color="k", ls="--", label="EM, one random start"),
    plt.Line2D([], [], color="tab:red", lw=1.8, label="GSO from the same start"),
]
figure.legend(handles=handles, loc="upper center", ncols=2, frameon=False)
figure.tight_layout(rect=(0, 0, 1, 0.94))
figure.savefig("flower.png", dpi=100)
