"""Workers side by side: whose leak is whose, who is alone, and what remains of whoever is stopped.

Each test runs pytest for files of its own, with the fixtures of these tests.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import budget, looking
from tests.store_notebooks import NOTEBOOKS, TOP
from tests.workers import units

WHOLE = {"CI": "true"}  # pytest shortens nothing then
FIRST = """
import os, pathlib, signal, subprocess, sys, time
import pytest
from tests import looking
HERE = pathlib.Path(__file__).parent

def until(name):
    assert looking.soon((HERE / name).exists)
"""


def session(directory: Path, *options: str, **files: str) -> subprocess.Popen[str]:
    """Start pytest with two workers for some files of tests, by their names."""
    for name, text in files.items():
        (directory / f"test_{name}.py").write_text(FIRST + text)
    ours = ("-p", "no:cacheprovider", "-p", "tests.conftest", "-c", TOP / "pyproject.toml")
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *ours, "--workers", "2", *options, directory],
        cwd=TOP,
        env={**{name: text for name, text in os.environ.items() if name != looking.MARK}, **WHOLE},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def told(running: subprocess.Popen[str], status: int) -> str:
    """Wait for the end of a session, which must be this; return what it printed."""
    said, _ = running.communicate()
    assert running.returncode == status, said
    return said


def test_shares_for_several_machines_are_all_of_the_tests_and_none_twice(tmp_path: Path) -> None:
    for name in "abcde":
        (tmp_path / f"test_{name}.py").write_text("def test_1(): pass\ndef test_2(): pass\n")
    shares = [
        told(session(tmp_path, "--workers", "1", "--collect-only", "-q", f"--share={number}/2"), 0)
        for number in (1, 2)
    ]
    found = [re.findall(r"test_(\w)\.py::test_[12]$", share, re.M) for share in shares]
    assert found == [list("aaccee"), list("bbdd")]


@pytest.mark.alone  # for some seconds there really is a leak
def test_a_leak_is_told_of_the_test_that_made_it_and_of_no_neighbour(tmp_path: Path) -> None:
    leaking = """
@pytest.fixture(scope="module")
def later():
    undo = []
    yield undo
    for one in undo:
        one()

def test_leaking(kernelbox, later, tmp_path):
    until("neighbour")
    run = ["run", "-d", "-p", "127.0.0.1:48124:80", "--memory", "64m", "busybox"]
    kernelbox.ok(*run, "sleep", "infinity")
    one = subprocess.Popen(["sleep", "1000"])
    subprocess.run(["mount", "-t", "tmpfs", "leak", tmp_path], check=True)
    later += [one.kill, one.wait, lambda: subprocess.run(["umount", tmp_path], check=True)]

def test_nothing():
    (HERE / "leaked").touch()
"""
    neighbour = """
def test_before_and_after(kernelbox):
    (HERE / "neighbour").touch()
    until("leaked")

def test_of_its_own(kernelbox):
    kernelbox.start("busybox", "sleep", "infinity")
"""
    said = told(session(tmp_path, leaking=leaking, neighbour=neighbour), 1)
    assert "= 4 passed, 1 error in " in said, said
    assert "ERROR test_leaking.py::test_leaking - AssertionError: the test left" in said, said
    for what in ("link veth", "cgroup ", "published port: ", "process ", "mount tmpfs leak on "):
        assert re.search(f"^E +{what}", said, re.M), said


def test_a_test_that_is_marked_so_is_alone(tmp_path: Path) -> None:
    alone = """
@pytest.mark.alone
@pytest.mark.parametrize("number", range(5))
def test_alone(number):
    for _ in range(20):
        assert not (HERE / "busy").exists()
        time.sleep(0.01)

def test_beside_others():
    until("busy")
"""
    busy = """
@pytest.mark.parametrize("number", range(20))
def test_busy(number):
    (HERE / "busy").touch()
    time.sleep(0.02)
    (HERE / "busy").unlink()
"""
    assert "= 26 passed in " in told(session(tmp_path, alone=alone, busy=busy), 0)


def test_a_worker_that_dies_has_failed_its_test_and_the_others_go_on(tmp_path: Path) -> None:
    dying = """
def test_dying(kernelbox):
    container = kernelbox.start("busybox", "sleep", "infinity")
    (HERE / "dying").write_text(f"{kernelbox.root} {container}")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    said = told(session(tmp_path, dying=dying, living="def test_living(): pass"), 1)
    assert "test_dying.py::test_dying - its worker has ended with -9" in said, said
    assert "= 1 failed, 1 passed in " in said, said
    assert_nothing_is_left(tmp_path / "dying")


def test_after_so_many_failures_it_stops(tmp_path: Path) -> None:
    failing = "def test_failing():\n    assert False\n\ndef test_never(): pass"
    waiting = "def test_waiting():\n    time.sleep(1000)"
    said = told(session(tmp_path, "-x", failing=failing, waiting=waiting), 1)
    assert "stopping after 1 failures" in said and "= 1 failed in " in said, said


def test_what_fails_beside_others_and_passes_alone_is_told_and_fails_nothing(
    tmp_path: Path,
) -> None:
    unsteady = """
@pytest.fixture
def ending():
    yield
    assert not (HERE / "busy").exists(), "at the end"

def test_alone(ending):
    is_first = not (HERE / "tried").exists()
    assert not is_first or looking.soon((HERE / "busy").exists)
    (HERE / "tried").touch()
    assert not (HERE / "busy").exists(), "in the middle"
"""
    neighbour = """
def test_busy():
    (HERE / "busy").touch()
    until("tried")
    time.sleep(1)
    (HERE / "busy").unlink()
"""
    files = {"neighbour": neighbour, "unsteady": unsteady}
    said = told(session(tmp_path, "--second-tries", "5", **files), 0)
    assert "= 2 passed, 2 unsteady in " in said, said
    assert "failed at first: test_unsteady.py::test_alone" in said
    assert "in the middle" in said and "at the end" in said


def test_what_fails_alone_too_has_failed_and_many_are_not_tried_again(tmp_path: Path) -> None:
    failing = """
@pytest.mark.parametrize("number", range(3))
def test_failing(number):
    with (HERE / "tried").open("a") as file:
        file.write(str(number))
    assert False
"""
    said = told(session(tmp_path, "--second-tries", "2", failing=failing), 1)
    assert "= 3 failed, 2 unsteady in " in said, said
    assert sorted((tmp_path / "tried").read_text()) == list("00112")


def test_one_worker_tries_again_as_well(tmp_path: Path) -> None:
    unsteady = """
def test_at_first():
    was_there = (HERE / "tried").exists()
    (HERE / "tried").touch()
    assert was_there, "at first"
"""
    said = told(session(tmp_path, "--workers", "1", "--second-tries", "1", unsteady=unsteady), 0)
    assert "= 1 passed, 1 unsteady in " in said and "at first" in said, said


def test_a_second_try_finds_no_root_of_the_first(tmp_path: Path) -> None:
    unsteady = """
from tests.command import Kernelbox

def test_with_a_root_of_its_own(tmp_path):
    before = HERE / "before"
    if before.exists():
        assert not list(pathlib.Path(before.read_text()).glob("**/ledger"))
        return
    before.write_text(str(tmp_path))
    Kernelbox(tmp_path / "some/root").ok("run", "--rm", "busybox", "true")
    assert list(tmp_path.glob("**/ledger"))
    assert False, "for once"
"""
    said = told(session(tmp_path, "--second-tries", "2", unsteady=unsteady), 0)
    assert "for once" in said


def test_a_second_try_knows_no_attempts_of_the_first(tmp_path: Path) -> None:
    unsteady = """
def test_exercise():
    record = pathlib.Path(os.environ["KERNELBOX_PROGRESS"])
    with (HERE / "records").open("a") as file:
        file.write(f"{record.exists()} {record}\\n")
    record.write_text("{}")
    assert len((HERE / "records").read_text().splitlines()) == 2
"""
    told(session(tmp_path, "--second-tries", "1", unsteady=unsteady), 0)
    first, second = (tmp_path / "records").read_text().splitlines()
    assert first.startswith("False ") and second.startswith("False ") and first != second


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_is_interrupted_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    text = """
def test_long(kernelbox):
    container = kernelbox.start("busybox", "sleep", "infinity")
    (HERE / "NAME").write_text(f"{kernelbox.root} {container}")
    time.sleep(1000)
"""
    files = {name: text.replace("NAME", name) for name in ("one", "two")}
    running = session(tmp_path, **files)
    both = [tmp_path / name for name in files]
    assert looking.soon(lambda: all(one.exists() and one.read_text() for one in both))
    running.send_signal(number)
    assert "KeyboardInterrupt" in told(running, pytest.ExitCode.INTERRUPTED)
    for one in both:
        assert_nothing_is_left(one)


def assert_nothing_is_left(note: Path) -> None:
    """Look for a root, its bridge, and a container: a test has written down which."""
    root, container = note.read_text().split()
    assert not Path(root).exists()
    suffix = zlib.crc32(os.fsencode(root)) & 0xFFFFF
    left = {f"veth{container[:7]}", f"kernelbox-{suffix:05x}"} & set(os.listdir("/sys/class/net"))
    assert not left
    assert not [path for path in looking.cgroups() if path.name == container]


@dataclass
class Test:
    """As much of a collected test as `units` looks at."""

    path: Path
    is_alone: bool = False

    __test__ = False  # pytest's own word: this is no class of tests

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        """Return the mark `alone`, if this test has it."""
        assert name == "alone"
        return pytest.mark.alone.mark if self.is_alone else None


def test_all_notebooks_are_one_unit_and_the_longest_is_begun_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    costs = {"a.py": 30, "b.py": 100, "c.py": 40, "test_vm.py": 50, "0.ipynb": 20, "1.ipynb": 60}
    monkeypatch.setattr(budget, "seconds", lambda path: costs.get(path.name, 90))
    names = ["a.py", "a.py", "b.py", "c.py", "test_vm.py", "0.ipynb", "1.ipynb", "1.ipynb"]
    together = [Test(Path(name)) for name in names]
    found = list(units([*together, Test(Path("d.py"), is_alone=True)]))
    # Half of it, 150 s, would be over with the notebooks: the lab VM comes before them.
    assert found == [[2], [4], [5, 6, 7], [3], [0, 1]]
    assert list(units([Test(Path("d.py"), is_alone=True), *together], alone=True)) == [[0]]


class Paper:
    """A terminal reporter that keeps what is written."""

    def __init__(self, *reports: pytest.TestReport) -> None:
        self.stats = {"passed": list(reports), "deselected": ["no report"]}
        self.lines: list[str] = []

    def section(self, title: str, **_: object) -> None:
        self.lines.append(title)

    def write_line(self, line: str, **_: object) -> None:
        self.lines.append(line)


def test_a_run_ends_with_what_was_used_of_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "BUDGET", {"test_a.py": 10, "1.ipynb": 20})
    times = {"tests/test_a.py": (4, 7.5, 0.5), "notebooks/1.ipynb": (19.0,)}
    paper = Paper(
        *(
            pytest.TestReport(
                f"{file}::{number}", (file, 0, ""), {}, "passed", None, "call", (), took
            )
            for file, all_of_it in times.items()
            for number, took in enumerate(all_of_it)
        )
    )
    budget.Bill().pytest_terminal_summary(paper)
    assert "   19.0 of    20  1.ipynb" in paper.lines
    assert "   12.0 of    10  test_a.py" in paper.lines
    assert "   31.0 of    30  in all" in paper.lines
    slowest = paper.lines.index("the ten slowest tests")
    assert paper.lines[slowest + 1 : slowest + 3] == [
        "   19.0  notebooks/1.ipynb::0",
        "    7.5  tests/test_a.py::1",
    ]
    assert paper.lines[-1] == "OVER BUDGET: test_a.py took 12 s and has 10 s"


def test_every_file_and_notebook_of_the_table_is_there() -> None:
    files = (TOP / "tests").glob("test_*.py")
    notebooks = (*NOTEBOOKS.glob("*.ipynb"), *(NOTEBOOKS / "workbook").glob("*.ipynb"))
    there = {one.name for one in (*files, *notebooks)}
    assert set(budget.BUDGET) == there, "tests/budget.py names each, and none that is gone"
