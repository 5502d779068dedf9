"""`kernelbox audit`: a defence is taken away, or added, by somebody else, and the word changes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests import looking
from tests.command import Kernelbox

ALONE = ("--network", "none")
FOREVER = ("busybox", "sleep", "infinity")
EVERY = (
    "pid namespace", "mount namespace", "network namespace", "uts namespace", "ipc namespace",
    "cgroup namespace", "user namespace", "capabilities", "no new privileges", "system call filter",
    "LSM profile", "read-only root", "masked paths", "read-only /proc/sys", "device list",
    "memory limit", "process limit", "CPU limit",
)  # fmt: skip


def audited(kernelbox: Kernelbox, container: str) -> dict[str, tuple[bool, str]]:
    """Return what is said of each defence: whether it holds, and what was found."""
    told = json.loads(kernelbox.ok("audit", "--format", "json", container))[container]
    assert [one["name"] for one in told] == list(EVERY)
    assert all(one["stops"] for one in told)
    return {one["name"]: (one["holds"], one["found"]) for one in told}


def missing(kernelbox: Kernelbox, container: str) -> set[str]:
    return {name for name, (holds, _) in audited(kernelbox, container).items() if not holds}


def test_a_default_container_lacks_what_nobody_asked_for(kernelbox: Kernelbox) -> None:
    assert missing(kernelbox, kernelbox.start(*ALONE, *FOREVER)) == {
        "user namespace", "no new privileges", "LSM profile",
        "read-only root", "memory limit", "process limit", "CPU limit",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "changed", "found"),
    [
        (("--userns", "auto"), "user namespace", "its own: its root is"),
        (("--security-opt", "no-new-privileges"), "no new privileges", "yes"),
        (("--security-opt", "seccomp=unconfined"), "system call filter", "none"),
        (("--read-only",), "read-only root", "yes"),
        (("--memory", "64m"), "memory limit", "64 MiB"),
        (("--pids-limit", "50"), "process limit", "50"),
        (("--cpus", "0.5"), "CPU limit", "0.5 CPUs"),
        (("--network", "host"), "network namespace", "the host's"),
        (("--cap-add", "SYS_PTRACE"), "capabilities", "15 of 41, with SYS_PTRACE"),
        (("--device", "/dev/kmsg"), "device list", "those of every container, with /dev/kmsg"),
    ],
)
def test_each_option_changes_the_word_on_one_defence(
    kernelbox: Kernelbox, options: tuple[str, ...], changed: str, found: str
) -> None:
    usual = missing(kernelbox, kernelbox.start(*ALONE, *FOREVER))
    container = kernelbox.start(*ALONE, *options, *FOREVER)
    assert missing(kernelbox, container) ^ usual == {changed}
    assert audited(kernelbox, container)[changed][1].startswith(found)


@pytest.mark.vm
def test_what_somebody_has_changed_since_is_told(kernelbox: Kernelbox) -> None:
    """The container was asked to be otherwise, and the kernel is believed."""
    container = kernelbox.start(*ALONE, "--pids-limit", "50", "--memory", "64m", *FOREVER)
    pid = kernelbox.pid(container)
    assert audited(kernelbox, container)["process limit"] == (True, "50")
    looking.limit_file(pid, "pids", "pids.max", "pids.max").write_text("max")
    enter = ["nsenter", "-t", str(pid), "-m"]
    subprocess.run([*enter, "umount", "/proc/keys"], check=True)
    subprocess.run([*enter, "umount", "/proc/sys"], check=True)
    told = audited(kernelbox, container)
    assert told["process limit"] == (False, "none")
    assert not told["masked paths"][0] and not told["read-only /proc/sys"][0]
    assert told["memory limit"] == (True, "64 MiB")


def test_devices_are_limited_by_the_group_and_by_nothing_else(kernelbox: Kernelbox) -> None:
    container = kernelbox.start(*ALONE, *FOREVER)
    assert audited(kernelbox, container)["device list"][0]
    group = Path("/sys/fs/cgroup/devices/kernelbox") / container
    if not group.exists():
        return  # in v2 the program stays as long as the group: there is nothing to take away
    (group / "devices.allow").write_text("b 8:0 r")
    found = (False, "those of every container, with b 8:0 r")
    assert audited(kernelbox, container)["device list"] == found


def test_two_are_compared_side_by_side(kernelbox: Kernelbox) -> None:
    kernelbox.start(*ALONE, "--name", "plain", "--security-opt", "seccomp=unconfined", *FOREVER)
    kernelbox.start(*ALONE, "--name", "guarded", *FOREVER)
    lines = kernelbox.ok("audit", "plain", "guarded").splitlines()
    assert lines[0].split()[:3] == ["DEFENCE", "plain", "guarded"]
    (line,) = [one for one in lines if "system call filter" in one]
    assert line.split()[:7] == ["open", "system", "call", "filter", "none", "1", "in"]
    (line,) = [one for one in lines if "device list" in one]
    assert not line.startswith("open")


def test_what_is_too_wide_stands_below(kernelbox: Kernelbox) -> None:
    container = kernelbox.start(*ALONE, *FOREVER)
    for width in (60, 100, 200):
        told = kernelbox.ok("audit", container, env={"COLUMNS": str(width)}).splitlines()
        assert max(map(len, told)) <= width
        (at,) = [number for number, line in enumerate(told) if "pid namespace" in line]
        stops = "to see, trace or signal"
        assert stops in (told[at] if width == 200 else told[at + 1])


def test_what_cannot_be_audited_is_one_clear_line(kernelbox: Kernelbox) -> None:
    ended = kernelbox.ok("run", "-d", *ALONE, "busybox", "true").strip()
    kernelbox.ok("wait", ended)
    assert "is not running" in kernelbox.refused("audit", ended)
    assert "no such container" in kernelbox.refused("audit", "nonesuch")
    assert "a comparison is of two" in kernelbox.refused("audit", "a", "b", "c")
    kernelbox.ok("rm", ended)
