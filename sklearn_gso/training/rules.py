"""Learning the rules: windows of the loop, back-propagation, many tasks."""

from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..problems.base import Problem, has_role
from ..problems.trees import Variables, map_tensors, take_tasks
from ..rules.base import check_rules
from ..solvers.alternating import alternate, init_states
from ..solvers.safeguard import fallbacks
from .processes import add_up, n_processes, own, rank
from .trainer import History, Trainer

_LARGEST_LOSS = 5.0
_ERROR_FLOOR = 1e-7
# A sweep costs as much as so many numbers by its calls alone (measured: 24 ms beside .5 ms for a
# thousand numbers, with gradients).
_NUMBERS_OF_CALLS = 50_000


class Reference:
    """Roots of the judge's error of the classical rules after each sweep of a run.

    Computed when they are first asked for: of episodes of other processes never.
    """

    def __init__(self, problem, judge, rules, variables, max_iter, t_l=None):
        self.run = (problem, judge, rules, variables, max_iter, t_l)

    @cached_property
    def errors(self) -> Tensor:
        """(max_iter, T)."""
        problem, judge, rules, variables, max_iter, t_l = self.run
        errors: list[Tensor] = []

        def note(current):
            errors.append(_root_of_error(judge, current))

        with torch.no_grad():
            alternate(problem, fallbacks(rules), variables, max_iter, t_l, on_sweep=note)
        return torch.stack(errors)

    def __getitem__(self, sweep) -> Tensor:
        return self.errors[sweep]

    def take(self, problem, judge, variables) -> "Reference":
        """The same of some tasks."""
        _, _, rules, _, *more = self.run
        return Reference(problem, judge, rules, variables, *more)


class Episode(NamedTuple):
    """A batch of tasks to be solved once in training.

    Attributes
    ----------
    problem : Problem
        What the optimizer sees.
    judge : Problem or None
        Whose ``error`` is minimised: held-out data or the truth. None stands for
        the global loss, equation (9).
    variables : dict
        Where the run starts.
    max_iter : int
        Outer steps of the run, the paper's T.
    reference : Reference, Tensor of shape (max_iter, T) or None
        Root of the judge's error of the classical rule after each sweep.
    weight : float
        Of this episode's loss among the others that are added up.
    """

    problem: Problem
    judge: Problem | None
    variables: Variables
    max_iter: int
    reference: Reference | Tensor | None = None
    weight: float = 1.0

    @property
    def work(self) -> int:
        """What its run costs, for shares of the work: sweeps times the numbers that move."""
        sizes: list[int] = []
        map_tensors(lambda tensor: sizes.append(tensor.numel()), self.variables)
        return self.max_iter * (_NUMBERS_OF_CALLS + sum(sizes))


def make_episode(problem, rules, generator, max_iter, *, judge=None, t_l=None) -> Episode:
    """An episode from a random start, with the classical reference if it is judged."""
    variables = problem.init(generator)
    if judge is None:
        return Episode(problem, None, variables, max_iter)
    check_rules(rules, problem)
    _root_of_error(judge, variables)  # an error without a root is told at once
    reference = Reference(problem, judge, rules, variables, max_iter, t_l)
    return Episode(problem, judge, variables, max_iter, reference)


def _root_of_error(judge: Problem, variables: Variables, floor: float = 0.0) -> Tensor:
    error = judge.error(variables)
    if (error < 0).any():
        least = float(error.detach().min())
        raise ValueError(
            f"{type(judge).__name__}.error is negative ({least:.3g}): held-out losses take "
            "its root. Override error, or train on the global loss."
        )
    return (error + floor).sqrt()


def sweep_loss(episode: Episode, variables: Variables, sweep: int, weights=None) -> Tensor:
    """One summand of the meta-loss, the mean over the tasks of the batch.

    Without a judge it is equation (9)'s ω_t F(W_t, X_t), ω = 1 by default. With one it is the root
    of the error relative to the classical rule's after as many sweeps (without the root above 1, at
    most 5), ω growing with the square of the sweep: noiseless tasks, whose errors span ten decades,
    and noisy ones, whose errors hardly change, then count alike.
    """
    if episode.judge is None:
        weight = 1.0 if weights is None else weights[sweep]
        return weight * episode.problem.objective(variables).mean()
    assert episode.reference is not None  # it comes with a judge
    last = episode.max_iter
    weight = 3 * ((sweep + 1) / last) ** 2 / last if weights is None else weights[sweep]
    # The tiny constant keeps the derivative of the root finite at zero error.
    error = _root_of_error(episode.judge, variables, floor=1e-20)
    reference = torch.nan_to_num(episode.reference[sweep], nan=1.0, posinf=1.0)
    ratio = (error + _ERROR_FLOOR) / (reference + _ERROR_FLOOR)
    # Below 1 the root, above it steeper: what works untrained must not suffer.
    loss = torch.where(ratio < 1, ratio.sqrt(), ratio)
    return weight * loss.clamp(max=_LARGEST_LOSS).mean()


def run_window(episode, rules, run, t_l, t_u, weights):
    """Advance one episode by a window; its loss and where it stands now."""
    variables, states, start = run
    n_steps = min(t_u or episode.max_iter, episode.max_iter - start)
    losses: list[Tensor] = []

    def note(current):
        losses.append(sweep_loss(episode, current, start + len(losses), weights))

    when: dict = {"states": states, "start": start, "n_total": episode.max_iter}
    variables, states = alternate(
        episode.problem, rules, variables, n_steps, t_l, on_sweep=note, **when
    )
    total = torch.stack(losses).sum()
    if episode.judge is None:
        total = total / n_steps
    variables, states = map_tensors(Tensor.detach, (variables, states))
    return total, (variables, states, start + n_steps)


def validate(episodes, rules, t_l=None) -> float:
    """Mean loss of whole runs at their last sweep, without gradients."""
    values = []
    with torch.no_grad():
        for episode in own(episodes, [episode.work for episode in episodes]):
            n = episode.max_iter
            variables, _ = alternate(episode.problem, rules, episode.variables, n, t_l)
            loss = sweep_loss(episode, variables, n - 1, weights=torch.ones(n))
            values.append(episode.weight * float(loss))
    total = torch.tensor([sum(values)], dtype=torch.float64)
    add_up([total])
    return float(total) / sum(episode.weight for episode in episodes)


def own_episodes(episodes) -> list[Episode]:
    """This process's share of some episodes: of them or, if they are too few, of their tasks."""
    if len(episodes) >= n_processes():
        return own(episodes, [episode.work for episode in episodes])
    return [_own_tasks(episode) for episode in episodes]


def _own_tasks(episode: Episode) -> Episode:
    """The episode of this process's tasks, of one at least, with their share of its weight."""
    problem, judge, reference = episode.problem, episode.judge, episode.reference
    if not has_role(problem, "take"):
        return episode._replace(weight=episode.weight if rank() == 0 else 0.0)
    tasks = torch.arange(problem.n_tasks)[rank() :: n_processes()]
    weight = episode.weight * len(tasks) / problem.n_tasks
    tasks = tasks if len(tasks) else torch.tensor([0])
    parts = problem.take(tasks), judge and judge.take(tasks), take_tasks(episode.variables, tasks)
    if isinstance(reference, Reference):
        reference = reference.take(*parts)
    elif reference is not None:
        reference = reference[:, tasks]
    return Episode(*parts, episode.max_iter, reference, weight)


def meta_step(trainer, rules, episodes, t_l, t_u, weights) -> list[float]:
    """Run a list of episodes to their ends, an update of the weights after each window."""
    if isinstance(episodes, Episode):
        raise TypeError("source must return a list of episodes, got one Episode.")
    mine, losses = own_episodes(episodes), []
    runs = [(e.variables, init_states(rules, e.variables), 0) for e in mine]
    # Of all episodes: every process takes part in every update.
    for _ in range(max(-(-e.max_iter // (t_u or e.max_iter)) for e in episodes)):

        def terms(runs=runs):
            for i, episode in enumerate(mine):
                if runs[i][2] < episode.max_iter:
                    loss, runs[i] = run_window(episode, rules, runs[i], t_l, t_u, weights)
                    yield episode.weight * loss / len(episodes)

        loss = trainer.update(terms())
        if loss is None:
            break  # the variables are spoiled too; the next episodes start afresh
        losses.append(loss)
    return losses


def meta_train(
    source, rules, n_steps, *, validation=(), t_l=None, t_u=None, weights=None, **training
) -> History:
    """Train the learned ones among the rules on the global loss, Algorithm 2.

    Processes that form a group of `torch.distributed` share the episodes of a step; each ends with
    the same weights, those of one process up to rounding.

    The rules end with the weights that did best on the validation episodes, or with the last ones
    if there are none. Ctrl-C ends training early in the same way. A step whose loss or gradient is
    not finite changes nothing and is counted in ``history.n_skipped``.

    Parameters
    ----------
    source : callable
        From the number of the step to a list of `Episode`, whose gradients are added up.
    rules : dict of str to UpdateRule
        Trained in place.
    n_steps : int
        How often ``source`` is called.
    validation : list of Episode
    t_l : int, optional
        Inner steps of a block; by default the rules' own.
    t_u : int, optional
        Outer steps between two updates; by default whole runs.
    weights : sequence of float, optional
        ω_t for each outer step of a run, equation (9).
    **training
        ``learning_rate`` of Adam, equation (10), which ``anneal`` lets fall to zero along a
        cosine; ``averaging``, the decay of the average of the weights that is validated and kept;
        ``clip``, the largest norm of a gradient; ``validate_every``, in steps; ``verbose``;
        ``checkpoint``, a `Checkpoint` from which a training that was killed goes on; ``on_step``,
        called with the record of each step, where True ends the training.

    Returns
    -------
    history : History
    """
    check_rules(rules)
    # Blocks may share a rule.
    learned = list(dict.fromkeys(r for r in rules.values() if isinstance(r, nn.Module)))
    trainer = Trainer(learned, **training, summed=True)
    return trainer.run(
        n_steps,
        lambda step: meta_step(trainer, rules, source(step), t_l, t_u, weights),
        (lambda: validate(validation, rules, t_l)) if validation else None,
        "meta-training",
    )
