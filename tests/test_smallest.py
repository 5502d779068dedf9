"""The smallest container: what it is, read from outside; and that it leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kernelbox.images.store import Store
from tests import looking
from tests.command import Kernelbox

SMALLEST = [sys.executable, "-m", "kernelbox.smallest"]
TOP = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def tree(shared: Kernelbox) -> str:
    """The unpacked layer of the embedded image."""
    shared.ok("images")
    return Store(str(shared.root / "images")).resolve("busybox").lowerdirs[0]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SMALLEST, *words], capture_output=True, text=True, check=False, cwd=TOP, timeout=60
    )


def test_its_program_is_pid_1_and_sees_nobody_else(tree: str) -> None:
    done = run(tree, "/bin/sh", "-c", "echo $$; ls -d /proc/[0-9]*; hostname; exit 7")
    assert (done.stdout.splitlines()[0], done.returncode) == ("1", 7)
    assert "/proc/1\n" in done.stdout and done.stdout.splitlines()[-1] == "smallest"


def test_every_namespace_of_it_is_its_own(tree: str) -> None:
    with subprocess.Popen(
        [*SMALLEST, tree, "/bin/sleep", "300"], cwd=TOP, stderr=subprocess.DEVNULL
    ) as one:
        try:
            path = Path(f"/proc/{one.pid}/task/{one.pid}/children")
            assert looking.soon(lambda: bool(path.read_text()))
            inside = int(path.read_text().split()[0])
            command = Path(f"/proc/{inside}/cmdline")
            assert looking.soon(lambda: command.read_bytes().startswith(b"/bin/sleep"))
            for kind in ("pid", "mnt", "net", "uts", "ipc"):
                ours, its = (Path(f"/proc/{pid}/ns/{kind}").readlink() for pid in ("self", inside))
                assert ours != its, kind
            mounts = Path(f"/proc/{inside}/mountinfo").read_text()
            assert [line.split()[4] for line in mounts.splitlines()] == ["/", "/proc"]
        finally:
            subprocess.run(["kill", "-9", str(inside)], check=True)
            one.wait(10)


def test_what_it_writes_is_gone_and_the_tree_as_before(tree: str) -> None:
    before = sorted(Path(tree).rglob("*"))
    places = set(Path("/tmp").glob("smallest-*"))
    done = run(tree, "/bin/sh", "-c", "echo x >/new; rm /bin/ls; [ -e /bin/ls ] || cat /new")
    assert done.stdout == "x\n"
    assert sorted(Path(tree).rglob("*")) == before
    assert set(Path("/tmp").glob("smallest-*")) == places


def test_it_tells_each_request(tree: str) -> None:
    told = run(tree, "/bin/true").stderr
    names = ["clone3(", "mount(", "pivot_root(", "umount2(", "chdir(", "sethostname("]
    assert all(f"  {name}" in told for name in names)


def test_a_program_that_is_not_there_is_one_line_and_127(tree: str) -> None:
    done = run(tree, "/no/such")
    assert done.returncode == 127
    # Two processes write there: which comes last is nobody's business.
    assert any(line.startswith("smallest: ") for line in done.stderr.splitlines())


def test_a_mistake_is_told_how_it_is_used() -> None:
    done = run()
    assert done.returncode == 1
    assert done.stderr.startswith("usage: python -m kernelbox.smallest DIRECTORY COMMAND")
