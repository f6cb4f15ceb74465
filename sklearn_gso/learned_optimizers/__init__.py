"""What remains of meta-training: trained rules, their files, and those that ship."""

from .learned_optimizer import LearnedOptimizer, find_optimizer, mismatch, resolve_optimizer

__all__ = ["LearnedOptimizer", "find_optimizer", "mismatch", "resolve_optimizer"]
