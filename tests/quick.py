"""The tests of what has changed, for `make quick`: prints them as arguments of pytest.

What has changed is what differs from HEAD in the working tree, new files included; where nothing
does, what the last commit has changed. Of each such file:

    tests/test_z.py         is run itself
    tests/z.py              those tests that import it are run
    notebooks/z.ipynb       it is run and compared, and tests/test_notebooks.py reads it
    kernelbox/x/y.py        those tests are run that import kernelbox.x.y or a name from it, or that
                            name it in their text as kernelbox/x/y.py or kernelbox.x.y; if there are
                            none, those of the folder kernelbox.x, and so on
    anything else           those tests are run that name it by its path, or its folder

and always the style, the types and the plan. It is to be over in two minutes: a test file that only
imports what has changed is left out when the time that `budget` allows the chosen ones is used up,
the longest first, and that is told. A quick run says that nothing near the change is broken; what
the whole house says of it, only `make test` does.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from tests import budget
from tests.test_plan import TOP, imports

SECONDS = 150.0  # of tests, which three workers share
ALWAYS = {"tests/test_style.py", "tests/test_plan.py"}
NBVAL = ("--nbval", "--nbval-cell-timeout=120", "--nbval-sanitize-with=tests/nbval-sanitize.cfg")


def changed(top: Path) -> list[str]:
    """Return the files of a checkout that have changed and are still there: their paths in it."""

    def git(*words: str) -> list[str]:
        command = ["git", "-C", str(top), *words, "-z"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return [name for name in said.split("\0") if name]

    found = git("diff", "--name-only", "HEAD") + git("ls-files", "--others", "--exclude-standard")
    if not found:
        found = git("diff-tree", "--root", "--no-commit-id", "--name-only", "-r", "HEAD")
    return sorted(name for name in set(found) if (top / name).is_file())


def themselves(files: Iterable[str]) -> set[str]:
    """Return those of the changed files that are tests or notebooks, and what reads notebooks."""
    found = {one for one in files if PurePosixPath(one).match("tests/test_*.py")}
    notebooks = {one for one in files if PurePosixPath(one).match("notebooks/*.ipynb")}
    return found | notebooks | ({"tests/test_notebooks.py"} if notebooks else set())


def related(file: str, texts: Mapping[str, str]) -> set[str]:
    """Return the test files that import or name a file.

    Args:
        file: Its path in the checkout.
        texts: Every test file's text, by its path.
    """
    path = PurePosixPath(file)
    parts = list(path.with_suffix("").parts if path.suffix == ".py" else path.parts)
    if parts[-1] == "__init__":
        parts.pop()
    while parts and parts != ["kernelbox"]:
        dotted, name = ".".join(parts), "/".join(parts)
        named = re.compile(rf"(?<![\w./]){re.escape(name)}(?![\w-])|\b{re.escape(dotted)}\b")
        found = {
            test
            for test, text in texts.items()
            if named.search(text)
            or any(f"{one}.".startswith(f"{dotted}.") for one in imports(text, ["tests"]))
        }
        if found or parts[0] == "tests":
            return found
        parts.pop()
    return set()


def chosen(files: list[str], texts: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return what to run of the tests and notebooks, and what is left out for want of time."""
    certain = themselves(files) | ALWAYS
    near = {test for file in files for test in related(file, texts)} - certain
    left = SECONDS - sum(budget.seconds(Path(one)) for one in certain)
    taken = sorted(certain)
    late = []
    for test in sorted(near, key=lambda one: (budget.seconds(Path(one)), one)):
        left -= budget.seconds(Path(test))
        (taken if left >= 0 else late).append(test)
    return taken, late


def main() -> None:
    """Print pytest's arguments; what a person should know goes to standard error."""
    files = changed(TOP)
    tests = (TOP / "tests").glob("test_*.py")
    taken, late = chosen(files, {f"tests/{one.name}": one.read_text() for one in tests})
    print(f"kernelbox: changed: {' '.join(files) or 'nothing'}", file=sys.stderr)
    if late:
        print(f"kernelbox: LEFT OUT, no time: {' '.join(late)} (make test)", file=sys.stderr)
    print(*taken, *(NBVAL if any(one.endswith(".ipynb") for one in taken) else ()))


if __name__ == "__main__":
    main()
