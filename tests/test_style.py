"""The house style, held by tools: formatting, lint, types, and which room may import which.

The floors below are the building's plan. A new room goes into it, on the lowest floor that has all
it imports beneath.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent

FLOORS = (
    "storage tuples",
    "kernel paths",
    "capabilities cgroup channel images ledger namespaces network overlay rootfs spec "
    "state trace users",
    "build cleanup commit compose copying crew gifts held init joining launch lifecycle monitor "
    "observe packing pen relay runtime threshold",
    "agent",
    "cli lab widgets",
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}
DOORWAY = {"kernelbox", "__main__"}  # the public names and `python -m kernelbox`: above every floor

# Rooms on one floor do not know each other, but for these: the container is put together on its
# floor, the command line prints what the lab's doctor found, and the lab fills the views.
NEIGHBOURS = {(one, other) for one in FLOORS[3].split() for other in FLOORS[3].split()}
NEIGHBOURS |= {("cli", "lab"), ("lab", "widgets")}

ONLY_IN_THE_DOOR = {"ctypes", "pyroute2"}


def run(*command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=TOP,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(done.stdout, pytrace=False)


def module_of(file: Path) -> list[str]:
    """Return the dotted name of a file: kernelbox/images/store.py is kernelbox.images.store."""
    parts = list(file.relative_to(TOP).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(source: str, package: list[str]) -> set[str]:
    """Return every module or name that a file of `package` imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found


def complaints(room: str, imported: set[str]) -> list[str]:
    """Return what is wrong with `room` importing `imported`, a sentence each."""
    wrong: list[str] = []
    if room != "kernel":
        outside = {name.split(".")[0] for name in imported} & ONLY_IN_THE_DOOR
        wrong += [f"{room} imports {name}, which only kernel may" for name in sorted(outside)]
    if room in DOORWAY:
        return wrong
    if room not in FLOOR:
        return [*wrong, f"{room} has no floor: give it one in {Path(__file__).name}"]
    for name in sorted(imported):
        top, _, rest = name.partition(".")
        other = rest.split(".")[0]
        if top != "kernelbox" or other in (room, "", "__version__"):
            continue
        if other not in FLOOR:
            wrong.append(f"{room} imports {name}, which is no room of any floor")
        elif FLOOR[other] > FLOOR[room]:
            wrong.append(f"{room} (floor {FLOOR[room]}) imports {name} (floor {FLOOR[other]})")
        elif FLOOR[other] == FLOOR[room] and (room, other) not in NEIGHBOURS:
            wrong.append(f"{room} imports {name}, its neighbour on floor {FLOOR[room]}")
    return wrong


def test_every_file_is_formatted() -> None:
    run("ruff", "format", "--no-cache", "--diff", ".")


def test_the_linter_has_no_complaint() -> None:
    run("ruff", "check", "--no-cache", ".")


def test_every_type_is_written_down_and_right() -> None:
    run("mypy", "--strict", "--cache-dir=/dev/null", "-p", "kernelbox")


def test_a_floor_imports_only_lower_floors() -> None:
    wrong: list[str] = []
    for file in sorted((TOP / "kernelbox").rglob("*.py")):
        module = module_of(file)
        package = module if file.name == "__init__.py" else module[:-1]
        room = module[1] if len(module) > 1 else module[0]
        found = complaints(room, imports(file.read_text(), package))
        wrong += [f"{file.relative_to(TOP)}: {complaint}" for complaint in found]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("kernel", "import kernelbox.runtime"),
        ("kernel", "from kernelbox import paths"),
        ("overlay", "from kernelbox.rootfs import mount"),
        ("overlay", "def late():\n    from .rootfs import mount"),
        ("overlay", "from . import rootfs"),
        ("overlay", "import ctypes.util"),
        ("overlay", "from kernelbox import Container"),
        ("lab", "from kernelbox.cli import main"),
        ("lab", "from pyroute2 import IPRoute"),
        ("cellar", "import os"),
    ],
)
def test_an_import_against_the_plan_is_noticed(room: str, source: str) -> None:
    assert complaints(room, imports(source, ["kernelbox"]))


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("kernel", "import ctypes"),
        ("overlay", "from kernelbox import paths\nfrom kernelbox.kernel.errors import KernelError"),
        ("runtime", "from . import init, overlay\nimport os"),
        ("cli", "from kernelbox.lab import doctor\nfrom kernelbox import __version__"),
        ("kernelbox", "from kernelbox.runtime import run"),
    ],
)
def test_an_import_within_the_plan_passes(room: str, source: str) -> None:
    assert not complaints(room, imports(source, ["kernelbox"]))
