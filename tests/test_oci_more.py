"""What few engines ask for: memory policies, links that are handed over, seccomp agents.

Source of each: OCI runtime-spec, config-linux.md, by its sections.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import looking
from tests.conftest import suffix_of
from tests.engine import Engine, gone

NUMA_MAPS = Path("/proc/self/numa_maps")


@pytest.mark.skipif(not NUMA_MAPS.exists(), reason="this kernel is not made for NUMA")
def test_which_memory_it_gets(engine: Engine) -> None:
    """Section "Memory policy": of the first program, and of those that `exec` adds."""
    engine.config["process"]["args"] = ["sleep", "1000"]
    for policy, wanted in (
        ({"mode": "MPOL_INTERLEAVE", "nodes": "0"}, "interleave:0"),
        ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}, "bind=static:0"),
        ({"mode": "MPOL_PREFERRED", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]},
         "prefer=relative:0"),
        ({"mode": "MPOL_DEFAULT"}, "default"),
        (None, "default"),
    ):  # fmt: skip
        engine.config["linux"]["memoryPolicy"] = policy
        pid = engine.create("numa")
        engine.ok("start", "numa")
        told = [Path(f"/proc/{pid}/numa_maps").read_text()]
        told.append(engine.ok("exec", "numa", "cat", "/proc/self/numa_maps"))
        assert {line.split()[1] for text in told for line in text.splitlines()} == {wanted}
        engine.ok("delete", "--force", "numa")
    for policy, said in (
        ({}, "memoryPolicy.mode must be"),
        ({"mode": "INTERLEAVE", "nodes": "0"}, "one of MPOL_DEFAULT"),
        ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_OTHER"]}, "MPOL_F_STATIC_NODES"),
        ({"mode": "MPOL_DEFAULT", "nodes": "0-7"}, "EINVAL"),
        ({"mode": "MPOL_BIND", "nodes": "0-9876543210"}, "list of memory nodes"),
        ({"mode": "MPOL_BIND"}, "EINVAL"),
    ):
        engine.config["linux"]["memoryPolicy"] = policy
        assert said in engine.refused("create", "--bundle", engine.bundle, "bad"), policy


def test_what_personality_exec_has(engine: Engine) -> None:
    """Section "Personality"; runc, "personality with exec": the container's."""
    if os.uname().machine == "x86_64":
        engine.config["linux"]["personality"] = {"domain": "LINUX32"}
    pid = _sleeping(engine, "like")
    seen = engine.ok("exec", "like", "cat", "/proc/self/personality")
    assert seen == Path(f"/proc/{pid}/personality").read_text()


def test_what_is_told_to_programs_is_told_without_spaces(engine: Engine) -> None:
    """runc, list.bats, events.bats: who has no reader of JSON looks for it by grep."""
    assert engine.ok("list").split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED"]
    assert (engine.ok("list", "--format", "json"), engine.ok("list", "-q")) == ("[]\n", "")
    pid = _sleeping(engine, "told")
    assert f'"id":"told","pid":{pid},"status":"running"' in engine.ok("list", "--format", "json")
    assert engine.ok("events", "--stats", "told").startswith('{"type":"stats","id":"told","data":{')
    assert engine.ok("ps", "--format", "json", "told") == f"[{pid}]\n"
    engine.refused("--log", engine.log, "--log-format", "json", "start", "told")
    assert engine.log.read_text().startswith('{"level":"error","msg":"cannot start')


def test_an_empty_home_is_none(engine: Engine) -> None:
    """runc, env.bats: a user's own is found in the image's accounts then."""
    (engine.bundle / "rootfs/etc/passwd").write_text("who::7:7::/tmp:/bin/sh\n")
    engine.config["process"]["env"] += ["HOME=/dev", "HOME="]
    engine.config["process"]["user"] = {"uid": 7, "gid": 7}
    try:
        assert engine.sh("echo $HOME") == "/tmp"
    finally:
        (engine.bundle / "rootfs/etc/passwd").unlink()


def _sleeping(engine: Engine, name: str) -> int:
    engine.config["process"]["args"] = ["sleep", "1000"]
    pid = engine.create(name)
    engine.ok("start", name)
    return pid


def test_exec_has_the_capabilities_of_the_bundle(engine: Engine) -> None:
    """runc, "exec --cap [ambient is set from spec]"; CVE-2022-29162: none is added inheritable."""
    chown, kill, audit, mknod = 1 << 0, 1 << 5, 1 << 29, 1 << 27
    engine.config["process"]["capabilities"] = {
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_MKNOD"],
        "permitted": ["CAP_CHOWN", "CAP_KILL"],
        "effective": ["CAP_KILL"],
        "inheritable": ["CAP_CHOWN", "CAP_MKNOD"],
        "ambient": ["CAP_CHOWN"],
    }
    engine.config["process"]["noNewPrivileges"] = True  # else root has what is bounding, too
    pid = _sleeping(engine, "able")
    asks = ["grep", "^Cap", "/proc/self/status"]
    own = [one for one in Path(f"/proc/{pid}/status").read_text().splitlines() if one[:3] == "Cap"]
    assert engine.ok("exec", "able", *asks).splitlines() == own
    masks = _masks(engine.ok("exec", "--cap", "CAP_AUDIT_WRITE", "able", *asks))
    assert masks["CapInh"] == chown | mknod and masks["CapAmb"] == chown
    assert masks["CapPrm"] == chown | kill | audit
    assert masks["CapBnd"] == chown | kill | audit | mknod
    # One that is inheritable already becomes ambient, too.
    masks = _masks(engine.ok("exec", "--cap", "mknod", "able", *asks))
    assert masks["CapInh"] == masks["CapAmb"] == chown | mknod
    assert masks["CapPrm"] == chown | kill | mknod


def _masks(told: str) -> dict[str, int]:
    """Return the sets of capabilities that the lines of a status file tell."""
    return {name: int(mask, 16) for name, mask in (one.split(":") for one in told.splitlines())}


def test_what_cannot_be_ambient_is_left_out_and_told(engine: Engine) -> None:
    """config.md, "Linux Process"; runc, "ambient caps not set in inheritable"."""
    sets = engine.config["process"]["capabilities"]
    sets["inheritable"], sets["ambient"] = ["CAP_KILL"], ["CAP_KILL", "CAP_CHOWN"]
    engine.config["process"]["args"] = ["grep", "^Cap", "/proc/self/status"]
    done = engine("run", "--bundle", engine.bundle, "box")
    assert done.returncode == 0 and _masks(done.stdout)["CapAmb"] == 1 << 5, done
    assert "can't raise ambient capability CAP_CHOWN: " in done.stderr and "KILL" not in done.stderr


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP"])
def test_who_waits_to_be_started_can_be_ended(engine: Engine, name: str) -> None:
    """runtime.md, "Kill": of a created container, too, whose first process is its namespace's."""
    engine.config["process"]["args"] = ["sleep", "1000"]
    pid = engine.create("waiting")
    engine.ok("kill", "waiting", name)
    assert looking.soon(lambda: gone(pid)) and engine.status("waiting") == "stopped"
    engine.ok("delete", "waiting")


@pytest.fixture
def cable(tests_root: Path) -> Iterator[tuple[str, str]]:
    """A veth pair on the host; the first end is to be given away, and takes the other with it.

    It is called as one to a machine next door, so that tests beside this one know whose it is.
    """
    ends = f"door{suffix_of(tests_root)}98", f"door{suffix_of(tests_root)}99"
    _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
    yield ends
    subprocess.run(["ip", "link", "del", ends[1]], stderr=subprocess.DEVNULL, check=False)


def _ip(*words: str, inside: int = 0) -> str:
    enter = ["nsenter", "--net", "-t", str(inside)] if inside else []
    return subprocess.run(
        [*enter, "ip", *words], stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def _links(pid: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_ip("-json", "address", "show", inside=pid))
    return [one for one in found if one["ifname"] != "lo"]


def test_a_link_of_the_hosts_is_handed_over(engine: Engine, cable: tuple[str, str]) -> None:
    """Section "Network Devices": its attributes and lasting addresses come along; it is up."""
    given, other = cable
    _ip("link", "set", given, "mtu", "1434", "address", "02:11:22:33:44:55", "up")
    for words in ("192.0.2.7/24", "2001:db8::7/64", "127.0.0.33/32 scope host"):
        _ip("address", "add", *words.split(), "dev", given)
    _ip("address", "add", "192.0.2.9/32", "dev", given, "valid_lft", "900", "preferred_lft", "900")
    engine.config["linux"]["netDevices"] = {given: {"name": "inside0"}}
    pid = _sleeping(engine, "linked")
    (link,) = _links(pid)
    assert (link["ifname"], link["mtu"], link["address"]) == ("inside0", 1434, "02:11:22:33:44:55")
    assert "UP" in link["flags"]
    lasting = {one["local"] for one in link["addr_info"] if one["scope"] == "global"}
    assert lasting == {"192.0.2.7", "2001:db8::7"}
    assert "127.0.0.33" not in str(link)
    assert given not in _ip("-brief", "link") and other in _ip("-brief", "link")
    assert "inside0" in engine.ok("exec", "linked", "cat", "/proc/net/dev")
    engine.ok("delete", "--force", "linked")
    assert looking.soon(lambda: other not in _ip("-brief", "link"))


def test_a_link_stays_in_a_namespace_of_others(engine: Engine, cable: tuple[str, str]) -> None:
    """Section "Namespace Lifecycle": the runtime MUST NOT move it out again; names are checked."""
    given, _ = cable
    linux = engine.config["linux"]
    with subprocess.Popen(["unshare", "--net", "sleep", "1000"]) as owner:
        assert looking.soon(lambda: Path(f"/proc/{owner.pid}/comm").read_text() == "sleep\n")
        for name in ("eth0", "eth1"):
            _ip("link", "add", name, "type", "bridge", inside=owner.pid)
        kinds = [one for one in linux["namespaces"] if one["type"] != "network"]
        linux["namespaces"] = [*kinds, {"type": "network", "path": f"/proc/{owner.pid}/ns/net"}]
        for name, wanted, said in (
            (given, "eth1", "already"),
            ("nothing", "eth5", "no link nothing"),
            ("lo", "lo1", "EINVAL"),
            (given, "much/too/wrong", "name of a link"),
            (given, "a-name-much-too-long", "at most 15 bytes"),
        ):
            linux["netDevices"] = {name: {"name": wanted}}
            assert said in engine.refused("create", "--bundle", engine.bundle, "bad"), wanted
            assert given in _ip("-brief", "link")
        linux["netDevices"] = {given: {"name": "eth%d"}}
        _sleeping(engine, "linked")
        engine.ok("delete", "--force", "linked")
        assert {one["ifname"] for one in _links(owner.pid)} == {"eth0", "eth1", "eth2"}
        linux["namespaces"] = kinds
        assert "network namespace" in engine.refused("create", "--bundle", engine.bundle, "bad")
        owner.kill()


def test_features_tell_of_both(engine: Engine) -> None:
    """features-linux.md, "MemoryPolicy", "NetDevices"."""
    told = json.loads(engine.ok("features"))
    assert told["linux"]["netDevices"] == {"enabled": True}
    assert {"MPOL_BIND", "MPOL_WEIGHTED_INTERLEAVE"} <= set(told["linux"]["memoryPolicy"]["modes"])
    assert re.fullmatch(r"1\.3\.\d", told["ociVersionMax"])


def test_an_output_that_is_no_terminal_has_lines_without_carriage_returns(engine: Engine) -> None:
    """runc, ClearONLCR: what a container's terminal says can be read by a program."""
    engine.config["process"] |= {"terminal": True, "args": ["sh", "-c", "tty; echo told"]}
    output = engine.bundle / "output"
    with output.open("w") as file:
        assert engine("run", "--bundle", engine.bundle, "told", stdout=file).returncode == 0
        engine.config["process"] |= {"terminal": False, "args": ["sleep", "1000"]}
        _sleeping(engine, "more")
        assert engine("exec", "--tty", "more", "tty", stdout=file).returncode == 0
    assert output.read_bytes() == b"/dev/pts/0\ntold\n/dev/pts/0\n"


RECEIVE, SEND = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_*, linux/seccomp.h
ENOMEDIUM = 123


def _agent(listener: socket.socket, told: Path) -> None:
    """Be a seccomp agent for one process after another: mkdir fails, all else goes on."""
    while True:
        connection, _ = listener.accept()
        payload, fds, _, _ = socket.recv_fds(connection, 1 << 16, 4)
        assert connection.recv(1) == b""  # exactly one a connection
        with told.open("a") as file:
            print(payload.decode(), len(fds), file=file)
        if os.fork() == 0:
            with contextlib.suppress(OSError):  # until nobody has the filter any more
                while True:
                    call = bytearray(80)
                    fcntl.ioctl(fds[0], RECEIVE, call)
                    which, _, _, number = struct.unpack_from("=QIIi", call)
                    is_mkdir = number in (83, 258, 34)  # x86-64's, and arm64's
                    answer = (which, 0, -ENOMEDIUM, 0) if is_mkdir else (which, 0, 0, 1)
                    fcntl.ioctl(fds[0], SEND, struct.pack("=QqiI", *answer))
            os._exit(0)
        os.close(fds[0])


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """The socket of a seccomp agent, and a file of what it is told."""
    path, told = tmp_path / "agent", tmp_path / "told"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            _agent(listener, told)
        finally:
            os._exit(1)
    listener.close()
    yield path, told
    os.kill(pid, 9)
    os.waitpid(pid, 0)


@pytest.mark.parametrize("promise", [True, False])
@pytest.mark.parametrize("calls", [["mkdir", "mkdirat"], ["mkdirat", "mkdir", "write", "sendmsg",
                                   "openat", "read", "close", "fcntl", "execve"]])  # fmt: skip
def test_an_agent_answers_calls(
    engine: Engine, agent: tuple[Path, Path], promise: bool, calls: list[str]
) -> None:
    """Section "Seccomp", "The Container Process State"; also for calls that the runtime makes."""
    path, told = agent
    engine.config["annotations"] = {"some": "thing"}
    engine.config["process"]["noNewPrivileges"] = promise
    engine.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "SECCOMP_FILTER_FLAG_TSYNC"],
        "listenerPath": str(path),
        "listenerMetadata": "for the agent",
        "syscalls": [{"names": calls, "action": "SCMP_ACT_NOTIFY"}],
    }
    script = "mkdir /tmp/x 2>&1; ls /proc/self/fd | cat; sleep 1000"
    engine.config["process"]["args"] = ["sh", "-c", script]
    output = engine.bundle / "output"
    with output.open("w") as file:
        done = engine(
            "run", "--detach", "--pid-file", engine.bundle / "pid", "--bundle", engine.bundle,
            "asking", stdout=file, stderr=subprocess.STDOUT,
        )  # fmt: skip
    assert done.returncode == 0, output.read_text()
    assert looking.soon(lambda: output.read_text().count("\n") == 5), output.read_text()
    assert "No medium found" in output.read_text()
    assert output.read_text().split()[-4:] == ["0", "1", "2", "3"]  # the last is of `ls` itself
    pid = int((engine.bundle / "pid").read_text())
    text, _, count = told.read_text().rstrip().rpartition(" ")
    state = json.loads(text)
    assert (count, state["fds"], state["metadata"]) == ("1", ["seccompFd"], "for the agent")
    assert state["pid"] == state["state"]["pid"] == pid
    assert state["state"]["id"] == "asking" and state["state"]["bundle"] == str(engine.bundle)
    assert state["state"]["annotations"] == {"some": "thing"}
    assert "No medium" in engine("exec", "asking", "mkdir", "/tmp/y").stderr
    second = json.loads(told.read_text().splitlines()[1].rpartition(" ")[0])
    assert second["pid"] != pid and second["state"]["pid"] == pid
    assert second["state"]["status"] == "running"


def test_nobody_is_left_unanswered(engine: Engine, agent: tuple[Path, Path]) -> None:
    """Section "Seccomp": if sending fails it MUST be an error; without NOTIFY nobody is sent to."""
    path, told = agent
    seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": str(path)}
    engine.config["linux"]["seccomp"] = seccomp
    assert engine.sh("mkdir /tmp/fine; echo done") == "done" and not told.exists()
    seccomp["listenerPath"] = str(path.parent / "nobody")
    assert engine.sh("echo done") == "done"
    rules = [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]
    engine.config["linux"]["seccomp"] = {**seccomp, "syscalls": rules}
    engine.config["process"]["args"] = ["sleep", "1000"]
    pid = engine.create("asking")
    assert "seccomp agent" in engine.refused("start", "asking")
    assert looking.soon(lambda: gone(pid)) and engine.status("asking") == "stopped"
    engine.ok("delete", "asking")
    engine.config["linux"]["seccomp"] |= {"listenerPath": "", "listenerMetadata": "x"}
    assert "listenerMetadata" in engine.refused("create", "--bundle", engine.bundle, "bad")
    engine.config["linux"]["seccomp"]["listenerMetadata"] = ""
    assert "SCMP_ACT_NOTIFY" in engine.refused("create", "--bundle", engine.bundle, "bad")
