"""The README and the pages of doc/ say what happens: their code is run, its output compared."""

import doctest
import importlib
import inspect
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import matplotlib
import pytest

import sklearn_gso

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "doc").glob("*.md"))]
# A block of Python, and the plain block right after it, its output.
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n^```\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

matplotlib.use("Agg")


def run(page: str):
    """Run the blocks of a page one after the other, and compare what they print."""
    names: dict = {}
    for code, wanted in BLOCK.findall(page):
        printed = StringIO()
        with redirect_stdout(printed):
            exec(code, names)
        got = printed.getvalue()
        assert doctest.OutputChecker().check_output(wanted, got, OPTIONS), (
            f"{code}\nprinted\n{got}\nnot\n{wanted}"
        )


LONG = ("README.md", "quick_start.md", "collection.md", "settings.md", "tables.md")


@pytest.mark.parametrize(
    "page",
    [pytest.param(p, marks=pytest.mark.slow if p.name in LONG else ()) for p in PAGES],
    ids=lambda path: path.name,
)
def test_pages_run_as_they_are_written(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    run(page.read_text())


@pytest.mark.parametrize("wanted, fits", [("2\n", True), ("3\n", False)])
def test_the_runner_can_fail(wanted, fits):
    page = f"```python\nx = 1\n```\n\ntext\n\n```python\nprint(x + 1)\n```\n\n```\n{wanted}```\n"
    if fits:
        run(page)
    else:
        with pytest.raises(AssertionError, match="printed"):
            run(page)


def test_the_reference_lists_every_public_name():
    listed = {}
    module = ""
    for line in (ROOT / "doc" / "api.rst").read_text().splitlines():
        if line.startswith(".. currentmodule:: "):
            module = line.split()[-1]
        elif re.fullmatch(r"   \w+", line):
            listed.setdefault(module, set()).add(line.strip())
    for module, names in listed.items():
        found = importlib.import_module(module)
        assert all(inspect.getdoc(getattr(found, name)) for name in names)
    folders = (".plotting", ".datasets", ".problems", ".rules", ".solvers", ".training")
    for module in ("", *folders):
        public = set(importlib.import_module("sklearn_gso" + module).__all__) - {"__version__"}
        assert public - {"MixtureTruth", "RECIPES"} == listed["sklearn_gso" + module]


def test_the_table_of_the_paper_names_what_exists():
    """Dotted names in doc/paper.md that begin with a module of the package resolve."""
    table = (ROOT / "doc" / "paper.md").read_text()
    package = Path(sklearn_gso.__file__).parent
    modules = {path.stem for path in package.iterdir()} - {"__init__"}
    checked = 0
    for name in re.findall(r"`(\w+(?:\.\w+)+)", table):
        first, *rest = name.split(".")
        if first not in modules:
            continue
        found = importlib.import_module(f"sklearn_gso.{first}")
        for part in rest:
            if not hasattr(found, part):
                found = importlib.import_module(f"{found.__name__}.{part}")
            else:
                found = getattr(found, part)
        checked += 1
    assert checked > 10
