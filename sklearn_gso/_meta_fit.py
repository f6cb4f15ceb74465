"""Training the rules of a completer on a collection of tasks."""

import numbers
import warnings
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import sparse

from ._matrices import count_observed, unseen
from ._solving import kind_of, new_generator, share_of_threads, to_values
from .alternating import rules_for
from .checkpoints import Draws
from .learned_optimizer import LearnedOptimizer, find_optimizer, mismatch
from .meta_training import make_episode, meta_train
from .rules import LSTMControl, LSTMStep

_HELDOUT_FRACTION = 0.1
_FEWEST_TO_SPLIT = 4
# The graph of a window holds about so many doubles for each entry and sweep, and may
# hold so many in all, 4 GB.
_DOUBLES_PER_ENTRY = 17
_GRAPH_BOUND = 5e8
# The parameters that training depends on; a checkpoint belongs to their values.
_TRAINED_BY = (
    "n_components",
    "rule",
    "prior",
    "alpha",
    "max_iter",
    "t_l",
    "t_u",
    "meta_loss",
    "loss_weights",
    "n_epochs",
    "batch_size",
    "learning_rate",
    "hidden_size",
    "rule_options",
    "validation_fraction",
)


class Recipe(NamedTuple):
    """What a rule trains and solves with where the user says nothing."""

    rule: type
    max_iter: int
    t_u: int | None
    meta_loss: str
    hidden_size: int
    shared: bool
    learning_rate: float
    anneal: bool
    options: tuple[str, ...]


RECIPES = {
    "control": Recipe(
        LSTMControl, 40, None, "heldout", 24, True, 1e-2, True, ("n_layers", "shared")
    ),
    "step": Recipe(
        LSTMStep,
        100,
        10,
        "global",
        20,
        False,
        1e-3,
        False,
        ("n_layers", "shared", "scale", "restart_iterate", "reset_state"),
    ),
}


def check_rule_options(kind: str, options) -> None:
    """Raise a ValueError for options that no new rule of this kind could take."""
    if options is None:
        return
    known = RECIPES[kind].options
    if not isinstance(options, Mapping):
        raise ValueError(f"rule_options must be a dict or None, got {options!r}.")
    unknown = [key for key in options if key not in known]
    if unknown:
        raise ValueError(f"rule_options of rule={kind!r} may hold {known}, got {unknown}.")
    for key, value in options.items():
        if key == "n_layers":
            wanted = "an integer >= 1"
            fits = isinstance(value, numbers.Integral) and value is not True and value >= 1
        elif key == "scale":
            wanted = "a positive number"
            fits = isinstance(value, numbers.Real) and 0 < value < np.inf
        else:
            wanted, fits = "True or False", isinstance(value, bool | np.bool_)
        if not fits:
            raise ValueError(f"{key} in rule_options must be {wanted}, got {value!r}.")


def check_loss_weights(weights, n_outer: int) -> None:
    """Raise a ValueError unless there is one finite number >= 0 for each outer step."""
    try:
        found = np.asarray(weights)
    except ValueError:  # ragged
        found = np.empty(())
    if found.ndim != 1 or found.dtype.kind not in "iuf":
        raise ValueError(f"loss_weights must be a sequence of numbers, got {weights!r}.")
    if len(found) != n_outer:
        raise ValueError(
            f"loss_weights must hold one number for each of {n_outer} outer steps, "
            f"got {len(found)}."
        )
    if not (np.isfinite(found) & (found >= 0)).all():
        raise ValueError(f"loss_weights must be finite and >= 0, got {weights!r}.")


def resolve(optimizer, kind: str, problem) -> LearnedOptimizer | None:
    """The learned optimizer that a constructor parameter stands for.

    Raises
    ------
    ValueError
        If it was trained for another rule or problem, or is no optimizer.
    """
    found = find_optimizer(optimizer, "completer")
    wrong = found is not None and mismatch(found, RECIPES[kind].rule, problem)
    if not wrong:
        return found
    if isinstance(optimizer, str) and optimizer == "pretrained":
        return None
    raise ValueError(f"the optimizer does not fit this completer: {wrong}")


def fresh_rules(completer, problem, generator) -> dict:
    """New networks for the blocks that the rule moves."""
    recipe = RECIPES[completer.rule]
    options = dict(completer.rule_options or {})
    shared = options.pop("shared", recipe.shared)
    arguments = {"hidden_size": completer.hidden_size or recipe.hidden_size, **options}
    if recipe.rule is LSTMControl:
        variables = problem.init(new_generator(0))
        name = problem.moved_names[0]
        arguments["n_features"] = problem.row_features(variables, name).shape[2]
        arguments["control_names"] = problem.control_names
    networks = [
        recipe.rule(**arguments, generator=generator)
        for _ in range(1 if shared else len(problem.moved_names))
    ]
    names = problem.moved_names
    return dict(zip(names, networks * len(names) if shared else networks, strict=False))


class _Episodes:
    """Turns tasks of a collection into training and validation episodes."""

    def __init__(self, completer, tasks, truths, rules, seed):
        self.completer, self.tasks, self.truths, self.rules = completer, tasks, truths, rules
        self.loss = completer.meta_loss or RECIPES[completer.rule].meta_loss
        self.generator = new_generator(seed)
        self.rng = np.random.RandomState(seed)
        share = completer.validation_fraction
        order = self.rng.permutation(len(tasks))
        n_validation = min(len(tasks) - 1, max(1, round(share * len(tasks)))) if share else 0
        if len(tasks) < _FEWEST_TO_SPLIT:
            self.training, held = order, order[: len(order) if share else 0]
        else:
            self.training, held = order[n_validation:], order[:n_validation]
        self.validation = [self.episode(batch) for batch in self._batches(held)]
        self.n_batches = len(self._batches(self.training))
        self.queue: list = []

    def _batches(self, indices):
        groups: dict[tuple, list] = {}
        for i in self.rng.permutation(indices):
            groups.setdefault(kind_of(self.completer, self.tasks[i]), []).append(i)
        found = []
        for group in groups.values():
            size = self._batch_size([self.tasks[i] for i in group])
            found += [group[i : i + size] for i in range(0, len(group), size)]
        return [found[i] for i in self.rng.permutation(len(found))]

    def _batch_size(self, tasks):
        """Tasks of a batch: as many as wanted, but whose graph fits the memory bound."""
        completer, recipe = self.completer, RECIPES[self.completer.rule]
        n_outer = completer._n_outer()
        window = min(completer.t_u or recipe.t_u or n_outer, n_outer)
        n_sweeps = window * (completer.t_l or recipe.rule.n_inner)
        needed = _DOUBLES_PER_ENTRY * max(map(_n_entries, tasks)) * n_sweeps
        return min(completer.batch_size, max(1, int(_GRAPH_BOUND // needed)))

    def state_dict(self):
        draws = [Draws(self.generator).state_dict(), Draws(self.rng).state_dict()]
        return {"draws": draws, "queue": self.queue}

    def load_state_dict(self, state):
        for generator, drawn in zip((self.generator, self.rng), state["draws"], strict=True):
            Draws(generator).load_state_dict(drawn)
        self.queue = state["queue"]

    def __call__(self, step):
        if not self.queue:
            self.queue = self._batches(self.training)
        return [self.episode(self.queue.pop())]

    def episode(self, batch):
        k = self.completer._components_for(self.tasks[batch[0]])
        problem = self.completer._problem(to_values([self.tasks[i] for i in batch]), k)
        judge = None
        if self.truths is not None:
            pairs = [(self.truths[i], self.tasks[i]) for i in batch]
            judge = problem.with_values(to_values([_unseen(*pair) for pair in pairs]))
        elif self.loss == "heldout":
            problem, judge = problem.split(_HELDOUT_FRACTION, self.generator)
        return make_episode(
            problem,
            rules_for(problem, self.rules),
            self.generator,
            self.completer._n_outer(),
            judge=judge,
            n_inner=self.completer.t_l,
        )


def _n_entries(task) -> int:
    """Entries that a sweep works on."""
    return count_observed(task) + sum(task.shape) if sparse.issparse(task) else task.size


def _unseen(truth, task):
    """The truth where the optimizer does not see it; all of it if it sees everything."""
    rows, columns, values = unseen(truth, task)
    if not len(values):
        return truth
    if sparse.issparse(task):
        return sparse.csr_array((values, (rows, columns)), shape=task.shape)
    hidden = np.full(truth.shape, np.nan)
    hidden[rows, columns] = values
    return hidden


@share_of_threads()
def meta_fit(completer, tasks, truths, seed, progress) -> dict:
    """Train from the completer's optimizer, or from new networks.

    Returns
    -------
    attributes : dict
        ``learned_optimizer_`` and ``history_``.
    """
    recipe, generator = RECIPES[completer.rule], new_generator(seed)
    problem = completer._problem(to_values(tasks[:1]), completer._components_for(tasks[0]))
    start = resolve(completer.optimizer, completer.rule, problem)
    checkpoint = completer._open_checkpoint(
        _TRAINED_BY,
        [*tasks, *(truths or ())],
        random_state=seed,
        optimizer=start and start.digest(),
        y=truths is not None,
    )
    if start is None:
        rules = fresh_rules(completer, problem, generator)
    else:
        rules = start.rules(generator)
        for rule in rules.values():
            rule.requires_grad_(True)
    episodes = _Episodes(completer, tasks, truths, rules, seed)
    if checkpoint:
        checkpoint.parts |= {"draws": Draws(generator), "episodes": episodes}
    history = _trained(
        completer,
        progress,
        episodes,
        rules_for(problem, rules),
        learning_rate=completer.learning_rate or recipe.learning_rate,
        window=completer.t_u or recipe.t_u,
        anneal=recipe.anneal,
        checkpoint=checkpoint,
    )
    if history.n_skipped and 2 * history.n_skipped >= len(history):
        warnings.warn(
            f"{history.n_skipped} of {len(history)} training steps were skipped, because their "
            "loss or gradient was not finite; the rule has hardly been trained.",
            UserWarning,
            stacklevel=4,
        )
    optimizer = _frozen(rules, problem, tasks, start, len(history))
    return {"learned_optimizer_": optimizer, "history_": history}


def _frozen(rules, problem, tasks, start, n_steps) -> LearnedOptimizer:
    """The trained rules with what is known of their training."""
    found = LearnedOptimizer.from_rules(
        rules,
        problem,
        trained_on=f"{len(tasks)} tasks of shapes {sorted({t.shape for t in tasks})[:5]}",
        started_from=start.digest() if start else None,
        n_steps=n_steps,
    )
    if start and start.is_general and found.has_weights_of(start):
        # No checkpoint was better than the start: it is as general as before.
        found = LearnedOptimizer(found.weights, {**found.description, "general": True})
    return found


def _trained(completer, progress, episodes, rules, **options):
    """The training itself; who looks on may end it."""
    n_steps = completer.n_epochs * episodes.n_batches
    with progress.phase("meta-training", n_steps, "step", bar=False) as step:
        return meta_train(
            episodes,
            rules,
            n_steps,
            validation=episodes.validation,
            validate_every=max(1, episodes.n_batches // 4),
            n_inner=completer.t_l,
            weights=None if completer.loss_weights is None else list(completer.loss_weights),
            averaging=0.9,
            verbose=bool(completer.verbose),
            on_step=step and (lambda record: step(lambda: record["loss"])),
            **options,
        )
