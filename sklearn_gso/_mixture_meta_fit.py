"""Training the judge of a mixture estimator on a collection of data sets."""

import numpy as np
import torch

from ._solving import new_generator
from .alternating import rules_for
from .judge_training import gather, train_judge
from .learned_optimizer import LearnedOptimizer, find_optimizer, mismatch
from .rules import ClosedForm, LSTMJudge

_STEPS_PER_EPOCH = 30
_FEWEST_TO_SPLIT = 4


def resolve_judge(optimizer, problem) -> LearnedOptimizer | None:
    """The learned optimizer that a constructor parameter stands for.

    Raises
    ------
    ValueError
        If it is no judge of this problem's moves, or no optimizer at all.
    """
    found = find_optimizer(optimizer, "mixture")
    wrong = found is not None and mismatch(found, LSTMJudge, problem)
    if wrong:
        raise ValueError(f"the optimizer does not fit this mixture: {wrong}")
    return found


def meta_fit_judge(estimator, problems, seed) -> dict:
    """Train a judge, from the estimator's optimizer or from a new network.

    No ground truth: at local optima of every task, short runs tell what moves bring.

    Parameters
    ----------
    estimator : GSOGaussianMixture
        Its ``optimizer``, ``n_epochs`` (passes over the tasks; 0 trains nothing),
        ``learning_rate``, ``hidden_size`` and ``verbose``.
    problems : list of MixtureFreeEnergy
        Batches of tasks.
    seed : int

    Returns
    -------
    attributes : dict
        ``learned_optimizer_`` and ``history_``.
    """
    start = resolve_judge(estimator.optimizer, problems[0])
    if estimator.n_epochs == 0:
        return {"learned_optimizer_": start, "history_": []}
    generator = new_generator(seed)
    with torch.no_grad():
        tables = _gathered(estimator, problems, generator)
    tables = [tables[i] for i in np.random.RandomState(seed).permutation(len(tables))]
    n_validation = max(1, len(tables) // 8) if len(tables) >= _FEWEST_TO_SPLIT else 0
    if start is None:
        n_features = tables[0].features.shape[2]
        judge = LSTMJudge(n_features, estimator.hidden_size or 48, generator=generator)
    else:
        judge = start.rules()["moves"].requires_grad_(True)
    history = train_judge(
        judge,
        tables[n_validation:],
        estimator.n_epochs * _STEPS_PER_EPOCH,
        generator,
        validation=tables[:n_validation],
        learning_rate=estimator.learning_rate or 3e-3,
        verbose=bool(estimator.verbose),
    )
    optimizer = LearnedOptimizer.from_rules(
        {"moves": judge},
        problems[0],
        trained_on=f"{sum(len(t.gains) for t in tables)} local optima of "
        f"{sum(p.n_tasks for p in problems)} tasks",
        started_from=start.digest() if start else None,
        n_steps=len(history),
    )
    return {"learned_optimizer_": optimizer, "history_": history}


def _gathered(estimator, problems, generator):
    """Tables of all batches; a second pass where they are few."""
    tables = []
    n_tasks = sum(problem.n_tasks for problem in problems)
    for _ in range(1 if n_tasks >= 50 else 2):
        for problem in problems:
            rules = rules_for(problem, ClosedForm())
            # Small batches give tables of their own to draw from.
            for batch in torch.arange(problem.n_tasks).split(4):
                tables += gather(problem.take(batch), rules, generator)
    return tables
