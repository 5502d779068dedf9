"""The grid of attacks: what gets through which defence, on this kernel; and what is left of it."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernelbox.lab import LabError, attacks, notebook
from kernelbox.lab.attacks import tries
from kernelbox.lab.attacks.planted import SECRET
from kernelbox.lab.notebook import Lab
from kernelbox.plumbing import paths
from kernelbox.seccomp import machines
from tests.looking import soon

# Docker, "Seccomp security profiles for Docker" and "Runtime privilege and Linux capabilities".
BLOCKED = {
    "a file", "a file by its handle", "a disk", "kernel memory", "a left descriptor", "the runtime",
    "a volume", "root's key",
    "a signal", "a trace", "a mount", "a module", "core_pattern", "release_agent", "the clock",
    "the kernel's log", "a user namespace", "bpf", "io_uring", "userfaultfd", "perf",
}  # fmt: skip


@pytest.fixture(scope="module")
def box() -> Iterator[Lab]:
    made = notebook.Lab()
    yield made
    made.close()


@pytest.fixture(scope="module")
def grid(box: Lab) -> attacks.Grid:
    return attacks.measure(box)


def test_every_attack_that_dockers_defaults_block_is_blocked(grid: attacks.Grid) -> None:
    told = grid.outcomes["default"]
    assert {name for name, one in told.items() if one.through} == set(attacks.OPEN_BY_DEFAULT)
    assert {*attacks.ATTACKS} == {*BLOCKED, *attacks.OPEN_BY_DEFAULT}


def test_what_is_called_an_attack_gets_through_where_nothing_stops_it(grid: attacks.Grid) -> None:
    """An attack that never works would prove no defence."""
    unconfined = set(grid.through("privileged"))
    assert unconfined >= {
        "a file by its handle", "a disk", "root's key", "a mount", "core_pattern",
        "the kernel's log", "a user namespace", "bpf", "perf", "raw packets", "set-user-ID",
    }  # fmt: skip
    for name in ("a file by its handle", "a disk", "root's key"):
        assert grid.outcomes["privileged"][name].said == SECRET
    # Each defence stops something that the one before has let through.
    ladder = [set(grid.through(one)) for one in grid.defences if one != "user namespace"]
    assert all(more > less for more, less in itertools.pairwise(ladder))
    assert "root's key" in grid.through("no filter")  # keys belong to no namespace but the user's
    assert grid.open == ["one kernel"] == grid.through("hardened")


def test_alone_on_the_host_the_rest_would_get_through_too(tmp_path: Path) -> None:
    """What namespaces stop, no container shows: here it is made without any."""
    planted = tmp_path / "planted"
    planted.write_text(SECRET)
    with subprocess.Popen(["sleep", "60"]) as victim:
        scene = {"file": str(planted), "victim": victim.pid, "calls": {"ptrace": 101}}
        if os.uname().machine == "aarch64":
            scene["calls"] = {"ptrace": 117}
        before, tries.SCENE = tries.SCENE, scene
        try:
            assert tries.outcome(tries.a_file) == (True, SECRET)
            assert tries.outcome(tries.a_signal) == (True, "it can be killed")
            assert tries.outcome(tries.a_trace) == (True, "it obeys")
            assert tries.outcome(tries.a_descriptor)[0]
            # Its own program is only busy: without a stone between, that would be the runtime's.
            assert tries.outcome(tries.the_runtime) == (True, "open as soon as it ends")
        finally:
            tries.SCENE = before
            victim.kill()


def test_who_copies_by_the_path_alone_is_led_astray_by_the_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, volume = tmp_path / "secret", tmp_path / "volume"
    secret.write_text(SECRET)
    volume.mkdir()
    monkeypatch.setattr(tries, "VOLUME", str(volume))
    monkeypatch.setattr(tries, "SCENE", {"calls": machines.this().numbers})
    attacker = os.fork()
    if attacker == 0:
        tries.a_volume()
    try:
        way = Path(f"{volume}/way{secret}")
        assert soon(way.exists) and soon(lambda: not way.exists()) and soon(way.exists)
    finally:
        os.kill(attacker, signal.SIGKILL)
        os.waitpid(attacker, 0)


def test_nothing_is_left_of_what_was_planted(grid: attacks.Grid) -> None:
    assert not list(Path(paths.root()).glob("kernelbox-*"))
    assert "kernelbox-" not in Path("/proc/keys").read_text()


def test_one_container_is_attacked_alone_with_options_of_its_own() -> None:
    box = notebook.Lab()  # of this test's root, where the command line is at home, too
    try:
        found = attacks.attack(box, cap_drop=["NET_RAW"], pids_limit=40)
    finally:
        box.close()
    through = {name for name, one in found.items() if one.through}
    assert through == {"set-user-ID", "a changed program", "one kernel"}
    assert (found["raw packets"].said, found["a fork bomb"].said) == ("EPERM", "EAGAIN")


def test_what_is_after_is_planted_where_no_keyring_leads_to_the_users() -> None:
    """As systemd has it for a service, the agent of the lab VM's among them."""
    code = """
import ctypes
from kernelbox.lab import notebook
from kernelbox.lab.attacks import planted
from kernelbox.seccomp import machines

keyctl, join = machines.this().numbers["keyctl"], 1  # KEYCTL_JOIN_SESSION_KEYRING
assert ctypes.CDLL(None).syscall(keyctl, join, None) > 0
box = notebook.Lab()
try:
    with planted.planted(box) as told:
        print(told["key"])
finally:
    box.close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() not in Path("/proc/keys").read_text()


@pytest.mark.parametrize(
    ("options", "runtime", "volume"),
    [
        ({"user": "1000"}, "EBADF", "EACCES"),
        ({"init": True}, "exit 1", "ENOENT"),
        ({"tty": True, "name": "attacked"}, "EBADF", "ENOENT"),
    ],
)
def test_other_options_are_attacked_as_well(options: Any, runtime: str, volume: str) -> None:
    box = notebook.Lab()
    try:
        found = attacks.attack(box, **options)
        with pytest.raises(LabError, match="did not run"):
            attacks.attack(box, entrypoint="/bin/echo")
    finally:
        box.close()
    assert found["the runtime"] == (False, runtime)
    assert found["a volume"] == (False, volume)


def test_the_map_is_a_picture_and_a_table_with_the_same_words(grid: attacks.Grid) -> None:
    page, text = grid._repr_html_(), repr(grid)
    assert page.startswith("<") and "<table" in page and "<svg" in grid.svg()
    for name in (*grid.attacks, *grid.defences):
        assert name.replace("'", "&#x27;") in page and name in text
    assert text.count("through") == sum(len(grid.through(one)) for one in grid.defences)
    assert grid.svg() == grid._repr_svg_()
