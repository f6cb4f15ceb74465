"""How far a fit or a solve has come: bars for the user, hooks for scikit-learn's callbacks."""

from contextlib import contextmanager

from tqdm.auto import tqdm

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn < 1.9 has none

    class CallbackSupportMixin:
        """Stands for scikit-learn's, which came with 1.9."""

    def with_callbacks(method):
        return method


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
        """A function to call after each step of a phase; None if nobody looks on.

        ``step(loss=None, n=1)`` takes a function that finds the loss, and the number of
        steps; it returns True where the phase should end.

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
            shown.total = shown.n  # often less than the most
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
