"""The kit of chapter 13: an engine and what it makes, as the kernel has it; Podman beside it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelbox.lab import Lab, LabError, lifecycle
from tests import looking

DYING = """
import os
from kernelbox import lab
from kernelbox.lab import lifecycle

engine = lifecycle.Engine(lab.start())
engine.bundle("last", "sleep 1000")
engine.create("last")
print(engine.directory, engine.pid("last"), flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def engine(box: Lab) -> Iterator[lifecycle.Engine]:
    made = lifecycle.Engine(box)
    yield made
    made.remove()
    assert not made.directory.exists()


def groups(container: str) -> list[Path]:
    """Return the directories of a container's control group."""
    return [one for one in looking.cgroups() if re.fullmatch(f"oci-.*-{container}", one.name)]


def executed(pid: int) -> str:
    return os.path.basename(os.readlink(f"/proc/{pid}/exe"))


def test_between_the_two_acts_its_first_process_has_not_executed_the_program(
    engine: lifecycle.Engine,
) -> None:
    engine.bundle("acts", ["sh", "-c", "echo hello; exec sleep 1000"])
    made = engine.create("acts")
    pid = engine.pid("acts")
    assert executed(pid) != "busybox" and engine.program(pid) == "the runtime"
    assert made.of("clone3") and not made.of("execve")
    assert engine.start("acts").of("execve")
    assert engine.said("acts") == "hello\n"
    assert executed(pid) == "busybox" and engine.program(pid) == "the bundle's busybox"
    assert engine("exec", "acts", "hostname").said == "bundle\n"
    with pytest.raises(LabError, match="that is running"):
        engine.start("acts")


def test_what_is_left_of_a_container_is_what_the_kernel_has(engine: lifecycle.Engine) -> None:
    engine.bundle("count", "sleep 1000")
    engine.create("count")
    left = engine.left("count")
    assert left.pids == [engine.pid("count")] and left.directory
    inodes = {one.stat().st_ino for one in groups("count")}
    assert {os.stat(one).st_ino for one in left.groups} == inodes
    engine.delete("count")
    assert not engine.left("count").things and not groups("count")


def test_a_runtime_killed_before_the_birth_leaves_its_note_and_the_group(
    engine: lifecycle.Engine,
) -> None:
    engine.bundle("half", "true")
    [birth] = engine.create("half").of("clone3")
    engine.create("half", kill_before=birth.number)
    assert engine.status("half") == "stopped" and groups("half")
    assert repr(engine.left("half")) == "its control group, the runtime's directory"
    engine.delete("half")
    assert not groups("half") and engine.noted() == []


def test_a_container_whose_note_is_lost_is_deleted_all_the_same(engine: lifecycle.Engine) -> None:
    engine.bundle("lost", "sleep 1000")
    engine.create("lost")
    engine.shell(f"rm -r {engine.states / 'lost'}")
    assert engine.status("lost") == "" and groups("lost")
    engine.delete("lost")
    assert not groups("lost")


def test_what_a_killed_notebook_has_left_ends_with_the_next_engine(
    box: Lab, tests_root: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DYING], stdout=subprocess.PIPE, text=True, check=False,
        env={**os.environ, "KERNELBOX_ROOT": str(tests_root)},
    )  # fmt: skip
    directory, pid = done.stdout.split()
    assert done.returncode == -9 and Path(directory).exists() and groups("last")
    lifecycle.Engine(box).remove()
    assert looking.soon(lambda: not looking.is_alive(int(pid)))
    assert not Path(directory).exists() and not groups("last")


def test_a_walk_draws_what_was_answered_and_nothing_else(
    engine: lifecycle.Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.bundle("walker", "sleep 1000")
    walk = lifecycle.Walk(engine, "walker")
    for verb in ("start", "create", "kill KILL", "delete"):
        walk(verb)
    assert capsys.readouterr().out.count("refused: ") == 1
    assert [(one.before, one.after) for one in walk.steps] == [
        ("no container", "no container"),
        ("no container", "created"),
        ("created", "stopped"),
        ("stopped", "no container"),
    ]
    drawn = walk.svg()
    assert drawn.count("marker-end") == 3 and "pause<" not in drawn


def test_a_wreck_is_one_that_runs_one_that_waits_and_one_half_made(
    engine: lifecycle.Engine,
) -> None:
    wreck = lifecycle.Wreck(engine)
    assert engine.noted() == sorted(wreck.names)
    found = {name: engine.status(name) for name in wreck.names}
    assert found.pop(wreck.wanted) == "running"
    assert sorted(found.values()) == ["created", "stopped"]
    assert all(groups(name) for name in wreck.names)


@pytest.mark.skipif(bool(lifecycle.podman.missing()), reason="podman is not installed")
def test_podman_asks_for_the_same_phases_in_the_same_order(
    box: Lab, engine: lifecycle.Engine
) -> None:
    engine.bundle("ours", "sleep 1000")
    ours = lifecycle.phases(engine.create("ours"))
    podman = lifecycle.Podman(box)
    try:
        podman("create", "--name", "guest", "--network", "none", "box:1", "sleep", "1000")
        podman("init", "guest")
        pid = podman.pid("guest")
        assert executed(pid) != "busybox"
        theirs = lifecycle.phases(podman.trace("guest"))
        podman("start", "guest")
        assert executed(pid) == "busybox"
    finally:
        podman.remove()
    assert not looking.is_alive(pid)
    assert [one for one in theirs if one in ours] == list(ours)
    assert theirs["hidden paths"] and "hidden paths" not in ours
