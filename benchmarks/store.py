"""Results as lines of one CSV that is only ever appended to.

A line is one instance of one cell by one method. What is there is not run again, so a run
that was killed goes on where it was; a line torn by the kill is dropped when read. The
error is a relative error, of mixtures a negative log-likelihood per sample; curves and
centres of the figures are cells whose instances count along them.
"""

import io
import os
import platform
import time
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
import sklearn
import torch

import sklearn_gso

KEY = ["cell", "method", "settings", "instance"]
FIELDS = [*KEY, "error", "seconds", "threads", "machine", "versions", "when", "filled"]
_TYPES = {"instance": int, "error": float, "seconds": float, "filled": float}
_PACKAGES = (sklearn_gso, torch, np, scipy, sklearn)
RESULTS = Path(__file__).parent / "results"


class Store:
    """The results in one file.

    Parameters
    ----------
    path : path-like
        Made with its folder if it is not there.
    fresh : bool, default=False
        Whether what was there before counts as not run; new results supersede it.

    Attributes
    ----------
    frame : DataFrame
        A row for each instance of each cell by each method with each of its settings.
    """

    def __init__(self, path=RESULTS / "results.csv", fresh=False):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._read, self._run = set(), set()  # cells by method and settings
        self._keep(self._lines())
        self._outdated = set(self._keys) if fresh else set()

    def _lines(self) -> pd.DataFrame:
        whole, newline, torn = b"", b"", b""
        if self.path.exists():
            whole, newline, torn = self.path.read_bytes().rpartition(b"\n")
        if torn:  # nothing must be appended to it
            with open(self.path, "r+b") as file:
                file.truncate(len(whole + newline))
        whole = whole or ",".join(FIELDS).encode()
        options = {"dtype": str, "keep_default_na": False, "on_bad_lines": "skip"}
        return pd.read_csv(io.BytesIO(whole), **options).dropna()  # of lines cut short

    def _keep(self, frame):
        frame = frame.replace({"filled": {"": "nan"}}).astype(_TYPES)
        # Of what two processes solved, or was solved afresh, the newest counts.
        self.frame = frame.drop_duplicates(KEY, keep="last", ignore_index=True)
        self._keys = set(self.frame[KEY].itertuples(index=False, name=None))
        self._groups = self.frame.groupby(KEY[:2], sort=False).indices

    def has(self, cell, method, settings, instance) -> bool:
        """Whether an instance need not be run."""
        key = (cell, method, settings, instance)
        there = key in self._keys and key not in self._outdated
        if there:
            self._read.add(key[:3])
        return there

    def has_some(self, cell, method, beginning) -> bool:
        """Whether there is something of settings with this beginning."""
        keys = (k for k in self._keys if k[:2] == (cell, method) and k[2].startswith(beginning))
        return any(self.has(*key) for key in keys)

    def add(self, cell, method, settings, results):
        """Write instances in one go: ``(number, error, seconds)`` each, and ``filled`` if any.

        ``filled`` is the error of the matrix in which the observed entries are kept.
        """
        rows = [
            (
                int(i),
                float(f"{error:.6g}"),
                round(float(s), 5),
                float(f"{(*filled, np.nan)[0]:.6g}"),
            )
            for i, error, s, *filled in results
        ]
        new = pd.DataFrame(rows, columns=list(_TYPES)).assign(
            cell=cell,
            method=method,
            settings=settings,
            threads="1",
            machine=f"{platform.machine()}, {os.cpu_count()} cores",
            versions=", ".join(f"{m.__name__} {m.__version__}" for m in _PACKAGES),
            when=time.strftime("%Y-%m-%d %H:%M"),
        )[FIELDS]
        first = not self.path.exists() or not self.path.stat().st_size
        text = new.to_csv(index=False, header=first, lineterminator="\n")
        with open(self.path, "ab") as file:  # one write: several processes may append
            file.write(text.encode())
        self._keep(pd.concat([self.frame, new]) if len(self.frame) else new)
        self._outdated -= set(new[KEY].itertuples(index=False, name=None))
        self._run.add((cell, method, settings))

    def errors(self, cell, method, settings=None) -> pd.Series:
        """Error by instance; of the settings that were stored last if none are named."""
        lines = self.frame.iloc[self._groups.get((cell, method), [])]
        if len(lines) and settings is None:
            settings = lines["settings"].iloc[-1]
        return lines[lines["settings"] == settings].set_index("instance")["error"]

    @property
    def latest(self) -> pd.DataFrame:
        """The rows of each cell and method with the settings that were stored last."""
        last = self.frame.groupby(KEY[:2], sort=False)["settings"].transform("last")
        return self.frame[self.frame["settings"] == last]

    def joined(self, asked, *columns) -> pd.DataFrame:
        """Results of cells, methods and settings that are asked for, with further columns.

        Parameters
        ----------
        asked : iterable of tuples
            The further columns, cell, method, settings.
        """
        asked = pd.DataFrame(asked, columns=[*columns, *KEY[:3]])
        return asked.merge(self.frame, on=KEY[:3])

    def said(self, only_read=False) -> str:
        """How many cells were read and run since this was last asked."""
        n_run, n_read = len(self._run), len(self._read - self._run)
        self._run, self._read = set(), set()
        name = os.path.relpath(self.path)
        if only_read:
            return f"read {self.frame.groupby(KEY[:3]).ngroups} cells of {name}"
        parts = [f"ran {n_run} cells"] if n_run else []
        parts += [f"read {n_read} cells of {name}; --fresh runs them again"] if n_read else []
        return ", ".join(parts) or "nothing to run"
