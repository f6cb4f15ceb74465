"""Learning which non-local moves are worth a short run, from what such runs brought."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

from ..problems.base import Problem
from ..problems.trees import take_tasks
from ..rules.classical import ClosedForm
from ..rules.judges import LSTMJudge, Rounds
from ..solvers.alternating import alternate, rules_for
from ..solvers.local_search import MIN_GAIN, SHORT_RUN, gains_of, try_moves
from ..solvers.run import minimize
from .checkpoints import Checkpoint, Draws
from .trainer import History, Trainer

_TRAINING = {"learning_rate": 3e-3, "anneal": True, "averaging": 0.98, "validate_every": 25}
# With so many tasks one pass finds enough local optima.
_ENOUGH_TASKS = 50
# Gains within this share of the largest one count as nearly as good.
_TEMPERATURE = 0.2


class Table(NamedTuple):
    """Local optima of a batch of tasks, and what each move from there brought.

    Attributes
    ----------
    features : Tensor of shape (T, moves, f)
    gains : Tensor of shape (T, moves)
        Fall of the objective by a short run; NaN where the move was not tried.
    """

    features: Tensor
    gains: Tensor


def gather(
    problem,
    rules,
    generator,
    n_optima=3,
    *,
    max_iter=500,
    tol=1e-7,
    max_moves=64,
    start=None,
    n_short=SHORT_RUN,
) -> list[Table]:
    """Tables of a chain of local optima: from a random start, on by random gains.

    Parameters
    ----------
    problem : Problem
        That offers moves. No ground truth is needed.
    rules : dict of str to UpdateRule
    generator : torch.Generator
    n_optima : int, default=3
        Length of the chain.
    max_iter, tol
        Of the runs to a local optimum. Had they further to go, moves that lead back would
        look like gains.
    max_moves : int, default=64
        So many of the moves, drawn afresh at each optimum, are tried.
    start : callable, optional
        ``start(problem, generator)``, where the first run begins; by default `Problem.init`.
    n_short : int, default=12
        Outer steps of the run after a move.
    """
    tables: list[Table] = []
    begin = start(problem, generator) if start else problem.init(generator)
    start, _ = alternate(problem, rules, begin, SHORT_RUN)
    for _ in range(n_optima):
        run = minimize(problem, rules, start, max_iter, tol=tol, safeguard="none")
        order = torch.rand(problem.n_tasks, problem.n_moves, generator=generator).argsort(1)
        moves = order[:, :max_moves]
        moved, reached = try_moves(problem, rules, run.variables, moves, generator, n_short)
        gain = gains_of(problem, run, moved, reached)
        gains = torch.full_like(order, torch.nan, dtype=gain.dtype).scatter(1, moves, gain)
        tables.append(Table(problem.move_features(run.variables), gains))
        # Any gain will do to go on from: the best one alone would skip the harder optima.
        luck = torch.rand(gain.shape, generator=generator).masked_fill(gain <= MIN_GAIN, -1)
        best, which = luck.max(1)
        going = (best > 0).nonzero()[:, 0]
        if not len(going):
            break
        problem = problem.take(going)
        start = take_tasks(moved, going * moves.shape[1] + which[going])
    return tables


def table_loss(judge: LSTMJudge, table: Table, generator: torch.Generator, n_rounds=4):
    """Loss of a judge over simulated rounds, until a gain is found.

    In each round the cross-entropy of the scores to the softmax of the gains among the
    moves not tried yet, and that of the log-odds to whether there is a gain.
    """
    features, gains = table.features, table.gains.nan_to_num(nan=0.0)
    known, (n_tasks, n_moves) = ~table.gains.isnan(), gains.shape
    rounds, state = Rounds.none(n_tasks, n_moves), judge.init_state(n_tasks, n_moves)
    going = torch.ones(n_tasks, dtype=torch.bool)
    losses: list[Tensor] = []
    for _ in range(n_rounds):
        scores, odds, state = judge.judge(features, rounds, state)
        open_moves = known & ~rounds.tried
        going = going & open_moves.any(1)
        if not going.any():
            break
        losses.append(_round_loss(scores, odds, gains, open_moves)[going].mean())
        noise = -torch.log(-torch.log(torch.rand(scores.shape, generator=generator) + 1e-9) + 1e-9)
        tickets = (scores.detach() + noise).masked_fill(~open_moves, -torch.inf)
        tried = tickets.topk(min(judge.n_tried or n_moves, n_moves), dim=1).indices
        rounds = Rounds(
            rounds.tried.scatter(1, tried, True) & known,
            torch.where(known, rounds.gain.scatter(1, tried, gains.gather(1, tried)), 0.0),
            rounds.number + 1,
        )
        going = going & ~(gains.gather(1, tried) > MIN_GAIN).any(1)
    return torch.stack(losses).mean()


def _round_loss(scores, odds, gains, open_moves) -> Tensor:
    """Of one round, for each task."""

    def among_open(values):
        return values.masked_fill(~open_moves, -torch.inf)

    largest = among_open(gains).amax(1, keepdim=True)
    units = gains / (_TEMPERATURE * largest.clamp(min=MIN_GAIN))
    target = torch.softmax(among_open(units), dim=1)
    logs = log_softmax(among_open(scores), dim=1).masked_fill(~open_moves, 0.0)
    ranking = torch.where((largest > MIN_GAIN)[:, 0], -(target * logs).sum(1), 0.0)
    label = (gains > MIN_GAIN).to(odds.dtype)
    binary = binary_cross_entropy_with_logits(odds, label, reduction="none")
    return ranking + (binary * open_moves).sum(1) / open_moves.sum(1).clamp(min=1)


def train_judge(
    judge, tables, n_steps, generator, *, validation=(), n_together=6, **training
) -> History:
    """Train a judge in place; it ends with the averaged weights that validated best.

    Parameters
    ----------
    judge : LSTMJudge
    tables : list of Table
        Each step adds up the losses of ``n_together`` of them, in a new random order in every pass.
    n_steps : int
    generator : torch.Generator
    validation : sequence of Table
    n_together : int, default=6
    **training
        As for `meta_train`; by default a rate of 3e-3 that falls along a cosine, averaging .98,
        validation every 25 steps.
    """
    trainer = Trainer([judge], **{**_TRAINING, **training})
    seed = int(torch.randint(2**31, (1,), generator=generator))
    order = _Order(len(tables), generator)
    if trainer.checkpoint:
        trainer.checkpoint.parts |= {"draws": Draws(generator), "order": order}

    def step(_):
        picked = order.next(n_together)
        loss = trainer.update(table_loss(judge, tables[i], generator) / len(picked) for i in picked)
        return [] if loss is None else [loss]

    def validate():
        again = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            losses = [float(table_loss(judge, table, again)) for table in validation]
        return sum(losses) / len(losses)

    return trainer.run(n_steps, step, validate if validation else None, "training the judge")


class _Order:
    """Numbers of tables, in a new random order in every pass."""

    def __init__(self, n_tables, generator):
        self.n_tables, self.generator, self.queue = n_tables, generator, []

    def next(self, n: int) -> list[int]:
        if not self.queue:
            self.queue = torch.randperm(self.n_tables, generator=self.generator).tolist()
        taken, self.queue = self.queue[:n], self.queue[n:]
        return taken

    def state_dict(self):
        return self.queue

    def load_state_dict(self, state):
        self.queue = state


class Gathering:
    """Tables of the first batches of a collection, and where the generator stood after them.

    Parameters
    ----------
    problems : list of Problem
        Of batches of tasks.
    generator : torch.Generator
    n_short : int, default=12
        Outer steps of the run after a move: as many as the search will make.
    """

    def __init__(self, problems: list[Problem], generator, n_short=SHORT_RUN):
        n_tasks = sum(problem.n_tasks for problem in problems)
        # Small batches give tables of their own to draw from.
        once = [(p, batch) for p in problems for batch in torch.arange(p.n_tasks).split(4)]
        self.batches = once * (1 if n_tasks >= _ENOUGH_TASKS else 2)
        self.generator, self.n_short, self.n_done = generator, n_short, 0
        self.tables: list[Table] = []
        self.drawn = Draws(generator).state_dict()

    @property
    def n_batches(self) -> int:
        """How many batches there are in all."""
        return len(self.batches)

    def run(self, checkpoint: Checkpoint | None = None, on_batch=None) -> list[Table]:
        """Tables of all batches, a second pass where tasks are few.

        Parameters
        ----------
        checkpoint : Checkpoint, optional
            Where the gathering goes on if it was killed.
        on_batch : callable, optional
            Called after each batch; the gathering ends where it returns True.
        """
        if checkpoint:
            checkpoint.restore("gathering", self)
        for problem, batch in self.batches[self.n_done :]:
            with torch.no_grad():
                rules = rules_for(problem, ClosedForm())
                part = problem.take(batch)
                self.tables += gather(part, rules, self.generator, n_short=self.n_short)
            self.n_done += 1
            self.drawn = Draws(self.generator).state_dict()
            if checkpoint:
                checkpoint.write(now=False)
            if on_batch and on_batch():
                break
        return self.tables

    def state_dict(self):
        tables = [list(table) for table in self.tables]
        return {"n_done": self.n_done, "tables": tables, "draws": self.drawn}

    def load_state_dict(self, state):
        self.n_done, self.drawn = state["n_done"], state["draws"]
        self.tables = [Table(*map(torch.tensor, table)) for table in state["tables"]]
        Draws(self.generator).load_state_dict(self.drawn)
