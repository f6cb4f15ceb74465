"""What users see: bars, hooks for scikit-learn's callbacks, HTML with the optimizer described."""

import inspect
import sys
import time
import warnings
from contextlib import contextmanager
from html import escape

from sklearn.utils import estimator_html_repr
from tqdm.auto import tqdm

from ..learned_optimizers import LearnedOptimizer
from ..solvers import Monitor

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn < 1.9 has none

    class CallbackSupportMixin:
        """Stands for scikit-learn's, which came with 1.9."""

    def with_callbacks(method):
        return method


_INSIDE = {"sklearn_gso", "sklearn", "joblib"}


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn of the line that called this package, past what scikit-learn puts in between."""
    frame, level = inspect.currentframe(), 1
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] in _INSIDE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def say(line: str) -> None:
    """Write a line to stderr, past bars that are shown."""
    tqdm.write(line, file=sys.stderr)


class Progress:
    """Steps of one solve or fit, shown in a bar on stderr.

    Parameters
    ----------
    verbose : bool, default=False
    """

    def __init__(self, verbose=False):
        self.verbose = bool(verbose)

    @contextmanager
    def phase(self, name, total, unit, bar=True):
        """A function to call after each step of a phase; None if nothing is to be shown or told.

        ``step(loss=None, n=1)`` takes a function that computes the loss, and the
        number of steps; it returns True where the phase should end.

        Parameters
        ----------
        name, unit : str
        total : int or None
            The most steps that there can be.
        bar : bool, default=True
            False where the phase shows a bar of its own.
        """
        hooks, shows = self._hooks(name, total, unit), self.verbose and bar
        if hooks is None and not shows:
            yield None
            return
        with tqdm(total=total, desc=name, unit=unit, disable=not shows) as shown:

            def step(loss=None, n=1):
                if shows:
                    if loss is not None:
                        shown.set_postfix(loss=f"{loss():.4g}", refresh=False)
                    shown.update(n)
                return hooks is not None and hooks.step(loss)

            yield step
            if shows and total and shown.n < total:  # less than the most, which is no failure
                shown.set_postfix_str(f"{shown.postfix or ''}, done".lstrip(", "), refresh=False)
        if shows and hasattr(shown, "container"):  # of a notebook, which makes such bars red
            shown.container.children[1].bar_style = "success"  # `display` leaves red what is red
        if hooks is not None:
            hooks.end()

    def _hooks(self, name, total, unit):
        return None


class FitProgress(Progress):
    """Also tells the callbacks of an estimator, where scikit-learn has any.

    A fit is a tree of tasks: the fit itself, its phases, their steps. The hook at the end of
    a step is given ``metadata={"loss": ...}`` and ends the phase by returning True.
    """

    def __init__(self, estimator, X, y=None):
        super().__init__(estimator.verbose)
        self.root, self.arguments = None, {"estimator": estimator, "X": X, "y": y}
        if hasattr(estimator, "set_callbacks"):
            self.root = estimator._init_callback_context(max_subtasks=None)
            self.root.call_on_fit_task_begin(**self.arguments)

    def _hooks(self, name, total, unit):
        return None if self.root is None else _Hooks(self.root, name, total, unit, self.arguments)

    def end(self):
        """The fit is done; the estimator is fitted."""
        if self.root is not None:
            self.root.call_on_fit_task_end(**self.arguments, reconstruction_attributes={})


class _Hooks:
    """A phase as scikit-learn's callbacks see it."""

    def __init__(self, root, name, total, unit, arguments):
        self.context = root.subcontext(name, max_subtasks=total)
        self.unit, self.arguments = unit, arguments
        self.context.call_on_fit_task_begin(**arguments)

    def step(self, loss):
        # The engine tells of a step once it is done.
        leaf = self.context.subcontext(self.unit).call_on_fit_task_begin(**self.arguments)
        metadata = loss and (lambda: {"loss": loss()})
        return leaf.call_on_fit_task_end(**self.arguments, metadata=metadata)

    def end(self):
        self.context.call_on_fit_task_end(**self.arguments)


class ShowsOptimizer:
    """An estimator whose HTML form is scikit-learn's and its optimizer's description."""

    @property
    def _repr_html_(self):
        shown = super()._repr_html_  # raises where diagrams are switched off
        return self._html if shown else shown

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] = self._html()
        return bundle

    def _html(self) -> str:
        return estimator_html_repr(self) + self._describe_optimizer()

    def _describe_optimizer(self) -> str:
        if "optimizer" not in self.get_params(deep=False):
            return ""
        fitted = hasattr(self, "learned_optimizer_")
        optimizer = self.learned_optimizer_ if fitted else self.optimizer
        if isinstance(optimizer, LearnedOptimizer):
            return optimizer._repr_html_()
        if optimizer is None:
            return "<p>No learned optimizer: untrained.</p>"
        return f"<p>Learned optimizer: {escape(str(optimizer))}, described once fitted.</p>"


def limited(step, seconds: float | None) -> Monitor | None:
    """A monitor that shows a step, if there is anything to show it, and ends after some seconds."""
    if seconds is None:
        return step and Monitor(step)
    end = time.monotonic() + seconds
    return Monitor(lambda value: bool(step and step(value)) or time.monotonic() > end)
