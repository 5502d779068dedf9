"""A monitor with nothing to do: what it is then, and that whatever comes finds it as before."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from kernelbox.kernel import sleeper
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


def test_a_machine_without_a_sleeper_is_known_before_it_is_asked_for_one() -> None:
    """The monitor stays an interpreter there, as it is where nobody lets it doze."""
    assert sleeper.can_sleep("x86_64")
    assert sleeper.image("x86_64", 5, "/needed").startswith(b"\x7fELF")
    for machine in ("aarch64", "riscv64", "nothing"):
        assert not sleeper.can_sleep(machine)


def fall_asleep(kernelbox: Kernelbox, *names: str) -> list[int]:
    """Wait until all of their monitors do; return these."""
    monitors = [monitor(kernelbox.pid(name)) for name in names]
    assert soon(lambda: all(map(sleeps, monitors)), 90.0)
    return monitors


def logged(kernelbox: Kernelbox, name: str) -> tuple[str, str]:
    """Return what its program has printed, by stream; behind it, an error of its state."""
    done = kernelbox("logs", name)
    return done.stdout, done.stderr


def change_dream(pid: int, was: str, becomes: str) -> None:
    """Change, in its memory, what a sleeping monitor will find among its variables."""
    start, end = map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[47:49])
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as its:
        its.seek(start)
        dream = its.read(end - start).partition(b"KERNELBOX_DREAM=")[2].partition(b"\0")[0]
        place = start + Path(f"/proc/{pid}/environ").read_bytes().index(dream)
        assert len(was) == len(becomes) and dream.count(was.encode()) == 1
        its.seek(place)
        its.write(dream.replace(was.encode(), becomes.encode()))


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


def test_a_monitor_that_is_killed_asleep_leaves_no_container(kernelbox: Kernelbox) -> None:
    kernelbox.start(*ALONE, "--name", "lost", "busybox", "sleep", "infinity")
    pid = kernelbox.pid("lost")
    (asleep,) = fall_asleep(kernelbox, "lost")
    os.kill(asleep, signal.SIGKILL)
    assert soon(lambda: not looking.is_alive(pid))
    assert kernelbox.inspect("lost")["State"]["Status"] == "exited"
    kernelbox.ok("rm", "lost")


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


def test_a_monitor_that_wakes_into_another_kernelbox_or_into_none_costs_no_container(
    kernelbox: Kernelbox, tmp_path: Path
) -> None:
    # One that is called by programs of its own, which can be taken away.
    elsewhere, interpreter = Kernelbox(kernelbox.root), tmp_path / "bin/python"
    interpreter.parent.mkdir()
    interpreter.symlink_to(os.path.realpath(sys.executable))
    program = tmp_path / "bin/kernelbox"
    text = f"import sys\nsys.path += {sys.path}\nfrom kernelbox.cli import main\nmain()\n"
    program.write_text(text)
    elsewhere.command = [str(interpreter), "-IS", str(program)]
    counting = (*SHELL, "trap 'exit 5' USR1; echo one; while :; do sleep 0.1; done")
    for name in ("older", "shorter"):
        kernelbox.start(*ALONE, "-i", "--name", name, *SHELL, AFTER_A_LINE)
    for name, *options in (("torn",), ("nothing", "-t")):
        kernelbox.start(*ALONE, *options, "--name", name, *counting)
    elsewhere.start(*ALONE, "--name", "gone", *counting)
    names = ("older", "shorter", "torn", "nothing", "gone")
    monitors = dict(zip(names, fall_asleep(kernelbox, *names), strict=True))

    # Its dream has a field that nobody knows, and lacks another.
    change_dream(monitors["older"], '"waited"', '"wonted"')
    change_dream(monitors["shorter"], ', "within": []', "              ")
    for name in ("older", "shorter"):
        assert kernelbox("attach", name, input="go\n").returncode == 7
        assert kernelbox.ok("logs", name) == "one\ntwo\n"

    # It is no dream at all: the container has a parent, who logs, and no more.
    change_dream(monitors["torn"], '"lock"', '"luck"')
    change_dream(monitors["nothing"], '{"id"', '"id" ')
    for name, out, err in (("torn", "one\n", "two\n"), ("nothing", "one\ntwo\n", "")):
        kernelbox.ok("exec", name, "sh", "-c", "echo two >/proc/1/fd/2")
        assert soon(lambda name=name: kernelbox.inspect(name)["State"]["Error"])  # type: ignore[misc]
        its = kernelbox.inspect(name)["State"]
        assert "only logs what it prints" in its["Error"] and its["Status"] == "running"
        assert monitor(its["Pid"]) == monitors[name]
        told = f"{err}kernelbox: {its['Error']}\n"
        assert soon(lambda name=name, out=out, told=told: logged(kernelbox, name) == (out, told))  # type: ignore[misc]
        # It prints more than a pipe holds, and waits for nobody.
        kernelbox.ok("exec", name, "sh", "-c", "head -c 200000 /dev/zero >/proc/1/fd/1")
        many = out + 200000 * "\0"
        assert soon(lambda name=name, many=many: logged(kernelbox, name)[0] == many)  # type: ignore[misc]
        assert "is not running" in kernelbox.refused("attach", "--no-stdin", name)
        kernelbox.ok("kill", "-s", "USR1", name)
        assert soon(lambda name=name: kernelbox.inspect(name)["State"]["Status"] == "exited")  # type: ignore[misc]
        assert kernelbox.inspect(name)["State"]["ExitCode"] == 5
        assert not looking.is_alive(monitors[name])

    # What it would wake into is not there, nor all of it; then it is.
    pid = kernelbox.pid("gone")
    program.rename(tmp_path / "kernelbox")
    interpreter.unlink()
    kernelbox.ok("exec", "gone", "sh", "-c", "echo two >/proc/1/fd/1")
    assert soon(lambda: "poll" in Path(f"/proc/{monitors['gone']}/wchan").read_text())
    interpreter.symlink_to(os.path.realpath(sys.executable))
    time.sleep(2)
    assert sleeps(monitors["gone"]) and looking.is_alive(pid)
    (tmp_path / "kernelbox").rename(program)
    assert soon(lambda: kernelbox.ok("logs", "gone") == "one\ntwo\n")
    assert monitor(kernelbox.pid("gone")) == monitors["gone"] and kernelbox.pid("gone") == pid
    kernelbox.ok("rm", "-f", *names)
