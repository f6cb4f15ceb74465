"""What stands beside the package agrees with it."""

import ast
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import sklearn_gso

ROOT = Path(__file__).parent.parent


def test_citation_and_changelog_name_this_version():
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.findall(r"^version: (.+)$", citation, re.M) == [sklearn_gso.__version__]
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"^## (\S+)", changes, re.M)[0] == sklearn_gso.__version__


def test_files_and_commands_that_the_guide_names_exist():
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    paths = re.findall(r"\b(?:tests|doc|sklearn_gso)/(?!_build)[\w/.]*\w", guide)
    assert len(paths) > 5 and all((ROOT / path).exists() for path in paths)
    targets = re.findall(r"`make ([\w-]+)`", guide)
    assert len(targets) > 5
    rules = " ".join(re.findall(r"^([\w -]+):", makefile, re.M)).split()
    assert set(targets) <= set(rules)


def house() -> dict[str, tuple[int, set[str]]]:
    """Of each folder in the table of doc/design.md its level, and the modules that are named."""
    rows = re.findall(r"^\| (\d) \| (.+?) \| (.+) \|$", (ROOT / "doc/design.md").read_text(), re.M)
    return {
        folder.removeprefix("sklearn_gso/").strip("/"): (
            int(level),
            set(re.findall(r"(\w+)\.py`", what)),
        )
        for level, folders, what in rows
        for folder in re.findall(r"`([^`]+)`", folders)
    }


def test_the_house_of_the_guide_has_the_levels_that_are_checked():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(c["layers"] for c in settings["contracts"] if c["type"] == "layers")
    checked = {
        unit.strip().removeprefix("sklearn_gso."): level
        for level, units in enumerate(reversed(layers), start=1)
        for unit in units.split("|")
    }
    assert {name.removesuffix(".py"): level for name, (level, _) in house().items()} == checked
    units = {module.name for module in pkgutil.iter_modules(sklearn_gso.__path__)}
    assert checked.keys() == units | {"benchmarks", "pretraining"}
    assert len(checked) <= 12 and max(checked.values()) <= 7


@pytest.mark.parametrize(
    "folder", ["estimators", "training", "solvers", "learned_optimizers", "rules"]
)
def test_the_house_of_the_guide_names_every_module(folder):
    here = pkgutil.iter_modules([str(ROOT / "sklearn_gso" / folder)])
    assert {m.name for m in here if not m.ispkg} == house()[folder][1]


def test_torch_is_imported_when_it_is_needed():
    code = "import sys, sklearn_gso; dir(sklearn_gso); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_of_the_package_are_found():
    folders = {module.name for module in pkgutil.iter_modules(sklearn_gso.__path__)}
    assert folders | set(sklearn_gso.__all__) <= set(dir(sklearn_gso))
    for name in [*folders, *sklearn_gso.__all__]:
        assert getattr(sklearn_gso, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'GSOImputr'"):
        _ = sklearn_gso.GSOImputr


def test_the_conda_recipe_asks_for_what_the_package_asks_for():
    recipe = (ROOT / "conda" / "meta.yaml").read_text()
    assert f'version: "{sklearn_gso.__version__}"' in recipe
    run = recipe.partition("  run:\n")[2].partition("\ntest:")[0]
    asked = {line.strip(" -").replace(" ", "") for line in run.strip().splitlines()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needs = {need.replace("torch", "pytorch") for need in project["dependencies"]}
    assert asked == needs | {f"python{project['requires-python']}"}


@pytest.mark.parametrize("folder", ["sklearn_gso", "benchmarks", "pretraining"])
def test_modules_and_functions_can_be_read_at_one_go(folder):
    """At most 320 lines a module, and 40 a function beside its docstring."""
    for path in (ROOT / folder).rglob("*.py"):
        text = path.read_text()
        assert text.count("\n") <= 320, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                first = node.body[1 if ast.get_docstring(node) else 0 :][:1]
                within = first[0].lineno - 1 if first else node.end_lineno
                assert node.end_lineno - within <= 40, (path, node.name)
