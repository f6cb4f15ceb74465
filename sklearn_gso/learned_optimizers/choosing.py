"""The learned optimizer that a parameter of an estimator means."""

import os

from .learned_optimizer import LearnedOptimizer


def find_optimizer(optimizer, pretrained: str | None) -> LearnedOptimizer | None:
    """The learned optimizer that a parameter of an estimator names, or the path of a file.

    "pretrained" stands for the name ``pretrained``, where there is one.
    """
    if optimizer is None or isinstance(optimizer, LearnedOptimizer):
        return optimizer
    if isinstance(optimizer, str) and optimizer == "pretrained":
        return None if pretrained is None else LearnedOptimizer.load_pretrained(pretrained)
    if isinstance(optimizer, str) and optimizer in LearnedOptimizer.pretrained_names():
        return LearnedOptimizer.load_pretrained(optimizer)
    if isinstance(optimizer, str | os.PathLike):
        return LearnedOptimizer.load(optimizer)
    raise ValueError(
        "optimizer must be a LearnedOptimizer, the name of a pretrained one, a path or None, "
        f"got {type(optimizer).__name__}."
    )


def mismatch(optimizer: LearnedOptimizer, rule: type, problem: type) -> str:
    """Why an optimizer cannot move problems of a class by a rule; empty if it can."""
    description = optimizer.description
    wanted = {
        "rule": rule.__name__,
        "problem": problem.__name__,
        "feature_version": getattr(problem, "feature_version", 1),
    }
    return "; ".join(
        f"its {key} is {description[key]!r}, wanted {value!r}"
        for key, value in wanted.items()
        if description[key] != value
    )


def resolve_optimizer(optimizer, pretrained: str | None, rule: type, problem: type):
    """As `find_optimizer`, of one that was trained for these classes of rule and problem.

    None also where "pretrained" does not fit: such settings start untrained.
    """
    known = find_optimizer(optimizer, pretrained)
    wrong = known is not None and mismatch(known, rule, problem)
    if not wrong:
        return known
    if isinstance(optimizer, str) and optimizer == "pretrained":
        return None
    raise ValueError(f"the optimizer does not fit this estimator: {wrong}")
