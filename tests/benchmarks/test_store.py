"""The store of the benchmarks: a killed run loses one cell at most and goes on."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import matrices
from benchmarks.__main__ import COMMANDS, main
from benchmarks.cells import Cell
from benchmarks.methods import Method, run_cell
from benchmarks.store import FIELDS, Store

CELL, N = Cell("G", 3, 0.4), 8
# Completes with zeros, tells when it begins, and waits in the middle of instance 5.
RUN = """
import sys, time
import numpy as np
from benchmarks.cells import Cell
from benchmarks.methods import Method, run_cell
from benchmarks.store import Store
begun = []
def solve(matrices, cell):
    begun.append(1)
    print(len(begun), flush=True)
    if len(begun) > 5:
        time.sleep(600)
    return [np.zeros_like(x) for x in matrices]
method = Method(solve, lambda cell: "zeros", in_batch=False)
run_cell(Store(sys.argv[1]), "λ", method, Cell("G", 3, 0.4), 8)
"""


@pytest.fixture
def filled(tmp_path):
    store = Store(tmp_path / "results.csv")
    store.add("a, b", "ALS, λ", "k=1", [(0, 0.25, 1.5), (1, np.inf, 0.1), (2, 1e-12, 2.0)])
    return store


@pytest.mark.slow
def test_a_killed_run_loses_one_cell_and_goes_on(tmp_path):
    path = tmp_path / "results.csv"
    command = [sys.executable, "-c", RUN, str(path)]
    root = Path(__file__).parents[2]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
    with run:
        assert [run.stdout.readline().strip() for _ in range(6)] == list("123456")
        os.kill(run.pid, signal.SIGKILL)
    store, solved = Store(path), []
    assert sorted(store.errors(CELL.data, "λ").index) == list(range(5))

    def solve(matrices, cell):
        solved.append(len(matrices))
        return [np.zeros_like(x) for x in matrices]

    method = Method(solve, lambda cell: "zeros", in_batch=False)
    run_cell(store, "λ", method, CELL, N)
    assert solved == [1, 1, 1]
    again = Store(path)
    assert Counter(again.frame["instance"]) == Counter(range(N))
    assert again.errors(CELL.data, "λ").to_dict() == dict.fromkeys(range(N), 1.0)  # zeros miss all
    assert list(again.frame) == FIELDS and again.frame.notna().all(axis=None)
    run_cell(again, "λ", method, CELL, N)
    assert len(solved) == 3  # nothing is solved twice


def test_a_line_torn_anywhere_is_dropped(filled):
    """Also in the middle of a character, and of the header."""
    whole = filled.path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    characters = [i + 1 for i, byte in enumerate(whole) if byte == "λ".encode()[0]]
    near = {end + i for end in ends for i in (-1, 0, 1)} - {len(whole), len(whole) + 1}
    for cut in sorted({*range(0, len(whole), 23), *near, *characters}):
        filled.path.write_bytes(whole[:cut])
        kept = Store(filled.path)
        assert len(kept.frame) == max(0, sum(end <= cut for end in ends) - 1)
        kept.add("new", "ALS, λ", "k=1", [(0, 0.5, 1.0)])
        again = Store(filled.path)
        assert again.errors("new", "ALS, λ").to_dict() == {0: 0.5}
        pd.testing.assert_frame_equal(again.frame, kept.frame)


def test_what_is_read_is_what_was_written(filled):
    again = Store(filled.path)
    pd.testing.assert_frame_equal(again.frame, filled.frame)
    assert again.errors("a, b", "ALS, λ").to_dict() == {0: 0.25, 1: np.inf, 2: 1e-12}
    assert matrices.latest(again).loc[("ALS, λ", "a, b"), "seconds"] == 1.5
    assert again.has("a, b", "ALS, λ", "k=1", 2)
    assert not again.has("a, b", "ALS, λ", "k=2", 2)


def test_settings_are_kept_apart_and_the_last_ones_count(filled):
    filled.add("a, b", "ALS, λ", "k=2", [(0, 0.5, 1.0)])
    assert filled.errors("a, b", "ALS, λ").to_dict() == {0: 0.5}
    assert filled.latest["error"].to_list() == [0.5]
    assert len(filled.errors("a, b", "ALS, λ", "k=1")) == 3


def test_two_stores_append_to_one_file(filled):
    other = Store(filled.path)
    for i in range(20):
        (filled, other)[i % 2].add("both", "ALS", "", [(i, float(i), 0.0)])
    both = Store(filled.path).errors("both", "ALS")
    assert both.to_dict() == {i: float(i) for i in range(20)}


def test_of_what_two_processes_both_solved_the_newest_counts(filled):
    lines = filled.path.read_text().splitlines(keepends=True)
    filled.path.write_text("".join([*lines, lines[1].replace("0.25", "0.75")]))
    again = Store(filled.path)
    assert len(again.frame) == 3
    assert again.errors("a, b", "ALS, λ")[0] == 0.75


def test_fresh_runs_again_what_is_there_and_supersedes_it(filled):
    assert filled.has("a, b", "ALS, λ", "k=1", 0)
    fresh = Store(filled.path, fresh=True)
    assert not fresh.has("a, b", "ALS, λ", "k=1", 0)
    assert not fresh.has_some("a, b", "ALS, λ", "k")
    fresh.add("a, b", "ALS, λ", "k=1", [(0, 0.125, 1.0)])
    assert fresh.has("a, b", "ALS, λ", "k=1", 0) and not fresh.has("a, b", "ALS, λ", "k=1", 1)
    assert fresh.has_some("a, b", "ALS, λ", "k")
    again = Store(filled.path).errors("a, b", "ALS, λ")
    assert again.to_dict() == {0: 0.125, 1: np.inf, 2: 1e-12}


def test_the_store_says_what_was_read_and_what_was_run(filled):
    again = Store(filled.path)
    assert again.said() == "nothing to run"
    again.has("a, b", "ALS, λ", "k=1", 0), again.has("a, b", "ALS, λ", "k=1", 1)
    again.has("a, b", "ALS, λ", "k=1", 7)  # is not there
    name = os.path.relpath(filled.path)
    assert again.said() == f"read 1 cells of {name}; --fresh runs them again"
    again.add("a, b", "ALS, λ", "k=2", [(0, 0.5, 1.0)])
    assert again.said() == "ran 1 cells"
    assert again.said(only_read=True) == f"read 2 cells of {name}"


def test_committed_results_can_be_read():
    store = Store()
    lines = store.path.read_text().splitlines()
    assert len(store.frame) > 3000
    assert len(store.frame) >= 0.99 * (len(lines) - 1)


def test_a_command_that_only_reads_says_so_and_runs_nothing(capsys):
    before = Store().path.read_bytes()
    main(["table1"])
    said = capsys.readouterr().out.splitlines()[-1]
    assert "read 184 cells of" in said and "--fresh runs them again" in said
    assert Store().path.read_bytes() == before


def test_every_table_and_figure_has_a_command():
    tables = [f"table{i}" for i in range(1, 6)]
    drawn = [f"figure{i}" for i in range(3, 9)]
    others = ["phase", "noise", "time", "growth", "report", "bars"]
    assert {*tables, *drawn, *others} <= set(COMMANDS)
    assert list(COMMANDS)[-1] == "bars"  # what ``all`` prints last
