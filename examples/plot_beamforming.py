"""
Learning while solving: beams of an antenna
===========================================

A base station with several antennas serves as many users at once; what one of them receives of the
others' beams is noise to him. Which beams give the largest sum of rates? WMMSE, the method of the
field [1]_, alternates over three blocks with closed forms: the users' receivers, weights of their
errors, and the beams. It is a *problem of your own* of three blocks here; a rule learns to steer it
on other channels, or on the very channel that is solved.

.. [1] Shi, Razaviyayn, Luo and He, An Iteratively Weighted MMSE Approach to Distributed Sum-Utility
   Maximization for a MIMO Interfering Broadcast Channel, IEEE Trans. Signal Processing 59, 2011.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
import torch

from sklearn_gso import AlternatingEstimator, MetaTraining
from sklearn_gso.problems import Problem, check_problem

# %%
# The problem. User k receives h_kᴴ v_j of beam j, and noise. With the receivers u, the mean squared
# errors e and weights w, F = Σ_k w_k e_k - log w_k - 1 is minus the sum of the rates where u and w
# are at their minimum. The power of the beams is bounded; counted as noise in their proportion it
# needs no constraint. Numbers are complex: columns hold real parts, then imaginary ones.


def as_complex(block):
    real, imaginary = block.chunk(2, dim=-1)
    return torch.complex(real.contiguous(), imaginary.contiguous())


def as_real(block):
    return torch.cat([block.real, block.imag], dim=-1)


class SumRate(Problem):
    """F = Σ_k w_k e_k - log w_k - 1 of channels (T, users, 2 * antennas)."""

    block_names = ("receivers", "weights", "beams")
    moved_names = ("receivers", "beams")  # the weights are always minimised
    control_names = ("reach", "gain")

    def __init__(self, values, noise):
        self.values, self.noise, self.n_tasks = values, noise, len(values)
        self.channels = as_complex(values)

    def init(self, generator):
        beams = torch.randn(self.values.shape, generator=generator, dtype=torch.float64)
        start = {"beams": beams, "weights": torch.ones_like(beams[..., :1])}
        return {"receivers": self.minimize_block(start, "receivers"), **start}

    def received(self, variables):
        """Of each beam, by each user: amplitudes, own ones, and the power of all and of noise."""
        amplitudes = self.channels.conj() @ as_complex(variables["beams"]).mT
        noise = self.noise * variables["beams"].square().sum((1, 2))[:, None]
        own = amplitudes.diagonal(dim1=1, dim2=2)
        return own, amplitudes.abs().square().sum(2) + noise

    def errors(self, variables):
        receivers = as_complex(variables["receivers"])[..., 0]
        own, power = self.received(variables)
        return 1 - 2 * (receivers.conj() * own).real + receivers.abs().square() * power

    def objective(self, variables):
        weights = variables["weights"][..., 0]
        return (weights * self.errors(variables) - weights.log() - 1).sum(1)

    def minimize_block(self, variables, name, controls=None):
        """Closed forms; controls go beyond them, and make a row larger."""
        if name == "weights":
            return 1 / self.errors(variables)[..., None]
        if name == "receivers":
            own, power = self.received(variables)
            new = as_real((own / power)[..., None])
        else:
            u, w = as_complex(variables["receivers"])[..., 0], variables["weights"][..., 0]
            each, h = w * u.abs().square(), self.channels
            noise = (self.noise * each.sum(1))[:, None, None] * torch.eye(h.shape[2])
            gram = (h.mT * each[:, None]) @ h.conj() + noise
            new = as_real(torch.linalg.solve(gram, h.mT * (u * w)[:, None]).mT)
        reach, gain = (
            torch.as_tensor((controls or {}).get(key, 0.0), dtype=torch.float64)
            for key in self.control_names
        )
        return torch.exp(gain) * (new + reach * (new - variables[name])) if controls else new

    def rates(self, variables):
        """Bits of each user."""
        own, power = self.received(variables)
        return -torch.log2(1 - own.abs().square() / power)

    def row_features(self, variables, name):
        """Of each user: his rate, the mean one, his error, weight and share of what he receives."""
        rates = self.rates(variables)
        own, power = self.received(variables)
        error = self.errors(variables).clamp(min=1e-12).log()
        weight = variables["weights"][..., 0].log()
        features = [rates, rates.mean(1, keepdim=True).expand_as(rates), error, weight]
        return torch.stack([*features, (own.abs().square() / power).log()], dim=2) / 4

    def error(self, variables):
        return -self.rates(variables).sum(1)

    def reconstruct(self, variables):
        return variables["beams"]

    def take(self, tasks):
        return SumRate(self.values[tasks], self.noise)


class Beamformer(AlternatingEstimator):
    """`transform` returns beams; `score` is the mean sum of rates, in bits."""

    problem_class = SumRate

    def __init__(self, snr=30.0, *, optimizer=None, max_iter=5, n_epochs=10, n_init=1,
                 training=None, random_state=0):  # fmt: skip
        super().__init__(optimizer=optimizer, max_iter=max_iter, n_epochs=n_epochs, n_init=n_init,
                         training=training, random_state=random_state)  # fmt: skip
        self.snr = snr

    def problem_options(self, array):
        return {"noise": 10 ** (-self.snr / 10)}


def draw_channels(n, seed, n_users=6, n_antennas=6):
    rng = np.random.RandomState(seed)
    return rng.standard_normal((n, n_users, 2 * n_antennas)) / np.sqrt(2)


check_problem(SumRate(torch.from_numpy(draw_channels(3, 0)), 0.01))

# %%
# Trained on other channels: five sweeps of the rule are worth more than twenty of the closed forms,
# and a little less than fifty.

new = draw_channels(30, 1)
trained = Beamformer(n_epochs=12).fit(draw_channels(96, 2))
sweeps = [5, 10, 20, 50, 200]
plain = [Beamformer(max_iter=n, n_epochs=0).fit(new).score(new) for n in sweeps]
learned = trained.score(new)
for n, rate in zip(sweeps, plain, strict=True):
    print(f"WMMSE, {n:3d} sweeps: {rate:.2f} bits")
print(f"trained, 5 sweeps: {learned:.2f} bits")
assert learned > plain[sweeps.index(20)]

# %%
# Learned while solving: one channel, nothing else. Each pass is a run of five sweeps on this very
# channel from a new random start, by the objective of the whole. That is the first level of the
# paper's meta-learning. From the trained rule it helps a little; a new one needs many passes. What
# it costs would also pay for many random starts of WMMSE, which end higher: to learn on one channel
# pays where a sweep is dear, to have learned on others pays always.


def solved(channel, **options):
    start = time.process_time()
    beams = Beamformer(**options).fit(channel)
    problem = SumRate(torch.from_numpy(channel[None]), 10**-3)
    found = torch.from_numpy(beams.transform(channel)[None])
    blocks = {"beams": found, "weights": torch.ones_like(found[..., :1])}
    return float(problem.rates(blocks).sum()), time.process_time() - start


settings = {
    "WMMSE, 5 sweeps": {},
    "new rule, 30 passes": {"training": MetaTraining(instance_epochs=30)},
    "trained": {"optimizer": trained.learned_optimizer_},
    "trained, 30 passes": {
        "optimizer": trained.learned_optimizer_,
        "training": MetaTraining(instance_epochs=30),
    },
    "WMMSE, 50 starts of 50": {"max_iter": 50, "n_init": 50},
}
told = {
    name: np.median([solved(channel, n_epochs=0, **own) for channel in new[:5]], axis=0)
    for name, own in settings.items()
}
for name, (rate, seconds) in told.items():
    print(f"{name:23s} {rate:.2f} bits, {seconds:.2f} s")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.plot(sweeps, plain, "o-", label="WMMSE")
left.axhline(learned, color="C1", label="trained, 5 sweeps")
left.set(xscale="log", xlabel="sweeps", ylabel="bits", title="30 channels never seen")
left.legend()
right.barh(list(told), [rate for rate, _ in told.values()])
right.set(
    xlim=(min(plain[0], told["WMMSE, 5 sweeps"][0]) - 2, None), title="five channels, one each"
)
right.invert_yaxis()
figure.savefig("beamforming.png", dpi=100)
