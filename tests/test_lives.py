"""A container's lives: created, started, ended, started again, and what is there each time.

What the kernel has of it is looked at from outside, in each life anew.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import looking
from tests.command import Kernelbox
from tests.looking import inside, soon
from tests.sandbox import TAG, Sandbox

ALONE = ("--network", "none")
FOREVER = ("busybox", "sleep", "infinity")
SHELL = ("busybox", "sh", "-c")


@pytest.fixture
def made(kernelbox: Kernelbox) -> Iterator[list[str]]:
    """Names of containers, which are removed in the end."""
    names: list[str] = []
    yield names
    kernelbox("rm", "-f", *names)


def create(kernelbox: Kernelbox, made: list[str], *words: str) -> str:
    made.append(kernelbox.ok("create", *words).strip())
    return made[-1]


def status(kernelbox: Kernelbox, container: str) -> tuple[str, int]:
    its = kernelbox.inspect(container)["State"]
    return its["Status"], its["ExitCode"]


def test_created_is_not_running_and_holds_nothing_of_the_kernels(
    kernelbox: Kernelbox, made: list[str]
) -> None:
    groups = set(looking.cgroups())
    container = create(kernelbox, made, "--name", "later", *FOREVER)
    assert status(kernelbox, "later") == ("created", 0)
    assert "later" not in kernelbox.ok("ps").split()
    (row,) = [row for row in kernelbox.ok("ps", "-a").splitlines() if row.startswith(container)]
    assert " Created " in row
    assert not [one for one in set(looking.cgroups()) - groups if container in str(one)]
    assert kernelbox.ok("wait", "later") == "0\n"
    assert "not running" in kernelbox.refused("exec", "later", "true")
    assert "is in use" in kernelbox.refused("create", "--name", "later", *FOREVER)


def test_start_says_the_name_and_one_that_runs_is_left_alone(
    kernelbox: Kernelbox, made: list[str]
) -> None:
    container = create(kernelbox, made, *ALONE, "--name", "begun", *FOREVER)
    assert kernelbox.ok("start", "begun") == "begun\n"
    pid = kernelbox.pid(container)
    assert kernelbox.ok("start", "begun", container) == f"begun\n{container}\n"
    assert kernelbox.pid(container) == pid
    assert kernelbox.ok("restart", "-t", "0", "begun") == "begun\n"
    assert kernelbox.pid(container) != pid and not looking.is_alive(pid)


def test_what_it_wrote_is_there_in_its_next_life(kernelbox: Kernelbox, made: list[str]) -> None:
    script = "echo $(cat /n /data/n 2>&1 | wc -w); echo x >>/n; echo x >>/data/n; rm -f /etc/group"
    words = ("-v", "/data", *ALONE, "--userns", "auto")
    container = create(kernelbox, made, *words, *SHELL, f"{script}; exit 4")
    told = [kernelbox("start", "-a", container) for _ in range(3)]
    assert [one.returncode for one in told] == [4, 4, 4]
    assert [one.stdout for one in told][1:] == ["2\n", "4\n"]
    assert kernelbox.ok("logs", container).splitlines()[1:] == ["2", "4"]
    assert status(kernelbox, container) == ("exited", 4)
    assert "D /etc/group" in kernelbox.ok("diff", container).splitlines()


def test_start_lends_it_streams_and_its_terminal(kernelbox: Kernelbox, made: list[str]) -> None:
    container = create(kernelbox, made, *ALONE, "-i", "busybox", "cat")
    assert kernelbox.ok("start", "-ai", container, input="a\n") == "a\n"
    container = create(kernelbox, made, *ALONE, "-it", "--name", "window", "busybox", "sh")
    with kernelbox.terminal("start", "-ai", "window") as window:
        window.type("tty; exit 3\r")
        window.read("/dev/pts/0")
        assert window.end() == 3


def test_network_address_ports_and_limits_come_back(kernelbox: Kernelbox, made: list[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ("-p", f"127.0.0.1:{port}:80", "--pids-limit", "50", "--network-rate", "50mbit")
    container = create(kernelbox, made, *words, "busybox", "httpd", "-f", "-p", "80", "-h", "/etc")
    seen = []
    for _ in range(2):
        kernelbox.ok("start", container)
        assert soon(lambda: asked(port))
        address = kernelbox.inspect(container)["NetworkSettings"]["IPAddress"]
        seen.append((address, inside(kernelbox.pid(container), "/etc/hosts").read_text()))
        assert kernelbox.inspect(container)["HostConfig"]["PidsLimit"] == 50
        kernelbox.ok("stop", "-t", "0", container)
    assert seen[0] == seen[1] and seen[0][0]


def asked(port: int) -> bool:
    """Whether a web server answers there."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as peer:
            peer.sendall(b"GET /passwd HTTP/1.0\r\n\r\n")
            return peer.recv(99).startswith(b"HTTP/1")
    except OSError:
        return False


def test_networks_joined_later_come_back_and_one_that_stands_still_can_join(
    kernelbox: Kernelbox, made: list[str]
) -> None:
    for name in ("first", "second"):
        kernelbox.ok("network", "create", name)
    try:
        container = create(kernelbox, made, "--network", "first", "--name", "joined", *FOREVER)
        kernelbox.ok("network", "connect", "--alias", "other", "second", "joined")
        assert "already" in kernelbox.refused("network", "connect", "second", "joined")
        for _ in range(2):
            kernelbox.ok("restart", "-t", "0", "joined")
            links = kernelbox.ok("exec", container, "ls", "/sys/class/net")
            assert {"eth0", "eth1"} <= set(links.split())
            found = kernelbox.inspect("joined")["NetworkSettings"]["Networks"]
            assert {"joined", "other"} <= set(found["second"]["Aliases"])
        kernelbox.ok("network", "disconnect", "second", "joined")
        kernelbox.ok("restart", "-t", "0", "joined")
        assert set(kernelbox.inspect("joined")["NetworkSettings"]["Networks"]) == {"first"}
    finally:
        kernelbox.ok("rm", "-f", "joined")
        kernelbox.ok("network", "rm", "first", "second")


def test_another_containers_network_is_joined_as_it_is_now(
    kernelbox: Kernelbox, made: list[str]
) -> None:
    owner = create(kernelbox, made, *ALONE, *FOREVER)
    kernelbox.ok("start", owner)
    guest = create(kernelbox, made, "--network", f"container:{owner}", *FOREVER)
    kernelbox.ok("restart", "-t", "0", owner)
    kernelbox.ok("start", guest)
    both = {looking.namespace(kernelbox.pid(one), "net") for one in (owner, guest)}
    assert len(both) == 1
    kernelbox.ok("stop", "-t", "0", guest, owner)
    assert "no network to share" in kernelbox("start", guest).stderr
    assert status(kernelbox, guest)[0] == "exited"


def test_a_start_that_fails_leaves_it_as_it_was(kernelbox: Kernelbox, made: list[str]) -> None:
    container = create(kernelbox, made, *ALONE, "busybox", "nosuchprogram")
    done = kernelbox("start", container)
    assert done.returncode == 1 and "not found" in done.stderr
    its = kernelbox.inspect(container)["State"]
    assert (its["Status"], its["ExitCode"]) == ("created", 127)
    assert "nosuchprogram" in its["Error"]


def test_a_trap_laid_in_one_life_catches_nobody_in_the_next(
    kernelbox: Kernelbox, made: list[str]
) -> None:
    container = create(kernelbox, made, *ALONE, "busybox", "true")
    upper = Path(kernelbox.inspect(container)["GraphDriver"]["Data"]["UpperDir"])
    kernelbox.ok("start", "-a", container)
    (upper / "sys").symlink_to("/")
    done = kernelbox("start", container)
    assert done.returncode == 1 and "/sys is not a directory" in done.stderr


def test_many_starts_at_once_are_one_start(kernelbox: Kernelbox, made: list[str]) -> None:
    container = create(kernelbox, made, *ALONE, *SHELL, "echo life; exec sleep 100")
    starts = [kernelbox.popen("start", container) for _ in range(6)]
    for one in starts:
        out, err = one.communicate(timeout=60)
        assert (one.returncode, out, err) == (0, f"{container}\n", "")
    assert kernelbox.ok("logs", container) == "life\n"


def test_start_and_rm_at_once_end_in_a_container_that_runs_or_in_none(
    kernelbox: Kernelbox, made: list[str]
) -> None:
    for force in ((), ("-f",)) * 3:
        container = create(kernelbox, made, *ALONE, *FOREVER)
        both = [kernelbox.popen("start", container), kernelbox.popen("rm", *force, container)]
        for one in both:
            one.communicate(timeout=60)
        if (kernelbox.root / "containers" / container).exists():
            assert both[0].returncode == 0 and looking.is_alive(kernelbox.pid(container))
        else:
            assert both[1].returncode == 0
            assert not [one for one in looking.cgroups() if container in str(one)]


def test_what_a_dead_monitor_and_a_host_that_went_down_leave_is_started_again(
    kernelbox: Kernelbox, made: list[str]
) -> None:
    container = create(kernelbox, made, *ALONE, *SHELL, "echo x >>/n; cat /n; exec sleep 100")
    directory = kernelbox.root / "containers" / container
    kernelbox.ok("start", container)
    assert soon(lambda: kernelbox.ok("logs", container) == "x\n")
    state = json.loads((directory / "state.json").read_text())
    os.kill(int((directory / "lock").read_text().split()[0]), signal.SIGKILL)
    (directory / "state.json").write_text(json.dumps(state | {"started": 1.0}))  # before this boot
    assert status(kernelbox, container) == ("exited", 137)
    assert kernelbox.inspect(container)["State"]["CutOff"]
    done = kernelbox("start", container)
    assert done.returncode == 0 and "may be lost" in done.stderr
    assert soon(lambda: kernelbox.ok("logs", container) == "x\nx\nx\n")
    assert not kernelbox.inspect(container)["State"]["CutOff"]


def test_killed_at_a_request_of_a_start_it_is_as_before_and_starts(tmp_path: Path) -> None:
    one = Sandbox(tmp_path / "root")
    try:
        container = one.ok("create", *TAG, *ALONE, "--name", "c", *SHELL, "exit 7").strip()
        for number in (1, 3, 9, 17, 25):
            done = one.run("start", "c", breaking=f"runtime:{number}:SIGKILL")
            assert done.status == 1 and "monitor was killed" in done.err
            assert one.inspect("c")["State"]["Status"] == "created"
            assert one.containers() == [container]
        assert one.run("start", "-a", "c").status == 7
        one.run("start", "c", breaking="container:9:SIGKILL")
        assert one.inspect("c")["State"]["Status"] == "exited"
        one.run("start", "c", breaking="runtime:9:SIGKILL")
    finally:
        one.reset()


def test_events_tell_both_lives(kernelbox: Kernelbox, made: list[str]) -> None:
    container = create(kernelbox, made, *ALONE, *FOREVER)
    kernelbox.ok("start", container)
    kernelbox.ok("restart", "-t", "0", container)
    kernelbox.ok("rm", "-f", container)
    lines = kernelbox.ok("events", "--since", "5m", "--until", "0s", "--format", "json")
    told = [json.loads(line) for line in lines.splitlines()]
    actions = [one["Action"] for one in told if one["Actor"]["ID"] == container]
    life = ["start", "kill", "die"]
    assert actions == ["create", *life, "start", "restart", *life[1:], "destroy"]
