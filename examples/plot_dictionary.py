"""
Atoms of handwritten digits, a third of whose pixels are missing
================================================================

A dictionary is learned from pictures with holes, and fills the holes of others: a sparse code of
what is seen of a picture says what is not. scikit-learn's own estimator needs complete rows.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.model_selection import train_test_split

from sklearn_gso import GSODictionaryLearning

pictures = load_digits().data / 16
training, test = train_test_split(pictures, train_size=300, test_size=100, random_state=0)
rng = np.random.RandomState(0)
seen, incomplete = (np.where(rng.rand(*x.shape) < 1 / 3, np.nan, x) for x in (training, test))

# %%
# The objective falls sweep by sweep; at the end codes are exact.

learner = GSODictionaryLearning(
    60, alpha=0.1, max_iter=40, transform_algorithm="lasso_lars", random_state=0
).fit(seen)
codes = learner.transform(incomplete)
print(f"objective {learner.error_[0]:.0f} to {learner.objective_:.0f} in {learner.n_iter_} sweeps")
print(f"{np.mean(codes != 0) * codes.shape[1]:.1f} of {codes.shape[1]} atoms a picture")

# %%
# Pictures that nobody has seen, filled; beside scikit-learn's imputers, of nearest neighbours the
# best of ten settings, by the truth. The dictionary is level with these and behind trees, and tells
# of what digits are made.

hidden = np.isnan(incomplete)
filled = np.where(hidden, learner.inverse_transform(codes), incomplete)


def error(estimate):
    """Root mean square of the hidden pixels."""
    return np.sqrt(np.mean(np.square(estimate - test)[hidden]))


imputers = {
    "mean picture": [SimpleImputer()],
    "IterativeImputer": [IterativeImputer(random_state=0)],
    "the same, trees": [
        IterativeImputer(ExtraTreesRegressor(20, random_state=0), max_iter=2, random_state=0)
    ],
    "KNNImputer, best of ten": [
        KNNImputer(n_neighbors=k, weights=weights)
        for k in (3, 4, 6, 8, 10)
        for weights in ("uniform", "distance")
    ],
}
errors = {"GSODictionaryLearning": error(filled)}
for name, several in imputers.items():
    errors[name] = min(error(one.fit(seen).transform(incomplete)) for one in several)
for name, own in errors.items():
    print(f"{name:23} error of hidden pixels {own:.3f}")
assert errors["GSODictionaryLearning"] < 0.95 * errors["IterativeImputer"]
assert errors["GSODictionaryLearning"] < 1.02 * errors["KNNImputer, best of ten"]

figure, axes = plt.subplots(5, 8, figsize=(8, 5.4), layout="constrained")
rows = [learner.components_[:8], learner.components_[8:16], incomplete, filled, test]
names = ["atoms", "", "seen", "filled", "truth"]
for line, images, name in zip(axes, rows, names, strict=True):
    line[0].set_title(name, loc="left", fontsize=10)
    for ax, image in zip(line, images, strict=False):
        ax.imshow(image.reshape(8, 8), cmap="gray_r")
        ax.axis("off")
figure.savefig("dictionary.png", dpi=100)
