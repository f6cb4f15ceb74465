"""Demixings: rows that are minimised in closed form, and where they start."""

import torch
from torch import Tensor

_START_PASSES = 30


def row_by_row(demixing, curvature, passes) -> Tensor:
    r"""Minimiser of :math:`\tfrac12 \sum_k t_k^T H_k t_k - \log |\det T|`, each row in turn.

    ``curvature`` is (T, k, k, k), H_k in its second axis.
    """
    unit = torch.eye(demixing.shape[1], dtype=demixing.dtype)[:, :, None]
    for _ in range(passes[0]):
        before = demixing
        for k in range(demixing.shape[1]):
            # Of a singular matrix nothing is raised: the run's guard sees what is not finite.
            row = torch.linalg.solve_ex(
                demixing @ curvature[:, k], unit[k].expand_as(before[:, :, :1])
            )[0]
            length = (row * (curvature[:, k] @ row)).sum(1, keepdim=True)
            row = (row / length.sqrt()).mT
            demixing = torch.cat([demixing[:, :k], row, demixing[:, k + 1 :]], dim=1)
        if (demixing - before).abs().max() <= passes[1] * demixing.abs().max():
            break
    return demixing


def fixed_point(rotation, scores) -> Tensor:
    """Passes of the symmetric fixed point of tanh over white scores."""
    n = scores.shape[1]
    for _ in range(_START_PASSES):
        bent = torch.tanh(scores @ rotation.mT)
        slope = (1 - bent.square()).mean(1)[..., None]
        left, _, right = torch.linalg.svd(bent.mT @ scores / n - slope * rotation)
        rotation = left @ right
    return rotation
