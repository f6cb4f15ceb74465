"""Adam with clipping, an average of the weights, validation and the best checkpoint."""

import copy
import math
import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from tqdm.auto import tqdm

from .checkpoints import Checkpoint
from .processes import add_up, n_processes, rank


class History(list):
    """A list of dicts, one for each training step.

    Each holds ``step``, ``loss`` and, where it was computed, ``validation``. Where there is
    something to validate on, the start's validation stands first, as step -1 without a loss.

    Attributes
    ----------
    n_skipped : int
        Steps whose loss or gradient was not finite; they changed nothing.
    """

    n_skipped = 0

    @property
    def n_steps(self) -> int:
        """How many training steps there were."""
        return sum(record["step"] >= 0 for record in self)

    @property
    def before(self) -> float | None:
        """Validation of the start; None where nothing was validated."""
        return next((r["validation"] for r in self if r["step"] < 0), None)

    @property
    def best_trained(self) -> float | None:
        """The best validation after a step; None where nothing was validated."""
        values = [r["validation"] for r in self if "validation" in r and r["step"] >= 0]
        return min(values, key=_nan_last, default=None)

    @property
    def after(self) -> float | None:
        """Validation of what was kept, the best; None where nothing was validated."""
        values = [value for value in (self.before, self.best_trained) if value is not None]
        return min(values, key=_nan_last, default=None)

    @property
    def kept_the_start(self) -> bool:
        """Whether no checkpoint validated better than the start."""
        if self.before is None or self.best_trained is None:
            return False
        return not self.best_trained < _nan_last(self.before)


def _nan_last(value: float) -> float:
    return math.inf if math.isnan(value) else value


@dataclass(eq=False)
class Trainer:
    """A training run: Adam, equation (10), with clipping, averaging and the best checkpoint."""

    modules: list[nn.Module]  # trained in place
    learning_rate: float = 1e-3
    anneal: bool = False  # whether the rate falls to zero along a cosine
    averaging: float = 0.0  # decay of the average of the weights that is validated and kept
    clip: float = 1.0  # largest norm of a gradient
    validate_every: int = 10  # steps
    verbose: bool = False  # whether a bar is shown
    # Written every few seconds and at the end. Its parts must hold all that the steps draw from
    # or change.
    checkpoint: Checkpoint | None = None
    on_step: Callable[[dict], Any] | None = None  # training ends where it returns True
    summed: bool = False  # whether the terms of several processes add up; if not, each has all

    def __post_init__(self):
        self.parameters = [p for m in self.modules for p in m.parameters()]
        self.adam = torch.optim.Adam(self.parameters, lr=self.learning_rate)
        self.average, self.n_averaged = self.weights(), 0
        self.best, self.best_value = self.weights(), math.inf
        self.history, self.n_done = History(), 0

    def state_dict(self) -> dict:
        """All that changes from step to step, for a `Checkpoint`."""
        moments = self.adam.state_dict()["state"]
        return {
            "n_done": self.n_done,
            "modules": [m.state_dict() for m in self.modules],
            "average": self.average,
            "n_averaged": self.n_averaged,
            "best": self.best,
            "best_value": self.best_value,
            "adam": [moments.get(i, {}) for i in range(len(self.parameters))],
            "history": list(self.history),
            "n_skipped": self.history.n_skipped,
        }

    def load_state_dict(self, state) -> None:
        self.restore(_tensors(state["modules"]))
        self.average, self.n_averaged = _tensors(state["average"]), state["n_averaged"]
        self.best, self.best_value = _tensors(state["best"]), state["best_value"]
        moments = {i: one for i, one in enumerate(_tensors(state["adam"])) if one}
        self.adam.load_state_dict({**self.adam.state_dict(), "state": moments})
        self.history[:] = map(dict, state["history"])
        self.history.n_skipped = operator.index(state["n_skipped"])
        self.n_done = operator.index(state["n_done"])

    def weights(self) -> list[dict]:
        """Copies of the modules' weights."""
        return [copy.deepcopy(module.state_dict()) for module in self.modules]

    def restore(self, weights):
        for module, state in zip(self.modules, weights, strict=True):
            module.load_state_dict(state)

    def update(self, loss_terms) -> float | None:
        """Adam on the sum of the terms' gradients; None if it had to be skipped.

        Terms are back-propagated one after the other, to hold one graph at a time.
        """
        self.adam.zero_grad()
        total = 0.0
        for term in loss_terms:
            term.backward()
            total += float(term.detach())
        total = self._of_all(total)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.clip)
        if not (math.isfinite(total) and torch.isfinite(norm)):
            self.history.n_skipped += 1
            return None
        self.adam.step()
        self.n_averaged += 1
        # Young averages forget faster, or they would remember the first weights.
        decay = min(self.averaging, self.n_averaged / (self.n_averaged + 10))
        for module, average in zip(self.modules, self.average, strict=True):
            for key, value in module.state_dict().items():
                average[key].lerp_(value, 1 - decay)
        return total

    def _of_all(self, total: float) -> float:
        """The sum over the processes, of gradients, too."""
        if not self.summed or n_processes() == 1:
            return total
        gradients = []
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
        loss = torch.tensor(total, dtype=torch.float64)
        add_up([loss, *gradients])
        return float(loss)

    def check(self, validate) -> float:
        """Validate the averaged weights and keep them if they are the best."""
        trained = self.weights()
        self.restore(self.average)
        value = validate()
        self.restore(trained)
        if value < self.best_value:
            self.best, self.best_value = copy.deepcopy(self.average), value
        return value

    def run(self, n_steps, step, validate=None, what="") -> History:
        """Call ``step(i)``, which returns the losses of its updates, ``n_steps`` times.

        The modules end with the averaged weights of the lowest ``validate()``, or with
        the last ones without it. Ctrl-C ends the run early in the same way.
        """
        if self.checkpoint:
            self.checkpoint.parts["training"] = self
            self.checkpoint.restore_all()
        shown = {"disable": not self.verbose or rank() > 0, "desc": what, "unit": "step"}
        bar = tqdm(range(self.n_done, n_steps), initial=self.n_done, total=n_steps, **shown)
        try:
            if validate and not self.history:
                self.history.append({"step": -1, "validation": self.check(validate)})
            for i in bar:
                record = self._record(i, n_steps, step, validate)
                bar.set_postfix({k: f"{v:.4g}" for k, v in record.items() if k != "step"})
                if self.on_step is not None and self.on_step(record):
                    break
        except KeyboardInterrupt:
            message = f"{what} interrupted; keeping the best weights so far"
            tqdm.write(message, file=sys.stderr)
        self.restore(self.best if validate else self.average)
        return self.history

    def _record(self, i, n_steps, step, validate) -> dict:
        """One step, and what there is to say of it."""
        if self.anneal:
            cosine = 0.5 * (1 + math.cos(math.pi * i / n_steps))
            self.adam.param_groups[0]["lr"] = self.learning_rate * cosine
        losses, last = step(i), i + 1 == n_steps
        record = {"step": i, "loss": sum(losses) / len(losses) if losses else math.nan}
        if validate and ((i + 1) % self.validate_every == 0 or last):
            record["validation"] = self.check(validate)
        self.history.append(record)
        self.n_done = i + 1
        if self.checkpoint and rank() == 0:
            self.checkpoint.write(now=last)
        return record


def _tensors(states) -> list[dict]:
    """Copies, as tensors, of the arrays that a checkpoint holds."""
    return [{key: torch.tensor(array) for key, array in one.items()} for one in states]
