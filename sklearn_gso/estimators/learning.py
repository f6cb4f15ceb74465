"""What a fit on a collection trains, and how it is frozen, resumed and warned about."""

import json
from dataclasses import asdict, dataclass

import numpy as np
from scipy import sparse

from ..learned_optimizers import LearnedOptimizer
from ..learned_optimizers.descriptions import plain
from ..problems import Problem, has_role, new_generator
from ..rules import Recipe
from ..rules.judges import judge_of
from ..solvers import rules_for
from ..solvers.local_search import SHORT_RUN
from ..training import (
    Checkpoint,
    Draws,
    EpisodeSettings,
    Gathering,
    History,
    Table,
    TaskEpisodes,
    meta_train,
    train_judge,
)
from ..training.checkpoints import data_digest
from ..training.episodes import MIN_TO_SPLIT
from ..training.processes import rank
from .parallel import share_of_threads
from .parameters import MetaTraining
from .reporting import say, warn
from .solving import Item, kind_of
from .tasks import to_values

_AVERAGING = 0.9


@dataclass(frozen=True)
class Learner:
    """What trains the rules of a recipe on data sets; ``t_l`` and ``t_u`` may be the recipe's."""

    problem: type
    recipe: Recipe
    training: MetaTraining
    max_iter: int
    t_l: int | None
    t_u: int | None
    n_epochs: int
    verbose: bool = False

    @share_of_threads()
    def learn(self, items: list[Item], truths, seed, start, checkpoint, progress):
        """Train from an optimizer or from new networks: the trained optimizer, and the history.

        ``truths`` holds what each data set is judged on, where it is known.
        """
        generator = new_generator(seed)
        problem = self._problem(items[:1])
        if not start:
            rules = self.recipe.networks(problem, generator)
        else:
            rules = {n: r for n, r in start.rules(generator).items() if n in problem.moved_names}
            for rule in rules.values():
                rule.requires_grad_(True)
        episodes = self._episodes(items, truths, rules, seed)
        if checkpoint:
            checkpoint.parts |= {"draws": Draws(generator), "episodes": episodes}
        every = rules_for(problem, rules)
        history = self._train(episodes, every, checkpoint, progress)
        shapes = sorted({item.array.shape for item in items})[:5]
        about = f"{len(items)} tasks of shapes {shapes}"
        return frozen(rules, problem, start, history, about), history

    def _problem(self, items) -> Problem:
        return self.problem(to_values([item.array for item in items]), **items[0].options)

    def _episodes(self, items, truths, rules, seed) -> TaskEpisodes:
        settings = EpisodeSettings(
            self.max_iter,
            self.t_l or self.recipe.network.t_l,
            self.t_u or self.recipe.t_u or self.max_iter,
            self._loss(),
            self.training.batch_size,
            self.training.batches_per_step,
            self.training.validation_fraction,
        )

        def make_judge(problem, numbers):
            return problem.with_values(to_values([truths[i] for i in numbers]))

        return TaskEpisodes(
            [kind_of(item) for item in items],
            [_n_entries(item.array) for item in items],
            lambda numbers: self._problem([items[i] for i in numbers]),
            make_judge if truths is not None else None,
            rules,
            settings,
            seed,
        )

    def _loss(self) -> str:
        """What was asked for, or the recipe's; without data to split there is the global one."""
        loss, splits = self.training.loss, has_role(self.problem, "split")
        if loss == "heldout" and not splits:
            raise ValueError(
                f"loss='heldout' needs data that can be split, which {self.problem.__name__} has "
                "none of: 'global' is its loss."
            )
        return loss or (self.recipe.loss if splits else "global")

    def _train(self, episodes, rules, checkpoint, progress) -> History:
        n_steps = self.n_epochs * episodes.n_steps
        weights = self.training.loss_weights
        with progress.phase("meta-training", n_steps, "step", bar=False) as step:
            return meta_train(
                episodes,
                rules,
                n_steps,
                validation=episodes.validation,
                validate_every=max(1, episodes.n_steps // 4),
                t_l=self.t_l,
                t_u=self.t_u or self.recipe.t_u,
                weights=None if weights is None else list(weights),
                learning_rate=self.training.learning_rate or self.recipe.learning_rate,
                anneal=self.recipe.anneal,
                averaging=_AVERAGING,
                verbose=self.verbose,
                checkpoint=checkpoint,
                on_step=step and (lambda record: step(lambda: record["loss"])),
            )


@dataclass(frozen=True)
class JudgeLearner:
    """What trains the judge of a recipe on what non-local moves bring.

    No ground truth: at local optima of every task, short runs tell. Ctrl-C ends training
    early; before it has begun, the judge stays as it was.
    """

    recipe: Recipe
    training: MetaTraining
    n_epochs: int
    verbose: bool = False
    n_short: int = SHORT_RUN  # sweeps after a move, as in the search to come
    n_tried: int | None = None  # moves of a round there; by default the judge's own

    @share_of_threads()
    def learn(self, problems: list[Problem], seed, start, checkpoint, progress):
        """Train from an optimizer, or from a new network; as `Learner.learn`."""
        generator = new_generator(seed)
        tables = self._gathered(problems, generator, checkpoint, progress)
        judges = start.rules() if start else {"moves": self.recipe.new(problems[0], generator)}
        judge = judge_of(judges, problems[0].judge_name).requires_grad_(True)
        judge.n_tried = self.n_tried or judge.n_tried
        tables = [tables[i] for i in np.random.RandomState(seed).permutation(len(tables))]
        history = History()
        if tables:
            history = self._train(judge, tables, generator, checkpoint, progress)
        n_optima, n_tasks = sum(len(t.gains) for t in tables), sum(p.n_tasks for p in problems)
        about = f"{n_optima} local optima of {n_tasks} tasks"
        return frozen(judges, problems[0], start, history, about), history

    def _gathered(self, problems, generator, checkpoint, progress) -> list[Table]:
        gathering = Gathering(problems, generator, self.n_short)
        try:
            with progress.phase("gathering local optima", gathering.n_batches, "batch") as step:
                return gathering.run(checkpoint, step)
        except KeyboardInterrupt:
            say("gathering interrupted; keeping the judge as it was")
            return []

    def _train(self, judge, tables, generator, checkpoint, progress) -> History:
        training, n_tables = self.training, len(tables)
        n_validation = 0
        if n_tables >= MIN_TO_SPLIT and training.validation_fraction:
            n_validation = max(1, round(training.validation_fraction * n_tables))
        n_steps = self.n_epochs * -(-(n_tables - n_validation) // training.batch_size)
        with progress.phase("training the judge", n_steps, "step", bar=False) as step:
            return train_judge(
                judge,
                tables[n_validation:],
                n_steps,
                generator,
                validation=tables[:n_validation],
                n_together=training.batch_size,
                learning_rate=training.learning_rate or self.recipe.learning_rate,
                verbose=self.verbose,
                checkpoint=checkpoint,
                on_step=step and (lambda record: step(lambda: record["loss"])),
            )


def _n_entries(array) -> int:
    """Entries that a sweep works on."""
    return array.nnz + sum(array.shape) if sparse.issparse(array) else array.size


def frozen(networks, problem, start, history, trained_on) -> LearnedOptimizer:
    """Trained networks with what is known of their training."""
    optimizer = LearnedOptimizer.from_rules(
        networks,
        problem,
        trained_on=trained_on,
        started_from=start.digest() if start else None,
        n_steps=history.n_steps,
        validation_before=history.before,
        validation_after=history.after,
    )
    if start and start.is_general and optimizer.has_weights_of(start):
        # No checkpoint was better than the start: it is as general as before.
        optimizer = LearnedOptimizer(optimizer.weights, {**optimizer.description, "general": True})
    return optimizer


def open_checkpoint(path, settings: dict, data, seed, start) -> Checkpoint | None:
    """Where a training goes on that has these settings, arrays, seed and start."""
    if path is None:
        return None
    settings = {name: _plain(value) for name, value in settings.items()}
    start_digest = start.digest() if start else None
    about = {"data": data_digest(data), "random_state": seed, "optimizer": start_digest}
    return Checkpoint(path, {**settings, **about})


def _plain(value):
    """Something for JSON that differs where the values differ."""
    if isinstance(value, Recipe):
        return {**asdict(value), "network": value.network.__name__}
    try:
        return json.loads(json.dumps(value, default=plain))
    except TypeError:
        return repr(value)


def tell_about(history: History, verbose=False) -> None:
    """One line of what a training has brought, if asked for; warn where it is nothing."""
    n_steps = history.n_steps
    if verbose and n_steps and history.before is not None and rank() == 0:
        before, after = f"{history.before:.4g}", f"{history.after:.4g}"
        say(f"validation {before} before training, {after} after {n_steps} steps")
    if history.n_skipped and 2 * history.n_skipped >= n_steps:
        message = (
            f"{history.n_skipped} of {n_steps} training steps were skipped, because their loss "
            "or gradient was not finite; the rule has hardly been trained."
        )
    elif history.kept_the_start:
        message = (
            "Training has not improved on its start, which is kept: validation "
            f"{history.before:.4g} before it, {history.best_trained:.4g} after. More tasks, more "
            "n_epochs or another learning_rate may help."
        )
    else:
        return
    warn(message)
