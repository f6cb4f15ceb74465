"""
Sources behind known noise
==========================

Five beacons are located over and over by instruments whose error ellipse is known for
each beacon, from calibration and geometry. The reports bear no names. Where are the
beacons, and whose is each report? scikit-learn's ``GaussianMixture`` can only estimate
the covariances; here they are given, and only weights and centres are sought.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Ellipse
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from sklearn_gso import EMGaussianMixture, GSOGaussianMixture
from sklearn_gso.datasets import make_mixture_tasks

K, N_PROBLEMS, N_UNSEEN = 5, 8, 2000


def candidates(samples, covariances, seed):
    """All from one start, which has the true covariances also where they are estimated."""
    chosen = np.random.RandomState(seed).choice(len(samples), K, replace=False)
    start = {"weights_init": np.full(K, 1 / K), "means_init": samples[chosen]}
    common = {"tol": 1e-5, "max_iter": 500, "random_state": seed}
    return {
        "scikit-learn, estimated": GaussianMixture(
            K, precisions_init=np.linalg.inv(covariances), **start, **common
        ),
        "scikit-learn, best of 10": GaussianMixture(
            K, n_init=10, init_params="k-means++", max_iter=500, random_state=seed
        ),
        "EM, known": EMGaussianMixture(K, covariances=covariances, **start, **common),
        "EM, known, best of 10": EMGaussianMixture(K, n_init=10, covariances=covariances, **common),
        "GSO, known": GSOGaussianMixture(K, covariances=covariances, **start, **common),
    }


# %%
# Eight problems of each of three kinds. The adjusted Rand index tells how well the reports
# are parted; it does not ask for names. With known noise a component is its beacon, so
# the share of reports with the right name can be told too: estimated clusters come in
# no order. The negative log-likelihood per report is that of the data fitted, where
# estimated covariances have more to fit with, and of 2000 unseen reports of the same
# beacons. The last row is told weights and centres too: what is left of the
# error there is overlap.

cases = {
    "500 reports, equal shares": (500, None),
    "500 reports, unequal shares": (500, 1.0),
    "60 reports, unequal shares": (60, 2.0),
}
rand, fitted = {}, {}
for case, (n, concentration) in cases.items():
    X, truth = make_mixture_tasks(
        N_PROBLEMS,
        n_samples=n + N_UNSEEN,
        n_components=K,
        spread=4.0,
        eccentricity=100,
        concentration=concentration,
        random_state=1,
    )
    rows = {}
    for i in range(N_PROBLEMS):
        seen, unseen, labels = X[i, :n], X[i, n:], truth.labels[i, :n]
        mixtures = candidates(seen, truth.covariances[i], seed=i)
        mixtures["the truth"] = EMGaussianMixture(
            K,
            covariances=truth.covariances[i],
            fixed=("weights", "means"),
            weights_init=truth.weights[i],
            means_init=truth.means[i],
        )
        for name, mixture in mixtures.items():
            found = mixture.fit(seen).predict(seen)
            named = np.nan if name.startswith("scikit") else np.mean(found == labels)
            figures = adjusted_rand_score(labels, found), named
            figures += -mixture.score(seen), -mixture.score(unseen)
            rows.setdefault(name, []).append(figures)
        fitted[case, i] = seen, labels, mixtures
    print(f"{case:28} Rand index  named right  NLL fitted  NLL unseen")
    for name, figures in rows.items():
        index, named, own, new = np.mean(figures, axis=0)
        share = "        -" if np.isnan(named) else f"{named:9.0%}"
        print(f"  {name:26} {index:10.3f}  {share}    {own:10.3f}  {new:10.3f}")
    rand[case] = {name: np.array(figures)[:, 0] for name, figures in rows.items()}
    index = {name: values.mean() for name, values in rand[case].items()}
    assert index.pop("the truth") > index["GSO, known"] == max(index.values())

# %%
# Left: of the problems with unequal shares the one with the median gain over EM from the same
# start, reports coloured by their true beacon, ellipses of two standard deviations, in the
# colour of the beacon where the noise is known. Right: the mean index of the eight problems and
# its standard error.


def draw_ellipses(axis, mixture, colours, **style):
    for mean, covariance, colour in zip(mixture.means_, mixture.covariances_, colours, strict=True):
        (small, large), axes = np.linalg.eigh(covariance)
        angle = np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))
        size = 4 * np.sqrt([large, small])
        axis.add_patch(Ellipse(mean, *size, angle=angle, fill=False, ec=colour, **style))
        axis.plot(*mean, "+", color=colour, ms=9, mew=2)


drawn = "500 reports, unequal shares"
gain = rand[drawn]["GSO, known"] - rand[drawn]["EM, known"]
shown = np.argsort(gain)[N_PROBLEMS // 2]
samples, labels, mixtures = fitted[drawn, shown]
beacons = [f"C{k}" for k in range(K)]
middle = (samples.min(0) + samples.max(0)) / 2
half = np.array([-0.5, 0.5]) * (np.ptp(samples, axis=0).max() + 3)

figure, axes = plt.subplots(1, 4, figsize=(15, 4.4), width_ratios=[1, 1, 1, 1.15])
for axis, name in zip(axes, ("scikit-learn, estimated", "EM, known", "GSO, known"), strict=False):
    axis.scatter(*samples.T, c=[beacons[k] for k in labels], s=8, alpha=0.6)
    colours = ["k"] * K if name.startswith("scikit") else beacons
    draw_ellipses(axis, mixtures[name], colours, lw=1.5)
    axis.set(
        title=f"{name}: index {rand[drawn][name][shown]:.2f}",
        xlabel="east",
        ylabel="north",
        aspect="equal",
    )
    axis.set(xlim=middle[0] + half, ylim=middle[1] + half)
places = np.arange(len(cases))
colours = dict(
    zip(rand[drawn], ("0.7", "0.4", "k", "tab:blue", "tab:red", "tab:green"), strict=True)
)
for shift, (name, colour) in zip(np.linspace(-0.27, 0.27, 6), colours.items(), strict=True):
    values = np.array([rand[case][name] for case in cases])
    error = values.std(axis=1, ddof=1) / np.sqrt(N_PROBLEMS)
    axes[3].errorbar(
        places + shift, values.mean(1), error, fmt="o", color=colour, capsize=3, label=name
    )
axes[3].set_xticks(places, [case.replace(", ", "\n") for case in cases], fontsize=9)
axes[3].set(ylabel="adjusted Rand index", ylim=(0.4, 1.0), title="mean of 8 problems")
figure.legend(*axes[3].get_legend_handles_labels(), loc="lower center", ncols=6, frameon=False)
figure.tight_layout(rect=(0, 0.07, 1, 1))
figure.savefig("mixture_known_noise.png", dpi=100)
