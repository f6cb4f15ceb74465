"""
Photographs that are superimposed, and taken apart
==================================================

Four pictures show two photographs in unknown proportions, with noise. What two neighbouring pixels
differ by is hardly ever much, so that the steps of the photographs are sparse sources. Their mixing
is found from them, and demixes the pictures themselves.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_sample_images
from sklearn.decomposition import FastICA

from sklearn_gso import GSOSourceSeparation
from sklearn_gso.metrics import amari_distance, signal_to_distortion

photographs = np.stack([image[::6, ::6].mean(2) for image in load_sample_images().images])
photographs -= photographs.mean((1, 2), keepdims=True)
photographs /= photographs.std((1, 2), keepdims=True)
rng = np.random.RandomState(0)
mixing = rng.standard_normal((4, 2))
clean = np.tensordot(mixing, photographs, axes=1)
pictures = clean + 0.05 * clean.std() * rng.standard_normal(clean.shape)

# %%
# Steps along the rows are the samples, the four pictures the sensors. FastICA, with the best of its
# three contrasts by the truth, sees them all; the estimator here is also asked without a fifth of
# them, which FastICA would refuse. ``python -m benchmarks.separation`` has picard, too.

steps = np.diff(pictures, axis=2).reshape(4, -1).T
steps = steps[rng.permutation(len(steps))[:3000]]
separation = GSOSourceSeparation(2, random_state=0).fit(steps)
holes = np.where(rng.rand(*steps.shape) < 0.2, np.nan, steps)
incomplete = GSOSourceSeparation(2, random_state=0).fit(holes)
icas = [FastICA(2, fun=fun, random_state=0).fit(steps) for fun in ("logcosh", "exp", "cube")]
ica = min(icas, key=lambda one: amari_distance(mixing, one.mixing_))
mixings = {
    "FastICA": ica.mixing_,
    "GSOSourceSeparation": separation.mixing_,
    "the same, a fifth missing": incomplete.mixing_,
}
distances = {name: amari_distance(mixing, found) for name, found in mixings.items()}
for name, distance in distances.items():
    print(f"{name}: Amari distance {distance:.4f}")
assert distances["GSOSourceSeparation"] < 0.7 * distances["FastICA"]
assert distances["the same, a fifth missing"] < distances["FastICA"]

# %%
# Pictures, demixed by least squares.


def demixed(found):
    """Photographs of the right order and sign, for the eye."""
    sources = np.tensordot(np.linalg.pinv(found), pictures, axes=1)
    alike = np.corrcoef(photographs.reshape(2, -1), sources.reshape(2, -1))[:2, 2:]
    order = np.abs(alike).argmax(1)
    return sources[order] * np.sign(alike[range(2), order])[:, None, None]


rows = [("truth", photographs), ("seen, two of four", pictures[:2])]
rows += [(name, demixed(found)) for name, found in list(mixings.items())[:2]]
figure, axes = plt.subplots(4, 2, figsize=(7, 9.5), layout="constrained")
for line, (name, images) in zip(axes, rows, strict=True):
    line[0].set_title(name, loc="left", fontsize=10)
    for ax, image in zip(line, images, strict=True):
        ax.imshow(image, cmap="gray")
        ax.axis("off")
figure.savefig("sources.png", dpi=100)
for name, images in rows[2:]:
    flat = images.reshape(2, -1).T
    print(f"{name}: {signal_to_distortion(photographs.reshape(2, -1).T, flat):.1f} dB")
