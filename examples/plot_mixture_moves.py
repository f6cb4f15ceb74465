"""
Out of a local optimum
======================

A flower of six petals whose shapes are known. Expectation maximisation walks to the nearest
optimum, with petals across others. `GSOGaussianMixture` goes on from there: a judge, trained
on other mixtures, says which component is worth placing elsewhere.
"""

import matplotlib.pyplot as plt

from sklearn_gso import EMGaussianMixture, GSOGaussianMixture
from sklearn_gso.datasets import make_mixture_tasks
from sklearn_gso.plotting import MixtureDisplay

X, truth = make_mixture_tasks(1, n_samples=600, n_components=6, layout="flower", random_state=3)
X, settings = X[0], {"covariances": truth.covariances[0], "means_init": X[0, :6]}

# %%
# Contours are those of the log-likelihood; black is the way of the centres in EM, red is
# where the moves took them. EM's best of twenty starts is told besides.

scores = {}
figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained", sharey=True)
for mixture, ax in zip((EMGaussianMixture, GSOGaussianMixture), axes, strict=True):
    fitted = mixture(6, random_state=0, **settings).fit(X)
    MixtureDisplay.from_estimator(fitted, X, ax=ax)
    scores[mixture.__name__] = fitted.score(X)
    ax.set_title(f"{mixture.__name__}: log-likelihood {fitted.score(X):.3f}")
restarts = EMGaussianMixture(6, n_init=20, covariances=settings["covariances"], random_state=0)
scores["EM, best of twenty"] = restarts.fit(X).score(X)
for name, score in scores.items():
    print(f"{name:20} {score:.3f}")
assert scores["GSOGaussianMixture"] > max(scores["EM, best of twenty"] - 1e-3, -4.2)
figure.savefig("mixture_moves.png", dpi=100)
