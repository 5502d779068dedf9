"""Who enters a container while somebody in it looks, who may look into every process there.

With CAP_SYS_PTRACE, and no user namespace between, nothing hides a process of the container's PID
namespace: neither its memory nor its root, not even from PR_SET_DUMPABLE. So nobody may be in there
who is more than the program that was asked for.

Source: CVE-2019-5736, CVE-2016-9962; ptrace(2), "Ptrace access mode checking".
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import looking
from tests.command import Kernelbox
from tests.engine import Engine
from tests.looking import soon

SECRET = "only the host's root may read this"
# What it sees of each process but its own, until it is told that it is enough; each thing once.
HOSTILE = """
import json, os, sys
place, report = sys.argv[1:]
own, seen, first = os.getpid(), set(), True
out = open(report, "w")
os.dup2(out.fileno(), 2)
def tell(*words):
    if words not in seen:
        seen.add(words)
        print(json.dumps(words), file=out, flush=True)
def look(pid):
    at = "/proc/" + pid
    tell("program", os.readlink(at + "/exe"))
    held = os.open(at + "/exe", os.O_RDONLY)
    for name in os.listdir(at + "/fd"):
        tell("descriptor", os.readlink(at + "/fd/" + name))
    caps = [line for line in open(at + "/status") if line.startswith("CapPrm")]
    memory = os.open(at + "/mem", os.O_RDWR)
    tell("memory with", int(caps[0].split()[1], 16))
    os.close(memory)
    os.close(held)
def steal(pid):
    tell("root", open("/proc/" + pid + "/root" + place).read())
while not os.path.exists(report + ".enough"):
    for pid in os.listdir("/proc"):
        if pid.isdecimal() and int(pid) != own:
            for act in steal, look:
                try:
                    act(pid)
                except (OSError, IndexError):  # it has just ended
                    pass
    if first:
        tell("ready")
        first = False
"""
OF_PYTHON = sorted(filter(os.path.isdir, {"/usr", "/lib", "/lib64", sys.base_prefix}))
ALLOWED = ["CAP_SYS_PTRACE", "CAP_KILL"]
ITS_OWN = ("/dev/null", "pipe:", "socket:", "/lib", "/usr", "/etc")  # descriptors
MASK = 1 << 19 | 1 << 5


def _furnish(engine: Engine) -> str:
    """Give a bundle the host's Python; return its path."""
    for path in OF_PYTHON:
        bind: dict[str, Any] = {"type": "bind", "options": ["rbind", "ro"]}
        engine.config["mounts"].append({**bind, "destination": path, "source": path})
    engine.config["process"]["capabilities"] = {
        one: ALLOWED for one in ("bounding", "effective", "permitted")
    }
    return os.path.realpath(sys.executable)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the host's, where a bundle's root has none."""
    found = tmp_path / "secret"
    found.write_text(SECRET)
    return found


def _told(report: Path) -> list[list[Any]]:
    return [json.loads(line) for line in report.read_text().splitlines()]


def _stolen(told: list[list[Any]]) -> list[list[Any]]:
    """Return what was seen that is not the program's own; its loader opens libraries."""
    return [
        one
        for one in told
        if one[0] == "root"
        or (one[0] == "program" and "python" in one[1])
        or (one[0] == "memory with" and one[1] & ~MASK)
        or (one[0] == "descriptor" and not one[1].startswith(ITS_OWN))
    ]


@pytest.mark.parametrize("filtered", [False, True])
def test_who_enters_is_nothing_but_the_program(
    engine: Engine, secret: Path, filtered: bool
) -> None:
    command = [_furnish(engine), "-IS", "-c", HOSTILE, str(secret), f"/tmp/{filtered}"]
    engine.config["process"]["args"] = command
    if filtered:
        calls = ["ptrace", "bpf"]
        rules = [{"names": calls, "action": "SCMP_ACT_ERRNO"}]
        engine.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}
    lost = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    engine.create("watched")
    engine.ok("start", "watched")
    report = engine.bundle / "rootfs/tmp" / str(filtered)
    assert soon(lambda: report.exists() and ["ready"] in _told(report))
    for _ in range(5):
        engine.ok("exec", "watched", "true")
        engine.ok("exec", "--detach", "watched", "true", **lost)
        assert engine.ok("exec", "watched", "sh", "-c", "echo hi") == "hi\n"
    Path(f"{report}.enough").touch()
    told = _told(report)
    assert not _stolen(told)
    # It did look: it is the others who were no more than they should be.
    assert ["memory with", MASK] in told
    engine.ok("delete", "--force", "watched")


def test_who_waits_to_be_started_is_the_runtime_and_is_not_looked_into(engine: Engine) -> None:
    """As with runc, `exec` may come before `start`; the first process is an interpreter by then."""
    python = _furnish(engine)
    engine.config["process"]["args"] = ["sleep", "1000"]
    engine.create("waiting")
    assert "CAP_SYS_PTRACE" in engine.refused("exec", "waiting", "true")
    engine.ok("delete", "--force", "waiting")
    engine.config["process"]["capabilities"] = {
        one: ["CAP_KILL"] for one in ("bounding", "effective", "permitted")
    }
    engine.create("waiting")
    assert "CAP_SYS_PTRACE" in engine.refused("exec", "--cap", "CAP_SYS_PTRACE", "waiting", "true")
    look = """
import os
for name in "exe", "root/", "mem", "environ", "fd/0":
    try:
        print(open("/proc/1/" + name, "rb") and name)
    except IsADirectoryError:
        print(name)
    except PermissionError:
        pass
"""
    assert engine.ok("exec", "waiting", python, "-IS", "-c", look) == ""
    engine.ok("delete", "--force", "waiting")


def _sleeping(engine: Engine, name: str) -> None:
    engine.config["process"]["args"] = ["sleep", "1000"]
    engine.create(name)
    engine.ok("start", name)


def test_who_enters_leads_a_session_in_there(engine: Engine) -> None:
    """setsid(2), ioctl_tty(2): with a terminal of its own, and what its file says is its pid."""
    _sleeping(engine, "led")
    file = engine.bundle / "entered.pid"
    fields = "pid name state parent group session terminal"
    script = f"tty; read {fields} rest </proc/$$/stat; echo $$ $group $session $terminal"
    asked = ("exec", "--tty", "--pid-file", file, "led", "sh", "-c", script)
    where, numbers = engine.ok(*asked).replace("\r", "").splitlines()
    pid, group, session, terminal = map(int, numbers.split())
    assert where == "/dev/pts/0" and pid == group == session > 1 and terminal == os.makedev(136, 0)
    lost = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    engine.ok("exec", "--detach", "--pid-file", file, "led", "sleep", "1000", **lost)
    inside = looking.status(int(file.read_text()))
    assert inside["Name"] == "sleep" and len(inside["NSpid"].split()) == 2
    assert "no such file" in engine.refused("exec", "led", "/bin/nothing")
    assert engine("exec", "led", "sh", "-c", "exit 9").returncode == 9
    before = engine.ok("ps", "--format", "json", "led")
    engine.refused("exec", "--pid-file", "/nowhere/pid", "led", "sleep", "1000")
    assert soon(lambda: engine.ok("ps", "--format", "json", "led") == before)
    engine.ok("delete", "--force", "led")


def test_a_user_who_may_have_one_process_has_it(engine: Engine) -> None:
    """getrlimit(2), RLIMIT_NPROC: who bears it counts until then."""
    one: Any = {"type": "RLIMIT_NPROC", "soft": 1, "hard": 2}
    engine.config["process"] |= {"user": {"uid": 4321, "gid": 4321}, "rlimits": [one]}
    engine.config["process"]["args"] = ["sh", "-c", "exec cat /proc/self/limits"]
    _sleeping(engine, "alone")
    (line,) = [
        line
        for line in engine.ok(
            "exec", "--user", "7654:7654", "alone", "cat", "/proc/self/limits"
        ).splitlines()
        if line.startswith("Max processes")
    ]
    assert line.split()[2:4] == ["1", "2"]
    engine.ok("delete", "--force", "alone")


@pytest.mark.parametrize("action", ["SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS"])
@pytest.mark.parametrize("call", ["clone", "setsid", "fcntl"])
def test_a_filter_that_forbids_to_bear_forbids_nobody_to_enter(
    engine: Engine, call: str, action: str
) -> None:
    rules: list[dict[str, Any]] = [{"names": [call], "action": action}]
    if call == "fcntl":  # but for what any start takes
        closing = {"index": 1, "value": 2, "op": "SCMP_CMP_NE"}
        rules = [{"names": [call], "action": action, "args": [closing]}]
    engine.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}
    _sleeping(engine, "strict")
    assert engine.ok("exec", "strict", "echo", "here") == "here\n"
    engine.ok("delete", "--force", "strict")


def test_who_enters_a_container_of_an_image_is_nothing_but_the_program_either(
    kernelbox: Kernelbox, secret: Path
) -> None:
    python, add = os.path.realpath(sys.executable), ("--cap-add", "SYS_PTRACE")
    volumes = [word for path in OF_PYTHON for word in ("-v", f"{path}:{path}:ro")]
    told_of = ("--network", "none", *volumes, *add)
    act = ("-IS", "-c", HOSTILE, str(secret), "/tmp/seen")
    container = kernelbox.start(*told_of, "busybox", python, *act)
    report = looking.inside(kernelbox.pid(container), "/tmp/seen")
    assert soon(lambda: report.exists() and ["ready"] in _told(report))
    for _ in range(5):
        kernelbox.ok("exec", container, "true")
        kernelbox.ok("exec", "-d", container, "true")
        assert kernelbox.ok("exec", container, "sh", "-c", "echo hi") == "hi\n"
    told = _told(report)
    masks = {one[1] for one in told if one[0] == "memory with"}
    own = int(looking.status(kernelbox.pid(container))["CapPrm"], 16)
    assert masks == {own} and own & 1 << 19
    assert not [one for one in _stolen(told) if one[0] != "memory with"]
