"""What notebooks show: estimators with what their optimizer was trained on."""

from html import escape

from sklearn.utils import estimator_html_repr

from .learned_optimizer import LearnedOptimizer


def describe(optimizer: LearnedOptimizer) -> str:
    """The description of an optimizer as an HTML table.

    Descriptions come from files that others wrote: nothing in them is taken for HTML.
    """
    return (
        f"<details open><summary>{escape(repr(optimizer))}</summary>"
        f"{_table(optimizer.description)}</details>"
    )


def _table(entries: dict) -> str:
    rows = "".join(
        f'<tr><th style="text-align: left">{escape(str(key))}</th>'
        f'<td style="text-align: left">{_cell(value)}</td></tr>'
        for key, value in entries.items()
    )
    return f"<table><tbody>{rows}</tbody></table>"


def _cell(value) -> str:
    if isinstance(value, dict):
        return f"<details><summary>{len(value)} entries</summary>{_table(value)}</details>"
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return escape(str(value))


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
        fitted = hasattr(self, "learned_optimizer_")
        optimizer = self.learned_optimizer_ if fitted else self.optimizer
        if isinstance(optimizer, LearnedOptimizer):
            return describe(optimizer)
        if optimizer is None:
            return "<p>No learned optimizer: untrained.</p>"
        return f"<p>Learned optimizer: {escape(str(optimizer))}, described once fitted.</p>"
