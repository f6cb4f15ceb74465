"""The README and the pages of doc/ say what happens: their code is run, its output compared."""

import importlib
import inspect
import re
from pathlib import Path

import matplotlib
import pytest

import sklearn_gso

from .pages import run

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "doc").glob("*.md"))]
matplotlib.use("Agg")


LONG = ("README.md", "quick_start.md", "collection.md", "settings.md", "tables.md")


@pytest.mark.parametrize(
    "page",
    [pytest.param(p, marks=pytest.mark.slow if p.name in LONG else ()) for p in PAGES],
    ids=lambda path: path.name,
)
def test_pages_run_as_they_are_written(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    run(page.read_text())


def test_readme_has_120_lines_and_no_link_that_is_dead_off_site():
    readme = (ROOT / "README.md").read_text()
    assert readme.count("\n") <= 120
    assert not re.findall(r"\]\((?!https://)", readme)
    for path in re.findall(r"`((?:doc|benchmarks|examples)/[\w./]*)`", readme):
        assert (ROOT / path).exists(), path


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
