"""What stands beside the package agrees with it."""

import re
from pathlib import Path

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
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in targets)
