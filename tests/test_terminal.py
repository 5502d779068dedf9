"""A terminal of one's own: `-it`, window sizes, job control, and stepping through a birth.

The tests sit at the other end of a real pseudo-terminal, where a person has screen and keyboard.
"""

from __future__ import annotations

import json
import os
import re
import signal
import stat

import pytest

from tests import looking
from tests.command import Kernelbox, Running
from tests.looking import Terminal, inside, is_alive, soon

ALONE = ("--network", "none")
RUN = ("run", "--rm", *ALONE)
PROMPT = "/ # "


@pytest.fixture(params=["run", "exec"])
def where(request: pytest.FixtureRequest, plain: Running) -> tuple[str, ...]:
    """A command that runs a program in a terminal, in a new or in a running container."""
    return (*RUN, "-it", "busybox") if request.param == "run" else ("exec", "-it", plain.id)


def test_the_program_has_a_terminal_of_the_windows_size(
    kernelbox: Kernelbox, where: tuple[str, ...]
) -> None:
    script = "tty; stty size; test -t 0 && test -t 1 && test -t 2 && echo all three; echo $TERM"
    with kernelbox.terminal(*where, "sh", "-c", script, size=(33, 101)) as screen:
        screen.read(r"/dev/pts/\d+\r+\n33 101\r+\nall three\r+\nxterm\r+\n")
        assert screen.end() == 0


@pytest.mark.parametrize("user", ["0", "1000"])
def test_in_a_user_namespace_the_terminal_is_the_users(
    kernelbox: Kernelbox, mapped: Running, user: str
) -> None:
    script = "stat -c %u $(tty); stty size; echo hello >/dev/tty"
    words = ("exec", "-it", "-u", user, mapped.id, "sh", "-c", script)
    with kernelbox.terminal(*words, size=(33, 101)) as screen:
        screen.read(rf"{user}\r+\n33 101\r+\nhello\r+\n")
        assert screen.end() == 0


def test_the_terminals_kind_can_be_said(kernelbox: Kernelbox, where: tuple[str, ...]) -> None:
    told = (where[0], "-e", "TERM=vt100", *where[1:])
    with kernelbox.terminal(*told, "sh", "-c", "echo is $TERM") as screen:
        screen.read(r"is vt100\r+\n")


def test_the_program_hears_when_the_window_changes(
    kernelbox: Kernelbox, where: tuple[str, ...]
) -> None:
    script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.01; done"
    with kernelbox.terminal(*where, "sh", "-c", script) as screen:
        screen.read("ready")
        for rows, columns in ((50, 132), (10, 20)):
            screen.resize(rows, columns)
            screen.read(rf"{rows} {columns}\r+\n")


def test_ctrl_c_interrupts_the_job_and_not_the_shell(
    kernelbox: Kernelbox, where: tuple[str, ...]
) -> None:
    with kernelbox.terminal(*where, "sh") as screen:
        greeting = screen.read_until(PROMPT)
        assert "job control" not in greeting and "tty" not in greeting
        screen.type("sh -c 'echo $((6 * 7)); sleep 1000'\r")
        screen.read("\n42\r\n")
        screen.interrupt()
        screen.read_until(PROMPT)
        screen.type("echo status $?\r")
        screen.read("status 130\r\n")
        screen.type("exit 5\r")
        assert screen.end() == 5


def test_jobs_can_be_stopped_and_continued(kernelbox: Kernelbox) -> None:
    with kernelbox.terminal(*RUN, "-it", "busybox", "sh") as screen:
        screen.read_until(PROMPT)
        screen.type("sh -c 'echo $((6 * 7)); sleep 1000'\r")
        screen.read("\n42\r\n")
        screen.type("\x1a")  # Ctrl-Z
        screen.read("Stopped")
        screen.type("kill %1; fg\r")
        screen.read("Terminated")
        screen.type("exit\r")
        screen.end()


def test_the_terminal_is_raw_meanwhile_and_as_before_afterwards(
    kernelbox: Kernelbox, where: tuple[str, ...]
) -> None:
    with kernelbox.terminal(*where, "sh", "-c", "echo ready; read line; exit 3") as screen:
        before = screen.modes()
        screen.read("ready")
        assert soon(screen.is_raw)
        screen.type("\r")
        assert screen.end() == 3
        assert screen.modes() == before


def test_the_terminal_is_as_before_when_the_container_was_killed(kernelbox: Kernelbox) -> None:
    words = ("run", *ALONE, "--name", "killed", "-it", "busybox", "sh")
    with kernelbox.terminal(*words) as screen:
        before = screen.modes()
        screen.read_until(PROMPT)
        kernelbox.ok("kill", "killed")
        assert screen.end() == 137
        assert screen.modes() == before
    kernelbox.ok("rm", "killed")


def test_ctrl_d_is_the_end_of_input(kernelbox: Kernelbox, where: tuple[str, ...]) -> None:
    with kernelbox.terminal(*where, "cat") as screen:
        assert soon(screen.is_raw)
        screen.type("line\r")
        screen.read("line\r\nline\r\n")  # the terminal's echo, and cat's
        screen.type("\x04")
        assert screen.end() == 0


def test_the_console_is_the_same_terminal(kernelbox: Kernelbox) -> None:
    with kernelbox.terminal("run", *ALONE, "--name", "console", "-it", "busybox", "sh") as screen:
        screen.read_until(PROMPT)
        pid = kernelbox.pid("console")
        console, terminal = inside(pid, "/dev/console"), inside(pid, "/dev/pts/0")
        assert stat.S_ISCHR(console.stat().st_mode)
        assert console.stat().st_rdev == terminal.stat().st_rdev
        assert not os.path.samefile(terminal, os.ttyname(screen.slave))  # not the host's
        screen.type("echo by the console >/dev/console\r")
        screen.read("\nby the console\r\n")
        screen.type("exit\r")
        screen.end()
    kernelbox.ok("rm", "console")


def test_another_users_program_owns_its_terminal(kernelbox: Kernelbox) -> None:
    script = "stat -c %u $(tty); echo again >$(tty)"
    with kernelbox.terminal(*RUN, "-it", "-u", "1000", "busybox", "sh", "-c", script) as screen:
        screen.read(r"1000\r+\nagain\r+\n")


def test_a_terminal_without_input_can_be_piped_from(kernelbox: Kernelbox) -> None:
    told = kernelbox.ok(*RUN, "-t", "busybox", "sh", "-c", "tty; stty size").replace("\r", "")
    assert re.fullmatch(r"/dev/pts/\d+\n24 80\n", told)


def test_without_i_the_keyboard_stays_with_the_host(kernelbox: Kernelbox) -> None:
    script = "trap 'echo interrupted; exit 3' INT; echo ready; while :; do sleep 0.01; done"
    with kernelbox.terminal(*RUN, "-t", "busybox", "sh", "-c", script) as screen:
        before = screen.modes()
        screen.read("ready")
        screen.interrupt()  # the host's terminal makes a signal of it, the command forwards it
        screen.read("interrupted")
        assert screen.end() == 3
        assert screen.modes() == before


def test_input_that_nobody_reads_does_not_hold_up_the_output(kernelbox: Kernelbox) -> None:
    script = "stty raw -echo; echo ready; until [ -e /go ]; do sleep 0.01; done; echo output"
    words = ("run", *ALONE, "--name", "deaf", "-it", "busybox", "sh", "-c", script)
    with kernelbox.terminal(*words) as screen:
        screen.read("ready")
        os.set_blocking(screen.master, False)
        pasted = 0
        # As much as both terminals take, the host's and the container's.
        while soon(screen.takes_more, 0.3):
            pasted += os.write(screen.master, b"x" * 1000)
        assert pasted > 10_000
        kernelbox.ok("exec", "deaf", "touch", "/go")
        screen.read("output")
        screen.process.send_signal(signal.SIGTERM)
        screen.end()
    kernelbox.ok("rm", "deaf")


@pytest.mark.parametrize(
    ("option", "keys"),
    [
        ((), "\x10\x11"),
        (("--detach-keys", "ctrl-@,x"), "\0x"),
        (("--detach-keys=q",), "q"),
        (("--detach-keys=ctrl-p,ctrl-p,ctrl-q",), "\x10\x10\x11"),
    ],
)
def test_the_detach_keys_leave_the_program_running(
    kernelbox: Kernelbox, option: tuple[str, ...], keys: str
) -> None:
    """Docker: Ctrl-P, Ctrl-Q unless `--detach-keys` names others; "read escape sequence"."""
    words = ("run", *ALONE, "--name", "left", "-it", *option, "busybox", "cat")
    with kernelbox.terminal(*words) as screen:
        before = screen.modes()
        assert soon(screen.is_raw)
        screen.type("last\r" + keys[:-1])
        screen.read("last\r\nlast\r\n")
        screen.type(keys[-1])
        screen.read("read escape sequence")
        assert screen.end() == 0
        assert screen.modes() == before
    assert is_alive(kernelbox.pid("left"))
    assert "last" in kernelbox.ok("logs", "left")
    with kernelbox.terminal("exec", "-it", *option, "left", "sh", "-c", "echo on; cat") as screen:
        screen.read("on")
        assert soon(screen.is_raw)
        screen.type(keys)
        assert screen.end() == 0
    kernelbox.ok("rm", "-f", "left")


def test_what_only_begins_like_the_detach_keys_is_the_programs(kernelbox: Kernelbox) -> None:
    with kernelbox.terminal("run", "--rm", *ALONE, "-it", "busybox", "cat", "-v") as screen:
        assert soon(screen.is_raw)
        screen.type("a\x10")
        screen.type("b\x10\x10c\r\x04")
        screen.read(r"\na\^Pb\^P\^Pc\r\n")
        assert screen.end() == 0


def test_what_is_no_key_is_refused(kernelbox: Kernelbox) -> None:
    for keys in ("ctrl-", "ctrl-1", "ctrl-p,", "ab", "\u20ac"):
        run = ("run", "--rm", *ALONE, "--detach-keys", keys, "busybox", "true")
        assert "is no key to detach with" in kernelbox.refused(*run)


def test_a_container_outlives_its_terminal(kernelbox: Kernelbox) -> None:
    words = ("run", *ALONE, "--name", "orphan", "-it", "busybox", "sleep", "infinity")
    with kernelbox.terminal(*words) as screen:
        assert soon(lambda: kernelbox("inspect", "orphan").returncode == 0)
        assert soon(lambda: kernelbox.inspect("orphan")["State"]["Running"])
        screen.process.kill()
    assert is_alive(kernelbox.pid("orphan"))
    kernelbox.ok("rm", "-f", "orphan")


# --- stepping -------------------------------------------------------------------------------------

NEXT = r"(?s)next: (\w+) +(\d+)  (\w+)\((.*?)\[Enter\]"


def ask(screen: Terminal) -> tuple[str, int, str]:
    """Wait for the question of `--step`; return side, number and name of the request."""
    match = screen.read(NEXT)
    return match[1], int(match[2]), match[3]


def born(kernelbox: Kernelbox) -> int:
    """Return the pid of the one process of ours that is in another PID namespace than we."""
    ours = looking.namespace("self", "pid")
    found = [pid for pid, _ in looking.processes() if looking.namespace(pid, "pid") != ours]
    assert len(found) == 1
    return found[0]


def test_a_birth_advances_one_request_with_each_enter(kernelbox: Kernelbox) -> None:
    with kernelbox.terminal(*RUN, "--step", "busybox", "echo", "hello", size=(24, 250)) as screen:
        steps = []
        while not steps or steps[-1][2] != "execve":
            side, number, name = ask(screen)
            assert number == sum(step[0] == side for step in steps) + 1
            steps.append((side, number, name))
            assert not re.search(r"= \w", screen.seen)  # it waits
            screen.type("\n")
            # What was asked for comes next; the other side may have something to show first.
            screen.read(rf"{side} +{number}  {name}\(.* = ")
        names = [name for _, _, name in steps]
        assert names.index("clone3") < names.index("pivot_root") < names.index("capset")
        while screen.process.poll() is None and "hello" not in screen.seen:
            screen.type("\n")
            screen.glance()
        screen.read("hello")
        while screen.process.poll() is None:
            screen.type("\n")
            screen.glance()
        assert screen.end() == 0


def test_between_two_steps_the_half_built_container_can_be_looked_at(
    kernelbox: Kernelbox,
) -> None:
    seen = {}
    with kernelbox.terminal(*RUN, "--step", "busybox", "true", size=(24, 250)) as screen:
        while (step := ask(screen))[2] != "execve":
            if step[0] == "container":
                pid = born(kernelbox)
                assert looking.namespace(pid, "mnt") != looking.namespace("self", "mnt")
                roots = [one.kind for one in looking.mounts(pid) if one.point == "/"]
                seen[step[2]] = roots
                if step[2] == "pivot_root":
                    lines = kernelbox.ok("ps", "--all").splitlines()
                    [listed] = [line for line in lines if "   Created   " in line]
                    [told] = json.loads(kernelbox.ok("inspect", listed.split()[0]))
                    assert told["State"]["Status"] == "created"
            screen.type("\n")
        screen.type("\n")
        while screen.process.poll() is None:
            screen.type("\n")
            screen.glance()
    (before,) = seen["pivot_root"]
    assert before != "overlay"
    assert sorted(seen["umount2"]) == sorted([before, "overlay"])
    assert seen["capset"] == ["overlay"]


def test_ctrl_c_between_two_steps_leaves_nothing(kernelbox: Kernelbox) -> None:
    with kernelbox.terminal(*RUN, "--step", "busybox", "true", size=(24, 250)) as screen:
        while ask(screen)[2] != "pivot_root":
            screen.type("\n")
        pid = born(kernelbox)
        screen.interrupt()
        assert screen.end() == 130
    assert not is_alive(pid)
    assert "interrupted" in screen.seen


def test_at_the_end_of_input_stepping_goes_on_by_itself(kernelbox: Kernelbox) -> None:
    prefix = ("setsid", "--wait")  # without a terminal to ask at
    done = kernelbox(*RUN, "--step", "busybox", "echo", "hello", prefix=prefix)
    assert (done.stdout, done.returncode) == ("hello\n", 0)
    assert done.stderr.count("[Enter]") == 1
