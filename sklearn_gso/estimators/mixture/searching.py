"""From starts to the best known optimum of each task of a batch."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...learned_optimizers import LearnedOptimizer
from ...problems import MixtureFreeEnergy, MixtureIncomplete, map_tensors, new_generator, take_tasks
from ...problems.mixture_likelihood import PARAMETERS
from ...problems.trees import Variables, where_tasks
from ...rules import ClosedForm, RandomJudge
from ...rules.judges import judge_of
from ...solvers import Monitor, Run, explore, minimize, rules_for
from ...solvers.local_search import SHORT_RUN, Explored
from ...solvers.multistart import best_of_starts
from ...solvers.outcome import joined
from ...solvers.run import in_batches
from .initialisation import STARTS, clustered, from_responsibilities, in_own_order
from .screening import screened
from .splitting import at

# Chances of a gain, as the judge sees it, above which an optimum is mistrusted: for the
# first, second and third attempt more. A search of more rounds than _LONG has had its time.
_UNSURE = (0.8, 0.95, 0.99)
_LONG = 20
# Estimated covariances adapt to most optima: a round costs more and brings less. It tries more
# moves, by shorter runs: halves of a component's samples begin near to where they end.
_MIN_HOPE_ESTIMATED, _N_REPEATED_ESTIMATED, N_TRIED_ESTIMATED = 0.5, 1, 16
SHORT_RUN_ESTIMATED = 6
# Nats a sample that a step of EM gains where moves are tried and starts compared, and samples up to
# which that saves time: of more, a gain of one component among many is lost in it.
_TOL_ESTIMATED, _FEW_SAMPLES = 1e-3, 1000
# Nats a sample that EM hardly gains after some sweeps.
_SLACK = 0.2


@dataclass(frozen=True)
class Search:
    """Starts, EM, and non-local moves where a judge orders them.

    Parameters
    ----------
    plan : MixturePlan
    given : dict of str to Tensor
        Parameters to start at.
    seed : int
        Start number i has a generator of its own, whatever the number of starts.
    monitor : Monitor, optional
    """

    plan: Any
    given: dict[str, Tensor]
    seed: int
    monitor: Monitor | None = None

    def best_known(self, problem: MixtureFreeEnergy) -> Explored:
        """The best optimum of each task that starts and moves lead to."""
        # Where the centres are given all starts are the same.
        is_given = bool(self.given.keys() & {"means", "responsibilities"})
        part, n_starts = screened(problem), 1 if is_given else self.plan.n_init
        if part is problem:
            records = list(self._records(problem, n_starts))
            in_haste = self.plan.judge is not None and self._tol(problem) > self.plan.tol
            if not in_haste:
                return records[-1]
            return self._to_the_end(problem, records)
        if not is_given:
            return self._on_all(problem, self._records(part, n_starts))
        # There is one start to tell from no other: all samples go on from it, some judge moves.
        run = self.converged(problem, self.starts(problem, 0, 1), monitor=self.monitor)
        first = _unexplored(run)
        if self.plan.judge is None or not problem.n_moves:
            return first
        reached = dict(zip(PARAMETERS, problem.parameters(run.variables), strict=True))
        return self._on_all(problem, replace(self, given=reached)._records(part, 1), first)

    def _records(self, problem, n_starts) -> Iterator[Explored]:
        """What starts and moves lead to, the first start by EM alone, then ever better ones."""
        if self.plan.judge is None:
            return self._runs(problem, n_starts)
        if "covariances" not in problem.fixed:
            return self._walked(problem, n_starts)
        return self._attempted(problem, n_starts)

    def _on_all(self, problem, records, best: Explored | None = None) -> Explored:
        """The best of what EM makes, with all samples, of what was found with some.

        The first record is the first start, run by EM alone: no number of starts and no moves
        then end higher than that; nor than what is known to be ``best``.
        """
        records = list(records)  # what the search takes is then free for all the samples
        for record, later in zip(records, [*records[1:], None], strict=True):
            if later and torch.equal(record.run.objective, later.run.objective):
                continue
            start = at(problem, problem.parameters(record.run.variables))
            run = self.converged(problem, start, monitor=self.monitor)
            news = record._replace(run=run)
            if best is not None:
                better = is_better(problem, run, best.run).nonzero()[:, 0]
                news = _replaced(best, better, take_tasks(news, better))
            best = news._replace(n_rounds=record.n_rounds)
        assert best is not None
        return best

    def _to_the_end(self, problem, records) -> Explored:
        """The best of what EM makes of the records of a search in haste, all in one batch.

        The first is the first start, run by EM alone: see `_on_all`.
        """
        runs = [records[0].run]
        for record in records[1:]:
            if not torch.equal(record.run.objective, runs[-1].objective):
                runs.append(record.run)
        n, hasty = len(runs), joined(runs)
        many = problem.repeat(n) if n > 1 else problem
        n_left = 0 if self._stopped else self.plan.max_iter - int(hasty.n_iter.min())
        run = self.converged(many, hasty.variables, monitor=self.monitor, max_iter=n_left)
        run = run._replace(n_iter=run.n_iter + hasty.n_iter)
        best = best_of_starts(run.objective, n, many.n_collapsed(run.variables))
        return records[-1]._replace(run=take_tasks(run, best))

    def starts(self, problem, first: int, n: int) -> Variables:
        """Starts number ``first`` to ``first + n``, those of all tasks side by side."""
        seeds = np.random.RandomState(self.seed).randint(2**31 - 1, size=first + n)[first:]
        generators = [new_generator(seed) for seed in seeds]
        if isinstance(problem, MixtureIncomplete):
            return self._completed_starts(problem, first, n)
        if "responsibilities" in self.given:
            return joined([from_responsibilities(problem, self.given)] * n)
        if self._from_clusters(problem):
            return clustered(problem, generators, self.given)
        kind = self.plan.init_params
        if kind is None:
            kind = "random" if "covariances" in problem.fixed else "matched"
        return joined([STARTS[kind](problem, g, self.given) for g in generators])

    def _completed_starts(self, problem: MixtureIncomplete, first: int, n: int) -> Variables:
        """Starts on estimates of samples with holes or noise."""
        given = in_own_order(problem, self.given)
        found = replace(self, given=given).starts(problem.completed(), first, n)
        repeated: Any = problem.repeat(n)
        return repeated.start_at(found, () if self._from_clusters(problem) else given)

    def _from_clusters(self, problem) -> bool:
        """Whether starts have already been through a few sweeps of EM."""
        known = problem.fixed.keys() | self.given.keys()
        if "responsibilities" in known:
            return False
        return self.plan.init_params in (None, "matched") and not (
            "covariances" in problem.fixed or "means" in known
        )

    def converged(self, problem, variables, **more) -> Run:
        rules, plan = rules_for(problem, ClosedForm()), self.plan
        options = {"tol": plan.tol, "safeguard": "none", "max_iter": plan.max_iter, **more}
        return minimize(problem, rules, variables, **options)

    def _runs(self, problem, n_starts) -> Iterator[Explored]:
        """Every start run to convergence: the best of the first one, of the first two, ..."""
        variables = self.starts(problem, 0, n_starts)
        many = problem.repeat(n_starts) if n_starts > 1 else problem
        run = self.converged(many, variables, monitor=self.monitor)
        collapsed = many.n_collapsed(run.variables)
        for n in range(1, n_starts + 1):
            first = slice(0, n * problem.n_tasks)
            best = best_of_starts(run.objective[first], n, collapsed[first])
            yield _unexplored(take_tasks(run, best))

    def _walked(self, problem, n_starts) -> Iterator[Explored]:
        """The first start, with moves; a later one where it leads further down than all before.

        What is done with a start depends on those before it alone, so more starts never
        end higher. Every better answer is yielded as it is found.
        """
        n_tasks, variables = problem.n_tasks, self.starts(problem, 0, n_starts)
        first = variables if n_starts == 1 else take_tasks(variables, slice(0, n_tasks))
        run = self.converged(problem, first, monitor=self.monitor, tol=self._tol(problem))
        yield _unexplored(run)
        best = self._explored(problem, run, 0)
        yield best
        if n_starts == 1:
            return
        n_sweeps = 0 if self._from_clusters(problem) else SHORT_RUN
        short = _short_runs(problem, variables, n_starts, n_sweeps)
        lowest = take_tasks(short, slice(0, n_tasks))
        for i in range(1, n_starts):
            mine = take_tasks(short, slice(i * n_tasks, (i + 1) * n_tasks))
            record = is_better(problem, mine, lowest)
            lowest = where_tasks(record, mine, lowest)
            hopeful = record & (mine.objective < best.run.objective + _SLACK)
            which = hopeful.nonzero()[:, 0]
            if len(which) and not self._stopped:
                best = self._rivalled(problem, best, which, take_tasks(mine, which), i)
                yield best

    def _rivalled(self, problem, best, which, start, number) -> Explored:
        """A start of some tasks to the end, and on by moves where it is better there."""
        part = problem.take(which)
        run = self.converged(part, start.variables, monitor=self.monitor, tol=self._tol(part))
        better = is_better(part, run, take_tasks(best.run, which)).nonzero()[:, 0]
        if not len(better):
            return best
        news = self._explored(part.take(better), take_tasks(run, better), number)
        return _replaced(best, which[better], news)

    def _attempted(self, problem, n_starts) -> Iterator[Explored]:
        """The best of the starts, with moves, and again where the judge still has hope."""
        run = self._attempt(problem, n_starts, 0)
        yield _unexplored(run)
        best = self._explored(problem, run, 0)
        yield best
        if n_starts == 1:
            return
        for number, most in enumerate(_UNSURE, start=1):
            unsure = ((best.hope > most) & (best.n_rounds <= _LONG)).nonzero()[:, 0]
            if not len(unsure) or self._stopped:
                break
            given = {name: value[unsure] for name, value in self.given.items()}
            again = Search(self.plan, given, self.seed, self.monitor)
            part = problem.take(unsure)
            other = again._explored(part, again._attempt(part, n_starts, number), number)
            better = (other.run.objective < best.run.objective[unsure]).nonzero()[:, 0]
            best.n_rounds.index_add_(0, unsure, other.n_rounds)
            n_rounds = best.n_rounds
            best = _replaced(best, unsure[better], take_tasks(other, better))
            best = best._replace(n_rounds=n_rounds)
            yield best

    def _attempt(self, problem, n_starts, number) -> Run:
        """The best of some new starts, run to convergence."""
        variables = self.starts(problem, number * n_starts, n_starts)
        if n_starts > 1:
            short = _short_runs(problem, variables, n_starts, SHORT_RUN)
            variables = take_tasks(short.variables, best_of_starts(short.objective, n_starts))
        return self.converged(problem, variables, monitor=self.monitor)

    def _tol(self, problem) -> float:
        """The tolerance of runs from which moves are tried, before the best go on."""
        is_given = bool(self.given.keys() & {"means", "responsibilities"})
        if is_given or "covariances" in problem.fixed or problem.n_samples > _FEW_SAMPLES:
            return self.plan.tol
        return max(self.plan.tol, _TOL_ESTIMATED)

    @property
    def _stopped(self) -> bool:
        return self.monitor is not None and self.monitor.stopped

    def _explored(self, problem, run: Run, number: int) -> Explored:
        """Non-local moves from where a run ended."""
        plan = self.plan
        if not problem.n_moves or not run.objective.isfinite().all():
            return _unexplored(run)
        generator = new_generator(self.seed + number)
        if isinstance(plan.judge, LearnedOptimizer):
            judge = _built(plan.judge, problem.judge_name)
        else:
            judge = RandomJudge(generator)
        rules = rules_for(problem, ClosedForm())
        tol = self._tol(problem)
        more: dict = {"max_rounds": plan.max_rounds, "monitor": self.monitor}
        if tol > plan.tol:
            more["min_gain"] = tol
        if "covariances" not in problem.fixed:
            more["n_short"] = SHORT_RUN_ESTIMATED
        return explore(problem, rules, run, judge, generator, plan.max_iter, tol, **more)


def moves_as_searched(problem) -> dict[str, int]:
    """Sweeps after a move and moves of a round, where they are not the engine's."""
    if "covariances" in problem.fixed:
        return {}
    return {"n_short": SHORT_RUN_ESTIMATED, "n_tried": N_TRIED_ESTIMATED}


def _short_runs(problem, variables, n_starts, n_sweeps) -> Run:
    """Every start after a short run; no more of them at once than are fast."""
    each, parts = torch.arange(problem.n_tasks).repeat(n_starts), []
    rules = rules_for(problem, ClosedForm())
    for runs in in_batches(problem, torch.arange(len(each))):
        part, start = problem.take(each[runs]), take_tasks(variables, runs)
        parts.append(minimize(part, rules, start, n_sweeps, safeguard="none"))
    return joined(parts)


def _unexplored(run: Run) -> Explored:
    """A run before any move."""
    none = torch.zeros(len(run.objective), dtype=torch.long)
    return Explored(run, none, none.clone(), none.to(torch.float64))


def is_better(problem, one: Run, other: Run) -> Tensor:
    """Whether a run is sounder than another, or as sound and lower, (T,)."""
    mine, theirs = (problem.n_collapsed(run.variables) for run in (one, other))
    lower = one.objective.nan_to_num(nan=torch.inf) < other.objective
    return (mine < theirs) | ((mine == theirs) & lower)


def _replaced(best: Explored, where: Tensor, news: Explored) -> Explored:
    return map_tensors(lambda old, new: old.index_copy(0, where, new), best, news)


@lru_cache(maxsize=8)
def _built(optimizer, name):
    """The judge of an optimizer; both are immutable, and building takes milliseconds."""
    judge = judge_of(optimizer.rules(), name)
    if name == "estimated":
        judge.min_hope, judge.n_repeated = _MIN_HOPE_ESTIMATED, _N_REPEATED_ESTIMATED
        judge.n_tried = N_TRIED_ESTIMATED
    return judge
