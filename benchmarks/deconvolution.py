"""Blind deconvolution beside its peers: spikes and pictures.

``python -m benchmarks.deconvolution`` (``--quick``: five seeds of three cells) draws signals,
paired by seed. Spikes: sequences of one random kernel on the sphere and Bernoulli-Gaussian sources;
of each way, from one random start if nothing else is said, the share of kernels recovered (cosine
> .99 after alignment), the median cosine, and processor seconds of one thread, also over those of
the closed forms' one start. Pictures: 64 x 64 parts of scikit-learn's photographs, blurred by known
kernels of 7 x 7, noise .01; the peak signal-to-noise ratio of what each way restores, after
alignment, and the shares of pictures on which it is above Richardson-Lucy by turns and not .5 dB
below Wiener's filter, which knows the true kernel and its best weight. Results are kept in
``benchmarks/results/deconvolution.csv``; ``--fresh`` runs them again.
"""

import time
from functools import lru_cache

import numpy as np
import pandas as pd
import torch
from scipy import ndimage
from sklearn.datasets import load_sample_images

from sklearn_gso import GSOBlindDeconvolution
from sklearn_gso.learned_optimizers import LearnedOptimizer
from sklearn_gso.metrics import shifted_cosine, shifted_psnr
from sklearn_gso.problems import BlindDeconvolution
from sklearn_gso.rules import ClosedForm, GeometricContinuation

from . import cell_training
from .asking import paired
from .measuring import quietly
from .showing import show
from .store import RESULTS, Store

SWEEPS, SIDE, SIZE = 40, 64, 7
OURS = "GSOBlindDeconvolution"
ONE, TURNS = "closed forms", "Richardson-Lucy by turns"
GIVEN, WIENER = "Richardson-Lucy, true kernel", "Wiener, true kernel"


def spikes(n, size, density, noise=0.01):
    """One sequence, its kernel and its source; of a seed."""

    def draw(seed):
        rng = np.random.RandomState(seed)
        kernel = rng.standard_normal(size)
        kernel /= np.linalg.norm(kernel)
        source = rng.standard_normal(n) * (rng.rand(n) < density)
        signal = ndimage.convolve(source, kernel, mode="wrap")
        return signal + noise * rng.standard_normal(n), kernel, source

    return draw


def blurs() -> dict[str, np.ndarray]:
    """Kernels of 7 x 7 that sum to 1: a bump, a disk, a motion."""
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    bump = np.exp(-(x**2 + y**2) / (2 * 1.3**2))
    disk = (x**2 + y**2 <= 2.6**2).astype(float)
    motion = np.clip(1 - np.abs(x - 2 * y) / 2, 0, 1) * (np.abs(x) <= 2.5)
    kernels = {"bump": bump, "disk": disk, "motion": motion}
    return {name: kernel / kernel.sum() for name, kernel in kernels.items()}


def picture(blur, noise=0.01):
    """A part of a photograph, half its size, grey values in [0, 1]."""

    def draw(seed):
        rng = np.random.RandomState(seed)
        image = ndimage.zoom(load_sample_images().images[seed % 2].mean(2) / 255, 0.5, order=1)
        top, left = (rng.randint(length - SIDE) for length in image.shape)
        truth = image[top : top + SIDE, left : left + SIDE]
        kernel = blurs()[blur]
        seen = ndimage.convolve(truth, kernel, mode="wrap")
        return seen + noise * rng.standard_normal(seen.shape), kernel, truth

    return draw


SPIKES = {
    "200, kernel 20, 10 %": spikes(200, 20, 0.1),
    "400, kernel 20, 20 %": spikes(400, 20, 0.2),
    "400, kernel 20, 30 %": spikes(400, 20, 0.3),
    "400, kernel 20, 20 %, noise .1": spikes(400, 20, 0.2, 0.1),
}
PICTURES = {f"picture, {blur}": picture(blur) for blur in ("bump", "disk", "motion")}
QUICK = ["200, kernel 20, 10 %", "400, kernel 20, 30 %", "picture, motion"]


class _OneWindow(BlindDeconvolution):
    """The kernel stays in its window: alternation as it is usually done."""

    def _moved(self, kernel, sources, bound):
        return kernel, sources

    def _shift(self, kernel, sources):
        return torch.zeros(self.n_tasks, dtype=torch.long)


class _InOneWindow(GSOBlindDeconvolution):
    problem_class = _OneWindow


class _WithoutRace(GSOBlindDeconvolution):
    races = False


CONTINUATION = ClosedForm(GeometricContinuation(5.0, 1.0, control="shrink"))


def of_signals(signal) -> dict:
    """Settings of a kind of signal."""
    if signal.ndim == 1:
        return {"alpha": 0.1}
    return {"signal_shape": signal.shape, "source": "smooth", "alpha": 0.02}


def of_ours(kind=GSOBlindDeconvolution, **options):
    """A fit with the settings of a kind of signal: the kernel, and the restored source."""

    def solve(cell, signal, kernel, truth, seed):
        given = {"max_iter": SWEEPS, "random_state": seed, "n_epochs": 0, "n_init": 1}
        given |= of_signals(signal) | options
        model = kind(kernel.shape[0], **given).fit(signal.reshape(1, -1))
        return model.kernel_, model.transform(signal.reshape(1, -1)).reshape(signal.shape)

    return solve


def of_trained(rule_of, options):
    """By a rule that was trained on other signals of a cell."""

    def solve(cell, signal, *rest):
        return of_ours(**options, optimizer=rule_of(cell))(cell, signal, *rest)

    return solve


def _learnt(cell, learn) -> LearnedOptimizer:
    draw = {**SPIKES, **PICTURES}[cell]
    signal, kernel, _ = draw(0)
    model = GSOBlindDeconvolution(kernel.shape[0], **of_signals(signal))
    return learn(model, lambda seed: draw(seed)[0].reshape(1, -1))


@lru_cache
def tuned_rule(cell) -> LearnedOptimizer:
    return _learnt(cell, cell_training.fine_tuned)


@lru_cache
def step_rule(cell) -> LearnedOptimizer:
    return _learnt(cell, cell_training.trained_step)


def richardson_lucy(blind):
    """Richardson and Lucy's steps, by turns for kernel and picture or with the true kernel.

    Of the turns the one that the truth likes best. As scikit-image's, with periodic borders.
    """

    def solve(cell, signal, kernel, truth, seed, n_turns=20, n_steps=5):
        picture, turns = signal.clip(1e-3), []
        found = np.ones(kernel.shape) / kernel.size if blind else kernel
        height, width = kernel.shape
        middle = -(height // 2), -(width // 2)
        seen = signal.clip(1e-3)

        def around(kernel):
            wide = np.zeros_like(signal)
            wide[:height, :width] = kernel
            return np.fft.fft2(np.roll(wide, middle, (0, 1)))

        def ratio(picture, kernel):
            model = np.fft.ifft2(around(kernel) * np.fft.fft2(picture)).real
            return np.fft.fft2(seen / model.clip(1e-6))

        for _ in range(n_turns):
            for _ in range(n_steps * blind):
                back = np.fft.ifft2(np.conj(np.fft.fft2(picture)) * ratio(picture, found)).real
                back = np.roll(back, [-m for m in middle], (0, 1))[:height, :width]
                found = (found * back).clip(0)
                found /= found.sum()
            for _ in range(n_steps):
                back = np.fft.ifft2(np.conj(around(found)) * ratio(picture, found)).real
                picture = (picture * back).clip(1e-6)
            turns.append((found, picture))
        return max(turns, key=lambda turn: shifted_psnr(truth, turn[1], SIZE // 2))

    return solve


def wiener(cell, signal, kernel, truth, seed):
    """The best of many weights of squared second differences, and of squares, by the truth."""
    wide = np.zeros_like(signal)
    wide[: kernel.shape[0], : kernel.shape[1]] = kernel
    blur = np.fft.fft2(np.roll(wide, (-(SIZE // 2),) * 2, (0, 1)))
    y, x = (np.sin(np.pi * f) ** 2 for f in np.meshgrid(*(np.fft.fftfreq(SIDE),) * 2))
    candidates = [
        np.fft.ifft2(
            blur.conj() * np.fft.fft2(signal) / (abs(blur) ** 2 + weight * rough + 1e-12)
        ).real
        for weight in 10 ** np.arange(-5, 0, 0.25)
        for rough in (1.0, 16 * (x + y) ** 2)
    ]
    return kernel, max(candidates, key=lambda picture: shifted_psnr(truth, picture))


WAYS = {
    ONE: of_ours(optimizer=None),
    "closed forms, fixed window": of_ours(_InOneWindow, rule=ClosedForm(), optimizer=None),
    "closed forms, continuation": of_ours(rule=CONTINUATION, optimizer=None),
    "closed forms, 50 starts": of_ours(_WithoutRace, optimizer=None, n_init=50),
    "pretrained": of_ours(optimizer="pretrained"),
    OURS: of_ours(n_init=GSOBlindDeconvolution().n_init),
    cell_training.TUNED: of_trained(tuned_rule, cell_training.TUNED_OPTIONS),
    cell_training.STEP: of_trained(step_rule, cell_training.STEP_OPTIONS),
    TURNS: richardson_lucy(True),
    GIVEN: richardson_lucy(False),
    WIENER: wiener,
}
# What is trained before, which is not counted in their time.
TRAINING = {cell_training.TUNED: tuned_rule, cell_training.STEP: step_rule}
LEARNED = ("pretrained", cell_training.TUNED)
OF_PICTURES, OF_SPIKES = (TURNS, GIVEN, WIENER), ("closed forms, 50 starts",)


def ways_of(cell) -> list[str]:
    unfit = OF_PICTURES if cell in SPIKES else OF_SPIKES
    known = "deconvolution" in LearnedOptimizer.pretrained_names()
    return [w for w in WAYS if w not in unfit and (known or not w.startswith(LEARNED))]


def settings(way) -> str:
    if way == OURS:
        return "deconvolution, race, exact"
    if way == cell_training.STEP:
        return f"deconvolution, {cell_training.STEP_SETTINGS}"
    if not way.startswith(LEARNED):
        return "deconvolution"
    digest = LearnedOptimizer.load_pretrained("deconvolution").digest()[:8]
    more = f", {cell_training.TUNED_SETTINGS}" if way == cell_training.TUNED else ""
    return f"deconvolution, weights {digest}{more}"


def run(store, cells, seeds):
    for seed in range(seeds):
        for cell in cells:
            signal, kernel, truth = {**SPIKES, **PICTURES}[cell](seed)
            for way in ways_of(cell):
                if store.has(cell, way, settings(way), seed):
                    continue
                if way in TRAINING:
                    TRAINING[way](cell)
                start = time.process_time()
                found, source = WAYS[way](cell, signal, kernel, truth, seed)
                seconds = time.process_time() - start
                error = 1 - shifted_cosine(kernel, found)
                ratio = shifted_psnr(truth, source, SIZE // 2) if cell in PICTURES else np.nan
                store.add(cell, way, settings(way), [(seed, error, seconds, ratio)])
        print(f"seed {seed}: {store.said()}", flush=True)


def results(store, cells, seeds) -> pd.DataFrame:
    """Of each cell and way; "error" is 1 minus the cosine, "filled" the ratio of pictures."""
    keys = [(cell, way, settings(way)) for cell in cells for way in ways_of(cell)]
    frame = store.joined(keys)
    frame = frame[frame["instance"] < seeds]
    key = ["cell", "instance"]
    for name, way, column in (
        ("time", ONE, "seconds"),
        ("turns", TURNS, "filled"),
        ("wiener", WIENER, "filled"),
    ):
        peer = frame[frame["method"] == way].set_index(key)[column].rename(name)
        frame = frame.join(peer, on=key)
    frame["time"] = frame["seconds"] / frame["time"]
    frame["cosine"], frame["recovered"] = 1 - frame["error"], frame["error"] < 0.01
    frame["above turns"] = frame["filled"] > frame["turns"]  # never of spikes
    frame["near Wiener"] = frame["filled"] > frame["wiener"] - 0.5
    groups = frame.groupby(["cell", "method"], sort=False)
    medians = groups[["cosine", "filled", "seconds", "time"]].median()
    shares = groups[["recovered", "above turns", "near Wiener"]].mean()
    return medians.join(shares).assign(problems=groups.size()).rename(columns={"filled": "dB"})


def main():
    asked = paired(__doc__, [*SPIKES, *PICTURES], QUICK, n_quick=5)
    store = Store(RESULTS / "deconvolution.csv", fresh=asked.fresh)
    with quietly():
        run(store, asked.cells, asked.seeds)
    table = results(store, asked.cells, asked.seeds)
    show("blind deconvolution", table.round(3))


if __name__ == "__main__":
    main()
