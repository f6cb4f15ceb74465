"""Non-local moves from local optima: tried by short runs, kept where they gain."""

from typing import NamedTuple

import torch
from torch import Tensor

from ..problems.base import Problem
from ..problems.trees import Variables, map_tensors, take_tasks
from ..rules.base import Rules
from ..rules.judges import Judge, Rounds
from .outcome import Run, joined
from .run import Monitor, in_batches, minimize

SHORT_RUN = 12
# A fall of the objective that counts as one: short runs and rounding bring less.
MIN_GAIN = 1e-5
_MIN_TO_RACE, _MIN_TO_GO_ON = 7, 4


def gains_of(problem: Problem, run: Run, found: Variables, reached: Tensor) -> Tensor:
    """Falls of the objective from a run's end to what `try_moves` reached, (T, m).

    -1 for what is not finite, and for what collapsed on the way.
    """
    each = torch.arange(problem.n_tasks).repeat_interleave(reached.shape[1])
    collapsed = problem.take(each).n_collapsed(found).reshape(reached.shape)
    sound = collapsed <= problem.n_collapsed(run.variables)[:, None]
    gain = torch.where(sound, run.objective[:, None] - reached, -1.0)
    return gain.nan_to_num(nan=-1.0, posinf=-1.0, neginf=-1.0)


class Explored(NamedTuple):
    """What non-local moves brought.

    Attributes
    ----------
    run : Run
        The last run to convergence of each task.
    n_rounds, n_gains : Tensor of shape (T,)
    hope : Tensor of shape (T,)
        Chance of a gain that the judge saw at the final optimum before it tried any move;
        0 if it tells none.
    """

    run: Run
    n_rounds: Tensor
    n_gains: Tensor
    hope: Tensor


def try_moves(
    problem: Problem,
    rules: Rules,
    variables: Variables,
    moves: Tensor,
    generator: torch.Generator,
    n_short: int = SHORT_RUN,
    race: bool = False,
) -> tuple[Variables, Tensor]:
    """A short run after each of some moves, all in one batch.

    Parameters
    ----------
    moves : Tensor of shape (T, m)
    n_short : int, default=12
        Outer steps of a run.
    race : bool, default=False
        Let only the best quarter of a task's runs, four at least, go on after a quarter of
        the outer steps, two at least, if there are seven runs or more.

    Returns
    -------
    variables : dict
        Of T · m runs, those of one task side by side.
    objective : Tensor of shape (T, m)
    """
    n_tasks, m = moves.shape
    each = torch.arange(n_tasks).repeat_interleave(m)
    n_first = max(2, n_short // 4) if race and m >= _MIN_TO_RACE else n_short
    parts = []
    for numbers in in_batches(problem, torch.arange(len(each))):
        many = problem.take(each[numbers])
        start = take_tasks(variables, each[numbers])
        moved = many.moved(start, moves.flatten()[numbers], generator)
        run = minimize(many, rules, moved, n_first, safeguard="none")
        parts.append((run.variables, run.objective))
    reached, objective = joined(parts)
    if n_first < n_short:
        ranking = objective.nan_to_num(nan=torch.inf).reshape(n_tasks, m)
        best = ranking.topk(max(_MIN_TO_GO_ON, m // 4), dim=1, largest=False).indices
        best = (best + m * torch.arange(n_tasks)[:, None]).flatten()
        many, start = problem.take(each[best]), take_tasks(reached, best)
        run = minimize(many, rules, start, n_short - n_first, safeguard="none")
        _put((reached, objective), best, (run.variables, run.objective), in_place=True)
    return reached, objective.reshape(n_tasks, m)


def explore(
    problem: Problem,
    rules: Rules,
    run: Run,
    judge: Judge,
    generator: torch.Generator,
    max_iter: int,
    tol: float,
    n_short: int = SHORT_RUN,
    max_rounds: int = 200,
    monitor: Monitor | None = None,
    min_gain: float = MIN_GAIN,
) -> Explored:
    """From local optima, try the non-local moves that a judge puts first, and keep gains.

    In every round the moves with the highest scores are tried by a short run each, all
    tasks in one batch. A task keeps its best gain, is run to convergence and starts
    afresh; moves that brought nothing are not tried again from the same optimum (but see
    `Judge` for very few moves). The search of a task ends after ``judge.n_fruitless`` rounds
    without a gain, when there is nothing more to try, or when the judge sees too little
    hope. The objective never rises. Of every optimum `Problem.rearranged` is tried as well.

    Parameters
    ----------
    problem, rules
        As in `alternate`.
    run : Run
        To the local optima to begin with.
    judge : Judge
    generator : torch.Generator
        Of the moves' random part.
    max_iter, tol
        Of the runs to convergence after a gain.
    n_short : int, default=12
        Outer steps of a short run.
    max_rounds : int, default=200
    monitor : Monitor, optional
        Of the runs to convergence; after it stopped one no move is tried.
    min_gain : float, default=1e-5
        A fall of the objective by a short run that counts as one: more than what further sweeps
        from the optimum would bring, the more the larger ``tol``.
    """
    converge = _ToTheEnd(rules, max_iter, tol, monitor)
    with torch.no_grad():
        run, n_gains = converge.rearranged(problem, run)
        search = _Search(problem, rules, run, judge, generator, converge, min_gain)
        search.n_gains = n_gains
        for _ in range(max_rounds if problem.n_moves else 0):
            if converge.stopped or not search.round(n_short):
                break
        return Explored(search.end, search.n_rounds, search.n_gains, search.hope)


class _ToTheEnd(NamedTuple):
    """Runs to convergence."""

    rules: Rules
    max_iter: int
    tol: float
    monitor: Monitor | None

    @property
    def stopped(self) -> bool:
        return self.monitor is not None and self.monitor.stopped

    def __call__(self, problem, variables) -> Run:
        return minimize(
            problem,
            self.rules,
            variables,
            self.max_iter,
            tol=self.tol,
            safeguard="none",
            monitor=self.monitor,
        )

    def rearranged(self, problem, run) -> tuple[Run, Tensor]:
        """The runs again from where `Problem.rearranged` puts them, and how often that gained."""
        n_gains = torch.zeros(problem.n_tasks, dtype=torch.long)
        active = torch.arange(problem.n_tasks)
        run = map_tensors(torch.clone, run)
        while len(active) and not self.stopped:
            part = problem.take(active)
            variables, changed = part.rearranged(take_tasks(run.variables, active))
            changed = changed.nonzero()[:, 0]
            active = active[changed]
            if not len(active):
                break
            part, start = part.take(changed), take_tasks(variables, changed)
            tried = minimize(part, self.rules, start, SHORT_RUN, safeguard="none")
            gains = (run.objective[active] - tried.objective > MIN_GAIN).nonzero()[:, 0]
            active = active[gains]
            if len(active):
                other = self(part.take(gains), take_tasks(tried.variables, gains))
                _put(run, active, other, in_place=True)
                n_gains[active] += 1
        return run, n_gains


class _Search:
    """The rounds of all tasks; those whose search has ended leave the batch."""

    def __init__(self, problem, rules, run, judge, generator, converge, min_gain):
        self.problem, self.rules, self.judge = problem, rules, judge
        self.generator, self.converge, self.min_gain = generator, converge, min_gain
        self.end = map_tensors(torch.clone, run)
        self.n_rounds = torch.zeros(problem.n_tasks, dtype=torch.long)
        self.n_gains = self.n_rounds.clone()
        self.hope = torch.zeros(problem.n_tasks, dtype=torch.float64)
        self.index = torch.arange(problem.n_tasks)
        self.variables, self.features = run.variables, None  # of the moves from these variables
        self.state = judge.init_state(problem.n_tasks, problem.n_moves)
        self.rounds = Rounds.none(problem.n_tasks, problem.n_moves)

    def round(self, n_short: int) -> bool:
        """One round of moves; False where no task has anything to try."""
        if self.features is None:
            self.features = self.problem.move_features(self.variables)
        scores, odds, self.state = self.judge.judge(self.features, self.rounds, self.state)
        moves, hope, hopeless = _choose(scores, odds, self.rounds, self.judge)
        fresh = self.rounds.number[:, 0] == 0
        self.hope[self.index[fresh]] = hope[fresh]
        moves = self._leave(hopeless, moves)
        if not len(self.index):
            return False
        self.n_rounds[self.index] += 1
        reached, objective = try_moves(
            self.problem,
            self.rules,
            self.variables,
            moves,
            self.generator,
            n_short,
            self.judge.race,
        )
        gain = gains_of(self.problem, take_tasks(self.end, self.index), reached, objective)
        self.rounds = _noted(self.rounds, moves, gain)
        best, which = gain.max(1)
        won = (best > self.min_gain).nonzero()[:, 0]
        if len(won):
            self._keep(won, take_tasks(reached, won * moves.shape[1] + which[won]))
        return True

    def _leave(self, hopeless, moves):
        """Go on with the other tasks, and their moves."""
        keep = (~hopeless).nonzero()[:, 0]
        if len(keep) == len(self.index):
            return moves
        self.problem, self.index = self.problem.take(keep), self.index[keep]
        self.variables, self.features, self.state, self.rounds = take_tasks(
            (self.variables, self.features, self.state, self.rounds), keep
        )
        return moves[keep]

    def _keep(self, won, start):
        """Run the winners to convergence, and begin their search again where that gained."""
        winners = self.problem.take(won)
        run, further = self.converge.rearranged(winners, self.converge(winners, start))
        before = winners.n_collapsed(take_tasks(self.variables, won))
        kept = run.objective < self.end.objective[self.index[won]]
        kept &= winners.n_collapsed(run.variables) <= before
        won, run = won[kept], take_tasks(run, kept)
        if len(won):
            self.features = None
        self.n_gains[self.index[won]] += 1 + further[kept]
        empty = self.judge.init_state(len(won), self.problem.n_moves)
        news = (run.variables, empty, Rounds.none(len(won), self.problem.n_moves))
        self.variables, self.state, self.rounds = _put(
            (self.variables, self.state, self.rounds), won, news
        )
        _put(self.end, self.index[won], run, in_place=True)


def _choose(scores, odds, rounds, judge) -> tuple[Tensor, Tensor, Tensor]:
    """The moves to try (T, m), the chance of a gain, and which tasks are to be left."""
    number = rounds.number[:, 0]
    n_moves = scores.shape[1]
    n_tried = min(judge.n_tried or n_moves, n_moves)
    again = (number < judge.n_repeated) & (n_tried == n_moves)
    scores = scores.masked_fill(rounds.tried & ~again[:, None], -torch.inf)
    best, moves = scores.topk(n_tried, dim=1)
    if n_tried == n_moves and judge.n_repeated > 1:
        times = 5 * judge.n_tried // (2 * n_moves)
        best, moves = best.repeat(1, times), moves.repeat(1, times)
    exhausted = (number >= judge.n_fruitless) | best[:, 0].isneginf()
    if odds is None:
        return moves, torch.zeros_like(number), exhausted
    # Moves already tried are chosen last and add nothing.
    chance = torch.sigmoid(odds.take_along_dim(moves, 1)).masked_fill(best.isneginf(), 0)
    hope = 1 - (1 - chance).prod(1)
    return moves, hope.to(number.dtype), exhausted | ((hope < judge.min_hope) & ~again)


def _noted(rounds, moves, gain) -> Rounds:
    # Of a move that was tried more than once the best outcome counts.
    best = torch.full_like(rounds.gain, -torch.inf).scatter_reduce(1, moves, gain, "amax")
    known = torch.where(best.isfinite(), best, rounds.gain)
    return Rounds(rounds.tried.scatter(1, moves, True), known, rounds.number + 1)


def _put(tree, index, values, in_place=False):
    """The blocks or states with some tasks replaced."""

    def put(old, new):
        return (old if in_place else old.clone()).index_copy_(0, index, new)

    return map_tensors(put, tree, values)
