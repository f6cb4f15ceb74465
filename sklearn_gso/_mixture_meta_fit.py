"""Training the judge of a mixture estimator on a collection of data sets."""

import numpy as np
import torch
from tqdm.auto import tqdm

from ._solving import new_generator, share_of_threads
from .alternating import rules_for
from .checkpoints import Draws
from .judge_training import Table, gather, train_judge
from .learned_optimizer import LearnedOptimizer, find_optimizer, mismatch
from .problems._mixture_moves import N_FEATURES
from .rules import ClosedForm, LSTMJudge
from .training import History

_STEPS_PER_EPOCH = 30
_FEWEST_TO_SPLIT = 4
# The parameters that training depends on; a checkpoint belongs to their values.
_TRAINED_BY = (
    "n_components",
    "n_epochs",
    "learning_rate",
    "hidden_size",
    "covariance_type",
    "reg_covar",
)


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


@share_of_threads()
def meta_fit_judge(estimator, problems, seed, progress) -> dict:
    """Train a judge, from the estimator's optimizer or from a new network.

    No ground truth: at local optima of every task, short runs tell what moves bring. Ctrl-C
    ends training early; before it has begun, the judge stays as it was.

    Parameters
    ----------
    estimator : GSOGaussianMixture
        Its ``optimizer``, ``n_epochs`` (passes over the tasks),
        ``learning_rate``, ``hidden_size``, ``checkpoint`` and ``verbose``.
    problems : list of MixtureFreeEnergy
        Batches of tasks.
    seed : int
    progress : Progress

    Returns
    -------
    attributes : dict
        ``learned_optimizer_`` and ``history_``.
    """
    start = resolve_judge(estimator.optimizer, problems[0])
    generator = new_generator(seed)
    checkpoint = estimator._open_checkpoint(
        _TRAINED_BY,
        [t for p in problems for t in (p.points, p.sample_weight, *p.fixed.values())],
        random_state=seed,
        optimizer=start and start.digest(),
        fixed=sorted(problems[0].fixed),
    )
    try:
        with torch.no_grad():
            tables = _gathered(problems, generator, checkpoint, progress)
    except KeyboardInterrupt:
        tqdm.write("gathering interrupted; keeping the judge as it was")
        tables = []
    if start is None:
        judge = LSTMJudge(N_FEATURES, estimator.hidden_size or 48, generator=generator)
    else:
        judge = start.rules()["moves"].requires_grad_(True)
    history = History()
    if tables:
        tables = [tables[i] for i in np.random.RandomState(seed).permutation(len(tables))]
        n_validation = max(1, len(tables) // 8) if len(tables) >= _FEWEST_TO_SPLIT else 0
        n_steps = estimator.n_epochs * _STEPS_PER_EPOCH
        with progress.phase("training the judge", n_steps, "step", bar=False) as step:
            history = train_judge(
                judge,
                tables[n_validation:],
                n_steps,
                generator,
                validation=tables[:n_validation],
                learning_rate=estimator.learning_rate or 3e-3,
                verbose=bool(estimator.verbose),
                checkpoint=checkpoint,
                on_step=step and (lambda record: step(lambda: record["loss"])),
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


class _Gathering:
    """Tables of the first batches, and where the generator stood after them."""

    def __init__(self, generator):
        self.generator, self.n_done, self.tables = Draws(generator), 0, []
        self.drawn = self.generator.state_dict()

    def add(self, tables):
        self.tables += tables
        self.n_done += 1
        self.drawn = self.generator.state_dict()

    def state_dict(self):
        tables = [list(table) for table in self.tables]
        return {"n_done": self.n_done, "tables": tables, "draws": self.drawn}

    def load_state_dict(self, state):
        self.n_done, self.drawn = state["n_done"], state["draws"]
        self.tables = [Table(*map(torch.tensor, table)) for table in state["tables"]]
        self.generator.load_state_dict(self.drawn)


def _gathered(problems, generator, checkpoint, progress) -> list[Table]:
    """Tables of all batches; a second pass where they are few."""
    n_tasks = sum(problem.n_tasks for problem in problems)
    # Small batches give tables of their own to draw from.
    once = [(p, batch) for p in problems for batch in torch.arange(p.n_tasks).split(4)]
    batches = once * (1 if n_tasks >= 50 else 2)
    found = _Gathering(generator)
    if checkpoint:
        checkpoint.restore("gathering", found)
    left = batches[found.n_done :]
    with progress.phase("gathering local optima", len(left), "batch") as step:
        for problem, batch in left:
            rules = rules_for(problem, ClosedForm())
            found.add(gather(problem.take(batch), rules, generator))
            if checkpoint:
                checkpoint.write(now=False)
            if step and step():
                break
    return found.tables
