"""What tells whether a non-local move of a mixture is worth a try: numbers without a scale.

In NumPy: on few samples these are many small operations, and nothing asks for their gradients.
"""

import math

import numpy as np
import torch
from torch import Tensor

from ._em_step import posterior
from ._gaussians import as_matrices, precisions, scatters


def move_features(problem, variables) -> Tensor:
    """Scale-free numbers of order 1 about every move, (T, moves, f), after an E-step."""
    first, second, exchange = (part.numpy() for part in problem.moves)
    about = _About(problem, variables)
    single, pairs = about.components(), about.pairs()
    features = np.empty((problem.n_tasks, len(first), 26))
    features[..., :8], features[..., 8:16] = single[:, first], single[:, second]
    features[..., 16:19], features[..., 19:22] = pairs[:, first, second], pairs[:, second, first]
    features[..., 22] = math.log(problem.n_components) / 2
    features[..., 23] = math.log(problem.n_features) / 2
    features[..., 24] = "covariances" in problem.fixed
    features[..., 25] = exchange
    return torch.from_numpy(features)


def component_features(problem, variables) -> Tensor:
    """Eight numbers about each component, (T, K, 8)."""
    about = _About(problem, variables)
    about.log_likelihood = _array(problem.log_likelihood(variables))
    return torch.from_numpy(about.components())


class _About:
    """What both kinds of features are made of."""

    def __init__(self, problem, variables):
        self.k, self.d = problem.n_components, problem.n_features
        self.total, self.weight = problem.total.numpy()[:, None], problem.sample_weight.numpy()
        weights, means, _ = problem.parameters(variables)
        whitener, log_det = problem.metric(variables)
        self.logits = _array(variables["responsibilities"])
        self.values, self.log_likelihood = posterior(self.logits)
        self.shares = self.weight * self.values
        self.counts = self.shares.sum(2) + 1e-9
        self.mean = self.shares / self.counts[..., None]
        scatter = scatters(problem.points, means, torch.from_numpy(self.mean))
        self.scatter = _array(scatter)
        self.whitener = _array(as_matrices(whitener, self.d))
        self.precision = _array(as_matrices(precisions(whitener), self.d))
        self.log_det, self.means = (
            np.broadcast_to(_array(log_det), self.counts.shape),
            _array(means),
        )
        self.log_weights = _array(torch.log_softmax(weights, dim=1))[..., 0]

    def squares(self) -> np.ndarray:
        """Mahalanobis distances, squared, (T, K, G)."""
        peak = self.log_weights - 0.5 * (self.d * math.log(2 * math.pi) + self.log_det)
        squares = peak[..., None] - self.logits
        squares *= 2
        return np.maximum(squares, 0, out=squares)

    @np.errstate(all="ignore")
    def components(self) -> np.ndarray:
        d, squares, mean = self.d, self.squares(), self.mean[..., None, :]

        def average(values):  # over each component's samples
            return (mean @ values[..., None])[..., 0, 0]

        log = self.values.clip(1e-300)
        torch.from_numpy(log).log_()
        log *= self.values
        entropy = -log.sum(1, keepdims=True)
        centred = self.log_likelihood - self.log_likelihood.mean(2, keepdims=True)
        standard = centred / (np.sqrt(np.square(centred).mean(2, keepdims=True)) + 1e-9)
        # What the objective would lose if the component went and nothing else changed.
        others = np.negative(self.values.clip(max=1 - 1e-12))
        torch.from_numpy(others).log1p_()
        deletion = -(self.weight @ others.swapaxes(1, 2))[:, 0] / self.total
        features = np.empty((*self.counts.shape, 8))
        features[..., 0] = np.log(self.counts / self.total * self.k) / 2
        features[..., 1] = average(entropy)
        features[..., 2] = average(standard)
        features[..., 3] = np.log(average(squares) / d + 1e-3)
        features[..., 4] = np.log(average(np.square(squares)) / (d * (d + 2)) + 1e-3) / 2
        features[..., 5] = average((squares > d + 2 * math.sqrt(2 * d)).astype(float))
        features[..., 6] = np.log(deletion + 1e-6) / 4
        features[..., 7] = self._elongation()
        return features

    def _elongation(self) -> np.ndarray:
        """Logarithm of the largest eigenvalue of each local scatter in its own metric."""
        local = torch.from_numpy(self.whitener @ self.scatter @ self.whitener.swapaxes(2, 3))
        identity = 1e-9 * torch.eye(self.d, dtype=local.dtype)
        return np.log(torch.linalg.eigvalsh(local + identity)[..., -1].numpy() + 1e-3)

    @np.errstate(all="ignore")
    def pairs(self) -> np.ndarray:
        """Three numbers about each ordered pair of components, (T, K, K, 3)."""
        d, flat = self.d, (*self.counts.shape, self.d**2)
        # [j, k]: how badly j's covariance describes k's scatter, beside k's own.
        precision = np.broadcast_to(self.precision, self.scatter.shape)
        code = precision.reshape(flat) @ self.scatter.reshape(flat).swapaxes(1, 2)
        code += self.log_det[..., None]
        own = np.diagonal(code, axis1=1, axis2=2)[:, None]
        way = (self.means[:, None] - self.means[:, :, None])[..., None]
        distance = np.square((self.whitener[:, :, None] @ way)[..., 0]).sum(3)
        overlap = self.shares @ self.values.swapaxes(1, 2) / self.counts[..., None]
        pairs = np.empty((*code.shape, 3))
        pairs[..., 0] = np.arcsinh((code - own) / d)
        pairs[..., 1] = np.log(distance / d + 1e-3) / 2
        pairs[..., 2] = np.log(overlap + 1e-6) / 4
        return pairs


def _array(tensor: Tensor) -> np.ndarray:
    return (tensor.detach() if tensor.requires_grad else tensor).numpy()
