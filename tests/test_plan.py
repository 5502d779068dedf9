"""The house is as its plan says: what stands where, who imports whom, and what each page lists."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.plan import PLAN

TOP = Path(__file__).resolve().parent.parent
DOORWAYS = {"__init__", "__main__"}
ONLY_IN_THE_DOOR = {"ctypes"}
DOOR = "kernelbox/kernel"
ATTACKER = "kernelbox.lab.attacks.tries"  # a program of its own, in a container, without kernelbox

Steps = dict[str, int]


def steps(staircase: str) -> Steps:
    """Return the step of each thing in a staircase."""
    lines = staircase.strip().splitlines()
    return {name: step for step, line in enumerate(lines) for name in line.split()}


def order(staircase: str) -> list[str]:
    return staircase.split()


def page(folder: str) -> str:
    """Return a folder's page of contents."""
    return ast.get_docstring(ast.parse((TOP / folder / "__init__.py").read_text())) or ""


def there(folder: Path) -> set[str]:
    """Return the files and folders of Python in a folder, but for its doorways."""
    files = {path.stem for path in folder.glob("*.py")} - DOORWAYS
    return files | {path.parent.name for path in folder.glob("*/__init__.py")}


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


def complaints(module: str, imported: set[str], plan: dict[str, str] = PLAN) -> list[str]:
    """Return what is wrong with a module importing these names, a sentence each.

    Args:
        module: Such as `kernelbox.images.store`; of a folder's `__init__`, the folder.
        imported: Dotted names.
        plan: As PLAN.
    """
    wrong = []
    mine = module.split(".")
    for name in sorted(imported):
        at_the_door = module.startswith("kernelbox.kernel") or module == ATTACKER
        if name.split(".")[0] in ONLY_IN_THE_DOOR and not at_the_door:
            wrong.append(f"{module} imports {name}, which only {DOOR} may")
        theirs = name.split(".")
        if theirs[0] != "kernelbox":
            continue
        shared = 0
        while shared < min(len(mine), len(theirs)) and mine[shared] == theirs[shared]:
            shared += 1
        folder = "/".join(mine[:shared])
        # A doorway may import all that is behind it; and a name that is no room is in a doorway.
        if shared >= min(len(mine), len(theirs)) or folder not in plan:
            continue
        staircase = steps(plan[folder])
        one, other = mine[shared], theirs[shared]
        if other not in staircase:
            if other[0].islower() and not other.startswith("__"):
                wrong.append(f"{module} imports {name}: {folder} has no {other}")
        elif one not in staircase:
            wrong.append(f"{module}: {folder} has no {one} in the plan")
        elif staircase[other] == staircase[one]:
            wrong.append(f"{module} imports {name}, on the same step of {folder}")
        elif staircase[other] > staircase[one]:
            wrong.append(f"{module} imports {name}, which stands above it in {folder}")
    return wrong


def contents(docstring: str) -> list[str]:
    """Return what a page of contents lists: words at the beginning of lines, `x.py` or `x/`."""
    return [
        name.removesuffix(".py").rstrip("/")
        for name in re.findall(r"^ *((?:\w+\.py|\w+/)) +\S", docstring, flags=re.MULTILINE)
    ]


CHAPTERS = sorted(
    str(path.parent.relative_to(TOP)) for path in TOP.glob("kernelbox/lab/chapters/*/__init__.py")
)
WHOLE = PLAN | {folder: "\n".join(contents(page(folder))) for folder in CHAPTERS}


# --- the plan is the tree ----------------------------------------------------------------------


def test_the_plan_has_every_folder_and_nothing_else() -> None:
    folders = {str(path.parent.relative_to(TOP)) for path in TOP.glob("kernelbox/**/__init__.py")}
    assert set(WHOLE) == folders


@pytest.mark.parametrize("folder", WHOLE)
def test_a_staircase_has_every_file_of_its_folder_once(folder: str) -> None:
    names = order(WHOLE[folder])
    assert sorted(names) == sorted(there(TOP / folder))


@pytest.mark.parametrize("folder", WHOLE)
def test_imports_lead_down_the_stairs(folder: str) -> None:
    wrong = []
    for file in sorted((TOP / folder).glob("*.py")):
        parts = [*folder.split("/"), file.stem]
        doorway = file.stem in DOORWAYS
        module = ".".join(parts[:-1] if doorway else parts)
        wrong += complaints(module, imports(file.read_text(), parts[:-1]), WHOLE)
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


@pytest.mark.parametrize("folder", WHOLE)
def test_a_page_of_contents_lists_every_file_in_the_order_of_the_stairs(folder: str) -> None:
    listed = contents(page(folder))
    assert sorted(listed) == sorted(order(WHOLE[folder]))
    staircase = steps(WHOLE[folder])
    assert listed == sorted(listed, key=staircase.__getitem__), "not in the order of the stairs"


@pytest.mark.parametrize("folder", WHOLE)
def test_no_room_takes_the_place_of_a_function_in_its_doorway(folder: str) -> None:
    """What is loaded becomes an attribute of its folder, whatever else has that name."""
    body = ast.parse((TOP / folder / "__init__.py").read_text()).body
    functions = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    dotted = folder.replace("/", ".")
    for name in functions & there(TOP / folder):
        importlib.import_module(f"{dotted}.{name}")
        assert not isinstance(getattr(importlib.import_module(dotted), name), ModuleType), name


def test_the_readme_maps_every_room_of_the_first_floor_table() -> None:
    section = (
        (TOP / "README.md").read_text().partition("## How it is made")[2].partition("\n## ")[0]
    )
    rows = [line for line in section.splitlines() if line.startswith("|")]
    listed = [
        name.removesuffix(".py").rstrip("/")
        for row in rows
        for name in re.findall(r"`(\w+(?:\.py|/))`", row.split("|")[1])
    ]
    assert sorted(listed) == sorted(order(PLAN["kernelbox"]))
    staircase = steps(PLAN["kernelbox"])
    assert listed == sorted(listed, key=staircase.__getitem__)


def test_every_room_begins_with_what_it_is_for() -> None:
    silent = [
        str(file.relative_to(TOP))
        for file in TOP.glob("kernelbox/**/*.py")
        if not ast.get_docstring(ast.parse(file.read_text()))
    ]
    assert not silent


# --- the check can fail --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("kernelbox.kernel.files", "import kernelbox.container.birth.runtime"),
        ("kernelbox.kernel.files", "from kernelbox import root"),
        ("kernelbox.overlay", "from kernelbox.root.pivot import pivot"),
        ("kernelbox.overlay", "def late():\n    from .root import pivot"),
        ("kernelbox.overlay", "from . import root"),
        ("kernelbox.overlay", "import ctypes.util"),
        ("kernelbox.overlay", "from kernelbox import cellar"),
        ("kernelbox.container.spec", "from kernelbox.container import init"),
        ("kernelbox.container.spec", "if TYPE_CHECKING:\n    from . import init"),
        ("kernelbox.container.birth.init", "from kernelbox.container.birth.enter import enter"),
        ("kernelbox.images.registry.pull", "from kernelbox.images.import_tar import x"),
        ("kernelbox.lab.notebook", "from kernelbox.cli import main"),
        ("kernelbox.lab.notebook", "from ctypes import CDLL"),
        ("kernelbox.cellar", "import kernelbox.kernel.door"),
        ("kernelbox.lab", "from kernelbox.cli import main"),
    ],
)
def test_an_import_against_the_plan_is_noticed(module: str, source: str) -> None:
    assert complaints(module, imports(source, module.split(".")[:-1]))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("kernelbox.kernel.mounts", "import ctypes"),
        ("kernelbox.overlay", "from kernelbox.kernel.errors import KernelError\nimport os"),
        ("kernelbox.container.birth.runtime", "from . import birth, own_files"),
        ("kernelbox.container.birth.runtime", "from kernelbox import cgroup, network"),
        ("kernelbox.cgroup", "from kernelbox.cgroup.group import Cgroup"),
        (
            "kernelbox.cli.host",
            "from kernelbox.lab import doctor\nfrom kernelbox import __version__",
        ),
        ("kernelbox", "from kernelbox.container.birth.runtime import create"),
    ],
)
def test_an_import_within_the_plan_passes(module: str, source: str) -> None:
    assert not complaints(module, imports(source, module.split(".")[:-1]))


def test_a_page_that_leaves_a_file_out_is_noticed() -> None:
    assert contents(
        "A room.\n\nspec.py   what\n  init.py  more\nregistry/  a folder\nnot.py\n"
    ) == [
        "spec",
        "init",
        "registry",
    ]
