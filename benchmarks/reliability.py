"""Twelve figures of reliability: ``python -m benchmarks.reliability`` (``make reliability``).

Runs the tests behind each figure, long ones included, and writes ``doc/reliability.md``: how many
passed, failed and were skipped. It takes some twenty minutes on two cores. The twelfth figure is
the checks again, on the oldest scikit-learn and the newest, in ``.venv-oldest``, ``.venv-newest``.
"""

import argparse
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "doc" / "reliability.md"
OTHERS = {name: ROOT / f".venv-{name}" / "bin" / "python" for name in ("oldest", "newest")}
CHECKS = "scikit-learn's checks of every estimator"

# What is promised, and the tests that hold it: files, or functions of files.
FIGURES = {
    CHECKS: ["tests/estimators/test_common.py"],
    "random matrices and mixtures (hypothesis): a finite answer or a documented error": [
        "tests/estimators/test_random_matrices.py"
    ],
    "observed entries come out bit by bit as they went in": [
        "tests/estimators/completion/test_completing.py",
        "tests/estimators/completion/test_imputing.py",
        "tests/estimators/test_frames.py",
    ],
    "random and NaN weights: with a safeguard never worse than classical": [
        "tests/solvers/test_safeguard.py"
    ],
    "a seed decides everything, in other processes, too": ["tests/estimators/test_reproducible.py"],
    "saved and loaded in a new process: the same bits": ["tests/estimators/test_processes.py"],
    "trainings killed at random moments (SIGKILL) end as if nothing had happened": [
        "tests/training/test_killed.py",
        "tests/training/test_checkpoints.py",
    ],
    "200 altered files of optimizers: refused, by name": [
        "tests/learned_optimizers/test_damaged_files.py"
    ],
    "loky, dask and threads; a worker that is killed": [
        "tests/estimators/test_parallel.py",
        "tests/estimators/test_killed_worker.py",
    ],
    "1,000 fits keep no memory": [
        "tests/estimators/test_reproducible.py::test_a_thousand_fits_keep_no_memory"
    ],
    "torch's device, dtype, autocast and grad mode of the caller: no influence": [
        "tests/estimators/completion/test_cases.py"
        "::test_what_the_caller_has_set_in_torch_does_not_matter"
    ],
}


def run(python, tests) -> tuple[int, int, int]:
    """Tests that passed, failed and were skipped."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [python, "-m", "pytest", "-q", "-n", "2", f"--junitxml={report}", *tests]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        suite = ElementTree.parse(report).getroot()[0].attrib
    n_tests, n_skipped = int(suite["tests"]), int(suite["skipped"])
    n_failed = int(suite["failures"]) + int(suite["errors"])
    return n_tests - n_failed - n_skipped, n_failed, n_skipped


def on_other_versions() -> tuple[str, tuple]:
    """The last figure: what it is called, and how many passed, failed and were skipped."""
    code = "import sklearn; print(sklearn.__version__)"
    versions, counts = [], []
    for python in OTHERS.values():
        told = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
        versions.append(told.stdout.strip())
        counts.append(run(str(python), FIGURES[CHECKS]))
    what = f"the checks again, oldest and newest scikit-learn ({' and '.join(versions)})"
    return what, tuple(map(sum, zip(*counts, strict=True)))


def page(rows) -> str:
    about = f"scikit-learn {version('scikit-learn')}, torch {version('torch')}, "
    about += f"Python {sys.version.split()[0]}"
    lines = [f"| {what} | {p} | {f} | {s} |" for what, p, f, s in rows]
    return f"""# Reliability

Written by `make reliability` ({about}): tests that
passed, failed and were skipped, the long ones included. Each line names what is promised; the tests
behind it stand in `benchmarks/reliability.py`.

| what | passed | failed | skipped |
|---|--:|--:|--:|
{chr(10).join(lines)}
"""


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    rows = []
    for what, tests in FIGURES.items():
        rows.append((what, *run(sys.executable, tests)))
        print(*rows[-1], flush=True)
    what, counts = on_other_versions()
    rows.append((what, *counts))
    print(*rows[-1], flush=True)
    PAGE.write_text(page(rows))
    # A figure without a test that passed holds nothing.
    n_hold = sum(passed > 0 and not failed for _, passed, failed, _ in rows)
    print(f"{n_hold} of {len(rows)} figures hold; see {PAGE}")
    sys.exit(n_hold < len(rows))


if __name__ == "__main__":
    main()
