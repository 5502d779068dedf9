"""A monitor with nothing to do: what it is then, and that whatever comes finds it as before."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests import looking
from tests.command import Kernelbox
from tests.looking import soon

ALONE = ("--network", "none")
SHELL = ("busybox", "sh", "-c")
AFTER_A_LINE = "echo one; read x; echo two; exit 7"


def monitor(pid: int) -> int:
    return int(looking.status(pid)["PPid"])


def sleeps(pid: int) -> bool:
    return os.readlink(f"/proc/{pid}/exe").startswith("/memfd:")


def memory(pid: int) -> int:
    """Return the proportional set size of a process, KiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def fall_asleep(kernelbox: Kernelbox, *names: str) -> list[int]:
    """Wait until all of their monitors do; return these."""
    monitors = [monitor(kernelbox.pid(name)) for name in names]
    assert soon(lambda: all(map(sleeps, monitors)), 90.0)
    return monitors


@pytest.mark.vm
def test_a_monitor_with_nothing_to_do_takes_no_memory_and_goes_on_where_it_was(
    kernelbox: Kernelbox,
) -> None:
    for name, *options in (
        ("quiet", "-i"), ("shown", "-it"), ("ended", "-i"), ("again", "-i", "--restart", "always")
    ):  # fmt: skip
        kernelbox.start(*ALONE, *options, "--name", name, *SHELL, AFTER_A_LINE)
    before = [(kernelbox.pid(name), monitor(kernelbox.pid(name))) for name in ("quiet", "again")]
    monitors = fall_asleep(kernelbox, "quiet", "shown", "ended", "again")
    assert [monitors[0], monitors[3]] == [one for _, one in before]
    assert max(map(memory, monitors)) < 100
    assert soon(lambda: {looking.status(one)["Name"] for one in monitors} == {"kernelbox"})
    # It is found as any other, and its lock is held.
    assert kernelbox.ok("ps", "--format", "{{.Names}}").split().count("quiet") == 1
    assert kernelbox.ok("logs", "quiet") == "one\n"
    assert sleeps(monitors[0])

    # A guest wakes it, types, and hears how it ends.
    done = kernelbox("attach", "quiet", input="go\n")
    assert (done.stdout, done.returncode) == ("two\n", 7)
    assert kernelbox.ok("logs", "quiet") == "one\ntwo\n"
    with kernelbox.terminal("attach", "shown") as terminal:
        terminal.type("go\r")
        terminal.read("two")
        assert terminal.end() == 7
    # So does its end, from outside ...
    kernelbox.ok("stop", "-t", "0", "ended")
    assert kernelbox.inspect("ended")["State"]["ExitCode"] == 137
    assert kernelbox.ok("logs", "ended") == "one\n"
    # ... and by itself; then another life may follow.
    assert soon(lambda: not looking.is_alive(monitors[2]))
    os.kill(before[1][0], signal.SIGKILL)
    assert soon(lambda: kernelbox.inspect("again")["State"]["Pid"] not in (0, before[1][0]))
    assert monitor(kernelbox.pid("again")) == monitors[3]
    assert soon(lambda: kernelbox.ok("logs", "again") == "one\none\n")
    for name in ("quiet", "shown", "ended", "again"):
        kernelbox.ok("rm", "-f", name)


@pytest.mark.vm
def test_a_monitor_that_is_killed_asleep_leaves_no_container(kernelbox: Kernelbox) -> None:
    kernelbox.start(*ALONE, "--name", "lost", "busybox", "sleep", "infinity")
    pid = kernelbox.pid("lost")
    (asleep,) = fall_asleep(kernelbox, "lost")
    os.kill(asleep, signal.SIGKILL)
    assert soon(lambda: not looking.is_alive(pid))
    assert kernelbox.inspect("lost")["State"]["Status"] == "exited"
    kernelbox.ok("rm", "lost")


@pytest.mark.vm
def test_a_monitor_stays_awake_while_somebody_is_there_or_health_is_asked(
    kernelbox: Kernelbox,
) -> None:
    kernelbox.start(*ALONE, "--name", "alone", "busybox", "sleep", "infinity")
    kernelbox.start(
        *ALONE, "--name", "asked", "--health-cmd", "true", "busybox", "sleep", "infinity"
    )
    seen = ("--name", "seen", "busybox", "sleep", "infinity")
    with kernelbox.popen("run", "--rm", *ALONE, *seen) as front:
        assert soon(lambda: "seen" in kernelbox.ok("ps"))
        fall_asleep(kernelbox, "alone")  # by then, the others would
        for name in ("asked", "seen"):
            assert not sleeps(monitor(kernelbox.pid(name)))
        kernelbox.ok("kill", "seen")
        assert front.wait() == 137
    kernelbox.ok("rm", "-f", "alone", "asked")
