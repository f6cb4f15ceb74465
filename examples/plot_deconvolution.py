"""
A photograph and its blur, both unknown
=======================================

A part of a photograph is blurred by a motion and noisy. A kernel is estimated from the differences
of neighbouring pixels, few of which are large; the picture is then restored with it.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage
from sklearn.datasets import load_sample_images

from sklearn_gso import GSOBlindDeconvolution
from sklearn_gso.metrics import shifted_cosine, shifted_psnr

photograph = ndimage.zoom(load_sample_images().images[1].mean(2) / 255, 0.5, order=1)
truth = photograph[100:164, 200:264]
kernel = np.zeros((7, 7))
kernel[[1, 2, 3, 3, 4, 5], [1, 2, 2, 3, 4, 5]] = [1, 2, 2, 3, 2, 1]
kernel /= kernel.sum()
noise = 0.01 * np.random.RandomState(0).standard_normal(truth.shape)
seen = ndimage.convolve(truth, kernel, mode="wrap") + noise

# %%
# Rows of X are pictures, here one: all would share the kernel.

model = GSOBlindDeconvolution(
    (7, 7), signal_shape=seen.shape, source="smooth", alpha=0.02, n_init=2, random_state=0
).fit(seen.reshape(1, -1))
restored = model.transform(seen.reshape(1, -1)).reshape(seen.shape)

# %%
# A blur is known up to its place, so the best shift counts. The kernel is found roughly, its fine
# parts hidden by noise, and the picture gains nevertheless. Beside it stands a filter of Wiener's
# that is told the true kernel, with the best of many weights of the picture's second differences.

spectrum = np.fft.fft2(np.roll(np.pad(kernel, (0, 57)), (-3, -3), (0, 1)))
waves = 4 * np.sin(np.pi * np.fft.fftfreq(64)) ** 2
rough = (waves[:, None] + waves) ** 2
filters = [
    np.fft.ifft2(np.fft.fft2(seen) * spectrum.conj() / (abs(spectrum) ** 2 + w * rough)).real
    for w in np.logspace(-4, 0, 17)
]
wiener = max(filters, key=lambda picture: shifted_psnr(truth, picture))
pictures = {"seen": seen, "Wiener, kernel known": wiener, "restored": restored}
ratios = {name: shifted_psnr(truth, one, max_shift=3) for name, one in pictures.items()}
print(f"cosine of the kernels {shifted_cosine(kernel, model.kernel_):.3f}")
for name, ratio in ratios.items():
    print(f"{name:20} signal-to-noise ratio {ratio:.1f} dB")
assert ratios["restored"] > max(ratios["seen"] + 2, ratios["Wiener, kernel known"])

figure, axes = plt.subplots(1, 6, figsize=(13, 2.6), layout="constrained")
names = [*pictures, "truth", "kernel found", "true kernel"]
pictures = [*pictures.values(), truth, model.kernel_, kernel]
for ax, image, name in zip(axes, pictures, names, strict=True):
    ax.imshow(image, cmap="gray")
    ax.set_title(name)
    ax.axis("off")
figure.savefig("deconvolution.png", dpi=100)
