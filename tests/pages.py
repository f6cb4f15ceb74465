"""Run the code of a page and compare what it prints: ``python -P tests/pages.py README.md``."""

import doctest
import re
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

# A block of Python, and the plain block right after it, its output.
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n^```\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


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


if __name__ == "__main__":
    for path in sys.argv[1:]:
        run(Path(path).read_text())
        print(f"{path}: the code prints what the page says")
