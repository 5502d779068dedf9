"""`update` of containers that run: what the kernel has then, and what happens where it will not."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from kernelbox import cgroup
from kernelbox.cgroup import applying
from kernelbox.kernel.errors import UsageError
from tests.command import Kernelbox
from tests.looking import soon
from tests.test_limits import FOREVER, IS_V1, MIB, directory, swap_is_counted, text

ALONE = ("--network", "none")


def memory_max(pid: int) -> int:
    return int(text(pid, "memory", "memory.limit_in_bytes" if IS_V1 else "memory.max"))


def memory_in_use(pid: int) -> int:
    return int(text(pid, "memory", "memory.usage_in_bytes" if IS_V1 else "memory.current"))


def test_every_limit_that_is_named_changes_and_no_other(kernelbox: Kernelbox) -> None:
    container = kernelbox.start("--memory=64m", "--cpus=0.5", "--pids-limit=50", *FOREVER)
    pid = kernelbox.pid(container)

    options = ("--pids-limit=60", "--cpu-shares=512", "--cpuset-cpus=0", "--memory=32m")
    assert kernelbox.ok("update", *options, container) == f"{container}\n"
    assert memory_max(pid) == 32 * MIB
    assert text(pid, "pids", "pids.max") == "60"
    assert text(pid, "cpuset", "cpuset.cpus") == "0"
    assert os.sched_getaffinity(pid) == {0}
    host = kernelbox.inspect(container)["HostConfig"]
    assert (host["NanoCpus"], host["CpuShares"], host["CpusetCpus"]) == (500_000_000, 512, "0")

    kernelbox.ok("update", "--cpu-quota=20000", container)
    assert kernelbox.inspect(container)["HostConfig"]["NanoCpus"] == 200_000_000
    kernelbox.ok("update", "--cpu-period=50000", container)
    assert kernelbox.inspect(container)["HostConfig"]["NanoCpus"] == 400_000_000
    assert kernelbox.ok("exec", container, "nproc") == "1\n"


def test_inspect_tells_what_somebody_else_has_written(kernelbox: Kernelbox) -> None:
    container = kernelbox.start("--pids-limit=50", *FOREVER)
    (directory(kernelbox.pid(container), "pids") / "pids.max").write_text("77")
    assert kernelbox.inspect(container)["HostConfig"]["PidsLimit"] == 77
    kernelbox.ok("stop", "-t", "0", container)
    assert kernelbox.inspect(container)["HostConfig"]["PidsLimit"] == 50


def test_the_limits_of_an_update_are_remembered_when_the_container_has_ended(
    kernelbox: Kernelbox,
) -> None:
    container = kernelbox.start("--memory=64m", *FOREVER)
    kernelbox.ok("update", "--memory=32m", container)
    kernelbox.ok("stop", "-t", "0", container)
    assert kernelbox.inspect(container)["HostConfig"]["Memory"] == 32 * MIB


def test_memory_grows_and_shrinks_beside_its_swap(kernelbox: Kernelbox) -> None:
    if not swap_is_counted():
        pytest.skip("this host does not count swap")
    container = kernelbox.start("--memory=32m", *FOREVER)
    pid = kernelbox.pid(container)
    said = kernelbox("update", "--memory=128m", container)
    assert (said.returncode, said.stdout) == (1, "")
    assert "already set memoryswap limit" in said.stderr and "--memory-swap" in said.stderr
    assert memory_max(pid) == 32 * MIB

    for memory, together in ((128, 256), (16, 16), (512, 512), (8, 64)):
        kernelbox.ok("update", f"--memory={memory}m", f"--memory-swap={together}m", container)
        host = kernelbox.inspect(container)["HostConfig"]
        assert (host["Memory"], host["MemorySwap"]) == (memory * MIB, together * MIB)
    kernelbox.ok("update", "--memory-swap=-1", container)
    assert kernelbox.inspect(container)["HostConfig"]["MemorySwap"] == -1
    kernelbox.ok("update", "--memory=256m", container)
    assert memory_max(pid) == 256 * MIB


def test_less_memory_than_is_in_use_has_the_effect_that_the_kernel_gives_it(
    kernelbox: Kernelbox,
) -> None:
    """v1 refuses it, and nothing changes; v2 ends the process, and the command says so."""
    options = ("--memory=128m", "--memory-swap=128m", *ALONE)
    script = "x=$(head -c 30000000 /dev/zero | tr '\\0' x); echo ready; while :; do sleep 1; done"
    container = kernelbox.start(*options, "busybox", "sh", "-c", script)
    pid = kernelbox.pid(container)
    assert soon(lambda: kernelbox.ok("logs", container) == "ready\n")
    assert memory_in_use(pid) > 25 * MIB

    said = kernelbox("update", "--memory=8m", "--memory-swap=8m", container)
    if IS_V1:
        assert said.returncode == 1 and "EBUSY" in said.stderr
        assert "uses more than that already" in said.stderr
        assert kernelbox.inspect(container)["State"]["Running"]
        assert memory_max(pid) == 128 * MIB
    else:
        assert said.returncode == 0
        assert re.search(r"the kernel has ended \d+ process(es)? of", said.stderr)
        assert kernelbox.ok("wait", container) == "137\n"
        assert kernelbox.inspect(container)["State"]["OOMKilled"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "no limit is given"),
        (("--memory=1k",), "6MB"),
        (("--cpus=0.5", "--cpu-quota=1000"), "Conflicting options"),
        (("--cpuset-cpus=99999",), "not available"),
        (("--memory-swap=1m",), "larger than memory limit"),
        (("--memory-reservation=1g",), "less than memory reservation"),
        (("--device-read-bps=/dev/null:1",), "no disk"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(
    kernelbox: Kernelbox, options: tuple[str, ...], words: str
) -> None:
    container = kernelbox.start("--memory=64m", *FOREVER)
    before = kernelbox.inspect(container)["HostConfig"]
    said = kernelbox("update", *options, container)
    assert said.returncode and words in said.stderr and len(said.stderr.splitlines()) == 1
    assert kernelbox.inspect(container)["HostConfig"] == before


def test_a_container_that_has_ended_has_no_limits_to_be_changed(kernelbox: Kernelbox) -> None:
    container = kernelbox.start(*ALONE, "busybox", "true")
    kernelbox.ok("wait", container)
    said = kernelbox("update", "--memory=64m", container)
    assert said.returncode == 1 and "is not running" in said.stderr


def test_several_are_updated_and_one_that_is_not_there_is_told(kernelbox: Kernelbox) -> None:
    first, second = kernelbox.start(*FOREVER), kernelbox.start(*FOREVER)
    said = kernelbox("update", "--pids-limit=9", first, "no-such", second)
    assert said.returncode == 1 and "no such container" in said.stderr
    assert said.stdout == f"{first}\n{second}\n"
    for one in (first, second):
        assert text(kernelbox.pid(one), "pids", "pids.max") == "9"


def test_a_share_of_the_cpu_never_exceeds_that_of_the_group_above_between_two_writes() -> None:
    with cgroup.of(f"test-{os.getpid()}-share") as group, group.below("child") as child:
        group.set("cpu.max", "50000 100000")
        for quota, period in ((50_000, 100_000), (5_000, 10_000), (100_000, 200_000), (500, 0)):
            if period:
                applying.change(child, {"cpu": {"quota": quota, "period": period}})
                assert child.get("cpu.max") == f"{quota} {period}"
            else:
                with pytest.raises(UsageError):
                    applying.change(child, {"cpu": {"quota": quota}})


def test_a_paused_container_takes_other_limits(kernelbox: Kernelbox) -> None:
    container = kernelbox.start("--memory=64m", *FOREVER)
    pid = kernelbox.pid(container)
    kernelbox.ok("pause", container)
    kernelbox.ok("update", "--memory=32m", "--cpus=0.2", "--pids-limit=20", container)
    assert memory_max(pid) == 32 * MIB
    assert kernelbox.inspect(container)["State"]["Paused"]
    assert Path(f"/proc/{pid}").exists()
