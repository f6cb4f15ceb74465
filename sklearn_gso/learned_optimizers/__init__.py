"""What remains of meta-training: trained rules, their files, and those that ship."""

from .choosing import find_optimizer, mismatch, resolve_optimizer
from .learned_optimizer import LearnedOptimizer

__all__ = ["LearnedOptimizer", "find_optimizer", "mismatch", "resolve_optimizer"]
