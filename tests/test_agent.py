"""The agent, and the processes under remote control that it forks.

The agent is spoken to by hand, on its socket: what it must stand is more than our own client says.
What its processes do is asked of the kernel, in /proc, by this process, which stays where it is.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kernelbox import lab
from kernelbox.agent import remote
from kernelbox.lab import Held, Lab, LabError
from tests import looking
from tests.command import Kernelbox
from tests.looking import enter, is_alive, mounts, namespace, soon, status

BESIDE = ("agent", "cabling")  # rooms in which a held process is asked
AGENT = [sys.executable, "-I", "-m", "kernelbox.agent"]
RUN = {"image": "busybox", "network": "none", "rm": True}
BOUND = {"observed": False, "bound": True}
KINDS = {
    "mount": "mnt", "network": "net", "uts": "uts", "ipc": "ipc", "cgroup": "cgroup",
    "user": "user", "pid": "pid_for_children", "time": "time_for_children",
}  # fmt: skip


class Answer(NamedTuple):
    """What the agent said, and the descriptors that came along."""

    fields: dict[str, Any]
    fds: list[int]


class Agent:
    """An agent of our own, at the other end of a socket."""

    def __init__(self, **how: Any) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(looking.PATIENCE)
        with theirs:
            self.process = subprocess.Popen(
                AGENT, stdin=theirs.fileno(), start_new_session=True, **how
            )
        self.pid = self.process.pid
        self.tickets = 0
        self.hello = self.hear().fields

    def send(self, payload: bytes, fds: Sequence[int] = ()) -> None:
        socket.send_fds(self.socket, [payload], list(fds))

    def hear(self) -> Answer:
        payload, fds, _, _ = socket.recv_fds(self.socket, 1 << 17, 8)
        return Answer(json.loads(payload), fds)

    def ask(self, kind: str, fds: Sequence[int] = (), **fields: Any) -> Answer:
        self.tickets += 1
        self.send(json.dumps({"kind": kind, "ticket": self.tickets, **fields}).encode(), fds)
        answer = self.hear()
        assert answer.fields["ticket"] == self.tickets
        return answer

    def answers(self) -> bool:
        return (
            self.ask("call", name="namespaces", arguments={"pid": "self"}).fields["kind"] == "done"
        )

    def run(self, *command: str, **options: Any) -> int:
        """Run a container to its end; return its exit code."""
        with self.start(*command, **options) as monitor:
            *_, last = iter(lambda: monitor.recv(1 << 17), b"")
        return int(json.loads(last)["code"])

    def start(self, *command: str, **options: Any) -> socket.socket:
        """Start a container; return the channel to its monitor."""
        answer = self.ask("run", options={**RUN, "command": command, **options}, wish=BOUND)
        assert answer.fields["kind"] == "done", answer.fields
        return socket.socket(fileno=answer.fds[0])

    def hold(self) -> tuple[int, socket.socket, int]:
        """Return pid, channel and pidfd of a new held process."""
        answer = self.ask("hold")
        return answer.fields["value"], socket.socket(fileno=answer.fds[0]), answer.fds[1]

    def descriptors(self) -> list[str]:
        """Return what the agent has open."""
        return descriptors(self.pid)

    def close(self) -> int:
        """Hang up, and return the agent's exit status."""
        self.socket.close()
        return self.process.wait(looking.PATIENCE)


@pytest.fixture
def agent() -> Iterator[Agent]:
    made = Agent()
    yield made
    assert made.close() in (0, -signal.SIGKILL)


@pytest.fixture
def p(box: Lab) -> Held:
    return box.hold()


@pytest.fixture
def private(p: Held) -> Held:
    """A held process whose mounts are its own affair."""
    p.unshare("mount")
    p.mount(None, "/", None, "rprivate")
    return p


def descriptors(pid: int) -> list[str]:
    """Return what a process has open; one socket is as good as another."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):  # closed in this moment
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}").partition("[")[0])
    return sorted(found)


def children(pid: int) -> list[int]:
    """Return the processes whose parent is `pid`, zombies included."""
    found = []
    for other in filter(str.isdigit, os.listdir("/proc")):
        try:
            if status(int(other))["PPid"] == str(pid):
                found.append(int(other))
        except OSError:  # it has ended
            continue
    return found


def descendants(pid: int) -> list[int]:
    below = children(pid)
    return below + [one for child in below for one in descendants(child)]


def sleepers(pid: int) -> list[int]:
    """Return the processes below `pid` that have become `sleep`."""
    found = []
    for one in descendants(pid):
        with suppress(OSError):  # it has just ended
            if is_alive(one) and status(one)["Name"] == "sleep":
                found.append(one)
    return found


# --- the agent itself -----------------------------------------------------------------------------


def test_the_agent_has_one_thread_and_a_session_of_its_own(agent: Agent) -> None:
    agent.run("true")
    _, channel, pidfd = agent.hold()
    assert os.listdir(f"/proc/{agent.pid}/task") == [str(agent.pid)]
    assert os.getsid(agent.pid) == agent.pid != os.getsid(0)
    assert status(agent.pid)["Threads"] == "1"
    channel.close()
    os.close(pidfd)


def test_an_idle_agent_has_at_most_30_megabytes_resident(agent: Agent) -> None:
    for network in ("none", "bridge", "none", "bridge"):
        with agent.start("true", network=network) as monitor:
            while monitor.recv(1 << 17):
                continue
    _, channel, pidfd = agent.hold()
    channel.close()
    os.close(pidfd)
    assert int(status(agent.pid)["VmRSS"].removesuffix(" kB")) <= 30 * 1024


def test_the_agent_is_at_home_in_no_directory_of_ours(agent: Agent) -> None:
    assert os.readlink(f"/proc/{agent.pid}/cwd") == "/"


NONSENSE = {
    "no text": b"\xff\x00\xfe",
    "half an object": b'{"kind": "hold", "ticket": 1',
    "a list": b'["hold"]',
    "a number": b"7",
    "nothing known": b"{}",
    "no kind": b'{"ticket": 1}',
    "no text for a kind": b'{"kind": ["hold"], "ticket": 1}',
    "an unknown kind": b'{"kind": "serve", "ticket": 1}',
    "a part of the agent": b'{"kind": "_answer", "ticket": 1}',
    "no arguments": b'{"kind": "run", "ticket": 1}',
    "an unknown argument": b'{"kind": "hold", "ticket": 1, "x": 1}',
    "arguments that are none": b'{"kind": "run", "ticket": 1, "options": 7, "wish": []}',
    "an unknown option": b'{"kind": "run", "ticket": 1, "options": {"x": 1}, "wish": {}}',
    "an unknown wish": b'{"kind": "run", "ticket": 1, "options": {"image": "busybox", '
    b'"command": ["true"]}, "wish": {"x": 1}}',
    "a call that is none": b'{"kind": "call", "ticket": 1, "name": "system", "arguments": {}}',
    "a call of a name's parts": b'{"kind": "call", "ticket": 1, "name": "namespaces.of", '
    b'"arguments": {"pid": 1}}',
    "a call without arguments": b'{"kind": "call", "ticket": 1, "name": "inspect"}',
    "nothing to interrupt": b'{"kind": "interrupt", "ticket": 1}',
    "a container that is none": b'{"kind": "exec", "ticket": 1, "container": "../x", '
    b'"changes": {}, "wish": {}}',
    "lists in lists": b"[" * 20_000,
    "objects in objects": b'{"x":' * 20_000,
    "a long kind": b'{"kind": "' + "é".encode() * 60_000 + b'", "ticket": 1}',
    "a long ticket": b'{"kind": "hold", "x": 1, "ticket": "' + "é".encode() * 60_000 + b'"}',
    "half of a character": b'{"kind": "call", "ticket": 1, "name": "inspect", '
    b'"arguments": {"container": "\\ud800"}}',
    "more than a message takes": b'{"kind": "hold", "ticket": 1, "x": "' + b"x" * 140_000 + b'"}',
}


@pytest.mark.parametrize("payload", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_refused_and_changes_nothing(agent: Agent, payload: bytes) -> None:
    before = agent.descriptors()
    agent.send(payload)
    answer = agent.hear()
    assert answer.fields["kind"] == "error"
    assert "\n" not in answer.fields["message"]
    assert agent.answers()
    assert soon(lambda: agent.descriptors() == before)  # what it has sent, it closes then
    assert children(agent.pid) == []


@pytest.mark.parametrize(
    "payload",
    [b"{}", b'{"kind": "x"}', b'{"kind": "hold", "x": 1}', b'{"kind": "call", "name": "x"}',
     b'{"kind": "interrupt"}', b'{"kind": "run", "options": {}, "wish": {}}',
     b"\xff", b"[]", b"7", b'{"kind": "x", "fds": [0, 1, 2]}'],
)  # fmt: skip
def test_descriptors_without_a_use_are_closed(agent: Agent, payload: bytes) -> None:
    before = agent.descriptors()
    with open(os.devnull, "rb") as nothing:
        for count in (1, 3, 8, 20):
            agent.send(payload, [nothing.fileno()] * count)
            assert agent.hear().fields["kind"] == "error"
    assert soon(lambda: agent.descriptors() == before)


@contextmanager
def sleeping() -> Iterator[tuple[int, int]]:
    """Start a child of ours, which the agent has nothing to do with; yield its pid, and a pidfd."""
    with subprocess.Popen(["sleep", "60"]) as child:
        pidfd = os.pidfd_open(child.pid)
        try:
            yield child.pid, pidfd
        finally:
            os.close(pidfd)
            child.kill()


def in_pid_namespace_of(pid: int) -> list[int]:
    found = []
    for other in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with suppress(OSError):  # it has just ended
            if is_alive(other) and namespace(other, "pid") == namespace(pid, "pid"):
                found.append(other)
    return found


def groups(pid: int) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text()


@pytest.mark.parametrize("kind", ["interrupt", "kill"])
def test_a_process_that_the_lab_has_not_made_gets_no_signal_from_it(
    agent: Agent, kind: str
) -> None:
    with sleeping() as (pid, pidfd):
        answer = agent.ask(kind, [pidfd])
        assert answer.fields["kind"] == "error"
        assert answer.fields["message"] == f"process {pid} is none of this lab's"
        assert agent.answers()
        assert is_alive(pid)
    _, channel, held = agent.hold()
    with channel:
        assert agent.ask(kind, [held]).fields["kind"] == "done"
        assert agent.ask(kind, [held, held]).fields["kind"] == "error"
        assert agent.ask(kind, [channel.fileno()]).fields["kind"] == "error"
    os.close(held)


def test_whoever_is_in_a_container_of_this_root_may_get_a_signal(
    agent: Agent, kernelbox: Kernelbox
) -> None:
    first = kernelbox.pid(kernelbox.start("--name", "its", "busybox", "sleep", "60"))
    with kernelbox.popen("exec", "its", "sleep", "61") as execution:
        assert soon(lambda: len(in_pid_namespace_of(first)) == 2)
        for pid in sorted(in_pid_namespace_of(first), key=lambda pid: pid == first):
            pidfd = os.pidfd_open(pid)
            assert agent.ask("kill", [pidfd]).fields["kind"] == "done"
            assert select.select([pidfd], [], [], looking.PATIENCE)[0]
            os.close(pidfd)
        assert execution.wait(looking.PATIENCE) == 128 + signal.SIGKILL


def test_only_who_descends_from_the_notebook_or_the_lab_is_confined(agent: Agent) -> None:
    for stranger in (1, os.getppid(), os.getpid(), agent.pid):
        pidfd, before = os.pidfd_open(stranger), groups(stranger)
        assert agent.ask("confine", [pidfd]).fields["kind"] == "error"
        os.close(pidfd)
        assert groups(stranger) == before
    with sleeping() as (pid, pidfd):
        assert agent.ask("confine", [pidfd]).fields["kind"] == "done"
        assert "/kernelbox/held-" in groups(pid)


def test_a_hundred_requests_leave_no_descriptor_and_no_zombie(agent: Agent) -> None:
    def hold() -> None:
        _, channel, pidfd = agent.hold()
        agent.ask("interrupt", [pidfd])
        channel.close()
        os.close(pidfd)

    def fail() -> None:
        with open(os.devnull, "rb") as nothing:
            stdio = [nothing.fileno()] * 3
            wrong = {"image": "no-such-image", "command": ["true"]}
            assert agent.ask("run", stdio, options=wrong, wish=BOUND).fields["kind"] == "error"

    ways: list[Callable[[], object]] = [
        hold,
        fail,
        lambda: agent.run("true") if agent.tickets % 4 == 0 else agent.answers(),
        lambda: agent.ask("call", name="containers", arguments={"every": True}),
    ]
    agent.run("true")
    for way in ways:
        way()
    before = agent.descriptors()
    while agent.tickets < 110:
        for way in ways:
            way()
    assert soon(lambda: agent.descriptors() == before)
    # It looks for them every second. One monitor it keeps, for the next container.
    assert soon(lambda: len(children(agent.pid)) == 1)
    (spare,) = children(agent.pid)
    assert status(spare)["State"].startswith("S")


def test_one_monitor_makes_one_container_after_the_other(agent: Agent) -> None:
    agent.run("true")
    (spare,) = children(agent.pid)
    assert soon(lambda: status(spare)["Name"] == "spare monitor")
    before = descriptors(spare)
    for _ in range(5):
        assert agent.run("sh", "-c", "exit 3") == 3
        assert soon(lambda: status(spare)["Name"] == "spare monitor")
    assert children(agent.pid) == [spare]
    assert descriptors(spare) == before


def test_a_monitor_with_other_clocks_for_its_children_is_not_asked_again(agent: Agent) -> None:
    agent.run("true", time_offset=1_000_000)
    assert soon(lambda: not children(agent.pid))
    assert agent.run("sh", "-c", "read up _ </proc/uptime; [ ${up%.*} -lt 1000000 ]") == 0


def test_a_monitor_that_has_failed_is_not_asked_again(agent: Agent) -> None:
    agent.run("true")
    (spare,) = children(agent.pid)
    assert agent.run("no-such-program") == 127
    assert soon(lambda: not is_alive(spare))
    assert agent.run("true") == 0


def test_of_two_monitors_that_get_free_one_stays(agent: Agent) -> None:
    both = [agent.start("sleep", "1000") for _ in range(2)]
    assert soon(lambda: len(sleepers(agent.pid)) == 2)
    for channel in both:
        channel.close()
    assert soon(lambda: len(children(agent.pid)) == 1)
    assert agent.run("true") == 0


def test_a_killed_spare_is_replaced(agent: Agent) -> None:
    agent.run("true")
    for _ in range(2):
        assert soon(lambda: len(children(agent.pid)) == 1)
        (spare,) = children(agent.pid)
        os.kill(spare, signal.SIGKILL)
        assert soon(lambda pid=spare: not is_alive(pid))
        assert agent.run("true") == 0


def test_the_agent_ends_with_the_notebook_and_so_does_all_it_held(
    agent: Agent, tests_root: Path
) -> None:
    _, channel, pidfd = agent.hold()
    shell = {"request": "shell", "ticket": 1, "arguments": {"script": "sleep 1000 & sleep 1000"}}
    with open(os.devnull, "wb") as nothing:
        message = json.dumps({"kind": "do", **shell}).encode()
        socket.send_fds(channel, [message], [nothing.fileno()] * 2)
    monitor = agent.start("sleep", "1000")
    assert soon(lambda: len(sleepers(agent.pid)) == 3)
    all_of_them = descendants(agent.pid)
    for end in (agent.socket, channel, monitor):
        end.close()
    os.close(pidfd)
    assert agent.process.wait(looking.PATIENCE) == 0
    assert soon(lambda: not any(map(is_alive, all_of_them)))
    assert soon(lambda: not list((tests_root / "containers").iterdir()))


def test_what_is_held_ignores_nothing_that_the_agent_was_started_to_ignore() -> None:
    agent = Agent(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))  # as nohup(1)
    pid, channel, pidfd = agent.hold()

    def ignored(one: int) -> int:
        return int(status(one)["SigIgn"], 16) & ~looking.OF_LIBC

    # What any Python ignores, for an exception to tell of it.
    python = 1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)
    with channel:
        as_wished = soon(lambda: ignored(pid) == python)
    kept = ignored(agent.pid) >> (signal.SIGHUP - 1) & 1
    os.close(pidfd)
    assert agent.close() == 0
    assert as_wished
    assert kept, "the agent is as it was started"


def test_what_went_into_the_background_ends_with_the_lab(box: Lab, p: Held) -> None:
    p.shell("sleep 1000 & setsid sleep 1000 &")
    p.end()
    agent = box.agent
    # Its parent is gone; the agent has it now.
    assert soon(lambda: len(sleepers(agent)) == 2)
    left = sleepers(agent)
    box.close()
    assert not any(map(is_alive, left))


def test_a_fork_bomb_leaves_the_lab_usable_and_ends_with_it() -> None:
    # Six times: where processes are killed one after the other, half of them leave some that fork
    # on, or take more than 20 s. (Twenty times by hand: 0.3 to 1.5 s from close to the last.)
    for _ in range(2 if looking.IS_EMULATED else 6):
        box = lab.start()
        half = box.hold()
        half.look()  # by now it is in its group
        procs = looking.cgroup_file(half.pid, "pids", "cgroup.procs", "cgroup.procs")
        with pytest.raises(LabError, match="BlockingIOError"):
            half.python("while True: os.fork()")
        assert box.hold().look()  # the agent has its share of CPU time
        box.close()
        assert procs.read_text() == ""


def test_when_the_agent_is_killed_what_it_held_dies(box: Lab, p: Held, tests_root: Path) -> None:
    child, other = p.fork(), p.fork()
    other.become_user("nobody")  # then the kernel forgets what was asked of it for this case
    container = box.start("busybox", "sleep 1000", network="none")
    agent = box.agent
    os.kill(agent, signal.SIGKILL)
    assert soon(lambda: not is_alive(p.pid) and not is_alive(child.pid))
    with pytest.raises(LabError, match="gone"):
        box.run("busybox", "true")
    assert not is_alive(container.pid)
    assert not is_alive(other.pid)
    assert not list((tests_root / "containers").iterdir())
    assert repr(box) == "<the lab is closed>"


def test_when_the_agent_is_killed_a_shell_it_held_dies_with_its_children(agent: Agent) -> None:
    _, channel, pidfd = agent.hold()
    shell = {"request": "shell", "ticket": 1, "arguments": {"script": "sleep 1000; true"}}
    with open(os.devnull, "wb") as nothing:
        message = json.dumps({"kind": "do", **shell}).encode()
        socket.send_fds(channel, [message], [nothing.fileno()] * 2)
    assert soon(lambda: sleepers(agent.pid))
    all_of_them = descendants(agent.pid)
    agent.process.kill()
    assert soon(lambda: not any(map(is_alive, all_of_them)))
    channel.close()
    os.close(pidfd)


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A directory that every user may enter; those of pytest are closed."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o755)
        yield Path(path)


NO_AGENT = (
    "the lab's agent did not start. It needs root, or sudo without a password: "
    "try `sudo -v`, or kernelbox doctor"
)


@pytest.mark.parametrize(
    ("sudo", "line"),
    [
        ("", NO_AGENT),
        ("exit 1", NO_AGENT),
        # As sudo does, it forgets the environment; but it cannot make anybody root.
        ('shift; PATH=/usr/bin exec env -i "$@"', "cannot write {}/root: permission denied. "),
    ],
)
def test_without_privilege_the_lab_says_so_in_one_line(
    everybodys: Path, sudo: str, line: str
) -> None:
    if sudo:
        (everybodys / "sudo").write_text(f"#!/bin/sh\n{sudo}\n")
        (everybodys / "sudo").chmod(0o755)
    code = (
        "from kernelbox import lab\n"
        "try: lab.start()\n"
        "except lab.LabError as error: print(error, end='')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", code],
        user="nobody", cwd="/",
        env={**os.environ, "PATH": str(everybodys), "KERNELBOX_ROOT": f"{everybodys}/root"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(line.format(everybodys))
    assert "\n" not in done.stdout


def test_an_agent_without_privilege_says_so_and_ends() -> None:
    agent = Agent(user="nobody", cwd="/")
    assert agent.hello["kind"] == "error"
    assert "sudo" in agent.hello["hint"]
    assert agent.close() == 1


# --- a held process: each request does what it says, and no more ----------------------------------


def links(pid: int) -> dict[str, str]:
    """Return the namespaces of a process; one that waits for its first child cannot be read."""
    found = {}
    for kind in os.listdir(f"/proc/{pid}/ns"):
        with suppress(FileNotFoundError):
            found[kind] = namespace(pid, kind)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_unshare_changes_one_namespace_and_no_other(p: Held, kind: str) -> None:
    ours, before = links(os.getpid()), links(p.pid)
    assert before == ours
    trace = p.unshare(kind)
    after = links(p.pid)
    assert {name for name in before if after.get(name) != before[name]} == {KINDS[kind]}
    assert links(os.getpid()) == ours
    assert [event.request.partition("(")[0] for event in trace] == ["unshare"]


def test_setns_moves_it_into_the_namespaces_of_another(box: Lab, p: Held) -> None:
    other = box.hold()
    other.unshare("uts", "network", "mount")
    trace = p.setns(other, "uts", "network")
    for kind in ("uts", "net"):
        assert namespace(p.pid, kind) == namespace(other.pid, kind) != namespace("self", kind)
    assert namespace(p.pid, "mnt") == namespace("self", "mnt")
    assert trace[-1].shell == f"nsenter -t {other.pid} --uts --net"
    p.setns(os.getpid(), "network")
    assert namespace(p.pid, "net") == namespace("self", "net")


def test_sethostname_changes_the_name_in_its_namespace_alone(p: Held) -> None:
    before = os.uname().nodename
    p.unshare("uts")
    p.sethostname("lab")
    assert enter(p.pid, "--uts", "uname", "-n").strip() == "lab"
    assert os.uname().nodename == before


def test_setdomainname_changes_the_name_in_its_namespace_alone(p: Held) -> None:
    before = Path("/proc/sys/kernel/domainname").read_text()
    p.unshare("uts")
    [event] = p.setdomainname("kernelbox")
    assert (event.request, event.result) == ('setdomainname("kernelbox", 9)', "0")
    inside = ["nsenter", "-t", str(p.pid), "-u", "cat", "/proc/sys/kernel/domainname"]
    assert subprocess.check_output(inside, text=True) == "kernelbox\n"
    assert Path("/proc/sys/kernel/domainname").read_text() == before
    with pytest.raises(LabError, match="EINVAL"):
        p.setdomainname("x" * 65)


def test_mount_and_umount_change_its_mount_table_alone(private: Held, tmp_path: Path) -> None:
    ours = mounts()
    private.mount("lab", str(tmp_path), "tmpfs", "ro,nosuid,nodev,noexec,size=64k,mode=750")
    (made,) = [mount for mount in mounts(private.pid) if mount.point == str(tmp_path)]
    assert (made.kind, made.source) == ("tmpfs", "lab")
    assert {"ro", "nosuid", "nodev", "noexec"} <= made.options
    assert {"size=64k", "mode=750"} <= set(made.super_options.split(","))
    private.mount(None, str(tmp_path), None, "remount,bind")
    (made,) = [mount for mount in mounts(private.pid) if mount.point == str(tmp_path)]
    assert "rw" in made.options
    private.umount(str(tmp_path))
    assert not [mount for mount in mounts(private.pid) if mount.point == str(tmp_path)]
    assert mounts() == ours


def test_a_bind_mount_shows_a_directory_at_a_second_place(private: Held, tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
    (tmp_path / "one" / "file").write_text("seen")
    private.mount(str(tmp_path / "one"), str(tmp_path / "two"), None, "bind")
    private.mount(str(tmp_path / "two"), str(tmp_path / "three"), None, "move")
    there = looking.inside(private.pid, str(tmp_path))
    assert (there / "three" / "file").read_text() == "seen"
    assert not (there / "two" / "file").exists()
    assert not (tmp_path / "three" / "file").exists()


@pytest.mark.parametrize(
    ("word", "field"),
    [("shared", "shared:"), ("slave", "master:"), ("unbindable", "unbindable"), ("private", "")],
)
def test_a_mount_is_as_it_is_told_to_propagate(
    private: Held, tmp_path: Path, word: str, field: str
) -> None:
    private.mount("lab", str(tmp_path), "tmpfs")
    private.mount(None, str(tmp_path), None, "shared")
    if word == "slave":
        # A slave needs a master other than itself.
        (tmp_path / "x").mkdir(exist_ok=True)
        private.mkdir(f"{tmp_path}/x")
        private.mount(str(tmp_path), f"{tmp_path}/x", None, "bind")
        tmp_path = tmp_path / "x"
    private.mount(None, str(tmp_path), None, word)
    lines = Path(f"/proc/{private.pid}/mountinfo").read_text().splitlines()
    (line,) = [line for line in lines if line.split(" ")[4] == str(tmp_path)]
    optional = line.partition(" - ")[0].split(" ")[6:]
    assert [one[: len(field)] for one in optional] == ([field] if field else [])


def test_what_is_in_use_is_unmounted_only_lazily(private: Held, tmp_path: Path) -> None:
    private.mount("lab", str(tmp_path), "tmpfs")
    private.chdir(str(tmp_path))
    with pytest.raises(LabError, match="EBUSY"):
        private.umount(str(tmp_path))
    assert str(tmp_path) in {mount.point for mount in mounts(private.pid)}
    private.umount(str(tmp_path), lazy=True)
    assert str(tmp_path) not in {mount.point for mount in mounts(private.pid)}


def test_pivot_root_makes_another_mount_the_root(private: Held, tmp_path: Path) -> None:
    ours = os.readlink("/proc/self/root"), mounts()
    private.mount("lab", str(tmp_path), "tmpfs")
    private.mkdir(f"{tmp_path}/old")
    private.mkdir(f"{tmp_path}/proc")
    private.pivot_root(str(tmp_path), f"{tmp_path}/old")
    roots = [mount for mount in mounts(private.pid) if mount.point == "/"]
    assert [mount.source for mount in roots] == ["lab"]
    assert sorted(os.listdir(f"/proc/{private.pid}/root")) == ["old", "proc"]
    # There is no /proc yet in which it could look up where it is.
    private.mount("proc", "/proc", "proc")
    private.umount("/old", lazy=True)
    assert [mount.point for mount in mounts(private.pid)] == ["/", "/proc"]
    assert (os.readlink("/proc/self/root"), mounts()) == ours


def test_chroot_and_chdir_change_where_it_looks(p: Held, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    p.chdir(str(tmp_path))
    assert os.readlink(f"/proc/{p.pid}/cwd") == str(tmp_path)
    p.chroot(str(tmp_path))
    assert os.readlink(f"/proc/{p.pid}/root") == str(tmp_path)
    p.chdir("/below")
    assert os.readlink(f"/proc/{p.pid}/cwd") == str(tmp_path / "below")


def test_mkdir_makes_a_directory(p: Held, tmp_path: Path) -> None:
    p.mkdir(str(tmp_path / "made"))
    assert (tmp_path / "made").is_dir()
    with pytest.raises(LabError, match="EEXIST"):
        p.mkdir(str(tmp_path / "made"))


def test_write_speaks_to_the_kernel(p: Held) -> None:
    p.unshare("user")
    p.write("/proc/self/uid_map", "0 0 1\n")
    assert Path(f"/proc/{p.pid}/uid_map").read_text().split() == ["0", "0", "1"]
    with pytest.raises(LabError, match=r"^write\(.*EPERM"):
        p.write("/proc/self/uid_map", "0 0 1\n")  # there is one chance only


@pytest.mark.parametrize(
    ("user", "uid", "gid", "groups"),
    [("nobody", 65534, 65534, ""), ("1000:1001", 1000, 1001, ""), ("daemon", 1, 1, "")],
)
def test_become_user_changes_every_id(p: Held, user: str, uid: int, gid: int, groups: str) -> None:
    p.become_user(user)
    found = status(p.pid)
    assert found["Uid"].split() == [str(uid)] * 4
    assert found["Gid"].split() == [str(gid)] * 4
    assert found["Groups"].strip() == groups
    assert p.look().inside["uid"] == uid


def test_keep_capabilities_leaves_exactly_these(p: Held) -> None:
    p.keep_capabilities("CHOWN", "KILL")
    found = status(p.pid)
    wanted = f"{1 << 0 | 1 << 5:016x}"
    assert [found[f"Cap{one}"] for one in ("Prm", "Eff", "Bnd")] == [wanted] * 3


def test_a_look_says_what_proc_says(p: Held) -> None:
    p.unshare("uts", "ipc")
    seen = p.look()
    assert seen.pid == p.pid == seen.inside["pid"]
    assert seen.inside["ppid"] == int(status(p.pid)["PPid"])
    for kind, inode in seen.namespaces.items():
        assert namespace(p.pid, kind) == f"{kind}:[{inode}]"
        assert namespace("self", kind) == f"{kind}:[{seen.host[kind]}]"
        assert seen.own(kind) == (kind in ("uts", "ipc"))


def test_a_fork_is_held_like_its_parent(p: Held) -> None:
    p.unshare("uts")
    child = p.fork()
    assert int(status(child.pid)["PPid"]) == p.pid
    assert namespace(child.pid, "uts") == namespace(p.pid, "uts")
    child.sethostname("child")
    assert enter(p.pid, "--uts", "uname", "-n").strip() == "child"


def test_the_first_child_in_a_new_pid_namespace_is_number_one_inside(p: Held) -> None:
    p.unshare("pid")
    child = p.fork()
    assert status(child.pid)["NSpid"].split() == [str(child.pid), "1"]
    assert int(status(child.pid)["PPid"]) == p.pid
    assert namespace(child.pid, "pid") == namespace(p.pid, "pid_for_children")
    assert child.look().inside["pid"] == 1
    assert child.look().inside["ppid"] == 0
    grandchild = child.fork()
    assert status(grandchild.pid)["NSpid"].split() == [str(grandchild.pid), "2"]
    child.end()  # and with PID 1 its namespace
    assert soon(lambda: not is_alive(grandchild.pid))


def test_reap_collects_the_children_that_have_ended(p: Held) -> None:
    assert p.reap() == {}
    one, other = p.fork(), p.fork()
    os.kill(other.pid, signal.SIGKILL)
    one.end()
    assert soon(lambda: status(one.pid)["State"][0] == status(other.pid)["State"][0] == "Z")
    assert p.reap() == {one.pid: 0, other.pid: -signal.SIGKILL}
    assert not Path(f"/proc/{one.pid}").exists()


def test_a_shell_runs_inside_and_tells_how_it_ended(
    p: Held, capsys: pytest.CaptureFixture[str]
) -> None:
    p.unshare("uts")
    p.sethostname("lab")
    assert p.shell("uname -n; echo $PPID; echo no >&2; exit 3") == 3
    printed = capsys.readouterr()
    assert printed.out.split() == ["lab", str(p.pid)]
    assert printed.err == "no\n"
    assert p.shell("kill -9 $$") == -9
    assert p.shell("cat") == 0, "there is nothing on its standard input"


def test_five_megabytes_from_a_shell_arrive_complete(
    p: Held, capsys: pytest.CaptureFixture[str]
) -> None:
    assert p.shell("yes 0123456789abcdé | head -c 5000000; echo; echo end") == 0
    out = capsys.readouterr().out
    line = "0123456789abcdé\n"
    whole = (line.encode() * (5_000_000 // len(line.encode()) + 1))[:5_000_000]
    assert out == whole.decode(errors="replace") + "\nend\n"


def test_output_that_is_no_text_is_shown_as_well_as_can_be(
    p: Held, capsys: pytest.CaptureFixture[str]
) -> None:
    p.shell(r"printf 'caf\351 bar'; sleep 0.05; printf '|\303'; sleep 0.05; printf '\251|\303'")
    assert capsys.readouterr().out == "caf\ufffd bar|é|\ufffd"


def test_a_shell_does_not_wait_for_what_it_left_in_the_background(
    p: Held, capsys: pytest.CaptureFixture[str]
) -> None:
    assert p.shell("sleep 1000 & echo started") == 0
    assert capsys.readouterr().out == "started\n"


def test_python_runs_in_the_process_itself_and_remembers(
    p: Held, capsys: pytest.CaptureFixture[str]
) -> None:
    p.python("x = os.getpid()\ndef double(n):\n    return 2 * n")
    p.python("print(double(x))")
    assert capsys.readouterr().out == f"{2 * p.pid}\n"
    p.python("syscalls.unshare(flags.CLONE_NEWUTS)")
    assert namespace(p.pid, "uts") != namespace("self", "uts")
    with pytest.raises(LabError, match=r"^ZeroDivisionError: division by zero$"):
        p.python("print('before')\n1 / 0")
    assert capsys.readouterr().out == "before\n"
    with pytest.raises(LabError, match=r"^SyntaxError"):
        p.python("x = = 1")
    with pytest.raises(LabError, match=r"^SystemExit"):
        p.python("raise SystemExit(1)")
    with pytest.raises(LabError, match=r"^ValueError: x+$"):
        p.python("raise ValueError('x' * 1_000_000)")
    p.python("assert x == os.getpid()")


def test_memory_that_python_maps_in_the_process_is_its_own_once_it_is_touched(p: Held) -> None:
    def resident() -> int:
        pages = int(Path(f"/proc/{p.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    before = resident()
    p.python("memory = mmap.mmap(-1, 64 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)")
    assert resident() - before < 8 << 20
    p.python("for page in range(0, 16 << 20, mmap.PAGESIZE): memory[page] = 1")
    assert 15 << 20 < resident() - before < 24 << 20


def test_exec_makes_it_a_program(p: Held, capsys: pytest.CaptureFixture[str]) -> None:
    pid = p.pid
    p.exec("/bin/sh", "-c", "echo $$; sleep 0.05; echo end >&2")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == (f"{pid}\n", "end\n")
    assert soon(lambda: not is_alive(pid))
    with pytest.raises(LabError, match="gone"):
        p.look()


@pytest.mark.parametrize("program", ["/no/such/program", "true", "/etc/passwd"])
def test_a_program_that_cannot_be_is_refused_and_it_goes_on(
    p: Held, capsys: pytest.CaptureFixture[str], program: str
) -> None:
    p.look()  # now it has settled
    before = os.listdir(f"/proc/{p.pid}/fd")
    with pytest.raises(LabError, match=r"^execve\(.*(ENOENT|EACCES)"):
        p.exec(program)
    assert p.shell("echo still here") == 0
    assert capsys.readouterr().out == "still here\n"
    assert os.listdir(f"/proc/{p.pid}/fd") == before


def test_end_ends_it_and_twice_is_fine(p: Held) -> None:
    p.end()
    assert not is_alive(p.pid)
    p.end()
    for again in (p.look, p.fork, p.reap, lambda: p.unshare("uts"), lambda: p.shell("true")):
        with pytest.raises(LabError, match=r"^the process is gone"):
            again()


def test_end_ends_a_program_too_that_hears_nothing(box: Lab, p: Held) -> None:
    script = "trap '' INT TERM HUP; echo ready; while :; do sleep 1; done"
    with interrupting(lambda: bool(sleepers(box.agent))), pytest.raises(KeyboardInterrupt):
        p.exec("/bin/sh", "-c", script)
    assert is_alive(p.pid)
    p.end()
    assert not is_alive(p.pid)


# --- what is refused ------------------------------------------------------------------------------


def test_what_would_change_the_host_itself_is_refused(p: Held, tmp_path: Path) -> None:
    before = mounts(), os.uname().nodename, os.readlink("/proc/self/root")
    child = p.fork()
    p.unshare("ipc", "network")
    for one in (p, child):
        with pytest.raises(LabError, match=r"mnt namespace. unshare it first: unshare\('mount'\)"):
            one.mount("lab", str(tmp_path), "tmpfs")
        with pytest.raises(LabError, match="umount would change the host"):
            one.umount("/proc")
        with pytest.raises(LabError, match="pivot_root would change the host"):
            one.pivot_root(str(tmp_path), str(tmp_path))
        with pytest.raises(LabError, match=r"unshare it first: unshare\('uts'\)"):
            one.sethostname("lab")
    assert (mounts(), os.uname().nodename, os.readlink("/proc/self/root")) == before


def test_the_way_back_to_the_host_is_noticed(p: Held) -> None:
    before = os.uname().nodename
    p.unshare("uts")
    p.sethostname("lab")
    p.setns(os.getpid(), "uts")
    with pytest.raises(LabError, match="would change the host"):
        p.sethostname("lab")
    assert os.uname().nodename == before


def test_a_root_without_proc_is_no_way_round(p: Held, tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    before = mounts()
    there_and_back = p.fork()
    there_and_back.unshare("mount")
    there_and_back.setns(os.getpid(), "mount")
    for one in (p, there_and_back):
        one.chroot(str(tmp_path))
        with pytest.raises(LabError, match="would change the host"):
            one.mount("proc", "/proc", "proc")
    assert mounts() == before


def test_a_refusal_by_the_kernel_arrives_with_its_cause_and_hint(
    private: Held, tmp_path: Path
) -> None:
    with pytest.raises(LabError) as caught:
        private.umount(str(tmp_path))
    assert caught.value.message.startswith(f'umount2("{tmp_path}", ')
    assert caught.value.message.endswith(", 0): EINVAL (Invalid argument)")
    with pytest.raises(LabError) as caught:
        private.mount("lab", str(tmp_path), "nosuchfs")
    assert caught.value.message.endswith("ENODEV (No such device)")
    assert caught.value.hint == "This kernel has no such file system: see /proc/filesystems"
    with pytest.raises(LabError, match=r"no namespace kind 'nonsense'. The kinds are pid, mount"):
        private.unshare("nonsense")
    with pytest.raises(LabError, match="ESRCH"):
        private.setns(4_194_304, "uts")
    with pytest.raises(LabError, match="no user 'nosuch'"):
        private.become_user("nosuch")


@pytest.mark.parametrize("end", ["shell", "python"])
def test_a_process_that_ends_instead_of_answering_is_gone(box: Lab, p: Held, end: str) -> None:
    with pytest.raises(LabError, match=r"^the process is gone"):
        if end == "shell":
            p.shell("kill -9 $PPID; exec sleep 1000")
        else:
            p.python("os._exit(0)")
    assert soon(lambda: not is_alive(p.pid))
    assert is_alive(box.agent)


def test_requests_outside_the_list_are_refused(p: Held) -> None:
    for name in ("system", "_mount", "__class__"):
        with pytest.raises(LabError, match=r"^no request .* There are: unshare, setns"):
            p._do(name)
    with pytest.raises(LabError, match=r"^TypeError"):
        p._do("unshare", nonsense=1)
    for length in (131_072, 190_000, 1_000_000):
        with pytest.raises(LabError, match=r"^the request is too long"):
            p.shell("#" * length)
    assert p.look().pid == p.pid


def test_every_request_there_is_has_been_made_here() -> None:
    here = "".join(Path(__file__).with_name(f"test_{one}.py").read_text() for one in BESIDE)
    assert [name for name in remote.REQUESTS if f".{name}(" not in here] == []


# --- interrupts -----------------------------------------------------------------------------------


class interrupting:
    """Send this process SIGINT, as Jupyter does, as soon as a condition holds."""

    def __init__(self, condition: Callable[[], bool]) -> None:
        self.condition = condition

    def __enter__(self) -> None:
        self.watcher = os.fork()
        if self.watcher == 0:
            try:
                if soon(self.condition):
                    os.kill(os.getppid(), signal.SIGINT)
            finally:
                os._exit(0)

    def __exit__(self, *_: object) -> None:
        os.waitpid(self.watcher, 0)


def test_an_interrupted_shell_ends_with_its_children_and_is_not_answered_for(
    box: Lab, p: Held, capsys: pytest.CaptureFixture[str]
) -> None:
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        with interrupting(lambda: bool(sleepers(p.pid))), pytest.raises(KeyboardInterrupt):
            p.shell("echo begun; sleep 1000; echo never")
        # The answer to the interrupted request is still to come, and not the one to this.
        assert p.shell("echo next") == 0
        assert capsys.readouterr().out == "begun\nnext\n"
        assert soon(lambda: not sleepers(box.agent))
    assert p.look().pid == p.pid
    assert is_alive(box.agent)
    assert os.listdir("/proc/self/fd") == before


def test_python_can_be_interrupted_too(p: Held) -> None:
    def spinning() -> bool:
        ticks = Path(f"/proc/{p.pid}/stat").read_text().rpartition(")")[2].split()[11]
        return int(ticks) > 5

    with interrupting(spinning), pytest.raises(KeyboardInterrupt):
        p.python("while True: pass")
    p.python("x = 1")
    assert is_alive(p.pid)


def test_an_interrupt_at_any_moment_does_no_harm(p: Held) -> None:
    storm = os.fork()
    if storm == 0:
        while True:
            os.kill(p.pid, signal.SIGINT)
            time.sleep(0.0005)
    try:
        answered = 0
        while answered < 300:
            try:
                answered += p.look().pid == p.pid
            except LabError as error:
                assert str(error) == "interrupted"
                answered += 1
    finally:
        os.kill(storm, signal.SIGKILL)
        os.waitpid(storm, 0)
    assert p.look().pid == p.pid
