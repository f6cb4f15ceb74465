"""What notebooks show of a learned optimizer. Descriptions come from files that others wrote."""

import re
from html import escape


def as_html(title: str, description: dict) -> str:
    """A description as a table under its title; nothing in either is taken for HTML."""
    return f"<details open><summary>{escape(title)}</summary>{_table(description)}</details>"


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
    if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value):
        value = value[:12] + "..."  # a digest, of which the beginning tells
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return escape(str(value))
