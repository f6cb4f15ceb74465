"""The controls that a learned rule chose, sweep by sweep."""

import numpy as np

from ..estimators.parameters import keep
from ..problems import take_tasks
from ._axes import Display


class ControlsDisplay(Display):
    """The controls that an `LSTMControl` chose over the sweeps.

    A line for each block, the median over its rows, in a band that holds nine tenths of
    them; a panel for each control, with the neutral value, which is the closed-form step, as
    a thin line. The controls of the problem are logarithms of factors.

    Parameters
    ----------
    controls : dict of str to dict of str to array-like of shape (n_steps, n_rows)
        For each control and block what every row got.
    steps_per_sweep : int, default=1
        Inner steps.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes, Figure
        Where the panels are.
    axes_ : dict of str to matplotlib Axes
        The panels.
    lines_ : dict of str to dict of str to matplotlib Line2D
        The medians, by control and block.

    Examples
    --------
    >>> from sklearn_gso.plotting import ControlsDisplay
    >>> display = ControlsDisplay({"momentum": {"U": [[0.0, 0.1], [0.2, 0.3]]}}).plot()
    >>> display.lines_["momentum"]["U"].get_ydata().round(2)
    array([0.05, 0.25])
    """

    def __init__(self, controls, steps_per_sweep=1):
        keep(self, locals())

    @classmethod
    def from_estimator(cls, estimator, X, *, ax=None):
        """Trace the solving of a data set and draw what the rule chose in the best run.

        Parameters
        ----------
        estimator : AlternatingEstimator
            Fitted, with ``rule="control"`` and a learned optimizer.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        ax : matplotlib Axes, default=None

        Returns
        -------
        display : ControlsDisplay

        Raises
        ------
        NotFittedError
        ValueError
            If the estimator has no rule that chooses controls.
        """
        answer = estimator.trace(X)
        deciding = [i for i, run in enumerate(answer.runs) if run.trace.decided]
        if not deciding:
            raise ValueError(
                f"This {type(estimator).__name__} chooses no controls: that takes "
                'rule="control" and a learned optimizer.'
            )
        # The run that weighs most: a classical one decides nothing.
        run = answer.runs[max(deciding, key=lambda i: float(answer.weights[i, 0]))]
        # A trace is of all runs of a batch, which goes on where others do.
        n_sweeps, n_traced = int(run.n_iter[0]), len(run.trace.objective) - 1
        own = run.trace.decided[: len(run.trace.decided) * n_sweeps // n_traced]
        controls: dict = {}
        for decided in own:
            for block, chosen in decided.items():
                for control, values in take_tasks(chosen, 0).items():
                    controls.setdefault(control, {}).setdefault(block, []).append(values[:, 0])
        controls = {
            c: {b: np.stack(v) for b, v in blocks.items()} for c, blocks in controls.items()
        }
        n_steps = max(len(v) for blocks in controls.values() for v in blocks.values())
        return cls(controls, n_steps // n_sweeps).plot(ax)

    def _panels(self):
        return self.controls

    def _draw(self):
        self.lines_ = {control: {} for control in self.controls}
        for control, blocks in self.controls.items():
            panel = self.axes_[control]
            neutral = 1.0 if control == "relaxation" else 0.0
            panel.axhline(neutral, color="k", linewidth=0.8)
            for block, chosen in blocks.items():
                sweeps = np.arange(1, len(chosen) + 1) / self.steps_per_sweep
                (line,) = panel.plot(sweeps, np.median(chosen, axis=1), label=block)
                low, high = np.quantile(chosen, [0.05, 0.95], axis=1)
                panel.fill_between(sweeps, low, high, color=line.get_color(), alpha=0.2)
                self.lines_[control][block] = line
            panel.set(title=control, xlabel="sweeps")
        next(iter(self.axes_.values())).legend()
