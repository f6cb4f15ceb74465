"""Around the loop: runs to convergence, and non-local moves between them."""

from typing import NamedTuple

import torch
from torch import Tensor

from .alternating import Monitor, alternate, init_states
from .problems.base import Problem, Variables, map_tensors, take_tasks
from .rules.base import Rules
from .rules.judges import Judge, Rounds

SHORT_RUN = 12
# A fall of the objective that counts as one: short runs and rounding bring less.
LEAST_GAIN = 1e-5
_FEWEST_TO_RACE, _LEAST_TO_GO_ON = 7, 4
# Finished tasks are dropped from the batch when they are this share of it.
_SHARE_TO_DROP = 0.3
# Doubles of a batch: below, the cost of an operation's call shows; above, that of memory.
_BATCH_SIZE = 200_000


def in_batches(problem: Problem, runs: Tensor) -> tuple[Tensor, ...]:
    """Runs, each on a task of the problem, in batches of a size that is fast."""
    return runs.split(max(1, _BATCH_SIZE // max(1, problem.task_size)))


def _joined(parts):
    """One tree from those of several batches."""
    return map_tensors(lambda *tensors: torch.cat(tensors), *parts) if len(parts) > 1 else parts[0]


class Converged(NamedTuple):
    """Where runs ended.

    Attributes
    ----------
    variables : dict
    objective : Tensor of shape (T,)
    n_iter : Tensor of shape (T,)
    converged : Tensor of bool of shape (T,)
        Whether the objective changed by less than ``tol`` before the last outer step.
    """

    variables: Variables
    objective: Tensor
    n_iter: Tensor
    converged: Tensor


def converge(
    problem: Problem,
    rules: Rules,
    variables: Variables,
    n_outer: int,
    tol: float,
    monitor: Monitor | None = None,
) -> Converged:
    """Run the loop until the objective of each task stands still.

    As in scikit-learn, the outer step after the first change below ``tol`` is the last.
    Tasks that have finished leave the batch. A monitor may end the run before.
    """
    batches = in_batches(problem, torch.arange(problem.n_tasks))
    if len(batches) == 1:
        return _converge(problem, rules, variables, n_outer, tol, monitor)
    return _joined(
        [
            _converge(
                problem.take(batch), rules, take_tasks(variables, batch), n_outer, tol, monitor
            )
            for batch in batches
        ]
    )


def _converge(problem, rules, variables, n_outer, tol, monitor) -> Converged:
    states = init_states(rules, variables)
    value = problem.objective(variables)
    n_tasks = problem.n_tasks
    end = map_tensors(torch.clone, variables)
    last, n_iter = value.clone(), torch.zeros(n_tasks, dtype=torch.long)
    converged = torch.zeros(n_tasks, dtype=torch.bool)
    index = torch.arange(n_tasks)
    still = torch.zeros(n_tasks, dtype=torch.bool)
    active = ~still
    for sweep in range(n_outer):
        variables, states = alternate(
            problem, rules, variables, 1, states=states, start=sweep, n_total=n_outer
        )
        new = problem.objective(variables)
        finished = active & (still | ~new.isfinite())
        stopped = monitor is not None and monitor(lambda value=new: value)
        if stopped or sweep == n_outer - 1:
            finished = active
        if finished.any():
            which = index[finished]
            map_tensors(lambda a, b, w=which, f=finished: a.index_copy_(0, w, b[f]), end, variables)
            last[which], n_iter[which], converged[which] = new[finished], sweep + 1, still[finished]
            active = active & ~finished
        if not active.any():
            break
        still = (value - new).abs() < tol
        value = new
        if active.sum() <= (1 - _SHARE_TO_DROP) * len(active):
            keep = active.nonzero()[:, 0]
            problem, index = problem.take(keep), index[keep]
            variables, states = take_tasks((variables, states), keep)
            still, value, active = still[keep], value[keep], active[keep]
    return Converged(end, last, n_iter, converged)


def short_runs(problem: Problem, rules: Rules, variables: Variables, n_outer: int) -> Variables:
    """The loop for a fixed number of outer steps."""
    parts = []
    for batch in in_batches(problem, torch.arange(problem.n_tasks)):
        part = problem.take(batch)
        parts.append(alternate(part, rules, take_tasks(variables, batch), n_outer)[0])
    return _joined(parts)


def gains_of(problem: Problem, run: Converged, found: Variables, reached: Tensor) -> Tensor:
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
    run : Converged
        The last run to convergence of each task.
    n_rounds, n_gains : Tensor of shape (T,)
    hope : Tensor of shape (T,)
        Chance of a gain that the judge saw at the final optimum before it tried any move;
        0 if it tells none.
    """

    run: Converged
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
        the outer steps, if there are seven or more.

    Returns
    -------
    variables : dict
        Of T · m runs, those of one task side by side.
    objective : Tensor of shape (T, m)
    """
    n_tasks, m = moves.shape
    each = torch.arange(n_tasks).repeat_interleave(m)
    n_first = n_short // 4 if race and m >= _FEWEST_TO_RACE else n_short
    parts = []
    for runs in in_batches(problem, torch.arange(len(each))):
        many = problem.take(each[runs])
        start = take_tasks(variables, each[runs])
        moved = many.moved(start, moves.flatten()[runs], generator)
        found, _ = alternate(many, rules, moved, n_first)
        parts.append((found, many.objective(found)))
    found, reached = _joined(parts)
    if n_first < n_short:
        ranking = reached.nan_to_num(nan=torch.inf).reshape(n_tasks, m)
        better = ranking.topk(max(_LEAST_TO_GO_ON, m // 4), dim=1, largest=False).indices
        better = (better + m * torch.arange(n_tasks)[:, None]).flatten()
        many = problem.take(each[better])
        further = short_runs(many, rules, take_tasks(found, better), n_short - n_first)
        _put(found, better, further, in_place=True)
        reached[better] = many.objective(further)
    return found, reached.reshape(n_tasks, m)


def explore(
    problem: Problem,
    rules: Rules,
    run: Converged,
    judge: Judge,
    generator: torch.Generator,
    n_outer: int,
    tol: float,
    n_short: int = SHORT_RUN,
    max_rounds: int = 200,
    monitor: Monitor | None = None,
) -> Explored:
    """From local optima, try the non-local moves that a judge puts first, and keep gains.

    In every round the moves with the highest scores are tried by a short run each, all
    tasks in one batch. A task keeps its best gain, is run to convergence and starts
    afresh; moves that brought nothing are not tried again from the same optimum (but see
    `Judge` for very few moves). A task is left after ``judge.n_fruitless`` rounds without a
    gain, when there is nothing left to try, or when the judge sees too little hope. The
    objective never rises. Of every optimum `Problem.rearranged` is tried as well.

    Parameters
    ----------
    problem, rules
        As in `alternate`.
    run : Converged
        To the local optima to begin with.
    judge : Judge
    generator : torch.Generator
        Of the moves' random part.
    n_outer, tol
        Of the runs to convergence after a gain.
    n_short : int, default=12
        Outer steps of a short run.
    max_rounds : int, default=200
    monitor : Monitor, optional
        Of the runs to convergence; after it stopped one no move is tried.
    """
    to_the_end = (n_outer, tol, monitor)
    run, n_gains = _rearranged(problem, rules, run, *to_the_end)
    end, variables = map_tensors(torch.clone, run), run.variables
    n_rounds = torch.zeros_like(n_gains)
    hopes = torch.zeros(problem.n_tasks, dtype=torch.float64)
    if not problem.n_moves:
        return Explored(end, n_rounds, n_gains, hopes)
    index = torch.arange(problem.n_tasks)
    state = judge.init_state(problem.n_tasks, problem.n_moves)
    rounds = Rounds.none(problem.n_tasks, problem.n_moves)
    for _ in range(max_rounds):
        if monitor is not None and monitor.stopped:
            break
        features = problem.move_features(variables)
        scores, odds, state = judge.judge(features, rounds, state)
        moves, hope, hopeless = _choose(scores, odds, rounds, judge)
        fresh = rounds.number[:, 0] == 0
        hopes[index[fresh]] = hope[fresh]
        keep = (~hopeless).nonzero()[:, 0]
        if len(keep) < len(index):
            problem, index, moves = problem.take(keep), index[keep], moves[keep]
            variables, state, rounds = take_tasks((variables, state, rounds), keep)
        if not len(index):
            break
        n_rounds[index] += 1
        found, reached = try_moves(problem, rules, variables, moves, generator, n_short, judge.race)
        gain = gains_of(problem, take_tasks(end, index), found, reached)
        best, which = gain.max(1)
        rounds = _noted(rounds, moves, gain)
        won = (best > LEAST_GAIN).nonzero()[:, 0]
        if len(won):
            chosen = take_tasks(found, won * moves.shape[1] + which[won])
            winners = problem.take(won)
            run = converge(winners, rules, chosen, *to_the_end)
            run, further = _rearranged(winners, rules, run, *to_the_end)
            before = winners.n_collapsed(take_tasks(variables, won))
            kept = run.objective < end.objective[index[won]]
            kept &= winners.n_collapsed(run.variables) <= before
            won, run = won[kept], take_tasks(run, kept)
            n_gains[index[won]] += 1 + further[kept]
            empty = judge.init_state(len(won), problem.n_moves)
            news = (run.variables, empty, Rounds.none(len(won), problem.n_moves))
            variables, state, rounds = _put((variables, state, rounds), won, news)
            _put(end, index[won], run, in_place=True)
    return Explored(end, n_rounds, n_gains, hopes)


def _rearranged(problem, rules, run, n_outer, tol, monitor) -> tuple[Converged, Tensor]:
    """The runs again from where `Problem.rearranged` puts them, and how often that gained."""
    n_gains = torch.zeros(problem.n_tasks, dtype=torch.long)
    active = torch.arange(problem.n_tasks)
    run = map_tensors(torch.clone, run)
    while len(active) and not (monitor is not None and monitor.stopped):
        part = problem.take(active)
        variables, changed = part.rearranged(take_tasks(run.variables, active))
        changed = changed.nonzero()[:, 0]
        active = active[changed]
        if not len(active):
            break
        part = part.take(changed)
        tried = short_runs(part, rules, take_tasks(variables, changed), SHORT_RUN)
        gains = (run.objective[active] - part.objective(tried) > LEAST_GAIN).nonzero()[:, 0]
        active = active[gains]
        if len(active):
            start = take_tasks(tried, gains)
            other = converge(part.take(gains), rules, start, n_outer, tol, monitor)
            _put(run, active, other, in_place=True)
            n_gains[active] += 1
    return run, n_gains


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
    return moves, hope.to(number.dtype), exhausted | ((hope < judge.least_hope) & ~again)


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
