"""Results as lines of one CSV that is only ever appended to.

A line is one instance of one cell by one method. What is there is not run again, so a run
that was killed goes on where it was; a line torn by the kill is dropped when read. The
error is a relative error, of mixtures a negative log-likelihood per sample; curves and
centres of the figures are cells whose instances count along them.
"""

import csv
import io
import os
import platform
import time
from pathlib import Path

import numpy as np
import scipy
import sklearn
import torch

import sklearn_gso

FIELDS = (
    "cell",
    "method",
    "settings",
    "instance",
    "error",
    "seconds",
    "threads",
    "machine",
    "versions",
    "when",
    "filled",
)
KEY = FIELDS[:4]
NUMBERS = ("error", "seconds", "filled")
_PACKAGES = (sklearn_gso, torch, np, scipy, sklearn)
RESULTS = Path(__file__).parent / "results"


class Store:
    """The results in one file.

    Parameters
    ----------
    path : path-like
        Made with its folder if it is not there.
    """

    def __init__(self, path=RESULTS / "results.csv"):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.rows, self._keys, self._lines = [], set(), {}
        self._keep(self._read())

    def _keep(self, rows):
        for row in rows:
            key = tuple(row[name] for name in KEY)
            if key in self._keys:  # of two processes that solved the same, or a merge
                continue
            self.rows.append(row)
            self._keys.add(key)
            self._lines.setdefault((row["cell"], row["method"]), []).append(row)

    def _read(self):
        if not self.path.exists():
            return
        whole, newline, torn = self.path.read_bytes().rpartition(b"\n")
        if torn:  # nothing must be appended to it
            with open(self.path, "r+b") as file:
                file.truncate(len(whole + newline))
        for row in csv.DictReader(io.StringIO(whole.decode())):
            if all(row.get(name) is not None for name in FIELDS):
                numbers = {name: float(row[name]) if row[name] else None for name in NUMBERS}
                yield {**row, **numbers}

    def has(self, cell, method, settings, instance) -> bool:
        return (cell, method, settings, str(instance)) in self._keys

    def add(self, cell, method, settings, found, threads=1):
        """Write instances in one go: ``(number, error, seconds)`` each, and ``filled`` if any.

        ``filled`` is the error of the matrix in which the observed entries are kept.
        """
        common = {
            "cell": cell,
            "method": method,
            "settings": settings,
            "threads": str(threads),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "versions": ", ".join(f"{m.__name__} {m.__version__}" for m in _PACKAGES),
            "when": time.strftime("%Y-%m-%d %H:%M"),
        }
        rows = [
            {
                **common,
                "instance": str(i),
                "error": float(f"{error:.6g}"),
                "seconds": round(s, 5),
                "filled": float(f"{filled[0]:.6g}") if filled else "",
            }
            for i, error, s, *filled in found
        ]
        text = io.StringIO()
        writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
        if not self.path.exists() or not self.path.stat().st_size:
            writer.writeheader()
        writer.writerows(rows)
        with open(self.path, "ab") as file:  # one write: several processes may append
            file.write(text.getvalue().encode())
        self._keep(
            {**row, "filled": None if row["filled"] == "" else row["filled"]} for row in rows
        )

    def errors(self, cell, method, settings=None, what="error") -> dict[int, float]:
        """Error by instance; of the settings that were stored last if none are named."""
        found = self._found(cell, method, settings).items()
        return {i: row[what] for i, row in found if row[what] is not None}

    def seconds(self, cell, method, settings=None) -> float:
        """Median seconds an instance."""
        found = [row["seconds"] for row in self._found(cell, method, settings).values()]
        return float(np.median(found)) if found else float("nan")

    def _found(self, cell, method, settings):
        rows = self._lines.get((cell, method), [])
        if rows and settings is None:
            settings = rows[-1]["settings"]
        return {int(r["instance"]): r for r in rows if r["settings"] == settings}
