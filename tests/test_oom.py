"""Out of memory: whom the kernel killed, and who is told, by `oom_kill` alone."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from kernelbox import cgroup
from tests.command import Kernelbox
from tests.looking import soon
from tests.test_limits import FOREVER, IS_V1, MIB
from tests.test_limits import directory as directory_of

ALONE = ("--network", "none")
TIGHT = ("--memory", "16m", "--memory-swap", "16m", *ALONE)
EAT = "tail /dev/zero"  # it keeps all that it reads until the first end of a line


def state(kernelbox: Kernelbox, container: str) -> dict[str, Any]:
    found = kernelbox.inspect(container)["State"]
    assert isinstance(found, dict)
    return found


def oom_kills(pid: int) -> int:
    """What the kernel counts for the container of a process, whichever group below it is in."""
    group = directory_of(pid, "memory")
    while group.parent.name != "kernelbox":
        group = group.parent
    file = "memory.oom_control" if IS_V1 else "memory.events"
    groups = group.rglob(file) if IS_V1 else [group / file]
    return sum(
        int(line.split()[1])
        for one in groups
        for line in one.read_text().splitlines()
        if line.startswith("oom_kill ")
    )


def test_a_first_process_that_eats_too_much_is_killed_and_inspect_says_why(
    kernelbox: Kernelbox,
) -> None:
    container = kernelbox.start(*TIGHT, "busybox", *EAT.split())
    assert kernelbox.ok("wait", container) == "137\n"
    assert state(kernelbox, container)["OOMKilled"]
    assert "out of memory" in kernelbox.ok("ps", "-a")


def test_one_that_survives_its_child_is_told_to_have_lost_it_while_it_runs_and_later(
    kernelbox: Kernelbox,
) -> None:
    script = f"{EAT}; echo $?; while [ ! -e /enough ]; do sleep 0.05; done; exit 3"
    container = kernelbox.start(*TIGHT, "busybox", "sh", "-c", script)
    assert soon(lambda: kernelbox("logs", container).stdout == "137\n")
    assert oom_kills(kernelbox.pid(container)) == 1
    assert state(kernelbox, container)["OOMKilled"]
    kernelbox.ok("exec", container, "touch", "/enough")
    assert kernelbox.ok("wait", container) == "3\n"
    found = state(kernelbox, container)
    assert (found["OOMKilled"], found["ExitCode"]) == (True, 3)


def test_one_killed_process_of_exec_is_not_the_last_that_is_counted(kernelbox: Kernelbox) -> None:
    container = kernelbox.start(*TIGHT, "busybox", "sleep", "infinity")
    pid = kernelbox.pid(container)
    for count in (1, 2):
        assert kernelbox("exec", container, *EAT.split()).returncode == 137
        assert oom_kills(pid) == count
        assert state(kernelbox, container)["OOMKilled"]
        assert state(kernelbox, container)["Running"]


def test_who_meets_the_limit_and_frees_in_time_was_not_killed(kernelbox: Kernelbox) -> None:
    """Page cache fills the group up to its limit, again and again: nothing is killed for that."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:  # on a disk, as /tmp may not be
        with open(f"{directory}/file", "wb") as file:
            file.write(bytes(40 * MIB))
            file.flush()
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        script = "for i in 1 2 3; do cat /data/file > /dev/null; done; echo ok; sleep infinity"
        options = (*TIGHT, "-v", f"{directory}:/data:ro")
        container = kernelbox.start(*options, "busybox", "sh", "-c", script)
        assert soon(lambda: kernelbox.ok("logs", container) == "ok\n")
        group = directory_of(kernelbox.pid(container), "memory")
        if IS_V1:
            assert int((group / "memory.max_usage_in_bytes").read_text()) == 16 * MIB
        else:
            assert "\nmax 0\n" not in (group / "memory.events").read_text()
        assert oom_kills(kernelbox.pid(container)) == 0
        assert not state(kernelbox, container)["OOMKilled"]
        kernelbox.ok("rm", "-f", container)


# A container that makes groups in its own: in v2 its processes have to leave the upper one first.
NESTING_V1 = (
    "mount -t cgroup -o memory none /mnt && mkdir /mnt/tight && cd /mnt/tight &&"
    "echo 8m > memory.limit_in_bytes && echo 8m > memory.memsw.limit_in_bytes;"
)
NESTING_V2 = (
    "mount -o remount,rw /sys/fs/cgroup && cd /sys/fs/cgroup && mkdir own tight &&"
    "echo 1 > own/cgroup.procs && echo +memory > cgroup.subtree_control &&"
    "cd tight && echo 8M > memory.max && echo 0 > memory.swap.max;"
)


def test_an_oom_in_a_group_that_the_container_has_made_is_counted_and_it_ends_like_any_other(
    kernelbox: Kernelbox,
) -> None:
    nesting = NESTING_V1 if IS_V1 else NESTING_V2
    script = f"{nesting} sh -c 'echo $$ > cgroup.procs; exec {EAT}'; echo $?; sleep infinity"
    options = ("--memory=64m", "--cap-add", "SYS_ADMIN", *ALONE)
    container = kernelbox.start(*options, "busybox", "sh", "-c", script)
    assert soon(lambda: kernelbox("logs", container).stdout == "137\n")
    pid = kernelbox.pid(container)
    assert oom_kills(pid) == 1
    assert state(kernelbox, container)["OOMKilled"]
    assert cgroup.of(container).processes() == [pid]
    groups = [Path(one) for one in kernelbox.inspect(container)["Cgroup"]]
    kernelbox.ok("stop", "-t", "0", container)
    assert not any(one.exists() for one in groups)
    assert state(kernelbox, container)["OOMKilled"]


def test_a_limit_too_low_for_the_start_says_so_and_the_name_is_free_again(
    kernelbox: Kernelbox,
) -> None:
    with cgroup.of(f"test-{os.getpid()}-tiny") as group:
        group.set("memory.max", 256 << 10)
        options = ("--name", "tiny", "--cgroup-parent", group.name, *FOREVER)
        said = kernelbox.refused("run", "-d", *options)
        assert "too low for the start itself" in said and "--memory" in said
        assert "tiny" not in kernelbox.ok("ps", "-a")
        group.set("memory.max", "max")
        container = kernelbox.start(*options)
        assert state(kernelbox, container)["Running"]
        kernelbox.ok("rm", "-f", container)


def test_stats_are_what_docker_shows_and_what_cgroupfs_says(kernelbox: Kernelbox) -> None:
    script = "dd if=/dev/zero of=/file bs=1M count=20 2>/dev/null; sync; echo ready; sleep infinity"
    options = ("--memory", "64m", *ALONE, "--name", "shown")
    container = kernelbox.start(*options, "busybox", "sh", "-c", script)
    assert soon(lambda: kernelbox.ok("logs", container) == "ready\n")

    (line,) = kernelbox.ok("stats", "--no-stream", "--format", "json", container).splitlines()
    shown = json.loads(line)
    assert shown.keys() == {
        "ID",
        "Name",
        "CPUPerc",
        "MemUsage",
        "MemPerc",
        "NetIO",
        "BlockIO",
        "PIDs",
    }
    assert (shown["ID"], shown["Name"], shown["PIDs"]) == (container, "shown", "1")
    used, limit = shown["MemUsage"].split(" / ")
    group = directory_of(kernelbox.pid(container), "memory")
    current = int((group / ("memory.usage_in_bytes" if IS_V1 else "memory.current")).read_text())
    assert current > 20 * MIB  # the page cache counts ...
    assert limit == "64MiB" and not used.endswith("GiB")
    assert used.endswith("KiB") or float(used.removesuffix("MiB")) < 15  # ... and is not shown


def test_stats_that_stream_end_with_the_last_container_that_was_named(kernelbox: Kernelbox) -> None:
    first, second = kernelbox.start(*FOREVER), kernelbox.start(*FOREVER)
    stream = kernelbox.popen("stats", "--format", "json", first, second)
    assert stream.stdout is not None
    assert {json.loads(stream.stdout.readline())["ID"] for _ in range(2)} == {first, second}
    kernelbox.ok("rm", "-f", first)
    kernelbox.ok("rm", "-f", second)
    rest, complaint = stream.communicate(timeout=300)
    assert (stream.returncode, complaint) == (0, "")
    for line in rest.splitlines():
        assert json.loads(line)["ID"] in (first, second)


@pytest.mark.skipif(not IS_V1, reason="in v2 nobody inside can leave the root of its namespace")
def test_a_process_that_has_moved_itself_out_of_the_limits_ends_with_its_container(
    kernelbox: Kernelbox,
) -> None:
    script = (
        "mount -t cgroup -o pids none /mnt && mkdir /mnt/own && echo $$ > /mnt/own/cgroup.procs;"
        "echo moved; sleep infinity"
    )
    options = ("--pids-limit", "20", "--cap-add", "SYS_ADMIN", *ALONE)
    container = kernelbox.start(*options, "busybox", "sh", "-c", script)
    assert soon(lambda: kernelbox.ok("logs", container) == "moved\n")
    pid = kernelbox.pid(container)
    (line,) = kernelbox.ok("stats", "--no-stream", "--format", "json", container).splitlines()
    assert json.loads(line)["PIDs"] == "1"
    assert len(kernelbox.ok("top", container).splitlines()) == 2
    groups = [Path(one) for one in kernelbox.inspect(container)["Cgroup"]]
    kernelbox.ok("kill", container)
    assert not Path(f"/proc/{pid}").exists()
    assert not any(one.exists() for one in groups)


def test_a_group_that_is_gone_has_no_numbers_and_stops_nobody() -> None:
    with cgroup.of(f"test-{os.getpid()}-gone") as group:
        assert group.stats().memory_current == 0
    assert set(group.stats()) == {None}
    assert group.get("memory.max") == ""
    group.kill()
    group.remove()
