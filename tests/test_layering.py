"""A file imports only from the rows above it (doc/design.md)."""

import ast
from pathlib import Path

import pytest

import sklearn_gso

ROOT = Path(sklearn_gso.__file__).parent

# Row of each module or package of modules; smaller is lower.
LAYERS = {
    "_version": 0,
    "_files": 1,
    "_descriptions": 1,
    "checkpoints": 2,
    "_matrices": 0,
    "tasks": 1,
    "metrics": 1,
    "datasets": 1,
    "problems": 2,
    "rules": 3,
    "alternating": 4,
    "search": 5,
    "starts": 6,
    "exploration": 5,
    "mixture_starts": 5,
    "training": 5,
    "meta_training": 6,
    "judge_training": 6,
    "_answers": 7,
    "learned_optimizer": 7,
    "pretrain": 8,
    "pretrain_mixture": 8,
    "_estimator": 8,
    "_html": 8,
    "_progress": 8,
    "_imputing": 8,
    "_solving": 9,
    "_mixture_input": 8,
    "_mixture_solving": 10,
    "_fitted_rows": 10,
    "_base": 11,
    "_meta_fit": 10,
    "_mixture_meta_fit": 11,
    "completion": 12,
    "baselines": 12,
    "_mixture_predictions": 11,
    "_mixture_base": 12,
    "mixture": 13,
    "testing": 13,
    "plotting": 14,
    "__init__": 15,
}
FRONT = 8
MAY_USE_SKLEARN_UTILS = {"tasks", "datasets", "metrics"}


def modules():
    return sorted(p for p in ROOT.rglob("*.py"))


def unit(path):
    relative = path.relative_to(ROOT)
    return relative.parts[0].removesuffix(".py")


def imported(path):
    """Absolute dotted names of what a file imports."""
    package = ("sklearn_gso", *path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from (
                [f"{stem}.{a.name}" for a in node.names] if stem == "sklearn_gso" else [stem]
            )


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_run_down(path):
    own = unit(path)
    assert own in LAYERS, f"give {own} a row"
    for name in imported(path):
        parts = name.split(".")
        if parts[0] != "sklearn_gso" or len(parts) == 1 or parts[1] == own:
            continue
        other = parts[1]
        assert LAYERS[other] < LAYERS[own], f"{own} imports {other}, which is not below it"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_scikit_learn_stays_in_the_front(path):
    own = unit(path)
    if LAYERS[own] >= FRONT:
        return
    for name in imported(path):
        if name.split(".")[0] == "sklearn":
            allowed = own in MAY_USE_SKLEARN_UTILS and name.startswith(
                ("sklearn.utils", "sklearn.datasets")
            )
            assert allowed, f"{own} imports {name}"


def test_the_test_can_fail():
    assert LAYERS["problems"] < LAYERS["rules"] < LAYERS["meta_training"] < LAYERS["completion"]
    assert "sklearn_gso.problems.base" in set(imported(ROOT / "rules" / "base.py"))
