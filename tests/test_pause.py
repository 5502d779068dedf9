"""`pause` and `unpause`: a container that stands still, and what can be done with it then.

Whether it stands still is read where it cannot lie: a counter that its program writes to a file.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.command import Kernelbox
from tests.looking import PATIENCE, soon
from tests.test_limits import FOREVER, IS_V1, directory

COUNTING = "i=0; while :; do i=$((i+1)); echo $i > /count; done"
ALONE = ("--network", "none")


class Counting:
    """A container that counts, and where its count is seen from outside."""

    def __init__(self, kernelbox: Kernelbox, *options: str) -> None:
        self.id = kernelbox.start(*ALONE, *options, "busybox", "sh", "-c", COUNTING)
        self.pid = kernelbox.pid(self.id)
        self._file = kernelbox.root / "containers" / self.id / "upper" / "count"
        assert soon(self._file.exists)

    def counts(self) -> bool:
        """Whether the count goes on, however late."""
        return self._changes(PATIENCE)

    def stands_still(self) -> bool:
        """Whether the count stays what it is, for some tenths of a second."""
        return not self._changes(0.5)

    def _changes(self, seconds: float) -> bool:
        before = self._file.read_text()
        return soon(lambda: self._file.read_text() not in ("", before), seconds)


def status(kernelbox: Kernelbox, container: str) -> dict[str, Any]:
    state = kernelbox.inspect(container)["State"]
    assert isinstance(state, dict)
    return state


def test_a_paused_container_stands_still_and_goes_on_where_it_was(kernelbox: Kernelbox) -> None:
    """It is cgroup.freeze, and in v1 freezer.state."""
    one = Counting(kernelbox)
    assert one.counts()
    assert kernelbox.ok("pause", one.id) == f"{one.id}\n"
    assert one.stands_still()
    state = status(kernelbox, one.id)
    assert (state["Status"], state["Running"], state["Paused"]) == ("paused", True, True)
    assert "(Paused)" in kernelbox.ok("ps")
    kernelbox.ok("unpause", one.id)
    assert one.counts()
    assert status(kernelbox, one.id)["Status"] == "running"
    assert "(Paused)" not in kernelbox.ok("ps")


@pytest.mark.outside("the state is kernelbox's own")
def test_what_is_paused_already_or_not_paused_or_has_ended_is_told_so(
    kernelbox: Kernelbox,
) -> None:
    container = kernelbox.start(*FOREVER)
    for command, words in (("unpause", "is not paused"), ("pause", ""), ("pause", "already")):
        done = kernelbox(command, container)
        assert done.returncode == bool(words) and words in done.stderr
    kernelbox.ok("kill", container)
    for command in ("pause", "unpause"):
        done = kernelbox(command, container)
        assert done.returncode == 1 and "is not running" in done.stderr


@pytest.mark.outside("looking is the same")
def test_a_paused_container_can_be_looked_at(kernelbox: Kernelbox) -> None:
    one = Counting(kernelbox)
    kernelbox.ok("pause", one.id)
    assert "sh -c" in kernelbox.ok("top", one.id)
    assert kernelbox.ok("logs", one.id) == ""
    assert "/count" in kernelbox.ok("diff", one.id)
    assert one.id in kernelbox.ok("stats", "--no-stream", one.id)
    assert one.stands_still()


def test_exec_in_a_paused_container_is_refused_with_the_cure(kernelbox: Kernelbox) -> None:
    """Born into a frozen cgroup, the program would never begin."""
    container = kernelbox.start(*FOREVER)
    kernelbox.ok("pause", container)
    assert "kernelbox unpause" in kernelbox.refused("exec", container, "touch", "/made")
    kernelbox.ok("unpause", container)
    assert "/made" not in kernelbox.ok("diff", container)


@pytest.mark.parametrize("command", [("kill",), ("stop", "-t", "1"), ("rm", "-f")])
def test_a_paused_container_is_ended(kernelbox: Kernelbox, command: tuple[str, ...]) -> None:
    """What is frozen hears SIGKILL in cgroup v2, and in v1 only when it is thawed."""
    one = Counting(kernelbox)
    kernelbox.ok("pause", one.id)
    kernelbox.ok(*command, one.id)
    assert not Path(f"/proc/{one.pid}").exists()
    assert one.id not in kernelbox.ok("ps", "-q")


def test_stop_lets_a_paused_program_hear_its_signal(kernelbox: Kernelbox) -> None:
    """What is frozen hears nothing but SIGKILL, in either version of cgroups."""
    script = "trap 'echo asked; exit 5' TERM; echo ready; while :; do sleep 0.01; done"
    container = kernelbox.start(*ALONE, "busybox", "sh", "-c", script)
    assert soon(lambda: "ready" in kernelbox.ok("logs", container))
    kernelbox.ok("pause", container)
    kernelbox.ok("stop", "-t", "60", container)
    assert kernelbox.ok("wait", container) == "5\n"


@pytest.mark.outside("another test stops it so")
def test_a_signal_is_heard_when_the_container_runs_again(kernelbox: Kernelbox) -> None:
    script = "trap 'echo heard' USR1; echo ready; while :; do sleep 0.01; done"
    container = kernelbox.start(*ALONE, "busybox", "sh", "-c", script)
    assert soon(lambda: "ready" in kernelbox.ok("logs", container))
    kernelbox.ok("pause", container)
    kernelbox.ok("kill", "-s", "USR1", container)
    assert kernelbox.ok("logs", container) == "ready\n"
    kernelbox.ok("unpause", container)
    assert soon(lambda: kernelbox.ok("logs", container) == "ready\nheard\n")


@pytest.mark.outside("the state is kernelbox's own")
def test_rm_without_force_leaves_a_paused_container_alone(kernelbox: Kernelbox) -> None:
    container = kernelbox.start(*FOREVER)
    kernelbox.ok("pause", container)
    assert "is running" in kernelbox("rm", container).stderr
    assert status(kernelbox, container)["Paused"]


def test_commit_leaves_a_paused_container_paused(kernelbox: Kernelbox) -> None:
    """It would freeze the container itself, for a moment."""
    one = Counting(kernelbox)
    kernelbox.ok("pause", one.id)
    kernelbox.ok("commit", one.id, "of-a-paused-one")
    assert status(kernelbox, one.id)["Paused"]
    assert one.stands_still()
    kernelbox.ok("rmi", "of-a-paused-one")


def test_a_container_that_somebody_froze_by_hand_is_paused_like_any_other(
    kernelbox: Kernelbox,
) -> None:
    one = Counting(kernelbox)
    file, word = ("freezer.state", "FROZEN") if IS_V1 else ("cgroup.freeze", "1")
    (directory(one.pid, "freezer" if IS_V1 else "memory") / file).write_text(word)
    assert status(kernelbox, one.id)["Status"] == "paused"
    kernelbox.ok("unpause", one.id)
    assert one.counts()


@pytest.mark.outside("the lock is kernelbox's own")
@pytest.mark.parametrize(
    ("other", "ends"),
    [
        (("exec", "ID", "true"), "running"),
        (("update", "--cpus=0.5", "--memory=32m", "ID"), "running"),
        (("stop", "-t", "0", "ID"), "exited"),
        (("kill", "ID"), "exited"),
        (("rm", "-f", "ID"), "gone"),
    ],
)
def test_pausing_while_something_else_is_done_ends_in_one_of_the_documented_states(
    kernelbox: Kernelbox, other: tuple[str, ...], ends: str
) -> None:
    """Both commands end, each with success or one line; the container is what the other made it."""
    for _ in range(4):
        container = kernelbox.start(*FOREVER)
        words = [container if word == "ID" else word for word in other]
        both = [kernelbox.popen("pause", container), kernelbox.popen(*words)]
        done = [(one.communicate(timeout=300), one.returncode) for one in both]
        for (_, complaint), code in done:
            assert bool(code) == bool(complaint) and len(complaint.splitlines()) <= 1
        if ends == "running":
            kernelbox("unpause", container)
            assert status(kernelbox, container)["Status"] == "running"
            assert kernelbox.ok("exec", container, "echo", "alive") == "alive\n"
            if other[0] == "update":
                assert done[1][1] == 0
                assert kernelbox.inspect(container)["HostConfig"]["Memory"] == 32 << 20
        else:
            assert done[1][1] == 0, done
            known = container in kernelbox.ok("ps", "-aq")
            assert known == (ends == "exited")
        if ends != "gone":
            kernelbox.ok("rm", "-f", container)


@pytest.mark.outside("the lock is kernelbox's own")
def test_pause_waits_for_a_commit_and_then_holds(kernelbox: Kernelbox) -> None:
    one = Counting(kernelbox)
    commit: subprocess.Popen[str] = kernelbox.popen("commit", one.id, "raced")
    kernelbox.ok("pause", one.id)
    _, complaint = commit.communicate(timeout=300)
    assert (commit.returncode, complaint) == (0, "")
    assert status(kernelbox, one.id)["Paused"]
    assert one.stands_still()
    kernelbox.ok("rmi", "raced")
