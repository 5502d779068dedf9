"""The shelf that start scripts take rooms from: the same rooms, and never an older one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import kernelbox

USE = "from kernelbox.plumbing import shelf\nshelf.use()\n"
WHENCE = "print(*{type(one.__loader__).__module__ for one in (ours, theirs)})\n"
LOOK = (
    f"{USE}from kernelbox.oci import gate as ours\nfrom kernelbox import cgroup as theirs\n{WHENCE}"
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A copy of kernelbox with a shelf: the directory to import it from."""
    top = Path(kernelbox.__file__).parent
    without = shutil.ignore_patterns("lab", "shelf.cpython*")
    shutil.copytree(top, tmp_path / "kernelbox", ignore=without)
    subprocess.run([sys.executable, "-m", "compileall", "-q", tmp_path], check=True)
    subprocess.run([sys.executable, "-m", "kernelbox.plumbing.shelf"], cwd=tmp_path, check=True)
    return tmp_path


def run(place: Path, code: str) -> str:
    """Return what some code prints in a process that imports kernelbox from there."""
    words = [sys.executable, "-IS", "-c", f"import sys\nsys.path += [{str(place)!r}]\n{code}"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def test_a_room_comes_from_the_shelf_and_knows_where_its_source_is(place: Path) -> None:
    assert run(place, LOOK) == "kernelbox.plumbing.shelf"
    told = run(place, f"{LOOK}print(ours.__file__, ours.__cached__, theirs.__path__)").split("\n")[
        1
    ]
    room, package = place / "kernelbox/oci/gate.py", place / "kernelbox/cgroup"
    assert told.split()[0] == str(room) and told.split()[2] == f"['{package}']"
    assert Path(told.split()[1]).is_file()
    text = run(place, f"{LOOK}import inspect\nprint(inspect.getsource(ours))").partition("\n")[2]
    assert text == room.read_text().strip()


def test_a_source_that_has_changed_is_imported_as_ever(place: Path) -> None:
    room = place / "kernelbox/oci/gate.py"
    room.write_text(f"{room.read_text()}\nCHANGED = 'it has changed'\n")
    assert run(place, f"{LOOK}print(ours.CHANGED)").endswith("it has changed")


@pytest.mark.parametrize("size", [None, 0, 5, 1000, -100_000])
def test_without_a_shelf_or_with_a_damaged_one_rooms_are_imported_as_ever(
    place: Path, size: int | None
) -> None:
    (found,) = place.glob("kernelbox/__pycache__/shelf.*")
    if size is None:
        found.unlink()
    else:
        found.write_bytes(found.read_bytes()[:size])
    assert run(place, f"{USE}from kernelbox.cli import oci\nprint(len(oci.VERBS))") == "15"


def test_a_process_that_has_closed_what_it_inherited_reads_nothing_else(place: Path) -> None:
    code = f"{USE}import os\nos.closerange(3, 99)\nos.open('/dev/zero', 0)\n"
    told = run(place, f"{code}from kernelbox.oci import gate\nprint(gate.__name__)")
    assert told == "kernelbox.oci.gate"
